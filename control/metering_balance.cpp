#include <algorithm>
#include <utility>

#include "control/metering.h"

// What backends give, ask and set aside of a tenant's minutes.
namespace parley::control {
namespace {

RpcError refused(Account::Refused why) {
  switch (why) {
    case Account::Refused::Exhausted:
      return quota_exhausted_error(0);
    case Account::Refused::TooMany:
      return rpc_error(Status::ResourceExhausted, "too_many_reservations",
                       "release some reservations first");
    case Account::Refused::Unknown:
      return rpc_error(Status::NotFound, "reservation_not_found",
                       "there is no such reservation; it may have come back by itself",
                       "reservation_id");
    case Account::Refused::TooMuch:
      return rpc_error(Status::InvalidArgument, "more_than_reserved",
                       "used_ms is more than was reserved", "used_ms");
  }
  return rpc_error(Status::Internal, "internal", "");
}

Json reserved_json(const std::string& id, const Account::Reserved& reserved) {
  return Json::object({{"reservation_id", id},
                       {"reserved_ms", reserved.reserved_ms},
                       {"used_ms", reserved.used_ms},
                       {"final", reserved.last}});
}

// What the session costs in the unit that is enforced (that of rooms, where none is), as the policy
// rounds it.
std::int64_t billed_ms(const SessionMeter& meter, const QuotaPolicy& policy, std::int64_t now) {
  if (policy.rounding == Rounding::MinuteUpPerConnection) {
    std::int64_t sum = 0;
    for (const UsageInterval& interval : meter.intervals()) {
      sum += rounded_up(policy.rounding, interval.ms_at(meter.room_ms(now)));
    }
    return sum;
  }
  const bool people = policy.enforce == MeterUnit::ParticipantMs;
  return rounded_up(policy.rounding, people ? meter.participant_ms(now) : meter.room_ms(now));
}

}  // namespace

RpcError quota_exhausted_error(std::int64_t available_ms) {
  RpcError error = rpc_error(Status::ResourceExhausted, "quota_exhausted",
                             "the minutes of this tenant are used up");
  error.details.emplace_back("available_ms", available_ms);
  return error;
}

RpcResult<Json> Metering::set_policy(const std::string& tenant, const QuotaPolicy& policy) {
  TenantAccount& one = account_of(tenant);
  const Moment now = moment();
  advance(tenant, one, now);
  const std::int64_t before = one.account.granted_ms(now.wall_ms);
  one.account.set_policy(policy, now);
  const std::int64_t more = one.account.granted_ms(now.wall_ms) - before;
  if (more > 0) replenished(tenant, one, now, "limit", more);
  look_after(tenant, one, now);
  watch_authority(tenant, one);
  return balance(tenant, one.account, now);
}

RpcResult<Json> Metering::grant(const std::string& tenant, Grant grant) {
  TenantAccount& one = account_of(tenant);
  const Moment now = moment();
  advance(tenant, one, now);
  const std::string id = grant.id;
  const std::int64_t ms = grant.ms;
  const Account::Added added = one.account.add(std::move(grant), now.wall_ms);
  switch (added) {
    case Account::Added::Different:
      return tl::unexpected(rpc_error(Status::AlreadyExists, "already_exists",
                                      "a grant of this id gave something else", "grant_id"));
    case Account::Added::TooMany:
      return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_grants",
                                      "this tenant has too many grants that still run"));
    case Account::Added::Yes:
      replenished(tenant, one, now, id, ms);
      break;
    case Account::Added::Already:
      break;
  }
  look_after(tenant, one, now);
  Json result = Json::object({{"grant_id", id}, {"already", added == Account::Added::Already}});
  result.set("available_ms", one.account.available_ms(now.wall_ms));
  return result;
}

Json Metering::get(const std::string& tenant) {
  const Moment now = moment();
  const auto it = accounts_.find(tenant);
  if (it == accounts_.end()) return balance(tenant, Account(), now);
  advance(tenant, it->second, now);
  arm(tenant, it->second);
  return balance(tenant, it->second.account, now);
}

Json Metering::balance(const std::string& tenant, const Account& account, Moment now) const {
  Json json = Json::object({{"tenant", tenant}});
  const Json members = account.to_json(now.wall_ms);
  for (const auto& [name, value] : *members.as_object()) json.set(name, value);
  return json;
}

RpcResult<Json> Metering::reserve(const ReserveRequest& request) {
  TenantAccount& one = account_of(request.tenant);
  const Moment now = moment();
  advance(request.tenant, one, now);
  const auto reserved =
      one.account.reserve(request.id, request.n, request.ms, request.valid_for_ms, now);
  if (!reserved) return tl::unexpected(refused(reserved.error()));
  look_after(request.tenant, one, now);
  return reserved_json(request.id, *reserved);
}

RpcResult<Json> Metering::commit(const ReserveRequest& request) {
  TenantAccount& one = account_of(request.tenant);
  const Moment now = moment();
  advance(request.tenant, one, now);
  const auto reserved = one.account.commit(request.id, request.n, request.used_ms, request.ms, now);
  if (!reserved) return tl::unexpected(refused(reserved.error()));
  look_after(request.tenant, one, now);
  return reserved_json(request.id, *reserved);
}

RpcResult<Json> Metering::release(const std::string& tenant, const std::string& id) {
  TenantAccount& one = account_of(tenant);
  const Moment now = moment();
  advance(tenant, one, now);
  const bool released = one.account.release(id);
  look_after(tenant, one, now);
  return Json::object({{"reservation_id", id}, {"already", !released}});
}

void Metering::add_usage(std::string_view session_id, std::size_t max_intervals,
                         Json& record) const {
  const auto it = meters_.find(session_id);
  if (it == meters_.end()) return;
  const SessionMeter& meter = it->second.meter;
  const std::int64_t now = moment().steady_ms;
  record.set("room_ms", meter.room_ms(now));
  record.set("participant_ms", meter.participant_ms(now));
  record.set("bytes_in", it->second.traffic.bytes_in);
  record.set("bytes_out", it->second.traffic.bytes_out);
  record.set("billed_ms", billed_ms(meter, policy(it->second.tenant), now));
  Json list = Json::array();
  const auto& intervals = meter.intervals();
  for (std::size_t i = 0; i < std::min(intervals.size(), max_intervals); ++i) {
    list.push(intervals[i].to_json(meter.room_ms(now)));
  }
  record.set("intervals", std::move(list));
  if (intervals.size() > max_intervals) record.set("intervals_truncated", true);
}

}  // namespace parley::control
