#include "control/api.h"

#include <algorithm>

#include "control/api_description.h"
#include "control/schema.h"
#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::string_view kProtocolVersion = "1.1";
constexpr std::string_view kProtocol = "parley.control/1.1";
constexpr std::int64_t kDefaultTokenTtlS = 3'600;

}  // namespace

Api::Api(Parts parts) : parts_(std::move(parts)) {}

const std::map<std::string_view, Api::Method>& Api::methods() {
  static const std::map<std::string_view, Method> kMethods = {
      {"hello", {&Api::hello_method, false}},
      {"ping", {&Api::ping, false}},
      {"rpc.discover", {&Api::discover, false}},
      {"server.info", {&Api::server_info, false}},
      {"server.stats", {&Api::server_stats, false}},
      {"server.drain", {&Api::server_drain, true}},
      {"server.reload", {&Api::server_reload, true}},
      {"log.set", {&Api::log_set, true}},
      {"token.create", {&Api::token_create, false}},
      {"token.revoke", {&Api::token_revoke, true}},
      {"events.list", {nullptr, false}},
      {"events.subscribe", {&Api::events_subscribe, true}},
      {"events.ack", {&Api::events_ack, true}},
      {"consumer.list", {&Api::consumer_list, false}},
      {"consumer.delete", {&Api::consumer_delete, true}},
      {"webhook.put", {&Api::webhook_put, true}},
      {"webhook.list", {&Api::webhook_list, false}},
      {"webhook.delete", {&Api::webhook_delete, true}},
      {"webhook.test", {nullptr, true}},
      {"webhook.redeliver", {&Api::webhook_redeliver, true}},
      {"state.snapshot", {&Api::state_snapshot, false}},
      {"tenant.put", {&Api::tenant_put, true}},
      {"tenant.get", {&Api::tenant_get, false}},
      {"tenant.list", {&Api::tenant_list, false}},
      {"tenant.delete", {&Api::tenant_delete, true}},
      {"quota.set", {&Api::quota_set, true}},
      {"quota.grant", {&Api::quota_grant, true}},
      {"quota.get", {&Api::quota_get, false}},
      {"quota.reserve", {&Api::quota_reserve, true}},
      {"quota.commit", {&Api::quota_commit, true}},
      {"quota.release", {&Api::quota_release, true}},
      {"usage.list", {&Api::usage_list, false}},
      {"room.create", {&Api::room_create, true}},
      {"room.update", {&Api::room_update, true}},
      {"room.lock", {&Api::room_lock, true}},
      {"room.unlock", {&Api::room_unlock, true}},
      {"room.get", {&Api::room_get, false}},
      {"room.list", {&Api::room_list, false}},
      {"room.delete", {&Api::room_delete, true}},
      {"room.mute_all", {&Api::room_mute_all, true}},
      {"room.clear_mute_all", {&Api::room_clear_mute_all, true}},
      {"session.get", {&Api::session_get, false}},
      {"session.list", {&Api::session_list, false}},
      {"session.end", {&Api::session_end, true}},
      {"participant.list", {&Api::participant_list, false}},
      {"participant.get", {&Api::participant_get, false}},
      {"subscription.get", {&Api::subscription_get, false}},
      {"participant.update", {&Api::participant_update, true}},
      {"participant.remove", {&Api::participant_remove, true}},
      {"participant.admit", {&Api::participant_admit, true}},
      {"participant.deny", {&Api::participant_deny, true}},
      {"participant.ban", {&Api::participant_ban, true}},
      {"participant.unban", {&Api::participant_unban, true}},
      {"timer.start", {&Api::timer_start, true}},
      {"timer.cancel", {&Api::timer_cancel, true}},
      {"track.list", {&Api::track_list, false}},
      {"track.mute", {&Api::track_mute, true}},
      {"recording.start", {&Api::recording_start, true}},
      {"recording.stop", {&Api::recording_stop, true}},
      {"recording.set_layout", {&Api::recording_set_layout, true}},
      {"recording.compose", {&Api::recording_compose, true}},
      {"recording.pause", {&Api::recording_pause, true}},
      {"recording.resume", {&Api::recording_resume, true}},
      {"recording.upload", {&Api::recording_upload, true}},
      {"recording.delete", {&Api::recording_delete, true}},
      {"recording.get", {&Api::recording_get, false}},
      {"recording.list", {&Api::recording_list, false}},
      {"recording.access_link", {&Api::recording_access_link, false}},
      {"chat.send", {&Api::chat_send, true}},
      {"chat.list", {&Api::chat_list, false}},
      {"chat.delete", {&Api::chat_delete, true}},
      {"data.send", {&Api::data_send, true}},
  };
  return kMethods;
}

std::vector<std::string> Api::method_names() {
  std::vector<std::string> names;
  for (const auto& [name, method] : methods()) names.emplace_back(name);
  return names;
}

bool Api::is_mutating(std::string_view method) {
  const auto it = methods().find(method);
  return it != methods().end() && it->second.mutating;
}

void Api::call(const Principal& principal, const RpcRequest& request, Reply reply,
               std::optional<ConnectionId> connection) {
  const auto method = methods().find(request.method);
  if (method == methods().end()) {
    return reply(tl::unexpected(rpc_error(Status::MethodNotFound, "unknown_method",
                                          "there is no method of this name", "method")));
  }
  if (!principal.may_call(request.method, method->second.mutating)) {
    return reply(tl::unexpected(rpc_error(Status::PermissionDenied, "permission_denied",
                                          "this key may not call " + request.method)));
  }
  if (const auto wait_ms = over_rate(principal, request, method->second.mutating)) {
    RpcError error = rpc_error(Status::ResourceExhausted, "rate_limited",
                               "more requests a second than this key or this tenant may make");
    error.retry_after_ms = *wait_ms;
    return reply(tl::unexpected(std::move(error)));
  }
  if (method->second.mutating && parts_.context.outbox.congested()) {
    RpcError error = rpc_error(Status::Unavailable, "server_busy",
                               "the disk does not keep up; nothing new can be begun");
    error.retry_after_ms = 1'000;
    return reply(tl::unexpected(std::move(error)));
  }
  if (method->second.mutating && !parts_.context.outbox.healthy()) {
    return reply(tl::unexpected(
        rpc_error(Status::Unavailable, "store_failed", "nothing can be kept at the moment")));
  }
  // What the schema says of the params comes before anything looks into them; what only the daemon
  // knows (limits of the configuration, who is there) is left to the handlers.
  const SchemaSet& schemas = SchemaSet::of_api();
  if (const auto ok = schemas.check_request(schemas.backend_methods(), request); !ok) {
    if (method->second.mutating) audit(principal, request, tl::unexpected(ok.error()));
    return reply(tl::unexpected(ok.error()));
  }
  if (request.method == "events.list") return events_list(principal, request, std::move(reply));
  if (request.method == "webhook.test") return webhook_test(principal, request, std::move(reply));
  Params params(request.params);
  Call call{principal, params, connection};
  if (!method->second.mutating) return reply((this->*method->second.handler)(call));

  const auto key = params.optional_text("idempotency_key", {1, Idempotency::kMaxKeyBytes});
  const std::string scope = principal.key_id + "/" + request.method;
  if (key) {
    auto stored = parts_.idempotency.find(scope, request.params);
    if (!stored) return reply(tl::unexpected(stored.error()));
    if (*stored) return reply(std::move(**stored));
  }
  auto result = (this->*method->second.handler)(call);
  audit(principal, request, result);
  if (result && key) {
    result->set("replayed", false);
    parts_.idempotency.remember(scope, request.params, *result);
  }
  reply(std::move(result));
}

// Each request counts for its key, and for its tenant whoever asks, so that one seller's mistake
// costs no other seller. Acknowledgements are free: they come as fast as the events.
std::optional<std::int64_t> Api::over_rate(const Principal& principal, const RpcRequest& request,
                                           bool write) {
  if (request.method == "events.ack") return std::nullopt;
  const rtp::Time now = parts_.context.now();
  if (const auto wait = rates_.take("key/" + principal.key_id, principal.rates, write, now)) {
    return wait;
  }
  std::string tenant = text_member(request.params, "tenant");
  if (tenant.empty()) {
    const Room* room = parts_.rooms.find(text_member(request.params, "room_id"));
    if (room != nullptr) tenant = room->config.tenant;
  }
  if (tenant.empty() || !principal.may_see(tenant)) return std::nullopt;
  const config::Auth& auth = parts_.context.config.auth;
  return rates_.take("tenant/" + tenant, {auth.reads_per_s, auth.writes_per_s}, write, now);
}

// Who has changed what, or was not let (A44).
void Api::audit(const Principal& principal, const RpcRequest& request,
                const RpcResult<Json>& result) {
  const auto of = [&](std::string_view name) { return text_member(request.params, name); };
  std::string target = of("room_id");
  for (const char* name : {"room", "name", "session_id", "recording_id", "consumer"}) {
    if (target.empty()) target = of(name);
  }
  server::log::info("audit", {{"action", request.method},
                              {"by", "key:" + principal.key_id},
                              {"tenant", of("tenant")},
                              {"of", target},
                              {"outcome", result ? "done" : result.error().reason}});
}

Json Api::hello() const {
  const Context& context = parts_.context;
  const config::Control& control = context.config.control;
  return Json::object({{"protocol", kProtocol},
                       {"server", "parley " + parts_.facts.version},
                       {"boot_id", parts_.facts.boot_id},
                       {"epoch", parts_.facts.epoch},
                       {"last_seq", context.outbox.durable_seq()},
                       {"earliest_seq", parts_.store.earliest_seq()},
                       {"capabilities", Json::array()},
                       {"limits", Json::object({{"max_frame", control.max_message_bytes},
                                                {"inflight", control.max_inflight}})},
                       {"server_time_ms", context.wall_ms()}});
}

RpcResult<Json> Api::ping(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"server_time_ms", parts_.context.wall_ms()}});
}

RpcResult<Json> Api::discover(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return openrpc(&call.principal);
}

Json Api::openrpc(const Principal* principal) {
  return openrpc_document(SchemaSet::of_api(), kProtocolVersion,
                          [&](std::string_view name) -> std::optional<bool> {
                            const bool mutating = is_mutating(name);
                            if (principal != nullptr && !principal->may_call(name, mutating)) {
                              return std::nullopt;
                            }
                            return mutating;
                          });
}

std::optional<Json> Api::schema_page(std::string_view name) {
  const SchemaSet& schemas = SchemaSet::of_api();
  if (name == "openrpc.json") return openrpc(nullptr);
  if (name == "asyncapi.json") return asyncapi_document(schemas, kProtocolVersion);
  const Json* file = schemas.file(name);
  return file == nullptr ? std::nullopt : std::optional(*file);
}

RpcResult<Json> Api::token_create(Call& call) {
  Params& p = call.params;
  const std::string identity = p.text("identity", {1, kMaxIdentityBytes});
  if (!is_printable_text(identity)) p.refuse("identity", "identity has control characters");
  const auto name = p.optional_text("name", {1, kMaxDisplayNameBytes});
  if (name && !is_printable_text(*name)) p.refuse("name", "name has control characters");
  const auto role = p.choice("role", {"host", "co_host", "participant", "viewer", "observer"});
  const std::int64_t limit = parts_.context.config.auth.max_join_token_ttl_s;
  const auto ttl_s = p.optional_integer("ttl_s", 1, limit);
  constexpr std::int64_t kYearMs = 31'536'000'000;
  const auto nbf = p.optional_integer("not_before_ms", 0);
  if (nbf && *nbf > parts_.context.wall_ms() + kYearMs) {
    p.refuse("not_before_ms", "not_before_ms must be within a year");
  }
  const auto max_session_ms = p.optional_integer("max_session_ms", 1, kMaxSessionMs);
  const auto hidden = p.optional_flag("hidden");
  const auto bypass_lobby = p.optional_flag("bypass_lobby");
  const auto eject_at_exp = p.optional_flag("eject_at_exp");
  const auto can_subscribe = p.optional_flag("can_subscribe");
  const Json::Array* can_publish = p.array("can_publish", 4);
  const Json::Object* attributes = p.object("attributes");
  auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  const std::int64_t now_s = parts_.context.wall_ms() / 1'000;
  const std::int64_t nbf_s = nbf ? *nbf / 1'000 : now_s;
  const std::int64_t exp_s =
      std::max(nbf_s, now_s) + ttl_s.value_or(std::min(kDefaultTokenTtlS, limit));
  Json grants = Json::object({{"tenant", (*room)->config.tenant},
                              {"room", (*room)->id},
                              {"role", role.value_or("participant")}});
  if (name) grants.set("name", *name);
  if (max_session_ms) grants.set("max_session_ms", *max_session_ms);
  if (hidden) grants.set("hidden", *hidden);
  if (bypass_lobby) grants.set("bypass_lobby", *bypass_lobby);
  if (eject_at_exp) grants.set("eject_at_exp", *eject_at_exp);
  if (can_subscribe) grants.set("can_subscribe", *can_subscribe);
  if (can_publish != nullptr) grants.set("can_publish", Json(*can_publish));
  if (attributes != nullptr) grants.set("attributes", Json(*attributes));
  auto token =
      parts_.keyring.sign(call.principal.key_id, Json::object({{"sub", identity},
                                                               {"aud", "parley-join"},
                                                               {"jti", parts_.context.id("jt")},
                                                               {"iat", now_s},
                                                               {"nbf", nbf_s},
                                                               {"exp", exp_s},
                                                               {"parley", std::move(grants)}}));
  if (!token) return tl::unexpected(token.error());
  return Json::object({{"token", *token},
                       {"room_id", (*room)->id},
                       {"identity", identity},
                       {"expires_at_ms", exp_s * 1'000}});
}

RpcResult<Json> Api::token_revoke(Call& call) {
  Params& p = call.params;
  const auto jti = p.optional_text("jti", {1, 128});
  const auto identity = p.optional_text("identity", {1, kMaxIdentityBytes});
  const auto until = p.optional_integer("issued_until_ms", 0);
  if (jti.has_value() == identity.has_value()) {
    p.refuse("jti", "either jti or identity says which tokens");
  }
  const auto tenant = tenant_of(call);
  if (!tenant) return tl::unexpected(tenant.error());
  const auto kept = jti ? parts_.revocations.revoke_token(*tenant, *jti)
                        : parts_.revocations.revoke_identity(
                              *tenant, *identity, until.value_or(parts_.context.wall_ms()));
  if (!kept) return tl::unexpected(kept.error());
  parts_.sessions.remove_revoked();
  return Json(Json::Object{});
}

}  // namespace parley::control
