#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/store.h"
#include "rtp/types.h"

namespace parley::control {

// The events on their way to one receiver that may fail. In the order of the log within each lane
// (a room, or the tenant for what belongs to no room): a lane's next event waits until the one
// before was taken, lanes do not wait for each other. What fails is tried again, later each time.
// When everything fails the receiver is left in peace but for one attempt now and then, and when
// it comes back all goes on at once.
//
// Between the cursor (all up to it was taken) and the newest event taken up lies a window of
// limited size, so one event that is refused for ever would in the end hold up all others. That is
// why a lane that keeps failing while others succeed is set aside: only the place up to which it
// was taken is remembered, what follows is read from the log when its time comes, until the lane
// has caught up with the others.
class DeliveryQueue {
 public:
  static constexpr std::size_t kMaxEvents = 4'096;  // of the window
  static constexpr std::size_t kMaxBytes = 2'097'152;
  static constexpr std::size_t kMaxInFlight = 32;
  static constexpr std::size_t kMaxAside = 1'000;  // lanes; the next one holds up the others
  static constexpr int kPatience = 5;              // failures of a lane before it is set aside
  static constexpr std::uint64_t kSuspicion = 10;  // failures in a row before all wait
  static constexpr std::chrono::milliseconds kFirstRetry{1'000};
  static constexpr std::chrono::milliseconds kLongestRetry{600'000};
  static constexpr std::chrono::milliseconds kLongestPause{30'000};

  explicit DeliveryQueue(std::uint64_t cursor = 0) : scanned_(cursor), cursor_(cursor) {}
  DeliveryQueue(const DeliveryQueue&) = delete;
  DeliveryQueue& operator=(const DeliveryQueue&) = delete;

  // Begins again behind `cursor`; answers to what is under way must not be told any more. Lanes
  // that are set aside stay so, and are tried at once.
  void restart(std::uint64_t cursor);
  // The same for all that comes behind `cursor`, those lanes' events too.
  void replay(std::uint64_t cursor);

  // The next event of the log, wanted or not: one of them for each `seq`, and in their order.
  void take(EventRow event);
  void pass(std::uint64_t seq);
  [[nodiscard]] bool has_room() const noexcept {
    return window_.size() < kMaxEvents && bytes_ < kMaxBytes;
  }
  [[nodiscard]] std::uint64_t scanned() const noexcept { return scanned_; }
  [[nodiscard]] std::uint64_t cursor() const noexcept { return cursor_; }

  // What to send now; it is under way until its lane is told as delivered or failed. Null: nothing.
  [[nodiscard]] const EventRow* next(rtp::Time now);
  void delivered(const std::string& lane, rtp::Time now);
  void failed(const std::string& lane, rtp::Time now);
  // When next() has something again, if that depends on time.
  [[nodiscard]] std::optional<rtp::Time> wakes_at(rtp::Time now) const;

  // A lane set aside whose turn it is: its events after this one are to be looked for in the log,
  // as far as scanned(), and told by searched(): `events` are the lane's own up to `through`.
  struct Search {
    std::string lane;
    std::uint64_t after = 0;
  };
  [[nodiscard]] std::optional<Search> search();
  void searched(const std::string& lane, std::vector<EventRow> events, std::uint64_t through);

  // Lanes set aside, and up to where each was taken; one without a place is with the others again.
  struct Aside {
    std::string lane;
    std::optional<std::uint64_t> after;
  };
  void set_aside(std::string lane, std::uint64_t after);  // as it was before a restart
  [[nodiscard]] std::vector<Aside> changes();             // since the last call
  [[nodiscard]] std::size_t aside_count() const noexcept { return aside_; }

  [[nodiscard]] std::uint64_t failed_in_a_row() const noexcept { return failures_; }

  [[nodiscard]] static std::string lane_of(const EventRow& event) {
    return event.room_id.empty() ? event.tenant : event.room_id;
  }

 private:
  struct Lane {
    std::deque<EventRow> waiting;  // the first may be under way
    int attempts = 0;              // of the first
    rtp::Time failing_since{};
    std::optional<std::uint64_t> aside;
    std::uint64_t searched = 0;  // of the log, when set aside
  };
  // A lane is in one of ready_, retries_ and searches_, or under way, or being searched for.
  using Lanes = std::map<std::string, Lane, std::less<>>;

  void finish(std::uint64_t seq);
  void advance();
  void go_on(Lanes::iterator lane);
  void put_aside(Lanes::iterator lane);
  void reset();
  void forgive() noexcept;  // as if nothing had failed yet

  Lanes lanes_;
  std::deque<Lanes::iterator> ready_;
  std::multimap<rtp::Time, Lanes::iterator> retries_;
  std::deque<Lanes::iterator> searches_;

  struct Entry {
    std::uint64_t seq = 0;
    std::size_t bytes = 0;
    bool done = false;
  };
  std::deque<Entry> window_;
  std::size_t bytes_ = 0;
  std::uint64_t scanned_;
  std::uint64_t cursor_;

  std::size_t in_flight_ = 0;
  std::uint64_t failures_ = 0;  // in a row, whatever the lane
  std::optional<rtp::Time> last_success_;
  std::chrono::milliseconds pause_{0};
  rtp::Time paused_until_{};
  std::size_t aside_ = 0;
  std::vector<Aside> changes_;
};

}  // namespace parley::control
