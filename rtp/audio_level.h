#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/types.h"

namespace parley::rtp {

// How loud one audio track is, smoothed from the level in every packet (RFC 6464), and whether
// somebody speaks on it: quick to begin (a syllable), slow to end (a pause between words).
class AudioLevelMeter {
 public:
  // Begins above, ends below, in -dBov (smaller is louder).
  static constexpr double kBeginDbov = 50;
  static constexpr double kEndDbov = 60;
  static constexpr Duration kHold{1'000'000};  // a pause shorter than this does not end speech
  static constexpr Duration kRise{60'000};     // time constants of the smoothing
  static constexpr Duration kFall{300'000};

  // `level`: 0 (loudest) .. 127 (silence), -dBov.
  void on_packet(std::uint8_t level, Time now) noexcept;
  void on_muted() noexcept;

  [[nodiscard]] bool speaking(Time now) const noexcept;
  // 127 (loudest) .. 0; falls by itself when packets stop (DTX).
  [[nodiscard]] double loudness(Time now) const noexcept;

 private:
  double loudness_ = 0;
  bool speaking_ = false;
  std::optional<Time> updated_;
  Time last_loud_{};
};

// Fills `out` with the positions of those who speak, loudest first. Returns how many.
[[nodiscard]] std::size_t rank_speakers(std::span<const AudioLevelMeter* const> levels, Time now,
                                        std::span<std::size_t> out) noexcept;

}  // namespace parley::rtp
