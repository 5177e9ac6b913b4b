#include <algorithm>

#include "control/api.h"
#include "control/room_options.h"

// The API's methods for rooms and sessions, and how all methods find them.
namespace parley::control {
namespace {

constexpr std::int64_t kMaxTimeMs = 253'402'300'799'000;  // the year 9999

RpcError room_not_found() {
  return rpc_error(Status::NotFound, "room_not_found", "there is no such room", "room_id");
}

// Of room.update only: in room.create, null says as little as nothing.
void clear_what_is_null(const Params& p, const config::Rooms& limits, RoomConfig& config) {
  if (p.is_null("starts_at_ms")) config.starts_at_ms.reset();
  if (p.is_null("expires_at_ms")) config.expires_at_ms.reset();
  if (p.is_null("max_duration_ms")) config.max_duration_ms.reset();
  if (p.is_null("last_n")) config.last_n.reset();
  if (p.is_null("loudest")) config.loudest.reset();
  if (p.is_null("max_participants")) config.max_participants = limits.max_participants;
}

}  // namespace

RpcResult<Room*> Api::room_of(Call& call) {
  const auto id = call.params.optional_text("room_id");
  const auto tenant = call.params.optional_text("tenant", {1, 64});
  const auto name = call.params.optional_text("room");
  if (!id && !(tenant && name)) call.params.refuse("room_id", "room_id is missing");
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  if (!id && !call.principal.may_see(*tenant)) {
    return tl::unexpected(rpc_error(Status::PermissionDenied, "permission_denied",
                                    "this key does not serve that tenant", "tenant"));
  }
  Room* room = id ? parts_.rooms.find(*id) : parts_.rooms.find(*tenant, *name);
  if (room == nullptr || !call.principal.may_see(room->config.tenant)) {
    return tl::unexpected(room_not_found());
  }
  return room;
}

Json Api::room_json(const Room& room) {
  Json json = room.to_json(parts_.context.wall_ms());
  const Session* session = parts_.sessions.find_by_room(room.id);
  if (session != nullptr) json.set("session_id", session->id());
  json.set("participants",
           static_cast<std::uint64_t>(session == nullptr ? 0 : session->participants().size()));
  return json;
}

// Members that are named replace those of the config.
void Api::read_room_config(Params& p, RoomConfig& config) const {
  read_room_options(p, parts_.context.config.rooms, config);
  for (const auto& [name, into] : {std::pair{"starts_at_ms", &config.starts_at_ms},
                                   std::pair{"expires_at_ms", &config.expires_at_ms}}) {
    if (const auto at = p.optional_integer(name, 0, kMaxTimeMs)) *into = at;
  }
  if (const Json::Object* attributes = p.object("attributes")) {
    config.attributes = Json(*attributes);
    if (config.attributes.dump().size() > kMaxAttributesBytes) {
      p.refuse("attributes", "attributes are longer than 4096 bytes");
    }
  }
  // A room that is over may be changed in everything else.
  const bool names_window = p.names("starts_at_ms") || p.names("expires_at_ms");
  const std::int64_t opens = std::max(config.starts_at_ms.value_or(0), parts_.context.wall_ms());
  if (names_window && config.expires_at_ms && *config.expires_at_ms <= opens) {
    p.refuse("expires_at_ms", "expires_at_ms must be later than the start and than now");
  }
}

RpcResult<Json> Api::room_create(Call& call) {
  Params& p = call.params;
  const std::string of = text_member(p.all(), "tenant");
  RoomConfig config = default_room(parts_.context.config.rooms, parts_.tenants.find(of));
  // Once more: what is not said is as it was then, whatever the defaults are now.
  if (const Room* known = parts_.rooms.find(of, text_member(p.all(), "name"))) {
    config = known->config;
    config.starts_at_ms = config.expires_at_ms = std::nullopt;
    config.attributes = Json(Json::Object{});
  }
  config.tenant = p.text("tenant", {1, 64});
  config.name = p.text("name");
  read_room_config(p, config);
  if (!is_plain_name(config.tenant)) {
    p.refuse("tenant", "tenant must be 1..64 letters, digits, '.', '_' or '-'");
  }
  if (!is_printable_text(config.name) || config.name.find('*') != std::string::npos) {
    p.refuse("name", "name must have no control characters and no '*'");
  }
  if (auto ok = p.finish(); !ok) return tl::unexpected(ok.error());
  if (!call.principal.may_see(config.tenant)) {
    return tl::unexpected(rpc_error(Status::PermissionDenied, "permission_denied",
                                    "this key does not serve that tenant", "tenant"));
  }
  const auto created = parts_.rooms.create(std::move(config));
  if (!created) return tl::unexpected(created.error());
  return Json::object({{"room_id", created->room->id},
                       {"name", created->room->config.name},
                       {"version", created->room->version},
                       {"created", created->created},
                       {"replayed", false}});
}

RpcResult<Json> Api::room_update(Call& call) {
  const auto if_version = call.params.optional_integer("if_version", 1);
  // Which room it is decides what the other params are read into: it is looked for first, and all
  // mistakes are told before anything else.
  RoomConfig config;
  Room* known = peek_room(call);
  if (known != nullptr) config = known->config;
  clear_what_is_null(call.params, parts_.context.config.rooms, config);
  read_room_config(call.params, config);
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  if (if_version && *if_version != (*room)->version) {
    return tl::unexpected(version_conflict((*room)->version));
  }
  parts_.rooms.change(**room, std::move(config));
  if (Session* session = parts_.sessions.find_by_room((*room)->id)) {
    parts_.sessions.room_changed(*session, **room);
  }
  return room_json(**room);
}

RpcResult<Json> Api::room_lock(Call& call) {
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.actions.lock_room(actor_of(call.principal), **room, true);
}

RpcResult<Json> Api::room_unlock(Call& call) {
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.actions.lock_room(actor_of(call.principal), **room, false);
}

// Which room it is going to be, if the key may know.
Room* Api::peek_room(const Call& call) {
  const Json& all = call.params.all();
  const std::string id = text_member(all, "room_id");
  Room* room = id.empty() ? parts_.rooms.find(text_member(all, "tenant"), text_member(all, "room"))
                          : parts_.rooms.find(id);
  return room == nullptr || !call.principal.may_see(room->config.tenant) ? nullptr : room;
}

Session* Api::peek_session(const Call& call) {
  const std::string id = text_member(call.params.all(), "session_id");
  const Room* room = id.empty() ? peek_room(call) : nullptr;
  Session* session = !id.empty()       ? parts_.sessions.find(id)
                     : room != nullptr ? parts_.sessions.find_by_room(room->id)
                                       : nullptr;
  return session == nullptr || !call.principal.may_see(session->tenant()) ? nullptr : session;
}

RpcResult<Json> Api::room_get(Call& call) {
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return room_json(**room);
}

RpcResult<Json> Api::room_list(Call& call) {
  const auto tenant = call.params.optional_text("tenant", {1, 64});
  const auto state = call.params.choice("state", {"scheduled", "open", "locked", "expired"});
  Page page(call.params);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  const std::int64_t now = parts_.context.wall_ms();
  parts_.rooms.for_each([&](const Room& room) {
    if (!call.principal.may_see(room.config.tenant)) return;
    if (tenant && room.config.tenant != *tenant) return;
    if (state && name_of(room.state(now)) != *state) return;
    if (page.takes(room.created_ms, room.id)) page.add(room_json(room), room.created_ms, room.id);
  });
  return page.result("rooms");
}

RpcResult<Json> Api::room_delete(Call& call) {
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  const std::string id = (*room)->id;
  if (Session* session = parts_.sessions.find_by_room(id)) {
    parts_.sessions.end(*session, "room_deleted");
  }
  parts_.chat.forget((*room)->id);
  parts_.rooms.remove(**room);
  return Json::object({{"room_id", id}});
}

RpcResult<Session*> Api::session_of(Call& call) {
  const auto session_id = call.params.optional_text("session_id");
  if (!session_id) {
    const auto room = room_of(call);
    if (!room) return tl::unexpected(room.error());
    Session* session = parts_.sessions.find_by_room((*room)->id);
    if (session != nullptr) return session;
    return tl::unexpected(
        rpc_error(Status::FailedPrecondition, "no_session", "nobody is in the room", "room_id"));
  }
  // Its room may be named beside it, and says nothing more.
  for (const char* name : {"room_id", "tenant", "room"}) {
    static_cast<void>(call.params.optional_text(name));
  }
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  Session* session = parts_.sessions.find(*session_id);
  if (session == nullptr || !call.principal.may_see(session->tenant())) {
    return tl::unexpected(rpc_error(Status::NotFound, "session_not_found",
                                    "there is no such running session", "session_id"));
  }
  return session;
}

RpcResult<Json> Api::session_get(Call& call) {
  const std::string id = call.params.text("session_id");
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  const SessionRecord* record = parts_.sessions.history().find(id);
  if (record == nullptr || !call.principal.may_see(record->tenant)) {
    return tl::unexpected(
        rpc_error(Status::NotFound, "session_not_found", "there is no such session", "session_id"));
  }
  return record->to_json();
}

RpcResult<Json> Api::session_list(Call& call) {
  const auto tenant = call.params.optional_text("tenant", {1, 64});
  const auto room_id = call.params.optional_text("room_id");
  const auto state = call.params.choice("state", {"active", "ended"});
  Page page(call.params);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  parts_.sessions.history().for_each([&](const SessionRecord& record) {
    if (!call.principal.may_see(record.tenant)) return;
    if (tenant && record.tenant != *tenant) return;
    if (room_id && record.room_id != *room_id) return;
    if (state && (*state == "ended") != (record.ended_ms != 0)) return;
    if (page.takes(record.started_ms, record.id)) {
      page.add(record.to_json(), record.started_ms, record.id);
    }
  });
  return page.result("sessions");
}

RpcResult<Json> Api::session_end(Call& call) {
  const auto session = session_of(call);
  if (session) return parts_.actions.end_session(actor_of(call.principal), **session);
  // What has ended already is a success (control-api.md, section 3).
  const std::string& reason = session.error().reason;
  const SessionRecord* record =
      reason == "session_not_found"
          ? parts_.sessions.history().find(text_member(call.params.all(), "session_id"))
          : nullptr;
  if (reason == "no_session" || (record != nullptr && call.principal.may_see(record->tenant))) {
    return Json::object({{"already", true}});
  }
  return tl::unexpected(session.error());
}

}  // namespace parley::control
