#include "control/tenants.h"

#include <utility>

#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::string_view kRow = "tenant";

template <class Number>
void set_limit(Json& json, std::string_view name, const std::optional<Number>& limit) {
  json.set(name, limit ? Json(*limit) : Json());
}

}  // namespace

RpcError version_conflict(std::int64_t is) {
  RpcError error = rpc_error(Status::Aborted, "version_conflict",
                             "somebody else has changed it; read it again", "if_version");
  error.details.emplace_back("version", is);
  return error;
}

Json Tenant::to_json() const {
  Json json = Json::object({{"tenant", id}, {"name", name}, {"suspended", suspended}});
  set_limit(json, "max_rooms", max_rooms);
  set_limit(json, "max_sessions", max_sessions);
  set_limit(json, "max_participants", max_participants);
  set_limit(json, "max_storage_bytes", max_storage_bytes);
  json.set("defaults", defaults);
  json.set("roles", roles.to_json());
  json.set("attributes", attributes);
  json.set("created_ms", created_ms);
  json.set("version", version);
  return json;
}

Row Tenant::to_row() const { return {std::string(kRow), id, id, to_json().dump(), created_ms}; }

std::optional<Tenant> Tenant::from_row(const Row& row) {
  const auto body = Json::parse_own(row.body);
  if (!body || !body->is_object()) return std::nullopt;
  Tenant tenant;
  tenant.id = row.id;
  tenant.name = text_member(*body, "name");
  tenant.suspended = flag_member(*body, "suspended");
  tenant.max_rooms = limit_member(*body, "max_rooms");
  tenant.max_sessions = limit_member(*body, "max_sessions");
  tenant.max_participants = limit_member(*body, "max_participants");
  if (const Json* bytes = body->find("max_storage_bytes"); bytes != nullptr && bytes->as_int()) {
    tenant.max_storage_bytes = static_cast<std::uint64_t>(*bytes->as_int());
  }
  if (const Json* defaults = body->find("defaults")) tenant.defaults = *defaults;
  // Permissions of another version that this one does not check are left out.
  Params params(*body);
  tenant.roles = RoleTable::read(params);
  if (const Json* attributes = body->find("attributes")) tenant.attributes = *attributes;
  tenant.created_ms = row.created_ms;
  tenant.version = integer_member(*body, "version", 1);
  return tenant;
}

void Tenants::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != kRow) continue;
    if (auto tenant = Tenant::from_row(row)) {
      insert(std::move(*tenant));
    } else {
      server::log::error("tenant_unreadable", {{"tenant", row.id}});
    }
  }
}

void Tenants::insert(Tenant tenant) {
  const std::string id = tenant.id;
  Tenant& kept = tenants_[id] = std::move(tenant);
  by_age_[{kept.created_ms, id}] = &kept;
}

const Tenant* Tenants::find(std::string_view id) const {
  const auto it = tenants_.find(id);
  return it == tenants_.end() ? nullptr : &it->second;
}

RpcResult<const Tenant*> Tenants::put(Tenant tenant, std::optional<std::int64_t> if_version) {
  const Tenant* known = find(tenant.id);
  const std::int64_t is = known == nullptr ? 0 : known->version;
  if (if_version && *if_version != is) return tl::unexpected(version_conflict(is));
  if (known == nullptr && tenants_.size() >= kMaxTenants) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_tenants",
                                    "there are too many tenants; delete some"));
  }
  tenant.created_ms = known == nullptr ? context_.wall_ms() : known->created_ms;
  tenant.version = is;
  if (known != nullptr && known->to_json() == tenant.to_json()) return known;
  ++tenant.version;
  const std::string id = tenant.id;
  insert(std::move(tenant));
  known = find(id);
  context_.outbox.put(known->to_row());
  return known;
}

bool Tenants::remove(std::string_view id) {
  const auto it = tenants_.find(id);
  if (it == tenants_.end()) return false;
  context_.outbox.remove(kRow, id);
  by_age_.erase({it->second.created_ms, it->second.id});
  tenants_.erase(it);
  return true;
}

void Tenants::for_each(const std::function<void(const Tenant&)>& visit) const {
  for (const auto& [key, tenant] : by_age_) visit(*tenant);
}

Permissions Tenants::permissions(std::string_view id, Role role) const {
  const Tenant* tenant = find(id);
  return tenant == nullptr ? Permissions::of(role) : tenant->roles.of(role);
}

RpcResult<void> Tenants::check_active(std::string_view id) const {
  const Tenant* tenant = find(id);
  if (tenant == nullptr || !tenant->suspended) return {};
  return tl::unexpected(
      rpc_error(Status::FailedPrecondition, "tenant_suspended", "this tenant is suspended"));
}

}  // namespace parley::control
