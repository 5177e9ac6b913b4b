#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// The running numbers of a VP8 payload descriptor (RFC 7741, section 4.2) as one packet carries
// them, and where they lie in its payload, so that they can be rewritten in place.
struct Vp8Place {
  std::uint8_t picture_id_at = 0;    // offset in the payload; 0: not there
  std::uint8_t picture_id_bits = 0;  // 7 or 15
  std::uint8_t tl0picidx_at = 0;     // 0: not there
  std::uint8_t keyidx_at = 0;        // the octet that ends in KEYIDX; 0: not there
  std::uint16_t picture_id = 0;
  std::uint8_t tl0picidx = 0;
  std::uint8_t keyidx = 0;  // 5 bits
};

// What to write in their stead. Only what Vp8Place says is there gets written.
struct Vp8Numbers {
  std::uint16_t picture_id = 0;
  std::uint8_t tl0picidx = 0;
  std::uint8_t keyidx = 0;
  friend bool operator==(const Vp8Numbers&, const Vp8Numbers&) = default;
};

// `payload` is the packet's payload, descriptor first.
void write_vp8_numbers(const Vp8Place& place, const Vp8Numbers& numbers, Bytes payload) noexcept;

// Keeps picture id, TL0PICIDX and KEYIDX running on when a slot changes its source: a decoder must
// never see them jump. Sources may have started anywhere, with 7-bit or 15-bit picture ids.
class Vp8Renumberer {
 public:
  // The next mapped packet begins a new source (or the same one after a pause).
  void restart() noexcept { restarting_ = true; }
  [[nodiscard]] Vp8Numbers map(const Vp8Place& in) noexcept;

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
