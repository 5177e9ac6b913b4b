#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/json.h"
#include "control/quota_policy.h"

namespace parley::control {

// A moment on both clocks. What is metered is measured on the steady one; the other says when a
// grant begins and ends.
struct Moment {
  std::int64_t steady_ms = 0;
  std::int64_t wall_ms = 0;

  // Another one, with the wall clock as it stands now.
  [[nodiscard]] Moment at(std::int64_t other_steady_ms) const noexcept {
    return {other_steady_ms, wall_ms - (steady_ms - other_steady_ms)};
  }
};

// What runs at a time, and so how fast each unit is used up.
struct Rate {
  std::int64_t rooms = 0;         // metered sessions
  std::int64_t participants = 0;  // metered participants of all of them
  friend bool operator==(const Rate&, const Rate&) = default;
};

// Minutes that were given: a month's limit, a purchase.
struct Grant {
  std::string id;
  std::int64_t ms = 0;
  std::int64_t used_ms = 0;
  std::int64_t valid_from_ms = 0;
  std::optional<std::int64_t> expires_at_ms;

  [[nodiscard]] bool valid_at(std::int64_t wall_ms) const noexcept {
    return wall_ms >= valid_from_ms && (!expires_at_ms || wall_ms < *expires_at_ms);
  }
  [[nodiscard]] bool over_at(std::int64_t wall_ms) const noexcept {
    return expires_at_ms && wall_ms >= *expires_at_ms;
  }
};

// Minutes set aside for somebody who meters by himself: another node, the backend. They come back
// when he is not heard of for `valid_for_ms`.
struct Reservation {
  std::int64_t n = 0;  // of the last request that counted; repeats change nothing
  std::int64_t ms = 0;
  std::int64_t used_ms = 0;  // posted so far
  std::int64_t valid_for_ms = 0;
  std::int64_t until_steady_ms = 0;
};

// The minutes of one tenant as a ledger: what was granted, what is used, what is set aside. Nothing
// ticks: between two changes of the rate the balance is a straight line, so the moment at which it
// reaches zero is known in advance (control-api.md, section 7).
//
// Always: used + reserved <= granted. What runs beyond the end is counted apart (`over_ms`), never
// booked.
class Account {
 public:
  static constexpr std::size_t kMaxGrants = 1'000;  // from half of it on, spent ones are summed up
  static constexpr std::size_t kMaxReservations = 1'000;

  // ---- policy and grants
  [[nodiscard]] const QuotaPolicy& policy() const noexcept { return policy_; }
  // settle() first.
  void set_policy(QuotaPolicy policy, Moment now);
  enum class Added : std::uint8_t { Yes, Already, Different, TooMany };
  // By its id: the same again changes nothing.
  [[nodiscard]] Added add(Grant grant, std::int64_t wall_ms);
  // Begins the period that `now` lies in. True when that gave minutes.
  bool begin_period(Moment now);

  // ---- metering
  // Books what has run since the last time, on the grants that were valid then: no grant may begin
  // or end in between (next_boundary()).
  void settle(Moment now);
  // The same over such moments, whose periods it begins. With `while_it_lasts` no further than to
  // the moment at which nothing is left; gives the moment it came to.
  Moment settle_over(Moment until, bool while_it_lasts);
  // settle() first.
  void set_rate(Rate rate) noexcept { rate_ = rate; }
  // Takes back what was booked for something that had ended before it was noticed.
  void give_back(std::int64_t room_ms, std::int64_t participant_ms);

  // ---- reservations
  struct Reserved {
    std::int64_t reserved_ms = 0;
    std::int64_t used_ms = 0;
    bool last = false;  // nothing is left beside it
  };
  enum class Refused : std::uint8_t { Exhausted, TooMany, Unknown, TooMuch };
  // Sets `ms` aside, or what is left of it.
  [[nodiscard]] tl::expected<Reserved, Refused> reserve(const std::string& id, std::int64_t n,
                                                        std::int64_t ms, std::int64_t valid_for_ms,
                                                        Moment now);
  // Books `used_ms` of it, gives the rest back and sets `more_ms` aside.
  [[nodiscard]] tl::expected<Reserved, Refused> commit(const std::string& id, std::int64_t n,
                                                       std::int64_t used_ms, std::int64_t more_ms,
                                                       Moment now);
  // All comes back. False when there is none of this id.
  bool release(const std::string& id);
  // True when some came back because nobody was heard of.
  bool expire_reservations(std::int64_t steady_ms);

  // ---- questions
  // Whether there is an end at all.
  [[nodiscard]] bool limited() const noexcept;
  // As of the last settle().
  [[nodiscard]] std::int64_t granted_ms(std::int64_t wall_ms) const noexcept;
  [[nodiscard]] std::int64_t used_ms(std::int64_t wall_ms) const noexcept;
  [[nodiscard]] std::int64_t used_ever_ms() const noexcept;  // of all grants there were
  [[nodiscard]] std::int64_t reserved_ms() const noexcept;
  [[nodiscard]] std::int64_t available_ms(std::int64_t wall_ms) const noexcept;
  // The same now, without booking.
  [[nodiscard]] std::int64_t available_at(Moment now) const noexcept;
  // Units of the enforced kind that one millisecond takes.
  [[nodiscard]] std::int64_t burn() const noexcept;
  [[nodiscard]] Rate rate() const noexcept { return rate_; }
  // How long it lasts as it runs now; nothing without an end, or when nothing runs.
  [[nodiscard]] std::optional<std::int64_t> lasts_ms(std::int64_t wall_ms) const noexcept;
  // When the last millisecond is used, as it runs now.
  [[nodiscard]] std::optional<std::int64_t> exhausted_at(std::int64_t wall_ms) const noexcept;
  // The next time that a grant, a period or a reservation begins or ends by itself.
  [[nodiscard]] std::optional<std::int64_t> next_boundary(Moment now) const noexcept;
  [[nodiscard]] std::int64_t room_ms() const noexcept { return room_ms_; }
  [[nodiscard]] std::int64_t participant_ms() const noexcept { return participant_ms_; }
  [[nodiscard]] std::int64_t over_ms() const noexcept { return over_ms_; }
  [[nodiscard]] std::int64_t as_of() const noexcept { return as_of_; }

  // For quota.get.
  [[nodiscard]] Json to_json(std::int64_t wall_ms) const;
  // For the store, and back. What ran is still running in it: settle() to the last moment that is
  // known, then set the rate to zero.
  [[nodiscard]] Json to_row_json() const;
  [[nodiscard]] static Account from_row_json(const Json& json);
  // The steady clock of this process, which has nothing to do with that of the last.
  void restart(std::int64_t steady_ms) noexcept;

 private:
  [[nodiscard]] std::int64_t take(std::int64_t ms, std::int64_t wall_ms);
  [[nodiscard]] std::vector<Grant*> in_order_of_use(std::int64_t wall_ms);
  void put_limit(std::string id, const PeriodBounds& period, std::int64_t wall_ms);
  void forget_old(std::int64_t wall_ms);
  [[nodiscard]] Grant* find(std::string_view id);

  QuotaPolicy policy_;
  std::vector<Grant> grants_;
  std::map<std::string, Reservation, std::less<>> reservations_;
  Rate rate_;
  std::int64_t as_of_ = 0;  // steady
  std::int64_t room_ms_ = 0;
  std::int64_t participant_ms_ = 0;
  std::int64_t over_ms_ = 0;
  std::int64_t past_used_ms_ = 0;  // of grants that are over and forgotten
};

}  // namespace parley::control
