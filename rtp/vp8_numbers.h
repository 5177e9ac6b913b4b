#pragma once

#include <cstdint>
#include <optional>

#include "rtp/vp8.h"

namespace parley::rtp {

// Keeps picture id, TL0PICIDX and KEYIDX running on when a slot changes its source: a decoder must
// never see them jump (RFC 7741, section 4.2). Sources may have started anywhere, with 7-bit or
// 15-bit picture ids. rewrite() in rtp/vp8.h puts the numbers into a payload.
class Vp8Renumberer {
 public:
  // The next mapped packet begins a new source (or the same one after a pause).
  void restart() noexcept { restarting_ = true; }
  [[nodiscard]] Vp8Numbers map(const Vp8Descriptor& in) noexcept;

 private:
  bool restarting_ = true;
  std::optional<std::int32_t> highest_in_;  // picture id of this source, unwrapped
  std::int32_t picture_offset_ = 0;
  std::uint8_t tl0_offset_ = 0;
  std::uint8_t keyidx_offset_ = 0;
  // Highest given out, over all sources.
  std::int32_t last_picture_id_ = 0;
  std::uint8_t last_tl0picidx_ = 0;
  std::uint8_t last_keyidx_ = 0;
};

}  // namespace parley::rtp
