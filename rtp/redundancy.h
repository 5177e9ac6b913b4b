#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// How many of the frames before it go along with each audio frame to a receiver who loses packets
// (RFC 2198): none, the last one, or the last two. It sees what share of the packets was lost,
// from whoever tells (RFC 3550, section 6.4.1, or transport-wide feedback), as often as they tell.
//
// It begins as soon as the smoothed loss is worth it, and ends only after the loss has stayed low
// for a while: lines that lose do so in fits, and the fit that comes next is the one to be ready
// for. And it makes sure that it is no part of the trouble: where much more is lost with redundancy
// than without, the line is too narrow for it, and it stays away for longer each time.
class RedundancyControl {
 public:
  static constexpr std::size_t kMaxFrames = 2;
  // From there on one frame, two; and down to there no more of them.
  static constexpr std::array<double, kMaxFrames> kBeginLoss{0.02, 0.10};
  static constexpr std::array<double, kMaxFrames> kEndLoss{0.01, 0.06};
  static constexpr Duration kHold{10'000'000};
  // Time constant of the smoothing. A report of five seconds (Chromium's of audio) weighs 5/7.
  static constexpr Duration kSmoothing{2'000'000};

  // So much more than without it is too much, once what is told can be the effect of it.
  static constexpr double kWorseFactor = 1.5;
  static constexpr double kWorseMargin = 0.05;
  static constexpr Duration kSettling{1'000'000};
  static constexpr Duration kFirstPause{5'000'000};
  static constexpr Duration kLongestPause{160'000'000};
  static constexpr Duration kProven{30'000'000};  // after so long it is taken for harmless again

  // `share` of what was sent since the last call, or of about the last second; 0 to 1.
  void on_loss(Time now, double share) noexcept;

  [[nodiscard]] std::size_t frames() const noexcept { return frames_; }
  [[nodiscard]] double loss() const noexcept { return loss_; }  // smoothed

 private:
  [[nodiscard]] bool makes_it_worse(Time now) noexcept;

  double loss_ = 0;
  std::size_t frames_ = 0;
  std::optional<Time> updated_;
  Time needed_{};           // when so many frames were last worth it
  Time began_{};            // with any
  double loss_before_ = 0;  // that
  Time paused_until_{};
  Duration pause_ = kFirstPause;
};

}  // namespace parley::rtp
