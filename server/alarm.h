#pragma once

#include "rtp/types.h"

namespace parley::server {

// What is done again and again is due on a common grid, so that the wishes of thousands of peers
// fall into few turns. The latest time on it that is not after `at`; intervals are longer than its
// step.
[[nodiscard]] inline rtp::Time on_grid(rtp::Time at) noexcept {
  constexpr rtp::Duration kStep{10'000};
  return at - at.time_since_epoch() % kStep;
}

// The earliest time at which somebody below wants to be ticked. Setting it passes the wish on to
// the parents (peer, room, worker), so the worker sleeps until the earliest without asking anybody
// and without timer objects to own, cancel or leak.
class Alarm {
 public:
  explicit Alarm(Alarm* parent = nullptr) noexcept : parent_(parent) {}

  // Not later than this. Does nothing if an earlier wish stands.
  void set(rtp::Time at) noexcept {
    for (Alarm* alarm = this; alarm != nullptr && at < alarm->at_; alarm = alarm->parent_) {
      alarm->at_ = at;
    }
  }
  // While being ticked: forgets the old wish. Wishes set from now on count.
  void clear() noexcept { at_ = rtp::Time::max(); }

  [[nodiscard]] bool due(rtp::Time now) const noexcept { return at_ <= now; }
  [[nodiscard]] rtp::Time at() const noexcept { return at_; }

 private:
  Alarm* parent_;
  rtp::Time at_ = rtp::Time::max();
};

}  // namespace parley::server
