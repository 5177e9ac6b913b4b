#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rtp/types.h"

namespace parley::rtp {

// Two orders of those who speak, steadier than their levels are. Who is heard: the loudest first,
// from their first syllable on; one passes another only when he is clearly louder, so that two
// equal voices do not change places all the time. And who has the floor: those who have talked for
// a while, so that neither a cough nor a "yes" takes it, and the first of them keeps it over his
// pauses, until another talks for a while and is louder than he.
//
// It knows tracks by number only, and no clock: update() is called five times a second.
class SpeakerOrder {
 public:
  static constexpr std::size_t kMaxSpeakers = 32;
  static constexpr double kMarginDb = 4;  // clearly louder
  static constexpr double kLoudDbov = 50;
  static constexpr int kTalkUpdates = 4;  // 0.6 to 0.8 seconds of loudness
  static constexpr int kPassUpdates = 3;  // louder than who has the floor

  struct Heard {
    std::uint32_t track = 0;
    double loudness = 0;  // AudioLevelMeter::loudness()
  };
  // Those whose meter says that they speak, loudest first; of more than kMaxSpeakers the first.
  void update(std::span<const Heard> heard);

  [[nodiscard]] std::span<const std::uint32_t> loudest() const noexcept { return loudest_; }
  // Who has the floor, then those who talked most recently.
  [[nodiscard]] std::span<const std::uint32_t> talkers() const noexcept { return talkers_; }

 private:
  struct Voice {
    std::uint32_t track = 0;
    double loudness = 0;
    int talked = 0;  // updates, those of silence taken off
    int ahead = 0;   // updates in a row
    bool heard = false;
  };
  [[nodiscard]] Voice* find(std::uint32_t track) noexcept;
  void order_loudest();
  void order_talkers();

  std::vector<Voice> voices_;  // in the order of loudest()
  std::vector<std::uint32_t> loudest_;
  std::vector<std::uint32_t> talkers_;
};

}  // namespace parley::rtp
