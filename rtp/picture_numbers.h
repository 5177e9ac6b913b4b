#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// The running numbers in a VP8 (RFC 7741, section 4.2) or VP9 (RFC 9628, section 4.2) payload
// descriptor, and where they stand, so that a forwarder can write its own over them without moving
// the payload.
struct PictureFields {
  std::uint16_t picture_id = 0;
  std::uint8_t tl0_picture_index = 0;
  std::uint8_t key_index = 0;    // VP8 only, 5 bit
  bool picture_id_long = false;  // 15 bit, else 7
  bool has_key_index = false;

  // Offsets within the payload; 0: the field is not there.
  std::uint8_t picture_id_at = 0;
  std::uint8_t tl0_picture_index_at = 0;
  std::uint8_t key_index_at = 0;  // its byte begins with TID and Y

  [[nodiscard]] constexpr bool has_picture_id() const noexcept { return picture_id_at != 0; }
  [[nodiscard]] constexpr bool has_tl0_picture_index() const noexcept {
    return tl0_picture_index_at != 0;
  }
  friend constexpr bool operator==(const PictureFields&, const PictureFields&) = default;
};

// What to write there.
struct PictureNumbers {
  std::uint16_t picture_id = 0;  // written in the width that the descriptor has
  std::uint8_t tl0_picture_index = 0;
  std::uint8_t key_index = 0;  // low 5 bits
  friend constexpr bool operator==(PictureNumbers, PictureNumbers) = default;
};

// Writes the numbers over those in `payload`, whose descriptor `fields` were read from (or a copy
// of it). Fields that are not there stay away; the size never changes.
void rewrite(const PictureFields& fields, PictureNumbers numbers, Bytes payload) noexcept;

// The pictures that a renumberer left out last, a ring. Apart from it, for only slots that get
// fewer pictures than there are need it.
struct SkippedPictures {
  static constexpr std::size_t kKept = 64;
  std::size_t count = 0;
  std::array<std::int32_t, kKept> ids{};  // unwrapped
};

// Keeps picture id, TL0PICIDX and KEYIDX running on when a slot changes its source: a decoder must
// never see them jump. Sources may have started anywhere, with 7-bit or 15-bit picture ids.
class PictureRenumberer {
 public:
  // The next mapped packet begins a new source (or the same one after a pause).
  void restart() noexcept { restarting_ = true; }
  // Leaves the picture out, and those behind it move up: a VP8 receiver waits for pictures whose
  // ids are missing. Call it for any packet of the picture; one that comes late changes nothing.
  // Not for VP9, whose references are counted in picture ids.
  void skip(const PictureFields& in, SkippedPictures& skipped) noexcept;
  [[nodiscard]] PictureNumbers map(const PictureFields& in,
                                   const SkippedPictures& skipped) noexcept;

 private:
  [[nodiscard]] std::int32_t unwrap(const PictureFields& in) const noexcept;

  bool restarting_ = true;
  std::optional<std::int32_t> highest_in_;  // picture id of this source, unwrapped
  std::optional<std::int32_t> last_skipped_;
  std::int32_t picture_offset_ = 0;
  std::uint8_t tl0_offset_ = 0;
  std::uint8_t keyidx_offset_ = 0;
  // Highest given out, over all sources.
  std::int32_t last_picture_id_ = 0;
  std::uint8_t last_tl0picidx_ = 0;
  std::uint8_t last_keyidx_ = 0;
};

}  // namespace parley::rtp
