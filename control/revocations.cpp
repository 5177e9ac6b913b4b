#include "control/revocations.h"

#include <algorithm>

namespace parley::control {
namespace {

constexpr std::string_view kRow = "revocation";

std::string token_id(std::string_view tenant, std::string_view jti) {
  return std::string(tenant) + "/j/" + std::string(jti);
}
std::string identity_id(std::string_view tenant, std::string_view identity) {
  return std::string(tenant) + "/i/" + std::string(identity);
}

}  // namespace

void Revocations::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != kRow) continue;
    const auto body = Json::parse_own(row.body);
    if (!body) continue;
    entries_[row.id] = {integer_member(*body, "issued_until_ms"), row.created_ms};
    by_age_[{row.created_ms, row.id}] = true;
  }
}

void Revocations::forget_old() {
  const std::int64_t oldest =
      context_.wall_ms() -
      std::int64_t{context_.config.auth.max_join_token_ttl_s + context_.config.auth.leeway_s} *
          1'000 -
      366 * std::int64_t{86'400'000};  // a token may be made so long before it begins to count
  while (!by_age_.empty() && by_age_.begin()->first.first < oldest) {
    const std::string id = by_age_.begin()->first.second;
    context_.outbox.remove(kRow, id);
    entries_.erase(id);
    by_age_.erase(by_age_.begin());
  }
}

RpcResult<void> Revocations::put(const std::string& tenant, const std::string& id, Entry entry) {
  forget_old();
  if (const auto known = entries_.find(id); known != entries_.end()) {
    by_age_.erase({known->second.made_ms, id});
    entry.issued_until_ms = std::max(entry.issued_until_ms, known->second.issued_until_ms);
  } else if (entries_.size() >= kMaxEntries) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_revocations",
                                    "ban the identity, or replace the key's secret"));
  }
  entries_[id] = entry;
  by_age_[{entry.made_ms, id}] = true;
  context_.outbox.put({std::string(kRow), id, tenant,
                       Json::object({{"issued_until_ms", entry.issued_until_ms}}).dump(),
                       entry.made_ms});
  return {};
}

RpcResult<void> Revocations::revoke_identity(const std::string& tenant, const std::string& identity,
                                             std::int64_t issued_until_ms) {
  return put(tenant, identity_id(tenant, identity), {issued_until_ms, context_.wall_ms()});
}

RpcResult<void> Revocations::revoke_token(const std::string& tenant, const std::string& jti) {
  return put(tenant, token_id(tenant, jti), {0, context_.wall_ms()});
}

bool Revocations::is_revoked(const JoinClaims& claims) const {
  if (entries_.contains(token_id(claims.tenant, claims.jti))) return true;
  const auto it = entries_.find(identity_id(claims.tenant, claims.identity));
  return it != entries_.end() && claims.issued_ms <= it->second.issued_until_ms;
}

}  // namespace parley::control
