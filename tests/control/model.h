#pragma once

#include "model_calls.h"

namespace parley::control::model {

// The rules of the control plane once more, as docs/control-protocol.md has them, without a store,
// sockets, media or speed. It is told the same as the daemon, and says what that must answer.
class Model : public Calls {
 public:
  static constexpr std::int64_t kDayMs = 86'400'000;
  using Calls::Calls;

  // Everything that is due happens, the earliest first. The steps of `us` are so small that what
  // two commands have armed is hardly ever due at once.
  void pass(Us us, std::int64_t ms) {
    now_ += us;
    const Us until = now_ + ms * 1'000;
    for (;;) {
      std::optional<Us> earliest;
      std::function<void()> act;
      const auto due = [&](std::optional<Us> at, auto what) {
        if (!at || *at > until || (earliest && *at >= *earliest)) return;
        earliest = at;
        act = std::move(what);
      };
      for (Room& r : rooms) due(r.expiry_at, [this, &r] { expire(r); });
      for (Session& s : sessions) find_due(s, due);
      if (!earliest) break;
      now_ = std::max(now_, *earliest);
      act();
    }
    now_ = until;
  }

  // ---- what a backend asks for

  static bool may_call(const Key& key, const std::string& method) {
    const bool reads = method == "ping" || method.ends_with(".get") || method.ends_with(".list");
    if ((key.reads && !reads) || !method.starts_with(key.methods_begin)) return false;
    return key.sells || (method != "tenant.put" && method != "tenant.delete");
  }
  Answer call(const Key& key, const std::string& method, const Json& params) {
    if (!may_call(key, method)) return no("permission_denied");
    const std::string once = text_member(params, "idempotency_key");
    if (once.empty()) return run(key, method, params);
    std::map<std::string, Json> sorted;
    for (const auto& [name, value] : *params.as_object()) sorted.emplace(name, value);
    Kept& kept = kept_[key.id + "/" + method + "/" + once];
    if (kept.at_ms != 0 && wall() < kept.at_ms + kDayMs) {
      if (kept.params != sorted) return no("idempotency_mismatch");
      return {"", Json(kept.result).set("replayed", true)};
    }
    Answer answer = run(key, method, params);
    if (answer.reason.empty()) {
      answer.result.set("replayed", false);
      kept = {wall(), std::move(sorted), answer.result};
    }
    return answer;
  }
  // A call with a mistake in its params.
  static Answer refuse(const Key& key, const std::string& method, const char* reason) {
    if (std::string(reason) == "unknown_method") return no(reason);
    if (!may_call(key, method)) return no("permission_denied");
    return no(reason);
  }

  // ---- what participants do

  struct Seat {
    Session* session = nullptr;
    Person* person = nullptr;
    bool waits = false;
  };
  Seat seat_of(std::uint64_t socket) {
    const auto has = [&](const Person& p) { return p.socket == socket; };
    for (Session& s : sessions) {
      if (Person* p = first(s.people, has)) return {&s, p, false};
      if (Person* p = first(s.waiting, has)) return {&s, p, true};
    }
    return {};
  }

  Answer join(const Token& t, std::uint64_t socket) {
    closed[socket] = 1008;  // unless he comes in
    if (t.forged) return no("token_invalid");
    std::string untimely;
    if (t.expires_s * 1'000 <= wall() - kLeewayMs) {
      untimely = "token_expired";
    } else if (t.issued_s * 1'000 > wall() + kLeewayMs) {
      untimely = "token_not_yet_valid";
    }
    const auto is = [&](const Room& r) {
      return r.tenant == t.tenant && (r.id == t.room || r.name == t.room);
    };
    const auto room = std::find_if(rooms.begin(), rooms.end(), is);
    if (!untimely.empty()) {
      if (room != rooms.end()) tell_rejected(*room, t, untimely);
      return no(untimely);
    }
    if (room == rooms.end()) return no("room_not_found");
    Session* running = running_in(room->id);
    const Token held = with_given(running, t);
    if (const std::string why = refusal(*room, held); !why.empty()) {
      tell_rejected(*room, held, why);
      return no(why);
    }
    closed.erase(socket);
    return come_in(running == nullptr ? start(*room) : *running, held, socket);
  }
  Answer ask(std::uint64_t socket, const std::string& method, const Json& p) {
    const auto [s, me, waits] = seat_of(socket);
    if (method == "leave") {
      lose(socket, true);
      closed[socket] = 1000;
      return {};
    }
    if (method == "ping") return yes({{"server_time_ms", wall()}});
    if (waits) return no("waiting");
    if (method == "track.update") {
      return update_track(*s, *me, text_member(p, "track_id"), flag_member(p, "muted"));
    }
    if (!me->may(right_for(method))) return no("permission_denied");
    return act({"participant:" + me->id, "host", me->token.identity}, *s, method, p);
  }
  Answer offer(std::uint64_t socket, const std::vector<std::string>& sources) {
    const auto [s, me, waits] = seat_of(socket);
    return waits ? no("waiting") : Calls::offer(*s, *me, sources);
  }
  // Its socket is gone.
  void lose(std::uint64_t socket, bool said_goodbye) {
    const auto [s, p, waits] = seat_of(socket);
    const std::string id = p->id;
    if (waits) {
      stop_waiting(*s, id, "client_left", false);
    } else if (said_goodbye) {
      leave(*s, id, "client_left", false);
    } else {
      p->socket.reset();
      set_active(*s, *p, false);
    }
  }
  // Of somebody who has made an offer: "connected", "away", or "back".
  void media(std::uint64_t socket, const std::string& what) {
    const auto [s, p, waits] = seat_of(socket);
    p->media_away = what == "away";
    if (what == "connected") s->connected = true;
    set_active(*s, *p, !p->media_away);
    if (what == "connected") watch_emptiness(*s);
  }

 private:
  struct Kept {  // by an idempotency key
    std::int64_t at_ms = 0;
    std::map<std::string, Json> params;
    Json result;
  };
  template <class T>
  struct Found {
    T* it = nullptr;
    std::string why;
  };

  template <class Due>
  void find_due(Session& s, const Due& due) {
    if (over(s)) return;
    // Of two that are due at once, the one that one command arms first.
    due(s.end_at, [this, &s] { end(s, "max_duration"); });
    for (const Person& p : s.people) {
      const auto leaves = [this, &s, id = p.id](const std::string& why) {
        return [this, &s, id, why] { leave(s, id, why, true); };
      };
      due(p.end_at, leaves(p.end_reason));
      due(p.lost_at, leaves("connection_timeout"));
    }
    due(s.host_left_at, [this, &s] { end(s, "host_left"); });
    due(s.empty_at, [this, &s] {
      if (!s.waiting.empty()) return watch_emptiness(s);  // who is early waits as long as he likes
      end(s, s.connected ? "departure_timeout" : "empty");
    });
    for (const auto& [id, when] : s.timers) {
      due(when.first, [this, &s, timer = id] {
        s.timers.erase(timer);
        tell(s, "timer.fired", Json::object({{"timer_id", timer}}));
      });
    }
  }
  void expire(Room& r) {
    r.expiry_at.reset();
    r.expiry_told = true;
    if (Session* s = running_in(r.id)) end(*s, "room_expired");
    tell("room.expired", r, nullptr, room_json(r));
  }

  // ---- the backend's methods

  [[nodiscard]] Json room_json(const Room& r) const {
    return Json(Json::Object(r.config.begin(), r.config.end()))
        .set("room_id", r.id)
        .set("tenant", r.tenant)
        .set("name", r.name)
        .set("state", state_of(r))
        .set("created_ms", r.created_ms)
        .set("version", r.version);
  }
  Json json_now(const Room& r) {
    const Session* s = running_in(r.id);
    const std::size_t people = s == nullptr ? 0 : s->people.size();
    Json members = room_json(r).set("participants", static_cast<std::uint64_t>(people));
    return s == nullptr ? members : members.set("session_id", s->id);
  }
  Found<Room> room_of(const Key& key, const Json& p) {
    const std::string id = text_member(p, "room_id");
    const std::string tenant = text_member(p, "tenant");
    if (id.empty() && !key.sees(tenant)) return {nullptr, "permission_denied"};
    for (Room& r : rooms) {
      const bool is = id.empty() ? r.tenant == tenant && r.name == text_member(p, "room")
                                 : r.id == id && key.sees(r.tenant);
      if (is) return {&r, ""};
    }
    return {nullptr, "room_not_found"};
  }
  Session* recorded(const Key& key, const std::string& id) {
    for (Session& s : sessions) {
      if (s.id == id && key.sees(s.tenant)) return &s;
    }
    return nullptr;
  }
  Found<Session> session_of(const Key& key, const Json& p) {
    if (const std::string id = text_member(p, "session_id"); !id.empty()) {
      Session* s = recorded(key, id);
      if (s == nullptr || over(*s)) return {nullptr, "session_not_found"};
      return {s, ""};
    }
    const auto [room, why] = room_of(key, p);
    if (room == nullptr) return {nullptr, why};
    Session* s = running_in(room->id);
    return {s, s == nullptr ? "no_session" : ""};
  }

  Answer run(const Key& key, const std::string& method, const Json& p) {
    static const std::set<std::string> kOfRooms = {
        "room.get",    "room.delete",     "room.lock",        "room.unlock",
        "room.update", "participant.ban", "participant.unban"};
    if (method == "ping") return yes({{"server_time_ms", wall()}});
    if (method == "room.list" || method == "session.list") return list(key, method, p);
    if (method == "session.get") {
      const Session* s = recorded(key, text_member(p, "session_id"));
      return s == nullptr ? no("session_not_found") : Answer{"", json(*s)};
    }
    if (kOfRooms.contains(method)) return with_room(key, method, p);
    const bool of_tenant = method.starts_with("tenant.") || method == "token.revoke";
    if (!of_tenant && method != "room.create") return with_session(key, method, p);
    std::map<std::string, Json> config = kDefaults;
    if (!of_tenant && !read_config(p, config)) return no("invalid_argument");
    const std::string tenant = text_member(p, "tenant");
    if (!key.sees(tenant)) return no("permission_denied");
    if (!of_tenant) return create(tenant, p, std::move(config));
    return method == "token.revoke" ? revoke(tenant, p) : with_tenant(tenant, method, p);
  }

  Answer list(const Key& key, const std::string& method, const Json& p) {
    const auto fits = [&](const char* name, const std::string& value) {
      const std::string wanted = text_member(p, name);
      return wanted.empty() || wanted == value;
    };
    Json rows = Json::array();
    if (method == "room.list") {
      for (const Room& r : rooms) {
        const bool shown =
            key.sees(r.tenant) && fits("tenant", r.tenant) && fits("state", state_of(r));
        if (shown) rows.push(json_now(r));
      }
      return yes({{"rooms", rows}});
    }
    for (const Session& s : sessions) {
      const bool shown = key.sees(s.tenant) && fits("tenant", s.tenant) &&
                         fits("room_id", s.room_id) && fits("state", over(s) ? "ended" : "active");
      if (shown) rows.push(json(s));
    }
    return yes({{"sessions", rows}});
  }

  Answer with_tenant(const std::string& id, const std::string& method, const Json& p) {
    Tenant& tenant = tenants[id];
    if (method == "tenant.put") {
      const Json* version = p.find("if_version");
      if (version != nullptr && *version != Json(tenant.version)) return no("version_conflict");
      const Tenant was = std::exchange(tenant, {flag_member(p, "suspended"), {}, tenant.version});
      for (const char* limit : {"max_rooms", "max_sessions", "max_participants"}) {
        if (p.find(limit) != nullptr) tenant.limits[limit] = integer_member(p, limit);
      }
      const bool same = was.suspended == tenant.suspended && was.limits == tenant.limits;
      if (was.version == 0 || !same) ++tenant.version;
    } else if (method == "tenant.delete") {
      const auto his = [&](const Room& r) { return r.tenant == id; };
      if (std::any_of(rooms.begin(), rooms.end(), his)) return no("tenant_has_rooms");
      return yes({{"already", std::exchange(tenant, {}).version == 0}});
    } else if (tenant.version == 0) {
      return no("tenant_not_found");
    }
    Answer answer = yes({{"suspended", tenant.suspended}, {"version", tenant.version}});
    for (const auto& [name, value] : tenant.limits) answer.result.set(name, value);
    return answer;
  }
  Answer revoke(const std::string& tenant, const Json& p) {
    const std::string identity = text_member(p, "identity");
    if (identity.empty()) {
      revoked_tokens_.insert(tenant + "/" + text_member(p, "jti"));
    } else {
      std::int64_t& until = revoked_people_[tenant + "/" + identity];
      until = std::max(until, integer_member(p, "issued_until_ms", wall()));
    }
    for (Session& s : sessions) {
      std::vector<std::string> gone;
      for (const auto* people : {&s.people, &s.waiting}) {
        for (const Person& one : *people) {
          if (revoked(one.token)) gone.push_back(one.id);
        }
      }
      for (const std::string& id : gone) {
        if (!stop_waiting(s, id, "removed", true)) leave(s, id, "removed", true);
      }
    }
    return {};
  }

  // False for a window that has no length.
  bool read_config(const Json& p, std::map<std::string, Json>& config) const {
    for (const auto& [name, value] : *p.as_object()) {
      const bool clearable =
          name == "starts_at_ms" || name == "expires_at_ms" || name == "max_duration_ms";
      if (!clearable && !kDefaults.contains(name)) continue;
      if (value.is_null()) {
        config.erase(clearable ? name : "");
      } else {
        config[name] = value == Json("end_after_s:30") ? Json("end_after_ms:30000") : value;
      }
    }
    const auto starts = config.find("starts_at_ms");
    const auto expires = config.find("expires_at_ms");
    if (expires == config.end()) return true;
    const bool named = p.find("starts_at_ms") != nullptr || p.find("expires_at_ms") != nullptr;
    if (!named) return true;
    const std::int64_t opens = starts == config.end() ? wall() : *starts->second.as_int();
    return *expires->second.as_int() > std::max(opens, wall());
  }
  void arm_expiry(Room& r) const {
    r.expiry_at.reset();
    const auto at = r.number("expires_at_ms");
    if (at && !r.expiry_told) r.expiry_at = in(*at - wall());
  }
  Answer create(const std::string& tenant, const Json& p, std::map<std::string, Json> config) {
    const std::string name = text_member(p, "name");
    const auto of = [&](const Room& r) { return r.tenant == tenant; };
    for (const Room& r : rooms) {
      if (r.tenant != tenant || r.name != name) continue;
      for (const auto& [option, value] : r.config) {
        const bool may_have_defaults = option != "attributes" && !option.ends_with("s_at_ms");
        const Json* said = p.find(option);
        if (may_have_defaults && (said == nullptr || said->is_null())) config[option] = value;
      }
      if (r.config != config) return no("already_exists");
      return yes({{"room_id", r.id}, {"version", r.version}, {"created", false}});
    }
    if (tenants[tenant].suspended) return no("tenant_suspended");
    const auto& limits = tenants[tenant].limits;
    const auto has = std::count_if(rooms.begin(), rooms.end(), of);
    if (limits.contains("max_rooms") && has >= limits.at("max_rooms")) {
      return no("too_many_rooms");
    }
    Room& r = rooms.emplace_back();
    r.id = make("rm_");
    r.tenant = tenant;
    r.name = name;
    r.config = std::move(config);
    r.created_ms = wall();
    arm_expiry(r);
    tell("room.created", r, nullptr, room_json(r));
    return yes({{"room_id", r.id}, {"version", 1}, {"created", true}});
  }
  Answer with_room(const Key& key, const std::string& method, const Json& p) {
    const auto [r, why] = room_of(key, p);
    std::map<std::string, Json> config = r == nullptr ? kDefaults : r->config;
    if (method == "room.update" && !read_config(p, config)) return no("invalid_argument");
    if (r == nullptr) return no(why);
    const std::string identity = text_member(p, "identity");
    if (method == "room.get") return {"", json_now(*r)};
    if (method == "room.update") return update(*r, std::move(config), p);
    if (method == "participant.ban") {
      ban(*r, identity);
      return {};
    }
    if (method == "participant.unban") return yes({{"already", r->bans.erase(identity) == 0}});
    if (method == "room.delete") {
      const std::string id = r->id;
      if (Session* s = running_in(id)) end(*s, "room_deleted");
      tell("room.deleted", *r, nullptr, Json::object({{"name", r->name}}));
      rooms.remove_if([&](const Room& one) { return one.id == id; });
      return yes({{"room_id", id}});
    }
    const bool lock = method == "room.lock";
    return yes({{"locked", lock}, {"already", !set_locked(*r, lock)}});
  }
  Answer update(Room& r, std::map<std::string, Json> config, const Json& p) {
    const Json* version = p.find("if_version");
    if (version != nullptr && *version != Json(r.version)) return no("version_conflict");
    if (config != r.config) {
      const auto before = r.number("expires_at_ms");
      r.config = std::move(config);
      r.expiry_told = r.expiry_told && r.number("expires_at_ms") == before;
      ++r.version;
      arm_expiry(r);
      tell("room.updated", r, nullptr, room_json(r));
    }
    if (Session* s = running_in(r.id)) arm_end(*s);
    return {"", json_now(r)};
  }

  Answer with_session(const Key& key, const std::string& method, const Json& p) {
    static const std::set<std::string> kAlready = {"room.clear_mute_all", "participant.remove",
                                                   "session.end"};
    const auto [s, why] = session_of(key, p);
    const bool over = why == "no_session" || recorded(key, text_member(p, "session_id")) != nullptr;
    if (s == nullptr && method == "session.end" && over) return yes({{"already", true}});
    if (why == "no_session") {
      if (kAlready.contains(method)) return yes({{"already", true}});
      if (method == "track.list") return yes({{"tracks", Json::array()}});
      if (method == "participant.get") return no("participant_not_found");
      if (method == "participant.list") {
        return yes({{"participants", Json::array()}, {"waiting", Json::array()}});
      }
    }
    if (s == nullptr) return no(why);
    if (method == "participant.list") {
      return yes({{"participants", roster(*s, nullptr)}, {"waiting", waiting_list(*s)}});
    }
    if (method == "track.list") {
      Json tracks = Json::array();
      for (const Person& one : s->people) {
        for (const Track& t : one.tracks) tracks.push(json(t).set("participant_id", one.id));
      }
      return yes({{"tracks", tracks}});
    }
    return with_person(key, *s, method, p);
  }
  Answer with_person(const Key& key, Session& s, const std::string& method, const Json& p) {
    std::string id = text_member(p, "participant_id");
    if (const std::string identity = text_member(p, "identity"); id.empty()) {
      const Person* found = named(s.people, identity);
      if (found == nullptr) found = named(s.waiting, identity);
      if (found != nullptr) id = found->id;
    }
    Person* person = with_id(s.people, id);
    if (method == "participant.get") {
      if (person != nullptr) return {"", json(*person)};
      const Person* waits = with_id(s.waiting, id);
      return waits == nullptr ? no("participant_not_found") : Answer{"", waiting_json(*waits)};
    }
    if (method == "participant.update") {
      if (person == nullptr) return no("participant_not_found");
      change_person(s, *person, text_member(p, "name"), text_member(p, "role"));
      return {"", json(*person)};
    }
    return act({"key:" + key.id, "api", ""}, s, method, Json(p).set("participant_id", id));
  }
  void change_person(Session& s, Person& p, const std::string& name, const std::string& role) {
    if (!name.empty()) p.name = name;
    if (!name.empty()) s.given[p.token.identity].name = name;
    if (!role.empty()) s.given[p.token.identity].role = role;
    if (!role.empty() && role != p.role) {
      p.role = role;
      p.rights = rights_of(role);
      withhold(s, p);
    }
    tell(s, "participant.updated", json(p));
    watch_host(s);
  }

  inline static const std::map<std::string, Json> kDefaults = {
      {"max_participants", 4},         {"empty_timeout_s", 300}, {"departure_timeout_s", 20},
      {"on_host_left", "continue"},    {"lobby", false},         {"codecs", Json::array()},
      {"attributes", Json::object({})}};

  std::map<std::string, Kept> kept_;
};

}  // namespace parley::control::model
