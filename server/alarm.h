#pragma once

#include "rtp/types.h"

namespace parley::server {

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
