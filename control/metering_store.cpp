#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "control/metering.h"

// What of the minutes outlives the process, and how the next one takes over.
namespace parley::control {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kAccountRow = "account";
constexpr std::string_view kMeterRow = "meter";
constexpr std::string_view kIntervalRow = "interval";
constexpr std::string_view kCheckpointRow = "checkpoint";

std::string interval_id(std::string_view session_id, std::size_t index) {
  std::array<char, 16> number{};
  std::snprintf(number.data(), number.size(), "/%08zu", index);
  return std::string(session_id) + number.data();
}

}  // namespace

tl::expected<void, std::string> Metering::load(const std::vector<Row>& rows) {
  std::map<std::string, const Row*> intervals;  // in the order of their numbers
  std::optional<Moment> known;
  for (const Row& row : rows) {
    if (row.kind == kIntervalRow) intervals[row.id] = &row;
    const auto body = Json::parse_own(row.body);
    if (!body && row.kind == kAccountRow) {
      return tl::unexpected("damaged: table objects, account " + row.id + ": " + body.error());
    }
    if (!body) continue;
    if (row.kind == kAccountRow) {
      accounts_[row.id].account = Account::from_row_json(*body);
    } else if (row.kind == kMeterRow) {
      const auto bytes = [&](std::string_view name) {
        return static_cast<std::uint64_t>(integer_member(*body, name));
      };
      Metered metered{SessionMeter::from_row_json(*body), row.tenant, row.created_ms};
      metered.traffic = {bytes("bytes_in"), bytes("bytes_out")};
      meters_.emplace(row.id, std::move(metered));
    } else if (row.kind == kCheckpointRow) {
      known = Moment{integer_member(*body, "steady_ms"), integer_member(*body, "wall_ms")};
    }
  }
  if (known) last_known_wall_ms_ = known->wall_ms;
  for (const auto& [id, row] : intervals) {
    const auto meter = meters_.find(id.substr(0, id.find('/')));
    const auto body = Json::parse_own(row->body);
    if (meter != meters_.end() && body) meter->second.meter.load_interval(*body);
  }
  const Moment now = moment();
  for (auto& [tenant, one] : accounts_) close_account(tenant, one, known, now);
  for (auto& [id, metered] : meters_) {
    const TenantAccount* account = find(metered.tenant);
    const Moment end = account != nullptr ? *account->closed : known.value_or(now);
    const auto& list = metered.meter.intervals();
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].left_ms == 0) open.push_back(i);
    }
    const bool ran = metered.meter.running() || !open.empty();
    metered.meter.close(end.steady_ms, end.wall_ms, "server_restart");
    if (ran) store(id, metered, open);
  }
  authority_changed();
  return {};
}

std::optional<std::int64_t> Metering::last_known_wall_ms(std::string_view tenant) const {
  const TenantAccount* one = find(tenant);
  return one != nullptr && one->closed ? one->closed->wall_ms : last_known_wall_ms_;
}

// What ran in the process before this one is booked up to the last moment that is known of it, or
// up to the next checkpoint, which never came; what that crossed, and a period that began since,
// was not told yet. The account's own changes are known, too, and of all its sessions.
void Metering::close_account(const std::string& tenant, TenantAccount& one,
                             std::optional<Moment> known, Moment now) {
  const bool ran = known && one.account.rate() != Rate{};
  Moment end = known.value_or(now);
  static_cast<void>(one.alarms.crossed(one.account, end.wall_ms));
  const bool was_empty = one.account.available_ms(end.wall_ms) == 0;
  const std::int64_t next_checkpoint = end.steady_ms + kCheckpointMs;
  if (ran) {
    end = one.account.settle_over(end.at(std::max(end.steady_ms, one.account.as_of())), false);
  }
  if (ran && one.account.policy().charge_ahead && next_checkpoint > end.steady_ms) {
    end = one.account.settle_over(end.at(next_checkpoint), true);
  }
  one.closed = end;
  const std::int64_t then_ms = end.wall_ms;
  one.account.restart(now.steady_ms);
  const bool empty = one.account.limited() && one.account.available_ms(then_ms) == 0;
  if (empty && was_empty) {
    one.exhausted = true;
  } else if (empty) {
    tell_thresholds(tenant, one, {now.steady_ms, then_ms});
    tell_exhausted(tenant, one, {now.steady_ms, then_ms});
  }
  renew(tenant, one, now);
  // A grant may have ended while nothing ran: nobody has to be told, but nobody may begin either.
  one.exhausted = one.account.limited() && one.account.available_ms(now.wall_ms) == 0;
  tell_thresholds(tenant, one, now);
  store(tenant, one);
  arm(tenant, one);
}

void Metering::forget(std::string_view session_id) {
  const auto it = meters_.find(session_id);
  if (it == meters_.end()) return;
  for (std::size_t i = 0; i < it->second.meter.intervals().size(); ++i) {
    context_.outbox.remove(kIntervalRow, interval_id(session_id, i));
  }
  context_.outbox.remove(kMeterRow, session_id);
  meters_.erase(it);
}

void Metering::store(const std::string& tenant, const TenantAccount& one) {
  context_.outbox.put(
      {std::string(kAccountRow), tenant, tenant, one.account.to_row_json().dump(), 0});
}

void Metering::store(const std::string& session_id, const Metered& metered,
                     const std::vector<std::size_t>& intervals) {
  Json row = metered.meter.to_row_json();
  row.set("bytes_in", metered.traffic.bytes_in);
  row.set("bytes_out", metered.traffic.bytes_out);
  context_.outbox.put(
      {std::string(kMeterRow), session_id, metered.tenant, row.dump(), metered.created_ms});
  for (const std::size_t index : intervals) {
    const UsageInterval& interval = metered.meter.intervals()[index];
    context_.outbox.put({std::string(kIntervalRow), interval_id(session_id, index), metered.tenant,
                         SessionMeter::interval_row_json(interval).dump(), metered.created_ms});
  }
}

void Metering::arm_checkpoint() {
  if (checkpoint_timer_ != 0 || running_ == 0) return;
  checkpoint();
}

void Metering::checkpoint() {
  checkpoint_timer_ = 0;
  const Moment now = moment();
  context_.outbox.put(
      {std::string(kCheckpointRow), "meter", "",
       Json::object({{"steady_ms", now.steady_ms}, {"wall_ms", now.wall_ms}}).dump(), 0});
  if (running_ == 0) return;
  checkpoint_timer_ =
      context_.timers.at(context_.now() + milliseconds(kCheckpointMs), [this] { checkpoint(); });
}

}  // namespace parley::control
