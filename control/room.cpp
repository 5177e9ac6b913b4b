#include "control/room.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace parley::control {

std::string_view name_of(RoomState state) noexcept {
  switch (state) {
    case RoomState::Scheduled:
      return "scheduled";
    case RoomState::Open:
      return "open";
    case RoomState::Locked:
      return "locked";
    case RoomState::Expired:
      return "expired";
  }
  return "open";
}

RoomState Room::state(std::int64_t now_ms) const noexcept {
  if (config.expires_at_ms && now_ms >= *config.expires_at_ms) return RoomState::Expired;
  if (config.starts_at_ms && now_ms < *config.starts_at_ms) return RoomState::Scheduled;
  return locked ? RoomState::Locked : RoomState::Open;
}

std::optional<std::optional<std::int64_t>> read_on_host_left(std::string_view text) {
  if (text == "continue") return std::optional<std::int64_t>();
  if (text == "end") return std::optional<std::int64_t>(0);
  for (const auto& [prefix, unit_ms] :
       {std::pair<std::string_view, std::int64_t>{"end_after_s:", 1'000},
        std::pair<std::string_view, std::int64_t>{"end_after_ms:", 1}}) {
    if (!text.starts_with(prefix)) continue;
    const std::string_view number = text.substr(prefix.size());
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    constexpr std::int64_t kDayMs = 86'400'000;
    if (error != std::errc() || end != number.data() + number.size() || value < 0 ||
        value > kDayMs / unit_ms) {
      return std::nullopt;
    }
    return std::optional<std::int64_t>(value * unit_ms);
  }
  return std::nullopt;
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
  Json recording = config.recording.to_json();
  recording.set("auto", config.record_sessions ? "session" : "off");
  json.set("recording", std::move(recording));
  json.set("lobby", config.lobby);
  if (config.max_duration_ms) json.set("max_duration_ms", *config.max_duration_ms);
  if (config.last_n) json.set("last_n", *config.last_n);
  if (config.loudest) json.set("loudest", *config.loudest);
  const auto& end_after = config.end_after_host_left_ms;
  json.set("on_host_left", !end_after        ? std::string("continue")
                           : *end_after == 0 ? std::string("end")
                                             : "end_after_ms:" + std::to_string(*end_after));
  Json codecs = Json::array();
  for (const std::string& codec : config.codecs) codecs.push(codec);
  json.set("codecs", std::move(codecs));
  json.set("enable_chat", config.chat);
  json.set("chat_slow_mode_s", config.chat_slow_mode_s);
  json.set("enable_data", config.data);
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
  body.set("locked", locked);
  Json list = Json::array();
  for (const Ban& ban : bans) {
    list.push(Json::object({{"identity", ban.identity}, {"at_ms", ban.at_ms}}));
  }
  body.set("bans", std::move(list));
  return {"room", id, config.tenant, body.dump(), created_ms};
}

std::optional<Room> Room::from_row(const Row& row) {
  const auto body = Json::parse_own(row.body);
  if (!body || !body->is_object()) return std::nullopt;
  Room room;
  room.id = row.id;
  room.created_ms = row.created_ms;
  room.version = integer_member(*body, "version", 1);
  room.expiry_told = flag_member(*body, "expiry_told");
  room.locked = flag_member(*body, "locked");
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
    config.recording = RecordingOptions::from_json(*recording);
  }
  config.lobby = flag_member(*body, "lobby");
  if (const Json* ms = body->find("max_duration_ms")) config.max_duration_ms = ms->as_int();
  config.last_n = limit_member(*body, "last_n");
  config.loudest = limit_member(*body, "loudest");
  if (const auto end_after = read_on_host_left(text_member(*body, "on_host_left"))) {
    config.end_after_host_left_ms = *end_after;
  }
  if (const Json* codecs = body->find("codecs"); codecs != nullptr && codecs->is_array()) {
    for (const Json& codec : *codecs->as_array()) {
      if (const std::string* text = codec.as_string()) config.codecs.push_back(*text);
    }
  }
  if (const Json* chat = body->find("enable_chat")) config.chat = chat->as_bool().value_or(true);
  config.chat_slow_mode_s = static_cast<std::uint32_t>(integer_member(*body, "chat_slow_mode_s"));
  if (const Json* data = body->find("enable_data")) config.data = data->as_bool().value_or(true);
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
