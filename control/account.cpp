#include "control/account.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace parley::control {
namespace {

constexpr std::string_view kLimit = "limit";           // the grant of a limit without periods
constexpr std::string_view kPeriodPrefix = "period:";  // of one with
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

Json grant_json(const Grant& grant) {
  Json json = Json::object({{"grant_id", grant.id},
                            {"ms", grant.ms},
                            {"used_ms", grant.used_ms},
                            {"valid_from_ms", grant.valid_from_ms}});
  if (grant.expires_at_ms) json.set("expires_at_ms", *grant.expires_at_ms);
  return json;
}

Grant grant_of(const Json& json) {
  Grant grant;
  grant.id = text_member(json, "grant_id");
  grant.ms = integer_member(json, "ms");
  grant.used_ms = integer_member(json, "used_ms");
  grant.valid_from_ms = integer_member(json, "valid_from_ms");
  if (const Json* at = json.find("expires_at_ms")) grant.expires_at_ms = at->as_int();
  return grant;
}

bool is_of_policy(const Grant& grant) {
  return grant.id == kLimit || grant.id.starts_with(kPeriodPrefix);
}

}  // namespace

Grant* Account::find(std::string_view id) {
  const auto it = std::find_if(grants_.begin(), grants_.end(),
                               [&](const Grant& grant) { return grant.id == id; });
  return it == grants_.end() ? nullptr : &*it;
}

void Account::set_policy(QuotaPolicy policy, Moment now) {
  const QuotaPolicy old = std::exchange(policy_, std::move(policy));
  // A limit that is gone, or is counted in other periods, gives nothing any more; what was used of
  // it was used.
  for (Grant& grant : grants_) {
    const bool same = policy_.limit_ms && old.period == policy_.period && old.zone == policy_.zone;
    if (is_of_policy(grant) && !same) grant.ms = grant.used_ms;
  }
  begin_period(now);
}

// Less than what was used already, or is set aside, cannot be given.
void Account::put_limit(std::string id, const PeriodBounds& period, std::int64_t wall_ms) {
  Grant* grant = find(id);
  if (grant == nullptr) {
    grants_.push_back({std::move(id), 0, 0, 0, std::nullopt});
    grant = &grants_.back();
  }
  // Anew each time: under another time zone, or other rules of it, the same month ends elsewhere.
  grant->valid_from_ms = period.from_ms;
  if (policy_.period != QuotaPeriod::None) grant->expires_at_ms = period.to_ms;
  const std::int64_t free_elsewhere =
      granted_ms(wall_ms) - used_ms(wall_ms) - (grant->ms - grant->used_ms);
  const std::int64_t set_aside = std::max<std::int64_t>(reserved_ms() - free_elsewhere, 0);
  grant->ms = std::max(*policy_.limit_ms, grant->used_ms + set_aside);
}

bool Account::begin_period(Moment now) {
  if (!policy_.limit_ms) return false;
  const std::int64_t before = available_ms(now.wall_ms);
  if (const auto period = period_at(policy_, now.wall_ms)) {
    forget_old(now.wall_ms);
    put_limit(std::string(kPeriodPrefix) + period->id, *period, now.wall_ms);
  } else {
    put_limit(std::string(kLimit), {}, now.wall_ms);
  }
  return available_ms(now.wall_ms) > before;
}

Account::Added Account::add(Grant grant, std::int64_t wall_ms) {
  if (const Grant* known = find(grant.id)) {
    const bool same = known->ms == grant.ms && known->valid_from_ms == grant.valid_from_ms &&
                      known->expires_at_ms == grant.expires_at_ms;
    return same ? Added::Already : Added::Different;
  }
  forget_old(wall_ms);
  if (grants_.size() >= kMaxGrants) return Added::TooMany;
  grants_.push_back(std::move(grant));
  return Added::Yes;
}

// Those that can give nothing any more, the oldest half of them: the others still know a repeated
// grant_id, and take back what was booked too much.
void Account::forget_old(std::int64_t wall_ms) {
  if (grants_.size() < kMaxGrants / 2) return;
  std::size_t to_go = kMaxGrants / 4;
  std::erase_if(grants_, [&](const Grant& grant) {
    const bool spent = !is_of_policy(grant) && grant.used_ms >= grant.ms;
    if (to_go == 0 || !(spent || grant.over_at(wall_ms))) return false;
    --to_go;
    past_used_ms_ += grant.used_ms;
    return true;
  });
}

// The one that ends first is used first.
std::vector<Grant*> Account::in_order_of_use(std::int64_t wall_ms) {
  std::vector<Grant*> order;
  for (Grant& grant : grants_) {
    if (grant.valid_at(wall_ms)) order.push_back(&grant);
  }
  std::stable_sort(order.begin(), order.end(), [](const Grant* a, const Grant* b) {
    return a->expires_at_ms.value_or(kNever) < b->expires_at_ms.value_or(kNever);
  });
  return order;
}

// How much of `ms` there was.
std::int64_t Account::take(std::int64_t ms, std::int64_t wall_ms) {
  std::int64_t left = ms;
  for (Grant* grant : in_order_of_use(wall_ms)) {
    const std::int64_t some = std::min(left, grant->ms - grant->used_ms);
    grant->used_ms += some;
    left -= some;
  }
  return ms - left;
}

void Account::settle(Moment now) {
  const std::int64_t passed = std::max<std::int64_t>(now.steady_ms - as_of_, 0);
  as_of_ = std::max(as_of_, now.steady_ms);
  if (passed == 0) return;
  room_ms_ += rate_.rooms * passed;
  participant_ms_ += rate_.participants * passed;
  if (!limited()) return;
  const std::int64_t units = burn() * passed;
  // Paid from what was valid while it ran: a grant that ends now has paid for the time up to now.
  const std::int64_t began_ms = now.wall_ms - passed;
  const std::int64_t booked = take(std::min(units, available_ms(began_ms)), began_ms);
  over_ms_ += units - booked;
}

Moment Account::settle_over(Moment until, bool while_it_lasts) {
  for (;;) {
    const Moment from = until.at(as_of_);
    const auto edge = next_boundary(from);
    const auto empty = while_it_lasts ? exhausted_at(from.wall_ms) : std::nullopt;
    const std::int64_t next = std::min(edge.value_or(kNever), empty.value_or(kNever));
    if (next > until.steady_ms) break;
    settle(until.at(next));
    if (next != edge) return until.at(next);
    begin_period(until.at(next));  // what it gives comes before the end of the old one's
  }
  settle(until);
  return until;
}

void Account::give_back(std::int64_t room_ms, std::int64_t participant_ms) {
  room_ms_ -= room_ms;
  participant_ms_ -= participant_ms;
  if (!limited()) return;
  std::int64_t units = policy_.enforce == MeterUnit::RoomMs ? room_ms : participant_ms;
  const std::int64_t over = std::min(units, over_ms_);
  over_ms_ -= over;
  units -= over;
  // Against the order of use: the last that was taken from first.
  std::vector<Grant*> order;
  for (Grant& grant : grants_) order.push_back(&grant);
  std::stable_sort(order.begin(), order.end(), [](const Grant* a, const Grant* b) {
    return a->expires_at_ms.value_or(kNever) > b->expires_at_ms.value_or(kNever);
  });
  for (Grant* grant : order) {
    const std::int64_t some = std::min(units, grant->used_ms);
    grant->used_ms -= some;
    units -= some;
  }
}

tl::expected<Account::Reserved, Account::Refused> Account::reserve(const std::string& id,
                                                                   std::int64_t n, std::int64_t ms,
                                                                   std::int64_t valid_for_ms,
                                                                   Moment now) {
  if (const auto known = reservations_.find(id); known != reservations_.end()) {
    // It was lost on the way and comes again.
    if (n <= known->second.n) return Reserved{known->second.ms, known->second.used_ms, false};
    return commit(id, n, 0, ms, now);
  }
  if (reservations_.size() >= kMaxReservations) return tl::unexpected(Refused::TooMany);
  const std::int64_t available = limited() ? available_ms(now.wall_ms) : ms;
  if (available <= 0) return tl::unexpected(Refused::Exhausted);
  Reservation reservation{n, std::min(ms, available), 0, valid_for_ms,
                          now.steady_ms + 2 * valid_for_ms};
  const Reserved result{reservation.ms, 0, limited() && available <= ms};
  reservations_[id] = reservation;
  return result;
}

tl::expected<Account::Reserved, Account::Refused> Account::commit(
    const std::string& id, std::int64_t n, std::int64_t used_ms, std::int64_t more_ms, Moment now) {
  const auto found = reservations_.find(id);
  if (found == reservations_.end()) return tl::unexpected(Refused::Unknown);
  Reservation& one = found->second;
  if (n <= one.n) return Reserved{one.ms, one.used_ms, false};
  if (used_ms > one.ms) return tl::unexpected(Refused::TooMuch);
  one.n = n;
  one.ms = 0;
  one.used_ms += used_ms;
  one.until_steady_ms = now.steady_ms + 2 * one.valid_for_ms;
  if (policy_.enforce == MeterUnit::ParticipantMs) {
    participant_ms_ += used_ms;
  } else {
    room_ms_ += used_ms;
  }
  if (!limited()) {
    one.ms = more_ms;
    return Reserved{one.ms, one.used_ms, false};
  }
  // Of grants that ended meanwhile nothing can be taken any more.
  over_ms_ += used_ms - take(used_ms, now.wall_ms);
  const std::int64_t available = available_ms(now.wall_ms);
  one.ms = std::clamp<std::int64_t>(available, 0, more_ms);
  return Reserved{one.ms, one.used_ms, available <= more_ms};
}

bool Account::release(const std::string& id) { return reservations_.erase(id) != 0; }

bool Account::expire_reservations(std::int64_t steady_ms) {
  return std::erase_if(reservations_, [&](const auto& entry) {
           return entry.second.until_steady_ms <= steady_ms;
         }) != 0;
}

bool Account::limited() const noexcept {
  return policy_.enforce != MeterUnit::None && (policy_.limit_ms || !grants_.empty());
}

std::int64_t Account::granted_ms(std::int64_t wall_ms) const noexcept {
  std::int64_t sum = 0;
  for (const Grant& grant : grants_) {
    if (grant.valid_at(wall_ms)) sum += grant.ms;
  }
  return sum;
}

std::int64_t Account::used_ms(std::int64_t wall_ms) const noexcept {
  std::int64_t sum = 0;
  for (const Grant& grant : grants_) {
    if (grant.valid_at(wall_ms)) sum += grant.used_ms;
  }
  return sum;
}

std::int64_t Account::used_ever_ms() const noexcept {
  std::int64_t sum = past_used_ms_;
  for (const Grant& grant : grants_) sum += grant.used_ms;
  return sum;
}

std::int64_t Account::reserved_ms() const noexcept {
  std::int64_t sum = 0;
  for (const auto& [id, reservation] : reservations_) sum += reservation.ms;
  return sum;
}

std::int64_t Account::available_ms(std::int64_t wall_ms) const noexcept {
  return std::max<std::int64_t>(granted_ms(wall_ms) - used_ms(wall_ms) - reserved_ms(), 0);
}

std::int64_t Account::available_at(Moment now) const noexcept {
  const std::int64_t since = std::max<std::int64_t>(now.steady_ms - as_of_, 0) * burn();
  return std::max<std::int64_t>(available_ms(now.wall_ms) - since, 0);
}

std::int64_t Account::burn() const noexcept {
  switch (policy_.enforce) {
    case MeterUnit::None:
      return 0;
    case MeterUnit::RoomMs:
      return rate_.rooms;
    case MeterUnit::ParticipantMs:
      return rate_.participants;
  }
  return 0;
}

std::optional<std::int64_t> Account::lasts_ms(std::int64_t wall_ms) const noexcept {
  if (!limited() || burn() == 0) return std::nullopt;
  return available_ms(wall_ms) / burn();
}

std::optional<std::int64_t> Account::exhausted_at(std::int64_t wall_ms) const noexcept {
  const auto lasts = lasts_ms(wall_ms);
  if (!lasts) return std::nullopt;
  return as_of_ + *lasts;
}

std::optional<std::int64_t> Account::next_boundary(Moment now) const noexcept {
  std::int64_t next = kNever;
  const auto at_wall = [&](std::int64_t wall_ms) {
    if (wall_ms > now.wall_ms) next = std::min(next, now.steady_ms + wall_ms - now.wall_ms);
  };
  for (const Grant& grant : grants_) {
    at_wall(grant.valid_from_ms);
    if (grant.expires_at_ms) at_wall(*grant.expires_at_ms);
  }
  if (policy_.limit_ms) {
    if (const auto period = period_at(policy_, now.wall_ms)) at_wall(period->to_ms);
  }
  for (const auto& [id, reservation] : reservations_) {
    next = std::min(next, reservation.until_steady_ms);
  }
  return next == kNever ? std::nullopt : std::optional(next);
}

Json Account::to_json(std::int64_t wall_ms) const {
  Json json = Json::object({{"policy", policy_.to_json()},
                            {"limited", limited()},
                            {"granted_ms", granted_ms(wall_ms)},
                            {"used_ms", used_ms(wall_ms)},
                            {"used_ever_ms", used_ever_ms()},
                            {"reserved_ms", reserved_ms()},
                            {"available_ms", available_ms(wall_ms)},
                            {"room_ms", room_ms_},
                            {"participant_ms", participant_ms_},
                            {"over_ms", over_ms_},
                            {"running_sessions", rate_.rooms},
                            {"running_participants", rate_.participants}});
  const auto lasts = lasts_ms(wall_ms);
  json.set("lasts_ms", lasts ? Json(*lasts) : Json());
  Json grants = Json::array();
  for (const Grant& grant : grants_) grants.push(grant_json(grant));
  json.set("grants", std::move(grants));
  return json;
}

Json Account::to_row_json() const {
  Json grants = Json::array();
  for (const Grant& grant : grants_) grants.push(grant_json(grant));
  Json reservations = Json::array();
  for (const auto& [id, one] : reservations_) {
    reservations.push(Json::object({{"id", id},
                                    {"n", one.n},
                                    {"ms", one.ms},
                                    {"used_ms", one.used_ms},
                                    {"valid_for_ms", one.valid_for_ms}}));
  }
  return Json::object({{"policy", policy_.to_json()},
                       {"grants", std::move(grants)},
                       {"reservations", std::move(reservations)},
                       {"rooms", rate_.rooms},
                       {"participants", rate_.participants},
                       {"as_of", as_of_},
                       {"room_ms", room_ms_},
                       {"participant_ms", participant_ms_},
                       {"over_ms", over_ms_},
                       {"past_used_ms", past_used_ms_}});
}

Account Account::from_row_json(const Json& json) {
  Account account;
  if (const Json* policy = json.find("policy")) account.policy_ = QuotaPolicy::from_json(*policy);
  if (const Json* grants = json.find("grants"); grants != nullptr && grants->is_array()) {
    for (const Json& grant : *grants->as_array()) account.grants_.push_back(grant_of(grant));
  }
  if (const Json* list = json.find("reservations"); list != nullptr && list->is_array()) {
    for (const Json& one : *list->as_array()) {
      account.reservations_[text_member(one, "id")] = {
          integer_member(one, "n"), integer_member(one, "ms"), integer_member(one, "used_ms"),
          integer_member(one, "valid_for_ms"), kNever};
    }
  }
  account.rate_ = {integer_member(json, "rooms"), integer_member(json, "participants")};
  account.as_of_ = integer_member(json, "as_of");
  account.room_ms_ = integer_member(json, "room_ms");
  account.participant_ms_ = integer_member(json, "participant_ms");
  account.over_ms_ = integer_member(json, "over_ms");
  account.past_used_ms_ = integer_member(json, "past_used_ms");
  return account;
}

void Account::restart(std::int64_t steady_ms) noexcept {
  as_of_ = steady_ms;
  rate_ = {};
  // Whoever holds one was not heard of for a while through no fault of his own.
  for (auto& [id, one] : reservations_) one.until_steady_ms = steady_ms + 2 * one.valid_for_ms;
}

}  // namespace parley::control
