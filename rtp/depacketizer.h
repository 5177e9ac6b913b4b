#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// Joins the payloads of one video frame, given in order and without holes, into the byte stream
// that decoders and muxers take: VP8 and VP9 (RFC 7741, 9628) without their descriptors, H.264 (RFC
// 6184) in Annex B with start codes, AV1 (its RTP specification 1.0, section 5) as OBUs with size
// fields and without temporal delimiters. It knows nothing of sequence numbers or loss.
class Depacketizer {
 public:
  // What one payload told of its frame.
  struct Part {
    bool ok = false;         // else the frame is spoilt
    bool key_frame = false;  // a decoder can start here; H.264: parameter sets are there
    bool idr = false;        // H.264: a picture that needs parameter sets, but no other picture
    Resolution resolution{};
  };

  // Begins a frame.
  void reset() noexcept;
  // Appends to `out`, the frame so far.
  [[nodiscard]] Part append(Codec codec, ConstBytes payload, std::vector<std::uint8_t>& out);
  // False when something was begun and not ended.
  [[nodiscard]] bool complete() const noexcept { return !open_; }

 private:
  [[nodiscard]] bool append_h264(ConstBytes payload, std::vector<std::uint8_t>& out);
  [[nodiscard]] bool append_av1(ConstBytes payload, std::vector<std::uint8_t>& out);

  bool open_ = false;        // a fragmented NAL unit or OBU goes on in the next packet
  std::size_t open_at_ = 0;  // AV1: where it begins in the frame
};

}  // namespace parley::rtp
