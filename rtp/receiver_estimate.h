#pragma once

#include <cstddef>
#include <optional>

#include "rtp/allocation.h"
#include "rtp/bandwidth.h"
#include "rtp/rate_meter.h"
#include "rtp/types.h"

namespace parley::rtp {

// How much the way to one receiver carries where his own word is all there is (REMB,
// draft-alvestrand-rmcat-remb-03): a browser that tells nothing of single packets.
//
// Such a word follows what is sent. It is at most half as much again (Chromium), grows by some
// 8 % a second, and so never reaches the next layer by itself. When it stays well above what is
// sent, nothing has stood in its way, and more is tried for a while; it has to grow then. A word
// that falls tells of a queue. One that is old tells nothing, because while nothing is sent there
// is nothing to estimate: then more is tried, too.
class ReceiverEstimate {
 public:
  static constexpr Bitrate kStart = BandwidthEstimator::kStart;
  static constexpr Bitrate kMin = BandwidthEstimator::kMin;
  static constexpr Bitrate kMax = BandwidthEstimator::kMax;
  static constexpr Duration kOld{3'000'000};        // another one comes once a second
  static constexpr Duration kCalm{2'000'000};       // well above what is sent, before more is tried
  static constexpr Duration kAnswer{2'500'000};     // after which it must have grown
  static constexpr Duration kFirstWait{5'000'000};  // after a try that failed, doubled each time
  static constexpr Duration kLongestWait{30'000'000};
  static constexpr double kWell = 1.2;     // times what is sent
  static constexpr double kTry = 3.0;      // times the word: about a layer more
  static constexpr double kGrown = 1.08;   // within kAnswer
  static constexpr double kFallen = 0.97;  // Chromium tells of a fall from 3 % on, at once

  void on_sent(Time now, std::size_t bytes) noexcept { sent_.add(bytes, 0, now); }
  // `beside`: what is sent of which the word says nothing.
  void on_word(Time now, Bitrate word, Bitrate beside = Bitrate{0}) noexcept;
  // Now and then.
  void tick(Time now) noexcept;

  // What may be sent: the word, or more while that is tried.
  [[nodiscard]] Bitrate target() const noexcept;
  [[nodiscard]] Way way() const noexcept { return {target(), congested_, measured_}; }

 private:
  struct Try {
    double level;
    double from;  // the word at its beginning, or when it was last found to have grown
    Time judged_at;
  };
  void look_at_try(Time now) noexcept;
  void give_up(Time now) noexcept;
  [[nodiscard]] double sent(Time now) noexcept;

  RateMeter sent_;
  double word_ = static_cast<double>(kStart.value);
  Bitrate said_{0};
  std::optional<Time> told_at_;
  std::optional<Time> calm_since_;
  std::optional<Try> try_;
  Time next_try_{};
  Duration wait_ = kFirstWait;
  bool congested_ = false;
  bool measured_ = false;
};

}  // namespace parley::rtp
