#pragma once

#include <cstdint>
#include <optional>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// The VP8 payload descriptor (RFC 7741, section 4.2) and the little of the frame header that a
// server needs (section 4.3): is it a key frame, and how large. Places are kept beside the values,
// so that a forwarder can write its own running numbers over them without moving the payload.
struct Vp8Descriptor {
  std::uint8_t size = 0;  // bytes of the descriptor: the VP8 data begins here
  bool non_reference = false;
  bool partition_start = false;
  std::uint8_t partition = 0;
  bool key_frame = false;   // only in the first packet of a frame
  Resolution resolution{};  // of a key frame's first packet, else 0x0

  bool picture_id_long = false;  // 15 bit, else 7
  bool has_temporal_id = false;
  bool has_key_index = false;
  bool layer_sync = false;  // Y: depends on the base layer only
  std::uint16_t picture_id = 0;
  std::uint8_t tl0_picture_index = 0;
  std::uint8_t temporal_id = 0;
  std::uint8_t key_index = 0;  // 5 bit

  // Offsets within the payload; 0: the field is not there.
  std::uint8_t picture_id_at = 0;
  std::uint8_t tl0_picture_index_at = 0;
  std::uint8_t temporal_at = 0;  // TID, Y and KEYIDX share one byte

  [[nodiscard]] constexpr bool has_picture_id() const noexcept { return picture_id_at != 0; }
  [[nodiscard]] constexpr bool has_tl0_picture_index() const noexcept {
    return tl0_picture_index_at != 0;
  }
  [[nodiscard]] constexpr bool frame_start() const noexcept {
    return partition_start && partition == 0;
  }
  friend constexpr bool operator==(const Vp8Descriptor&, const Vp8Descriptor&) = default;

  // Nothing when the descriptor is cut off or no VP8 data follows it.
  [[nodiscard]] static std::optional<Vp8Descriptor> parse(ConstBytes payload) noexcept;
};

// The numbers that must go on without a jump when the source changes.
struct Vp8Numbers {
  std::uint16_t picture_id = 0;  // written in the width that the descriptor has
  std::uint8_t tl0_picture_index = 0;
  std::uint8_t key_index = 0;  // low 5 bits
  friend constexpr bool operator==(Vp8Numbers, Vp8Numbers) = default;
};

// Writes the numbers over those in `payload`, which `descriptor` was parsed from (or a copy of it).
// Fields that are not there stay away; the size never changes.
void rewrite(const Vp8Descriptor& descriptor, Vp8Numbers numbers, Bytes payload) noexcept;

}  // namespace parley::rtp
