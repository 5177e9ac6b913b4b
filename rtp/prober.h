#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// When to try whether more would pass, and with how much padding: a short stretch sent at the rate
// that the next larger layer would need. The result is read by BandwidthEstimator like any other
// arrival; here is only the patience. Padding is held below a share of what is sent.
class Prober {
 public:
  static constexpr Duration kLength{80'000};
  static constexpr Duration kSoon{200'000};     // after one that succeeded
  static constexpr Duration kFirst{1'000'000};  // after one that did not
  static constexpr Duration kLongest{3'000'000};
  static constexpr Duration kAfterStep{500'000};
  static constexpr Duration kKnown{1'000'000};  // for so long
  static constexpr Duration kUnknown{250'000};  // since then
  static constexpr int kLooks = 3;              // feedbacks which did not know it, at least
  static constexpr double kShare = 0.09;        // padding by media, in bytes
  static constexpr double kMaxBudget = 60'000;
  static constexpr double kStartBudget = 40'000;
  // More than was saved up may be spent on going on after a success: more media pays it back.
  static constexpr double kCredit = 30'000;
  static constexpr double kMargin = 1.2;   // more than what is needed is asked for
  static constexpr double kMaxStep = 3.0;  // times the estimate

  void on_media(std::size_t bytes) noexcept;
  // Feedback was read.
  void on_estimate(Time now, Bitrate estimate) noexcept;
  // Somebody goes up a step: his key frame comes, which tells more than a probe, and beside which
  // one would be too much: it ends one that goes on. Where somebody goes up all the time it is
  // quiet half of it.
  void on_step_up(Time now) noexcept;
  // What the way carries is known, so nothing is to be tried. When that ends after a while, it
  // has perhaps become another: one probe is due at once, whatever failed on it before.
  void on_known(Time now) noexcept;
  // Looks whether a probe is due: `needed` is to be proven, `sending` is sent anyhow, feedback
  // tells of the last padding after `answer_time`.
  void consider(Time now, Bitrate estimate, Bitrate needed, Bitrate sending, bool overused,
                Duration answer_time) noexcept;
  // Bytes of padding to be sent now; call it every few milliseconds while active().
  [[nodiscard]] std::size_t due(Time now) noexcept;
  void on_padding(std::size_t bytes) noexcept;
  [[nodiscard]] bool active(Time now) const noexcept { return now < until_; }

 private:
  double budget_ = kStartBudget;
  Time next_{};
  Time quiet_until_{};
  Time known_since_{};
  Time known_at_{};  // last
  int unknown_ = 0;  // feedbacks since then
  Time until_{};
  Time last_due_{};
  double rate_ = 0;  // of the padding
  double owed_ = 0;  // bytes
  double aim_ = 0;
  double from_ = 0;         // the estimate before
  bool succeeded_ = false;  // the last one
  double failed_at_ = 0;    // the estimate then; 0: it succeeded
  std::optional<Time> judged_at_;
  Duration wait_ = kFirst;
};

}  // namespace parley::rtp
