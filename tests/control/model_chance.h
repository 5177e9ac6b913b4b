#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "model.h"

namespace parley::control::model {

// Random commands that have a chance to mean something, given what the model knows to be there.
class Chance {
 protected:
  std::mt19937_64 chance;
  std::optional<Model> expected;
  std::vector<Token> tokens;

  static std::vector<std::string> words(const char* text) {
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
  }
  std::size_t pick(std::size_t n) { return chance() % n; }
  bool one_in(std::size_t n) { return pick(n) == 0; }
  template <class List>
  const auto& one_of(const List& list) {
    return *std::next(list.begin(), static_cast<std::ptrdiff_t>(pick(list.size())));
  }
  std::string any(const char* text) { return one_of(words(text)); }
  std::string any_tenant() { return any("seller-1 seller-1 seller-1 seller-1 seller-2"); }
  std::string any_name() { return any("a a a a b c"); }
  std::string any_person() { return any("ann bob cy dan eve fay"); }

  // Most of the time one that is there, by its id or its name.
  Json room_params() {
    if (expected->rooms.empty() || one_in(8)) {
      if (one_in(2)) return Json::object({{"room_id", "rm_none"}});
      return Json::object({{"tenant", any_tenant()}, {"room", any_name()}});
    }
    const Room& room = one_of(expected->rooms);
    if (one_in(2)) return Json::object({{"room_id", room.id}});
    return Json::object({{"tenant", room.tenant}, {"room", room.name}});
  }
  Json session_params() {
    if (expected->sessions.empty() || one_in(3)) return room_params();
    const Session& s = any_session();
    if (!Model::over(s) && one_in(2)) return Json::object({{"room_id", s.room_id}});
    return Json::object({{"session_id", one_in(20) ? "se_none" : s.id}});
  }
  // The later ones are the ones that run.
  const Session& any_session() {
    const Session* found = &expected->sessions.back();
    for (const Session& s : expected->sessions) {
      if (!Model::over(s) && one_in(2)) found = &s;
    }
    return one_in(10) ? one_of(expected->sessions) : *found;
  }
  std::string any_id() {
    std::vector<std::string> ids = {"pa_none"};
    for (const Session& s : expected->sessions) {
      for (const Person& p : s.people) ids.insert(ids.end(), 3, p.id);
      for (const Person& p : s.waiting) ids.insert(ids.end(), 9, p.id);
    }
    return one_of(ids);
  }
  std::string any_track() {
    std::vector<std::string> ids = {"tr_none"};
    for (const Session& s : expected->sessions) {
      for (const Person& p : s.people) {
        for (const Track& t : p.tracks) ids.insert(ids.end(), 4, t.id);
      }
    }
    return one_of(ids);
  }
  std::int64_t soon(std::size_t s) { return static_cast<std::int64_t>(pick(s * 1'000)); }

  // Some members of a room's configuration; null takes one away.
  void add_config(Json& params) {
    const auto some = [&](const char* name, std::size_t n, Json value) {
      if (one_in(n)) params.set(name, std::move(value));
    };
    const std::int64_t now_ms = expected->wall();
    some("max_participants", 4, static_cast<std::uint64_t>(1 + pick(4)));
    some("empty_timeout_s", 4, static_cast<std::uint64_t>(30 + pick(200)));
    some("departure_timeout_s", 4, static_cast<std::uint64_t>(pick(40)));
    some("lobby", 2, !one_in(3));
    some("on_host_left", 3, any("continue end end_after_s:30 end_after_ms:30000"));
    some("starts_at_ms", 12, one_in(3) ? Json() : Json(now_ms - 20'000 + soon(40)));
    some("expires_at_ms", params.find("starts_at_ms") != nullptr ? 3 : 9,
         one_in(4) ? Json() : Json(now_ms - 20'000 + soon(one_in(3) ? 40 : 400)));
    some("codecs", 9, Json(Json::Array{"H264/42e01f", "VP8"}));
    some("max_duration_ms", 9, one_in(4) ? Json() : Json(20'000 + soon(100)));
    some("attributes", 9, Json::object({{"n", static_cast<std::uint64_t>(pick(2))}}));
  }
  void add_person(Json& params) {
    if (one_in(2)) {
      params.set("participant_id", any_id());
    } else {
      params.set("identity", any_person());
    }
  }
  void add_mute_all(Json& params) {
    if (!one_in(3)) params.set("unmute_allowed", one_in(4));
    if (!one_in(3)) return;
    Json except = Json::array();
    params.set("except", except.push(any_person()).push(any_person()));
  }

  // Too much of it, and nobody would be there to do anything.
  static bool is_harsh(const std::string& method) {
    static const std::vector<std::string> kHarsh = words(
        "room.delete session.end leave room.lock participant.ban token.revoke participant.remove");
    return std::find(kHarsh.begin(), kHarsh.end(), method) != kHarsh.end();
  }
  Json params_of(const std::string& method) {
    if (method == "ping") return Json(Json::Object{});
    Json p = Json::object({{"tenant", any_tenant()}});
    if (method == "room.create") add_config(p.set("name", any_name()));
    if (method == "room.list" && one_in(2)) {
      p.set("state", any("scheduled open locked expired"));
    }
    if (method == "session.list" && one_in(2)) p.set("state", any("active ended"));
    if (method == "tenant.put") {
      p.set("suspended", one_in(8));
      for (const char* limit : {"max_rooms", "max_sessions", "max_participants"}) {
        if (one_in(4)) p.set(limit, static_cast<std::uint64_t>(pick(5)));
      }
      if (one_in(4)) p.set("if_version", static_cast<std::uint64_t>(pick(4)));
    }
    if (method == "token.revoke") {
      if (!tokens.empty() && one_in(2)) return p.set("jti", one_of(tokens).jti);
      p.set("identity", any_person());
      if (one_in(2)) p.set("issued_until_ms", expected->wall() - soon(60));
    }
    if (p.as_object()->size() > 1 || method.starts_with("tenant.") || method.ends_with("n.list") ||
        method == "room.list") {
      return p;
    }
    return params_in_room(method);
  }
  Json params_in_room(const std::string& method) {
    const bool of_room = method == "room.get" || method == "room.delete" ||
                         method == "room.update" || method.ends_with("lock") ||
                         method.ends_with("ban");
    Json p = of_room ? room_params() : session_params();
    if (method == "session.get") {
      return Json::object(
          {{"session_id", expected->sessions.empty() ? "se_none" : one_of(expected->sessions).id}});
    }
    if (method == "room.update") {
      add_config(p);
      if (one_in(4)) p.set("if_version", static_cast<std::uint64_t>(1 + pick(4)));
    }
    if (method == "room.mute_all") add_mute_all(p);
    if (method.ends_with("ban")) return p.set("identity", any_person());
    if (method.starts_with("participant.") && !method.ends_with(".list")) add_person(p);
    if (method == "participant.remove" && one_in(4)) p.set("ban", true);
    if (method == "participant.update") {
      if (one_in(2)) p.set("name", any("Ann Bob"));
      if (!one_in(3)) p.set("role", any("host co_host participant viewer"));
    }
    if (method.starts_with("timer.")) p.set("timer_id", any("t7 t21 t21 t9"));
    if (method == "track.mute") p.set("track_id", any_track()).set("muted", one_in(2));
    return p;
  }

  // What a participant may ask for.
  Json params_of_participant(const std::string& method) {
    Json p = Json(Json::Object{});
    if (method == "room.mute_all") add_mute_all(p);
    if (method.starts_with("participant.")) p.set("participant_id", any_id());
    if (method == "participant.remove" && one_in(4)) p.set("ban", true);
    if (method.starts_with("timer.")) p.set("timer_id", any("t7 t21 t9"));
    if (method.starts_with("track.")) p.set("track_id", any_track()).set("muted", one_in(2));
    return p;
  }
  Token any_token() {
    for (const Session& s : expected->sessions) {
      for (const Person& p : s.people) {
        if (!p.socket && one_in(4)) return p.token;  // he comes back
      }
    }
    if (!tokens.empty() && one_in(2)) {
      return tokens[tokens.size() - 1 - pick(std::min<std::size_t>(tokens.size(), 8))];
    }
    Token t;
    t.jti = "jt-" + std::to_string(chance());
    t.identity = any_person();
    const Room& room = one_of(expected->rooms);
    t.tenant = one_in(20) ? any_tenant() : room.tenant;
    t.room = one_in(20) ? any_name() : one_in(3) ? room.id : room.name;
    t.role = any("host host co_host participant participant participant viewer observer");
    t.hidden = t.role == "observer" ? !one_in(4) : one_in(30);
    t.bypass_lobby = one_in(6);
    t.forged = one_in(40);
    t.issued_s = expected->wall() / 1'000 - (one_in(8) ? soon(30) / 1'000 : 0);
    if (one_in(25)) t.issued_s += 8;
    t.expires_s = t.issued_s + 10 + soon(one_in(8) ? 20 : 900) / 1'000;
    t.eject_at_exp = one_in(6);
    if (one_in(10)) t.max_session_ms = 5'000 + soon(60);
    if (one_in(8)) t.can_publish = {any("camera microphone screen_share")};
    tokens.push_back(t);
    return t;
  }
  // Of somebody who is in a room, or waits; hosts have more to do. 0: there is none.
  std::uint64_t any_socket(bool who_publishes = false) {
    std::vector<std::uint64_t> sockets;
    for (const Session& s : expected->sessions) {
      for (const auto* people : {&s.people, &s.waiting}) {
        for (const Person& p : *people) {
          if (!p.socket || (who_publishes && p.tracks.empty())) continue;
          sockets.insert(sockets.end(), is_host(p.role) ? 2 : 1, *p.socket);
        }
      }
    }
    return sockets.empty() ? 0 : one_of(sockets);
  }
};

}  // namespace parley::control::model
