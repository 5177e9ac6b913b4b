#include "control/room.h"

#include <algorithm>

namespace parley::control {

std::string_view name_of(RoomState state) noexcept {
  switch (state) {
    case RoomState::Scheduled:
      return "scheduled";
    case RoomState::Open:
      return "open";
    case RoomState::Expired:
      return "expired";
  }
  return "open";
}

RoomState Room::state(std::int64_t now_ms) const noexcept {
  if (config.expires_at_ms && now_ms >= *config.expires_at_ms) return RoomState::Expired;
  if (config.starts_at_ms && now_ms < *config.starts_at_ms) return RoomState::Scheduled;
  return RoomState::Open;
}

bool Room::is_banned(std::string_view identity, std::int64_t token_issued_ms) const {
  return std::any_of(bans.begin(), bans.end(), [&](const Ban& ban) {
    return ban.identity == identity && token_issued_ms <= ban.at_ms;
  });
}

Json config_json(const RoomConfig& config) {
  Json json = Json::object({{"tenant", config.tenant}, {"name", config.name}});
  if (config.starts_at_ms) json.set("starts_at_ms", *config.starts_at_ms);
  if (config.expires_at_ms) json.set("expires_at_ms", *config.expires_at_ms);
  json.set("max_participants", config.max_participants);
  json.set("empty_timeout_s", config.empty_timeout_s);
  json.set("departure_timeout_s", config.departure_timeout_s);
  json.set("recording", Json::object({{"auto", config.record_sessions ? "session" : "off"}}));
  json.set("attributes", config.attributes);
  return json;
}

Json Room::to_json(std::int64_t now_ms) const {
  Json json = Json::object({{"room_id", id}});
  const Json members = config_json(config);
  for (const auto& [name, value] : *members.as_object()) json.set(name, value);
  json.set("state", name_of(state(now_ms)));
  json.set("created_ms", created_ms);
  json.set("version", version);
  return json;
}

Row Room::to_row() const {
  Json body = config_json(config);
  body.set("version", version);
  body.set("expiry_told", expiry_told);
  Json list = Json::array();
  for (const Ban& ban : bans) {
    list.push(Json::object({{"identity", ban.identity}, {"at_ms", ban.at_ms}}));
  }
  body.set("bans", std::move(list));
  return {"room", id, config.tenant, body.dump(), created_ms};
}

std::optional<Room> Room::from_row(const Row& row) {
  const auto body = Json::parse(row.body);
  if (!body || !body->is_object()) return std::nullopt;
  Room room;
  room.id = row.id;
  room.created_ms = row.created_ms;
  room.version = integer_member(*body, "version", 1);
  room.expiry_told = flag_member(*body, "expiry_told");
  RoomConfig& config = room.config;
  config.tenant = row.tenant;
  config.name = text_member(*body, "name");
  if (const Json* at = body->find("starts_at_ms")) config.starts_at_ms = at->as_int();
  if (const Json* at = body->find("expires_at_ms")) config.expires_at_ms = at->as_int();
  config.max_participants = static_cast<std::uint32_t>(integer_member(*body, "max_participants"));
  config.empty_timeout_s = static_cast<std::uint32_t>(integer_member(*body, "empty_timeout_s"));
  config.departure_timeout_s =
      static_cast<std::uint32_t>(integer_member(*body, "departure_timeout_s"));
  if (const Json* recording = body->find("recording")) {
    config.record_sessions = text_member(*recording, "auto") == "session";
  }
  if (const Json* attributes = body->find("attributes")) config.attributes = *attributes;
  const Json* bans = body->find("bans");
  if (bans != nullptr && bans->is_array()) {
    for (const Json& ban : *bans->as_array()) {
      room.bans.push_back({text_member(ban, "identity"), integer_member(ban, "at_ms")});
    }
  }
  return room;
}

}  // namespace parley::control
