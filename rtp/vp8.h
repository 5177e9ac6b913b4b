#pragma once

#include <cstdint>
#include <optional>

#include "rtp/picture_numbers.h"
#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// The VP8 payload descriptor (RFC 7741, section 4.2) and the little of the frame header that a
// server needs (section 4.3): is it a key frame, and how large.
struct Vp8Descriptor : PictureFields {
  std::uint8_t size = 0;  // bytes of the descriptor: the VP8 data begins here
  bool non_reference = false;
  bool partition_start = false;
  std::uint8_t partition = 0;
  bool key_frame = false;   // only in the first packet of a frame
  Resolution resolution{};  // of a key frame's first packet, else 0x0

  bool has_temporal_id = false;
  bool layer_sync = false;  // Y: depends on the base layer only
  std::uint8_t temporal_id = 0;

  [[nodiscard]] constexpr bool frame_start() const noexcept {
    return partition_start && partition == 0;
  }
  friend constexpr bool operator==(const Vp8Descriptor&, const Vp8Descriptor&) = default;

  // Nothing when the descriptor is cut off or no VP8 data follows it.
  [[nodiscard]] static std::optional<Vp8Descriptor> parse(ConstBytes payload) noexcept;
};

}  // namespace parley::rtp
