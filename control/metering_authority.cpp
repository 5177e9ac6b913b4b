#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "control/metering.h"
#include "server/log.h"

// Whether a tenant's calls may go on while his backend is not there (on_authority_lost).
namespace parley::control {

using std::chrono::milliseconds;

RpcError authority_lost_error() {
  return rpc_error(Status::Unavailable, "authority_lost",
                   "no call begins while the tenant's backend is away: it must connect to "
                   "/v1/control, or quota.set on_authority_lost to continue");
}

std::optional<std::int64_t> Metering::goes_on_until(const TenantAccount& one) const {
  if (!one.authority_lost_at) return std::nullopt;
  return std::max(*one.authority_lost_at + one.account.policy().authority_grace_ms,
                  began_at_ + kStartUpMs);
}

void Metering::authority_changed() {
  for (auto& [tenant, one] : accounts_) watch_authority(tenant, one);
}

void Metering::watch_authority(const std::string& tenant, TenantAccount& one) {
  context_.timers.cancel(one.authority_timer);
  const bool matters = one.account.policy().on_authority_lost == OnAuthorityLost::Terminate;
  if (!matters || !has_authority || has_authority(tenant)) return one.authority_lost_at.reset();
  if (!one.authority_lost_at) one.authority_lost_at = moment().steady_ms;
  one.authority_timer = context_.timers.at(rtp::Time(milliseconds(*goes_on_until(one))),
                                           [this, tenant] { end_for_authority(tenant); });
}

void Metering::end_for_authority(const std::string& tenant) {
  std::vector<std::string> running;
  for (const auto& [id, session] : account_of(tenant).sessions) running.push_back(id);
  server::log::warn("authority_lost", {{"tenant", tenant}, {"sessions", running.size()}});
  for (const std::string& id : running) {
    if (end_session) end_session(id, "authority_lost");
  }
}

}  // namespace parley::control
