#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/account.h"
#include "control/json.h"
#include "control/quota_policy.h"

namespace parley::control {

// Somebody whose media is connected, in the eyes of the meter.
struct MeteredPerson {
  std::string participant_id;
  std::string identity;
  bool host = false;
  bool sends = false;  // media of his has come
};

// From the end of a handshake until the media ended, with what of it was metered.
struct UsageInterval {
  std::string participant_id;
  std::string identity;
  std::int64_t joined_ms = 0;  // wall clock, as left_ms
  std::int64_t left_ms = 0;    // 0: still there
  std::int64_t began_at = 0;   // by the session's own clock, which runs while it is metered
  std::int64_t ms = 0;         // once it is over
  std::string end_reason;

  // So far, when the session's clock says that.
  [[nodiscard]] std::int64_t ms_at(std::int64_t session_clock_ms) const noexcept {
    return left_ms == 0 ? session_clock_ms - began_at : ms;
  }
  [[nodiscard]] Json to_json(std::int64_t session_clock_ms) const;
};

// Meters one session: when it runs, and for how long each participant was in it while it did. It
// knows no account; the rate it gives and what it gives back are booked by whoever calls
// (metering.h), at the same moments, so that the sum of all sessions is the ledger to the
// millisecond.
class SessionMeter {
 public:
  explicit SessionMeter(StartCondition condition) : condition_(condition) {}

  struct Change {
    std::int64_t back_room_ms = 0;  // of what the account has booked up to `now`
    std::int64_t back_participant_ms = 0;
    std::vector<std::size_t> intervals;  // that began or ended
  };
  // He is there from `now` on, or is it still and something about him has changed.
  Change come(Moment now, MeteredPerson person);
  // He is not there any more, if he was. `why`: the end reason. With `silent_since` it was noticed
  // only now that nothing came of him from then on: what was metered for him, and for all if the
  // session does not run without him, ends there. Not earlier than the last change, behind which
  // nothing is undone.
  Change go(Moment now, std::string_view participant_id, std::string_view why,
            std::optional<std::int64_t> silent_since = std::nullopt);
  Change all_go(Moment now, std::string_view why);

  [[nodiscard]] Rate rate() const noexcept;
  [[nodiscard]] bool running() const noexcept { return running_; }
  // Up to the last change, and at any time since.
  [[nodiscard]] std::int64_t room_ms() const noexcept { return clock_ms_; }
  [[nodiscard]] std::int64_t room_ms(std::int64_t steady_ms) const noexcept {
    return clock_ms_ + (running_ ? steady_ms - changed_at_ : 0);
  }
  [[nodiscard]] std::int64_t participant_ms(std::int64_t steady_ms) const noexcept;
  [[nodiscard]] const std::vector<UsageInterval>& intervals() const noexcept { return intervals_; }

  // For the store, and back.
  [[nodiscard]] Json to_row_json() const;
  [[nodiscard]] static Json interval_row_json(const UsageInterval& interval);
  [[nodiscard]] static SessionMeter from_row_json(const Json& json);
  // In the order of their numbers.
  void load_interval(const Json& json);
  // After a crash: all ended at this moment, if it was not over before.
  void close(std::int64_t steady_ms, std::int64_t wall_ms, std::string_view why);

 private:
  struct Present {
    MeteredPerson person;
    std::size_t interval = 0;
  };
  // Of those present, what the start condition looks at.
  struct Counts {
    std::size_t people = 0;
    std::size_t hosts = 0;
    std::size_t senders = 0;
  };
  void count(const MeteredPerson& person, bool there) noexcept;
  [[nodiscard]] bool runs_with(const Counts& counts) const noexcept;
  // The session's clock goes on up to now.
  void advance(Moment now) noexcept;
  void end_interval(std::size_t index, std::int64_t clock_ms, std::int64_t wall_ms,
                    std::string_view why);

  StartCondition condition_;
  bool running_ = false;
  std::int64_t changed_at_ = 0;  // steady; since then nobody came or went
  std::int64_t clock_ms_ = 0;
  std::unordered_map<std::string, Present> present_;
  Counts counts_;
  std::vector<UsageInterval> intervals_;
};

}  // namespace parley::control
