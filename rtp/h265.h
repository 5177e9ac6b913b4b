#pragma once

#include <cstdint>
#include <optional>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// What one H.265 RTP payload says about its frame (RFC 7798): single NAL units, aggregation packets
// and fragmentation units. As with H.264, `frame_start` may be true twice within a frame (parameter
// sets, then the first slice).
struct H265Info {
  bool key_frame = false;  // VPS, SPS, or the beginning of an IRAP picture
  bool frame_start = false;
  bool has_vps = false;     // the first of the three parameter sets: a decoder can start here
  Resolution resolution{};  // from the SPS
  std::uint8_t temporal_id = 0;

  // Nothing when the payload is malformed.
  [[nodiscard]] static std::optional<H265Info> parse(ConstBytes payload) noexcept;
};

// The picture size in a sequence parameter set (H.265, section 7.3.2.2), cropping applied. `body`
// is the NAL unit without its two header bytes.
[[nodiscard]] std::optional<Resolution> h265_sps_resolution(ConstBytes body) noexcept;

}  // namespace parley::rtp
