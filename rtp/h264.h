#pragma once

#include <cstdint>
#include <optional>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// One NAL unit, or one piece of it, out of an RTP payload.
struct H264Nal {
  static constexpr std::uint8_t kSlice = 1;
  static constexpr std::uint8_t kIdr = 5;
  static constexpr std::uint8_t kSei = 6;
  static constexpr std::uint8_t kSps = 7;
  static constexpr std::uint8_t kPps = 8;
  static constexpr std::uint8_t kAud = 9;

  std::uint8_t header = 0;  // the NAL unit header; of a fragment: put together again
  ConstBytes body{};        // what follows the header; of a fragment: its piece
  bool start = true;        // false: goes on what an earlier packet began
  bool end = true;          // false: goes on in the next packet

  [[nodiscard]] constexpr std::uint8_t type() const noexcept { return header & 0x1f; }
};

// The NAL units of one RTP payload in packetization modes 0 and 1 (RFC 6184): single NAL units,
// STAP-A and FU-A. Other structures, empty units and cut-off ones end the walk with ok() false.
class H264Reader {
 public:
  explicit H264Reader(ConstBytes payload) noexcept;

  [[nodiscard]] std::optional<H264Nal> next() noexcept;
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  [[nodiscard]] std::optional<H264Nal> next_of_stap() noexcept;
  [[nodiscard]] std::optional<H264Nal> fragment() noexcept;

  ConstBytes rest_;
  bool stap_ = false;
  bool ok_ = true;
};

// What one payload says about its frame. H.264 marks no frame start on the wire: `frame_start` is
// true for parameter sets, delimiters and SEI (which come before a picture) and for the first slice
// of a picture, so it may be true twice within a frame; equal timestamps tell.
struct H264Info {
  bool key_frame = false;  // an SPS, or the beginning of an IDR picture
  bool frame_start = false;
  bool has_sps = false;
  Resolution resolution{};  // from the SPS

  // Nothing when the payload is malformed.
  [[nodiscard]] static std::optional<H264Info> parse(ConstBytes payload) noexcept;
};

// The picture size in a sequence parameter set (H.264, section 7.3.2.1), cropping applied. `body`
// is the NAL unit without its header byte.
[[nodiscard]] std::optional<Resolution> h264_sps_resolution(ConstBytes body) noexcept;

}  // namespace parley::rtp
