#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// What one H.265 RTP payload says about its frame (RFC 7798): single NAL units, aggregation packets
// and fragmentation units. Only what forwarding needs; parameter sets are not opened. As with
// H.264, `frame_start` may be true twice within a frame (parameter sets, then the first slice).
struct H265Info {
  bool key_frame = false;  // VPS, SPS, or the beginning of an IRAP picture
  bool frame_start = false;
  std::uint8_t temporal_id = 0;

  // Nothing when the payload is malformed.
  [[nodiscard]] static std::optional<H265Info> parse(ConstBytes payload) noexcept;
};

}  // namespace parley::rtp
