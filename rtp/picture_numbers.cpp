#include "rtp/picture_numbers.h"

#include <algorithm>
#include <cassert>

#include "rtp/bytes.h"

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

// How many pictures behind `id` were left out.
[[nodiscard]] std::int32_t skipped_behind(std::int32_t id,
                                          const SkippedPictures& skipped) noexcept {
  std::int32_t count = 0;
  const std::size_t known = std::min(skipped.count, SkippedPictures::kKept);
  for (std::size_t back = 1; back <= known; ++back) {
    if (skipped.ids[(skipped.count - back) % SkippedPictures::kKept] <= id) break;
    ++count;
  }
  return count;
}

}  // namespace

void rewrite(const PictureFields& fields, PictureNumbers numbers, Bytes payload) noexcept {
  assert(payload.size() >
         std::max({std::size_t{fields.picture_id_at} + fields.picture_id_long,
                   std::size_t{fields.tl0_picture_index_at}, std::size_t{fields.key_index_at}}));
  if (fields.has_picture_id()) {
    if (fields.picture_id_long) {
      store16(payload, fields.picture_id_at,
              static_cast<std::uint16_t>(numbers.picture_id | 0x8000));
    } else {
      payload[fields.picture_id_at] = numbers.picture_id & 0x7f;
    }
  }
  if (fields.has_tl0_picture_index()) {
    payload[fields.tl0_picture_index_at] = numbers.tl0_picture_index;
  }
  if (fields.has_key_index) {
    std::uint8_t& byte = payload[fields.key_index_at];
    byte = static_cast<std::uint8_t>((byte & 0xe0) | (numbers.key_index & kKeyIndexMask));
  }
}

std::int32_t PictureRenumberer::unwrap(const PictureFields& in) const noexcept {
  return *highest_in_ + step(*highest_in_, in.picture_id, in.picture_id_long ? 15 : 7);
}

void PictureRenumberer::skip(const PictureFields& in, SkippedPictures& skipped) noexcept {
  if (restarting_ || !in.has_picture_id() || !highest_in_) return;
  const std::int32_t id = unwrap(in);
  if (id <= *highest_in_) return;  // another packet of it, or late: its number was left open
  highest_in_ = id;
  if (!last_skipped_) skipped.count = 0;
  last_skipped_ = id;
  --picture_offset_;
  skipped.ids[skipped.count++ % SkippedPictures::kKept] = id;
}

PictureNumbers PictureRenumberer::map(const PictureFields& in,
                                      const SkippedPictures& skipped) noexcept {
  if (restarting_) {
    restarting_ = false;
    highest_in_.reset();
    last_skipped_.reset();
    tl0_offset_ = static_cast<std::uint8_t>(last_tl0picidx_ + 1 - in.tl0_picture_index);
    keyidx_offset_ = static_cast<std::uint8_t>(last_keyidx_ + 1 - in.key_index);
  }
  PictureNumbers out;
  if (in.has_picture_id()) {
    if (!highest_in_) {
      highest_in_ = in.picture_id;
      picture_offset_ = last_picture_id_ + 1 - in.picture_id;
    }
    const std::int32_t id = unwrap(in);
    highest_in_ = std::max(*highest_in_, id);
    const bool late = last_skipped_ && id < *last_skipped_;
    const std::int32_t to =
        id + picture_offset_ + (late ? skipped_behind(id, skipped) : std::int32_t{0});
    last_picture_id_ = std::max(last_picture_id_, to);
    out.picture_id = static_cast<std::uint16_t>(to & kPictureIdMask);
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
