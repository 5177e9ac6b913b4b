#include "control/api.h"
#include "control/room_options.h"

// The API's methods for tenants and their minutes.
namespace parley::control {
namespace {

constexpr std::int64_t kMaxMs = 1'000'000'000'000'000;
constexpr std::int64_t kMaxTimeMs = 253'402'300'799'000;  // the end of the year 9999
constexpr std::int64_t kMaxCount = 1'000'000;
constexpr std::int64_t kMaxBytes = 1'000'000'000'000'000;
constexpr std::int64_t kDayMs = 86'400'000;

std::string printable(Params& params, std::string_view name) {
  std::string text = params.text(name, {1, 128});
  if (!is_printable_text(text)) {
    params.refuse(name, std::string(name) + " has control characters");
  }
  return text;
}

}  // namespace

// The params' tenant, which the key must serve.
RpcResult<std::string> Api::tenant_of(Call& call) {
  std::string tenant = call.params.text("tenant", {1, 64});
  if (!is_plain_name(tenant)) {
    call.params.refuse("tenant", "tenant must be 1..64 letters, digits, '.', '_' or '-'");
  }
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  if (!call.principal.may_see(tenant)) {
    return tl::unexpected(rpc_error(Status::PermissionDenied, "permission_denied",
                                    "this key does not serve that tenant", "tenant"));
  }
  return tenant;
}

RpcResult<Json> Api::tenant_put(Call& call) {
  Params& p = call.params;
  Tenant tenant;
  const auto limit = [&](std::string_view name) -> std::optional<std::uint32_t> {
    const auto value = p.optional_integer(name, 0, kMaxCount);
    if (!value) return std::nullopt;
    return static_cast<std::uint32_t>(*value);
  };
  tenant.name = p.optional_text("name", {0, 128}).value_or("");
  tenant.suspended = p.optional_flag("suspended").value_or(false);
  tenant.max_rooms = limit("max_rooms");
  tenant.max_sessions = limit("max_sessions");
  tenant.max_participants = limit("max_participants");
  if (const auto bytes = p.optional_integer("max_storage_bytes", 0, kMaxBytes)) {
    tenant.max_storage_bytes = static_cast<std::uint64_t>(*bytes);
  }
  tenant.defaults = read_room_defaults(p, parts_.context.config.rooms);
  tenant.roles = RoleTable::read(p);
  if (const Json::Object* attributes = p.object("attributes")) {
    tenant.attributes = Json(*attributes);
    if (tenant.attributes.dump().size() > kMaxAttributesBytes) {
      p.refuse("attributes", "attributes are longer than 4096 bytes");
    }
  }
  if (!is_printable_text(tenant.name)) p.refuse("name", "name must have no control characters");
  const auto if_version = p.optional_integer("if_version", 0);
  const auto id = tenant_of(call);
  if (!id) return tl::unexpected(id.error());
  tenant.id = *id;
  const auto kept = parts_.tenants.put(std::move(tenant), if_version);
  if (!kept) return tl::unexpected(kept.error());
  return (*kept)->to_json();
}

RpcResult<Json> Api::tenant_get(Call& call) {
  const auto id = tenant_of(call);
  if (!id) return tl::unexpected(id.error());
  if (const Tenant* tenant = parts_.tenants.find(*id)) {
    Json json = tenant->to_json();
    json.set("storage_bytes", parts_.recordings.stored_bytes(*id));
    return json;
  }
  return tl::unexpected(rpc_error(Status::NotFound, "tenant_not_found",
                                  "nothing was ever put for this tenant", "tenant"));
}

RpcResult<Json> Api::tenant_list(Call& call) {
  Page page(call.params);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  parts_.tenants.for_each([&](const Tenant& tenant) {
    if (!call.principal.may_see(tenant.id)) return;
    if (page.takes(tenant.created_ms, tenant.id)) {
      page.add(tenant.to_json(), tenant.created_ms, tenant.id);
    }
  });
  return page.result("tenants");
}

RpcResult<Json> Api::tenant_delete(Call& call) {
  const auto id = tenant_of(call);
  if (!id) return tl::unexpected(id.error());
  bool has_rooms = false;
  parts_.rooms.for_each([&](const Room& room) { has_rooms |= room.config.tenant == *id; });
  if (has_rooms) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "tenant_has_rooms",
                                    "delete the rooms of this tenant first", "tenant"));
  }
  return Json::object({{"tenant", *id}, {"already", !parts_.tenants.remove(*id)}});
}

RpcResult<Json> Api::quota_set(Call& call) {
  // What is not named stays as it is.
  const std::string named = text_member(call.params.all(), "tenant");
  QuotaPolicy policy = parts_.metering.policy(named);
  policy.read(call.params);
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  return parts_.metering.set_policy(*tenant, policy);
}

RpcResult<Json> Api::quota_grant(Call& call) {
  Params& p = call.params;
  Grant grant;
  grant.id = printable(p, "grant_id");
  grant.ms = p.integer("ms", 1, kMaxMs);
  grant.valid_from_ms = p.optional_integer("valid_from_ms", 0, kMaxTimeMs).value_or(0);
  grant.expires_at_ms = p.optional_integer("expires_at_ms", 0, kMaxTimeMs);
  if (grant.id == "limit" || grant.id.starts_with("period:")) {
    p.refuse("grant_id", "grant_id must not be \"limit\" nor begin with \"period:\"");
  }
  if (grant.expires_at_ms && *grant.expires_at_ms <= grant.valid_from_ms) {
    p.refuse("expires_at_ms", "expires_at_ms must be later than valid_from_ms");
  }
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  return parts_.metering.grant(*tenant, std::move(grant));
}

RpcResult<Json> Api::quota_get(Call& call) {
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  return parts_.metering.get(*tenant);
}

RpcResult<Json> Api::quota_reserve(Call& call) {
  Metering::ReserveRequest request;
  request.id = printable(call.params, "reservation_id");
  request.n = call.params.optional_integer("n", 1).value_or(1);
  request.ms = call.params.integer("ms", 1, kMaxMs);
  request.valid_for_ms = call.params.optional_integer("valid_for_ms", 1, kDayMs).value_or(30'000);
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  request.tenant = *tenant;
  return parts_.metering.reserve(request);
}

RpcResult<Json> Api::quota_commit(Call& call) {
  Metering::ReserveRequest request;
  request.id = printable(call.params, "reservation_id");
  request.n = call.params.integer("n", 1, kMaxMs);
  request.used_ms = call.params.integer("used_ms", 0, kMaxMs);
  request.ms = call.params.optional_integer("more_ms", 0, kMaxMs).value_or(0);
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  request.tenant = *tenant;
  return parts_.metering.commit(request);
}

RpcResult<Json> Api::quota_release(Call& call) {
  const std::string id = printable(call.params, "reservation_id");
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  return parts_.metering.release(*tenant, id);
}

RpcResult<Json> Api::usage_list(Call& call) {
  Params& p = call.params;
  const auto tenant = p.optional_text("tenant", {1, 64});
  const auto room_id = p.optional_text("room_id");
  const std::int64_t from = p.optional_integer("from_ms", 0, kMaxTimeMs).value_or(0);
  const std::int64_t to = p.optional_integer("to_ms", 0, kMaxTimeMs).value_or(kMaxTimeMs);
  Page page(p);
  if (auto ok = p.finish(); !ok) return tl::unexpected(ok.error());
  parts_.sessions.history().for_each([&](const SessionRecord& record) {
    if (!call.principal.may_see(record.tenant)) return;
    if (tenant && record.tenant != *tenant) return;
    if (room_id && record.room_id != *room_id) return;
    if (record.started_ms < from || record.started_ms >= to) return;
    if (!page.takes(record.started_ms, record.id)) return;
    Json json = record.to_json();
    parts_.metering.add_usage(record.id, Metering::kMaxIntervalsListed, json);
    json.set("recording_ms", parts_.recordings.recorded_ms(record.id));
    page.add(std::move(json), record.started_ms, record.id);
  });
  Json result = page.result("usage");
  result.set("complete_from_ms", parts_.sessions.history().complete_from_ms());
  return result;
}

}  // namespace parley::control
