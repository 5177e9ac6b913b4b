#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "rtp/types.h"

namespace parley::control {

// Deadlines of rooms and participants on the control thread. It knows no loop: the owner arms one
// timer for next() and calls run(), so tests advance time by hand.
class Timers {
 public:
  using Id = std::uint64_t;  // never 0

  Id at(rtp::Time time, std::function<void()> task) {
    const Id id = ++last_;
    const auto place = queue_.emplace(std::pair(time, id), std::move(task)).first;
    by_id_.emplace(id, place);
    return id;
  }
  // Cancels and forgets it; nothing happens for 0 or one that has fired.
  void cancel(Id& id) {
    if (const auto it = by_id_.find(id); it != by_id_.end()) {
      queue_.erase(it->second);
      by_id_.erase(it);
    }
    id = 0;
  }
  [[nodiscard]] std::optional<rtp::Time> next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first.first;
  }
  // Runs what is due. A task may add and cancel others.
  void run(rtp::Time now) {
    while (!queue_.empty() && queue_.begin()->first.first <= now) {
      auto task = std::move(queue_.begin()->second);
      by_id_.erase(queue_.begin()->first.second);
      queue_.erase(queue_.begin());
      task();
    }
  }

 private:
  using Queue = std::map<std::pair<rtp::Time, Id>, std::function<void()>>;
  Queue queue_;
  std::map<Id, Queue::iterator> by_id_;
  Id last_ = 0;
};

}  // namespace parley::control
