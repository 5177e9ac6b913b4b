#include "rtp/vp8_numbers.h"

#include <algorithm>

namespace parley::rtp {
namespace {

constexpr std::uint8_t kKeyIndexMask = 0x1f;  // 5 bits
constexpr std::uint16_t kPictureIdMask = 0x7fff;

// The shorter way from `from` to the number whose low `bits` bits are `to`.
[[nodiscard]] std::int32_t step(std::int32_t from, std::int32_t to, unsigned bits) noexcept {
  const std::int32_t range = 1 << bits;
  const std::int32_t ahead = (to - from) & (range - 1);
  return ahead >= range / 2 ? ahead - range : ahead;
}

}  // namespace

Vp8Numbers Vp8Renumberer::map(const Vp8Descriptor& in) noexcept {
  if (restarting_) {
    restarting_ = false;
    highest_in_.reset();
    tl0_offset_ = static_cast<std::uint8_t>(last_tl0picidx_ + 1 - in.tl0_picture_index);
    keyidx_offset_ = static_cast<std::uint8_t>(last_keyidx_ + 1 - in.key_index);
  }
  Vp8Numbers out;
  if (in.has_picture_id()) {
    if (!highest_in_) {
      highest_in_ = in.picture_id;
      picture_offset_ = last_picture_id_ + 1 - in.picture_id;
    }
    const std::int32_t id =
        *highest_in_ + step(*highest_in_, in.picture_id, in.picture_id_long ? 15 : 7);
    highest_in_ = std::max(*highest_in_, id);
    last_picture_id_ = std::max(last_picture_id_, id + picture_offset_);
    out.picture_id = static_cast<std::uint16_t>((id + picture_offset_) & kPictureIdMask);
  }
  if (in.has_tl0_picture_index()) {
    out.tl0_picture_index = static_cast<std::uint8_t>(in.tl0_picture_index + tl0_offset_);
    if (step(last_tl0picidx_, out.tl0_picture_index, 8) > 0) {
      last_tl0picidx_ = out.tl0_picture_index;
    }
  }
  if (in.has_key_index) {
    out.key_index = static_cast<std::uint8_t>((in.key_index + keyidx_offset_) & kKeyIndexMask);
    if (step(last_keyidx_, out.key_index, 5) > 0) last_keyidx_ = out.key_index;
  }
  return out;
}

}  // namespace parley::rtp
