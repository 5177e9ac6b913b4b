#include "control/api.h"

#include <algorithm>

#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::string_view kProtocol = "parley.control/1.0";
constexpr std::int64_t kDefaultTokenTtlS = 3'600;

}  // namespace

Api::Api(Parts parts) : parts_(std::move(parts)) {}

const std::map<std::string_view, Api::Method>& Api::methods() {
  static const std::map<std::string_view, Method> kMethods = {
      {"hello", {&Api::hello_method, false}},
      {"ping", {&Api::ping, false}},
      {"rpc.discover", {&Api::discover, false}},
      {"server.info", {&Api::server_info, false}},
      {"server.drain", {&Api::server_drain, true}},
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
      {"recording.get", {&Api::recording_get, false}},
      {"recording.list", {&Api::recording_list, false}},
      {"recording.access_link", {&Api::recording_access_link, false}},
  };
  return kMethods;
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
  if (method->second.mutating && !parts_.context.outbox.healthy()) {
    return reply(tl::unexpected(
        rpc_error(Status::Unavailable, "store_failed", "nothing can be kept at the moment")));
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

RpcResult<Json> Api::hello_method(Call& call) {
  static_cast<void>(call.params.optional_text("client"));
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return hello();
}

RpcResult<Json> Api::ping(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"server_time_ms", parts_.context.wall_ms()}});
}

RpcResult<Json> Api::discover(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  Json list = Json::array();
  for (const auto& [name, method] : methods()) {
    if (!call.principal.may_call(name, method.mutating)) continue;
    list.push(Json::object({{"name", name}, {"mutating", method.mutating}}));
  }
  return Json::object({{"protocol", kProtocol}, {"methods", std::move(list)}});
}

RpcResult<Json> Api::server_info(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"version", parts_.facts.version},
                       {"boot_id", parts_.facts.boot_id},
                       {"uptime_ms", parts_.context.wall_ms() - parts_.facts.started_ms},
                       {"workers", static_cast<std::uint64_t>(parts_.context.workers.size())},
                       {"rooms", static_cast<std::uint64_t>(parts_.rooms.size())},
                       {"sessions", static_cast<std::uint64_t>(parts_.sessions.running())},
                       {"participants", static_cast<std::uint64_t>(parts_.sessions.participants())},
                       {"store_healthy", parts_.context.outbox.healthy()}});
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
  const auto nbf = p.optional_integer("not_before_ms", 0);
  const auto max_session_ms = p.optional_integer("max_session_ms", 1);
  const auto hidden = p.optional_flag("hidden");
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

RpcResult<Json> Api::server_drain(Call& call) {
  constexpr std::int64_t kDayMs = 86'400'000;
  const auto limit = call.params.optional_integer("limit_ms", 0, kDayMs);
  const bool cancel = call.params.optional_flag("cancel").value_or(false);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  parts_.sessions.drain(!cancel,
                        limit ? std::optional(std::chrono::milliseconds(*limit)) : std::nullopt);
  return Json::object(
      {{"draining", !cancel}, {"sessions", static_cast<std::uint64_t>(parts_.sessions.running())}});
}

}  // namespace parley::control
