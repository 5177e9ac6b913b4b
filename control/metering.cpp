#include "control/metering.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "server/log.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

}  // namespace

Metering::~Metering() {
  for (auto& [tenant, one] : accounts_) {
    context_.timers.cancel(one.timer);
    context_.timers.cancel(one.authority_timer);
  }
  context_.timers.cancel(end_timer_);
  context_.timers.cancel(checkpoint_timer_);
}

Moment Metering::moment() const {
  return {std::chrono::duration_cast<milliseconds>(context_.now().time_since_epoch()).count(),
          context_.wall_ms()};
}

Metering::TenantAccount& Metering::account_of(std::string_view tenant) {
  const auto it = accounts_.find(tenant);
  if (it != accounts_.end()) return it->second;
  TenantAccount& one = accounts_[std::string(tenant)];
  one.account.restart(moment().steady_ms);
  return one;
}

const Metering::TenantAccount* Metering::find(std::string_view tenant) const {
  const auto it = accounts_.find(tenant);
  return it == accounts_.end() ? nullptr : &it->second;
}

QuotaPolicy Metering::policy(std::string_view tenant) const {
  const TenantAccount* one = find(tenant);
  return one == nullptr ? QuotaPolicy() : one->account.policy();
}

RpcResult<void> Metering::admit(std::string_view tenant, bool session_runs) const {
  const TenantAccount* one = find(tenant);
  if (one == nullptr) return {};
  const auto until = goes_on_until(*one);
  if (!session_runs && until && moment().steady_ms >= *until) {
    return tl::unexpected(authority_lost_error());
  }
  if (!one->account.limited()) return {};
  const QuotaPolicy& policy = one->account.policy();
  const std::int64_t available = one->account.available_at(moment());
  switch (policy.on_exhausted) {
    case OnExhausted::NotifyOnly:
      return {};
    case OnExhausted::Restrict:
      if (available > 0 || !policy.restrict.no_new_joins) return {};
      break;
    case OnExhausted::Terminate:
      if (available > 0 && (session_runs || available >= policy.min_start_ms)) return {};
      if (one->grace_until && session_runs) return {};
      break;
  }
  return tl::unexpected(quota_exhausted_error(available));
}

void Metering::started(Session& session) {
  TenantAccount& one = account_of(session.tenant());
  one.sessions[session.id()] = &session;
  traffic_.began(session.worker_room(), session.id());
  Metered metered{SessionMeter(one.account.policy().start_condition), session.tenant(),
                  session.started_ms()};
  store(session.id(), meters_.insert_or_assign(session.id(), std::move(metered)).first->second, {});
  if (one.exhausted && one.account.policy().on_exhausted == OnExhausted::Restrict &&
      restrict_session) {
    restrict_session(session, one.account.policy().restrict);
  }
}

template <class Changes>
void Metering::apply(TenantAccount& one, const Session& session, Metered& metered,
                     const Changes& changes) {
  const Rate before = metered.meter.rate();
  const SessionMeter::Change change = changes(metered.meter);
  one.account.give_back(change.back_room_ms, change.back_participant_ms);
  const Rate after = metered.meter.rate();
  const Rate all = one.account.rate();
  one.account.set_rate({all.rooms - before.rooms + after.rooms,
                        all.participants - before.participants + after.participants});
  running_ += after.rooms - before.rooms;
  store(session.id(), metered, change.intervals);
}

void Metering::changed(Session& session, const std::string& participant_id, std::string_view why,
                       std::optional<std::int64_t> silent_since) {
  const auto metered = meters_.find(session.id());
  if (metered == meters_.end() || metered->second.ending) return;
  TenantAccount& one = account_of(session.tenant());
  const Moment now = moment();
  advance(session.tenant(), one, now);
  if (!metered->second.ending) {
    const Participant* p = session.find(participant_id);
    apply(one, session, metered->second, [&](SessionMeter& meter) {
      if (p == nullptr || p->hidden() || !p->on_air()) {
        return meter.go(now, participant_id, why, silent_since);
      }
      return meter.come(now, {p->id, p->claims.identity, p->claims.is_host(), p->sends});
    });
    advance(session.tenant(), one, now);  // with nothing left, what has just begun ends at once
  }
  tell_thresholds(session.tenant(), one, now);
  store(session.tenant(), one);
  arm(session.tenant(), one);
  arm_checkpoint();
}

void Metering::ended(Session& session, std::string_view why) {
  const auto metered = meters_.find(session.id());
  if (metered == meters_.end()) return;
  TenantAccount& one = account_of(session.tenant());
  const Moment now = moment();
  advance(session.tenant(), one, now);
  if (!metered->second.ending) {
    apply(one, session, metered->second,
          [&](SessionMeter& meter) { return meter.all_go(now, why); });
  }
  one.sessions.erase(session.id());
  traffic_.ended(session.worker_room(), session.workers().size());
  store(session.tenant(), one);
  arm(session.tenant(), one);
}

void Metering::traffic(std::size_t worker, const server::RoomTraffic& word) {
  const auto total = traffic_.told(worker, word);
  const auto found = total ? meters_.find(total->session_id) : meters_.end();
  if (found == meters_.end()) return;
  Metered& metered = found->second;
  metered.traffic = total->traffic;
  const std::int64_t now = moment().steady_ms;
  if (!total->final && now - metered.traffic_kept_at < kTrafficKeptMs) return;
  metered.traffic_kept_at = now;
  store(found->first, metered, {});
}

void Metering::advance(const std::string& tenant, TenantAccount& one, Moment now) {
  for (;;) {
    // From one moment at which something happens by itself to the next: in between, the same grants
    // are valid and the balance is a straight line.
    const Moment from = now.at(one.account.as_of());
    const auto due = [&](std::optional<std::int64_t> at) {
      return at && *at <= now.steady_ms ? *at : kNever;
    };
    const bool acts =
        !one.exhausted ||
        (one.account.policy().on_exhausted == OnExhausted::Terminate && !one.grace_until);
    const std::int64_t edge = due(one.account.next_boundary(from));
    const std::int64_t empty = acts ? due(one.account.exhausted_at(from.wall_ms)) : kNever;
    const std::int64_t grace = due(one.grace_until);
    const std::int64_t next = std::min({edge, empty, grace});
    if (next == kNever) break;
    const Moment then = now.at(next);
    one.account.settle(then);
    if (next == edge) {  // what a new period gives comes before the end of the old one's
      renew(tenant, one, then);
    } else if (next == empty) {
      exhaust(tenant, one, then);
    } else {
      one.grace_until.reset();
      terminate(one, then);
    }
  }
  one.account.settle(now);
}

void Metering::renew(const std::string& tenant, TenantAccount& one, Moment at) {
  one.account.expire_reservations(at.steady_ms);
  const std::int64_t before = one.account.granted_ms(at.wall_ms);
  if (one.account.begin_period(at)) {
    replenished(tenant, one, at, "limit", one.account.granted_ms(at.wall_ms) - before);
  } else if (one.exhausted && one.account.available_ms(at.wall_ms) > 0) {
    replenished(tenant, one, at, "", 0);  // a reservation came back, or a grant has begun
  }
}

void Metering::exhaust(const std::string& tenant, TenantAccount& one, Moment at) {
  const QuotaPolicy& policy = one.account.policy();
  if (!one.exhausted) {
    tell_thresholds(tenant, one, at);
    tell_exhausted(tenant, one, at);
    if (policy.on_exhausted == OnExhausted::Restrict && restrict_session) {
      for (const auto& [id, session] : one.sessions) restrict_session(*session, policy.restrict);
    }
    if (policy.on_exhausted == OnExhausted::Terminate && policy.grace_ms > 0) {
      one.grace_until = at.steady_ms + policy.grace_ms;
      warn(one, policy.grace_ms);
      return;
    }
  }
  if (policy.on_exhausted == OnExhausted::Terminate && !one.grace_until) terminate(one, at);
}

void Metering::tell_exhausted(const std::string& tenant, TenantAccount& one, Moment at) {
  one.exhausted = true;
  ++exhaustions_;
  context_.event({"quota.exhausted", tenant, "", "",
                  Json::object({{"granted_ms", one.account.granted_ms(at.wall_ms)},
                                {"used_ms", one.account.used_ms(at.wall_ms)},
                                {"policy", one.account.policy().to_json()}})});
  server::log::info("quota_exhausted",
                    {{"tenant", tenant}, {"used_ms", one.account.used_ms(at.wall_ms)}});
}

void Metering::terminate(TenantAccount& one, Moment at) {
  for (const auto& [id, session] : one.sessions) {
    Metered& metered = meters_.find(id)->second;
    if (metered.ending || metered.meter.rate().rooms == 0) continue;
    apply(one, *session, metered,
          [&](SessionMeter& meter) { return meter.all_go(at, "quota_exhausted"); });
    metered.ending = true;
    to_end_.push_back(id);
  }
  if (end_timer_ == 0 && !to_end_.empty()) {
    end_timer_ = context_.timers.at(context_.now(), [this] { end_due(); });
  }
}

void Metering::end_due() {
  end_timer_ = 0;
  for (const std::string& id : std::exchange(to_end_, {})) {
    if (end_session) end_session(id, "quota_exhausted");
  }
}

void Metering::tell_thresholds(const std::string& tenant, TenantAccount& one, Moment now) {
  const auto crossed = one.alarms.crossed(one.account, now.wall_ms);
  if (crossed.empty()) return;
  const auto lasts = one.account.lasts_ms(now.wall_ms);
  for (const QuotaAlarms::Threshold threshold : crossed) {
    const bool percent = threshold.kind == QuotaAlarms::Threshold::Kind::UsedPercent;
    Json data = Json::object({{percent ? "percent" : "remaining_ms", threshold.value},
                              {"granted_ms", one.account.granted_ms(now.wall_ms)},
                              {"used_ms", one.account.used_ms(now.wall_ms)},
                              {"available_ms", one.account.available_ms(now.wall_ms)}});
    data.set("lasts_ms", lasts ? Json(*lasts) : Json());
    context_.event({"quota.threshold", tenant, "", "", std::move(data)});
  }
  if (lasts) warn(one, *lasts);
}

void Metering::warn(const TenantAccount& one, std::int64_t remaining_ms) {
  const WhomToWarn whom = one.account.policy().warn;
  if (whom == WhomToWarn::Nobody) return;
  for (const auto& [id, session] : one.sessions) {
    for (const auto& p : session->participants()) {
      if (!p->claims.is_host() && whom == WhomToWarn::Hosts) continue;
      session->notify(*p, "quota.warning", Json::object({{"remaining_ms", remaining_ms}}));
    }
  }
}

void Metering::replenished(const std::string& tenant, TenantAccount& one, Moment now,
                           std::string_view grant_id, std::int64_t ms) {
  const std::int64_t available = one.account.available_ms(now.wall_ms);
  context_.event({"quota.replenished", tenant, "", "",
                  Json::object({{"grant_id", grant_id}, {"ms", ms}, {"available_ms", available}})});
  if (available == 0) return;
  one.grace_until.reset();
  if (!std::exchange(one.exhausted, false)) return;
  if (one.account.policy().on_exhausted == OnExhausted::Restrict && restrict_session) {
    for (const auto& [id, session] : one.sessions) restrict_session(*session, {});
  }
}

void Metering::look_after(const std::string& tenant, TenantAccount& one, Moment now) {
  renew(tenant, one, now);
  advance(tenant, one, now);  // under another policy, what is empty may have an end now
  tell_thresholds(tenant, one, now);
  store(tenant, one);
  arm(tenant, one);
}

void Metering::arm(const std::string& tenant, TenantAccount& one) {
  context_.timers.cancel(one.timer);
  const Moment now = moment();
  std::optional<std::int64_t> at = one.account.next_boundary(now);
  const auto sooner = [&](std::optional<std::int64_t> steady_ms) {
    if (steady_ms) at = std::min(at.value_or(*steady_ms), *steady_ms);
  };
  if (!one.exhausted) sooner(one.account.exhausted_at(now.wall_ms));
  sooner(one.grace_until);
  // As of the last booking, from which the account's other answers count too.
  if (const auto in = one.alarms.next_in_ms(one.account, now.wall_ms)) {
    sooner(one.account.as_of() + *in);
  }
  if (!at) return;
  // Wall clocks are set, and none is waited for longer than a day.
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t due = std::min(*at, now.steady_ms + kDayMs);
  one.timer = context_.timers.at(rtp::Time(milliseconds(due)), [this, tenant] {
    TenantAccount& due_one = account_of(tenant);
    due_one.timer = 0;
    const Moment due_now = moment();
    advance(tenant, due_one, due_now);
    look_after(tenant, due_one, due_now);
  });
}

Metering::Stats Metering::stats() const {
  return {accounts_.size(), static_cast<std::size_t>(running_), exhaustions_};
}

}  // namespace parley::control
