#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/json.h"

// What the model (model.h) knows of. Ids are "rm_1", "se_1", "pa_1", "tr_1" in the order of their
// making.
namespace parley::control::model {

using Us = std::int64_t;  // steady clock

struct Answer {
  std::string reason;                  // of the error
  Json result = Json(Json::Object{});  // members that the daemon's must have
};
inline Answer no(std::string reason) { return {std::move(reason), {}}; }
inline Answer yes(std::initializer_list<Json::Member> members) {
  return {"", Json::object(members)};
}

struct Key {
  std::string id;
  bool reads = false;         // only
  bool sells = true;          // may put tenants
  std::string only_tenant;    // else all
  std::string methods_begin;  // with this
  [[nodiscard]] bool sees(const std::string& tenant) const {
    return only_tenant.empty() || tenant == only_tenant;
  }
};

struct Token {
  std::string jti, identity, tenant, room, role;
  std::string name;  // empty: the identity
  std::int64_t issued_s = 0;
  std::int64_t expires_s = 0;
  std::optional<std::vector<std::string>> can_publish;
  std::optional<std::int64_t> max_session_ms;
  bool bypass_lobby = false;
  bool hidden = false;
  bool eject_at_exp = false;
  bool forged = false;
};

inline bool is_host(const std::string& role) { return role == "host" || role == "co_host"; }

inline std::vector<std::string> rights_of(const std::string& role) {
  std::vector<std::string> rights;
  if (is_host(role) || role == "participant") {
    rights = {"publish_camera", "publish_microphone", "publish_screen_share"};
  }
  rights.emplace_back("subscribe");
  if (role == "observer") return rights;
  if (!is_host(role)) {
    rights.insert(rights.end(), {"send_chat", "send_data"});
    return rights;
  }
  for (const char* right : {"mute_others", "remove_others"}) rights.emplace_back(right);
  if (role == "host") rights.emplace_back("end_session");
  for (const char* right : {"record", "list_recordings", "admit_others", "run_timers", "send_chat",
                            "moderate_chat", "send_data"}) {
    rights.emplace_back(right);
  }
  return rights;
}

// Of a participant who calls this.
inline std::string right_for(const std::string& method) {
  static const std::map<std::string, std::string> kRights = {
      {"room.mute_all", "mute_others"},      {"room.clear_mute_all", "mute_others"},
      {"track.mute", "mute_others"},         {"participant.remove", "remove_others"},
      {"participant.admit", "admit_others"}, {"participant.deny", "admit_others"},
      {"room.lock", "admit_others"},         {"room.unlock", "admit_others"},
      {"timer.start", "run_timers"},         {"timer.cancel", "run_timers"},
      {"session.end", "end_session"}};
  return kRights.at(method);
}

struct Track {
  std::string id, source;
  bool self_muted = false;
  bool host_muted = false;
  bool withheld = false;
  [[nodiscard]] bool muted() const { return self_muted || host_muted || withheld; }
};

struct Person {
  std::string id;
  Token token;
  std::string name, role;
  std::vector<std::string> rights;
  std::int64_t since_ms = 0;
  std::optional<std::uint64_t> socket;
  bool active = true;
  bool peer = false;  // has made an offer
  bool media_away = false;
  std::vector<Track> tracks;
  std::optional<Us> lost_at, end_at;
  std::string end_reason;
  [[nodiscard]] bool may(const std::string& right) const {
    return std::find(rights.begin(), rights.end(), right) != rights.end();
  }
};

struct MuteAll {
  bool unmute_allowed = true;
  std::vector<std::string> except;
  [[nodiscard]] bool covers(const Person& p) const {
    return std::find(except.begin(), except.end(), p.token.identity) == except.end();
  }
};

struct Room {
  std::string id, tenant, name;
  std::map<std::string, Json> config;
  std::int64_t created_ms = 0;
  std::int64_t version = 1;
  bool locked = false;
  bool expiry_told = false;
  std::map<std::string, std::int64_t> bans;
  std::optional<Us> expiry_at;
  double may_tell = 10;  // of those who were rejected: 5 a second, 10 at once
  Us told_at = 0;
  [[nodiscard]] std::optional<std::int64_t> number(const std::string& member) const {
    const auto it = config.find(member);
    return it == config.end() ? std::nullopt : it->second.as_int();
  }
  [[nodiscard]] bool has_waiting(const Token& t) const {
    return config.at("lobby") == Json(true) && !is_host(t.role) && !t.bypass_lobby;
  }
};

struct Session {
  std::string id, room_id, tenant, end_reason;
  Room* room = nullptr;  // while it runs
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;
  std::int64_t peak = 0;
  std::int64_t total = 0;
  std::list<Person> people, waiting;
  bool connected = false;  // somebody's media was
  bool had_host = false;
  std::optional<std::int64_t> no_host_since_ms;
  std::optional<Us> empty_at, end_at, host_left_at;
  std::map<std::string, std::pair<Us, std::int64_t>> timers;  // when, and in wall-clock ms
  std::optional<MuteAll> mute_all;
  struct Given {
    std::string name, role;
  };
  std::map<std::string, Given> given;  // by participant.update, to identities
};

struct Tenant {
  bool suspended = false;
  std::map<std::string, std::int64_t> limits;  // max_rooms, max_sessions, max_participants
  std::int64_t version = 0;
};

}  // namespace parley::control::model
