#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// What the first bytes of an Opus packet say (RFC 6716, section 3.1; RFC 7587 for RTP): enough to
// time it and to tell speech from pauses. The sound itself is never looked at.
struct OpusPacket {
  static constexpr std::uint32_t kClockRate = 48'000;

  std::uint8_t channels = 1;        // coded channels; RTP always announces two
  std::uint8_t frame_count = 1;     // 1..48
  std::uint16_t frame_samples = 0;  // of one frame, at 48 kHz
  bool dtx = false;                 // nothing coded: two bytes at most

  // At 48 kHz, at most 5,760 (120 ms).
  [[nodiscard]] constexpr std::uint32_t samples() const noexcept {
    return std::uint32_t{frame_count} * frame_samples;
  }

  // Nothing for an empty packet and for one of over 120 ms.
  [[nodiscard]] static std::optional<OpusPacket> parse(ConstBytes payload) noexcept;
};

}  // namespace parley::rtp
