#pragma once

#include <charconv>
#include <functional>
#include <set>

#include "model_json.h"

namespace parley::control::model {

// The half of the model that deals with what goes on in a session. What the daemon would have told
// and which sockets it would have closed stand in `events` and `closed` until somebody takes them.
class Calls {
 public:
  static constexpr std::int64_t kReconnectMs = 15'000;

  Calls(Us now, std::int64_t wall_ms) : now_(now), wall_at_zero_(wall_ms - now / 1'000) {}

  std::map<std::string, std::int64_t> countdowns;  // of the configuration
  std::list<Room> rooms;
  std::list<Session> sessions;  // all there were
  std::map<std::string, Tenant> tenants;
  std::vector<Json> events;
  std::map<std::uint64_t, std::uint16_t> closed;

  [[nodiscard]] std::int64_t wall() const { return wall_at_zero_ + now_ / 1'000; }
  static bool over(const Session& s) { return s.ended_ms != 0; }
  [[nodiscard]] bool nothing_runs() const {
    return std::all_of(sessions.begin(), sessions.end(), over);
  }
  Session* running_in(const std::string& room_id) {
    for (Session& s : sessions) {
      if (!over(s) && s.room_id == room_id) return &s;
    }
    return nullptr;
  }

 protected:
  // Who acts: a key, or a participant.
  struct Actor {
    std::string label, by, identity;
  };

  [[nodiscard]] Us in(std::int64_t ms) const { return now_ + ms * 1'000; }
  std::string make(const std::string& kind) { return kind + std::to_string(++made_[kind]); }
  void tell(const std::string& type, const Room& r, const Session* s, Json data) {
    events.push_back(Json::object({{"type", type},
                                   {"tenant", r.tenant},
                                   {"room_id", r.id},
                                   {"session_id", s == nullptr ? std::string() : s->id},
                                   {"data", std::move(data)}}));
  }
  void tell(const Session& s, const std::string& type, Json data) {
    tell(type, *s.room, &s, std::move(data));
  }
  static Person* named(std::list<Person>& people, const std::string& identity) {
    return first(people, [&](const Person& p) { return p.token.identity == identity; });
  }
  static Person* with_id(std::list<Person>& people, const std::string& id) {
    return first(people, [&](const Person& p) { return p.id == id; });
  }
  template <class Is>
  static Person* first(std::list<Person>& people, const Is& is) {
    const auto it = std::find_if(people.begin(), people.end(), is);
    return it == people.end() ? nullptr : &*it;
  }

  // ---- beginning, end, and whether there is anybody

  Session& start(Room& room) {
    Session& s = sessions.emplace_back();
    s.id = make("se_");
    s.room_id = room.id;
    s.room = &room;
    s.tenant = room.tenant;
    s.started_ms = wall();
    arm_end(s);
    tell(s, "session.started", json(s));
    return s;
  }
  void arm_end(Session& s) {
    s.end_at.reset();
    const auto limit = s.room->number("max_duration_ms");
    if (limit) s.end_at = std::max(in(s.started_ms + *limit - wall()), now_);
  }
  void end(Session& s, const std::string& reason) {
    static const std::set<std::string> kTold = {"server_shutdown", "room_expired", "max_duration"};
    const std::string left = kTold.contains(reason) ? reason : "room_ended";
    for (const Person& p : s.waiting) tell_left(s, p, left, true);
    for (const Person& p : s.people) tell_left(s, p, left, false);
    for (const auto* people : {&s.waiting, &s.people}) {
      for (const Person& p : *people) {
        if (p.socket) closed[*p.socket] = 1000;
      }
    }
    s.ended_ms = wall();
    s.end_reason = reason;
    s.people.clear();
    s.waiting.clear();
    tell(s, "session.ended", json(s));
    s.room = nullptr;
  }
  void watch_emptiness(Session& s) {
    s.empty_at.reset();
    const bool empty = s.people.empty() && s.waiting.empty();
    if (!empty && s.connected) return;
    s.empty_at = in(1'000 * *s.room->number(empty ? "departure_timeout_s" : "empty_timeout_s"));
  }
  // Tells once that somebody is here and no host, and once that one has come.
  void watch_host(Session& s) {
    bool host = false;
    Json others = Json::array();
    for (const Person& p : s.people) {
      if (p.token.hidden) continue;
      host = host || is_host(p.role);
      if (!is_host(p.role)) others.push(p.token.identity);
    }
    for (const Person& p : s.waiting) others.push(p.token.identity);
    if (host) {
      s.had_host = true;
      s.host_left_at.reset();
      if (!s.no_host_since_ms) return;
      tell(s, "host.present", Json::object({{"waited_ms", wall() - *s.no_host_since_ms}}));
      s.no_host_since_ms.reset();
    } else if (!s.no_host_since_ms && !others.as_array()->empty()) {
      s.no_host_since_ms = wall();
      tell(s, "host.absent",
           Json::object(
               {{"waiting", others}, {"reason", s.had_host ? "host_left" : "join_before_host"}}));
      const std::string& policy = *s.room->config.at("on_host_left").as_string();
      if (s.had_host && policy != "continue") s.host_left_at = in(policy == "end" ? 0 : kHostMs);
    }
  }

  // ---- coming and going

  void take_token(Person& p, const Token& t) const {
    p.token = t;
    p.name = t.name.empty() ? t.identity : t.name;
    p.role = t.role;
    p.rights = rights_of(t.role);
    for (const char* source : {"camera", "microphone", "screen_share"}) {
      if (!t.can_publish) break;
      const auto& list = *t.can_publish;
      if (std::find(list.begin(), list.end(), source) == list.end()) {
        std::erase(p.rights, std::string("publish_") + source);
      }
    }
  }
  void arm_end(Person& p) const {
    p.end_at.reset();
    if (p.token.max_session_ms) {
      p.end_at = in(p.since_ms + *p.token.max_session_ms - wall());
      p.end_reason = "max_duration";
    }
    const Us expiry = in(p.token.expires_s * 1'000 - wall());
    if (!p.token.eject_at_exp || (p.end_at && *p.end_at <= expiry)) return;
    p.end_at = expiry;
    p.end_reason = "token_expired";
  }
  // Whoever was given another role or name keeps it, whatever his token says.
  static Token with_given(const Session* s, Token t) {
    if (s == nullptr || !s->given.contains(t.identity)) return t;
    const Session::Given& given = s->given.at(t.identity);
    if (!given.name.empty()) t.name = given.name;
    if (given.role.empty()) return t;
    t.role = given.role;
    t.can_publish.reset();
    return t;
  }
  // The token is his already.
  Person& add(Session& s, Person person) {
    Person& p = s.people.emplace_back(std::move(person));
    p.since_ms = wall();
    arm_end(p);
    ++s.total;
    s.peak = std::max(s.peak, static_cast<std::int64_t>(s.people.size()));
    tell(s, "participant.joined", json(p).set("hidden", p.token.hidden));
    watch_host(s);
    return p;
  }
  void come_back(Session& s, Person& p, const Token& t, std::uint64_t socket) {
    take_token(p, t);
    arm_end(p);
    p.socket = socket;
    set_active(s, p, !p.media_away);
    withhold(s, p);
    watch_host(s);
  }
  void set_active(Session& s, Person& p, bool active) {
    if (active) p.lost_at.reset();
    if (!active && !p.lost_at) p.lost_at = in(kReconnectMs);
    if (p.active == active) return;
    p.active = active;
    tell(s, active ? "participant.updated" : "participant.reconnecting",
         Json::object({{"participant_id", p.id}, {"identity", p.token.identity}}));
  }
  void tell_left(Session& s, const Person& p, const std::string& reason, bool waited) {
    Json data = Json::object(
        {{"participant_id", p.id}, {"identity", p.token.identity}, {"reason", reason}});
    if (waited) data.set("waiting", true);
    tell(s, reason == "lobby_denied" ? "participant.denied" : "participant.left", data);
  }
  void remove(Session& s, const std::string& id, const std::string& reason, bool bye) {
    Person& p = *with_id(s.people, id);
    while (!p.tracks.empty()) unpublish(s, p, p.tracks.size() - 1);
    tell_left(s, p, reason, false);
    if (bye && p.socket) closed[*p.socket] = 1000;
    s.people.remove_if([&](const Person& one) { return &one == &p; });
    watch_host(s);
  }
  void leave(Session& s, const std::string& id, const std::string& reason, bool bye) {
    remove(s, id, reason, bye);
    if (s.people.empty()) watch_emptiness(s);
  }
  bool stop_waiting(Session& s, const std::string& id, const std::string& reason, bool bye) {
    const Person* p = with_id(s.waiting, id);
    if (p == nullptr) return false;
    tell_left(s, *p, reason, true);
    if (bye) closed[*p->socket] = 1000;
    s.waiting.remove_if([&](const Person& one) { return &one == p; });
    watch_host(s);
    watch_emptiness(s);
    return true;
  }
  void ban(Room& room, const std::string& identity) {
    room.bans[identity] = wall();
    Session* s = running_in(room.id);
    const Person* p = s == nullptr ? nullptr : named(s->people, identity);
    const Person* waits = s == nullptr ? nullptr : named(s->waiting, identity);
    const std::string id = p == nullptr ? "" : p->id;
    Json data = Json::object({{"identity", identity}});
    if (p != nullptr) data.set("participant_id", id);
    tell("participant.banned", room, s, data);
    if (waits != nullptr) stop_waiting(*s, std::string(waits->id), "banned", true);
    if (p != nullptr) leave(*s, id, "banned", true);
  }
  bool set_locked(Room& room, bool locked) {
    if (room.locked == locked) return false;
    room.locked = locked;
    ++room.version;
    tell(locked ? "room.locked" : "room.unlocked", room, nullptr,
         Json::object({{"room_id", room.id}, {"version", room.version}}));
    return true;
  }

  // ---- tracks

  using Change = std::function<void(Track&)>;
  bool change(Session& s, Person& p, Track& t, const std::string& by, const Change& how) {
    const bool was = t.muted();
    how(t);
    if (t.muted() == was) return false;
    tell(s, was ? "track.unmuted" : "track.muted",
         Json::object({{"participant_id", p.id}, {"track_id", t.id}, {"by", by}}));
    return true;
  }
  bool mute(Session& s, Person& p, Track& t, const std::string& by, bool muted) {
    return change(s, p, t, by, [&](Track& track) {
      (by == "self" ? track.self_muted : track.host_muted) = muted;
      if (!muted) track.self_muted = track.host_muted = false;
    });
  }
  void withhold(Session& s, Person& p) {
    for (Track& t : p.tracks) {
      change(s, p, t, "server",
             [&](Track& track) { track.withheld = !p.may("publish_" + track.source); });
    }
  }
  void unpublish(Session& s, Person& p, std::size_t index) {
    tell(s, "track.unpublished",
         Json::object({{"participant_id", p.id}, {"track_id", p.tracks[index].id}}));
    p.tracks.erase(p.tracks.begin() + static_cast<std::ptrdiff_t>(index));
  }
  // Of these sources; the others' tracks end.
  Answer offer(Session& s, Person& p, const std::vector<std::string>& sources) {
    for (const std::string& source : sources) {
      if (!p.may("publish_" + source)) return no("permission_denied");
    }
    p.peer = true;
    for (std::size_t i = p.tracks.size(); i-- > 0;) {
      const bool stays =
          std::find(sources.begin(), sources.end(), p.tracks[i].source) != sources.end();
      if (!stays) unpublish(s, p, i);
    }
    for (const std::string& source : sources) {
      const auto has = [&](const Track& t) { return t.source == source; };
      if (std::any_of(p.tracks.begin(), p.tracks.end(), has)) continue;
      Track t{make("tr_"), source};
      t.host_muted = source == "microphone" && s.mute_all && s.mute_all->covers(p);
      p.tracks.push_back(t);
      tell(s, "track.published", Json::object({{"participant_id", p.id}, {"track", json(t)}}));
    }
    return {};
  }
  Answer update_track(Session& s, Person& p, const std::string& id, bool muted) {
    for (Track& t : p.tracks) {
      if (t.id != id) continue;
      const bool held = t.host_muted && t.source == "microphone" && s.mute_all &&
                        !s.mute_all->unmute_allowed && s.mute_all->covers(p) &&
                        !p.may("mute_others");
      if (!muted && held) return no("muted_by_host");
      mute(s, p, t, "self", muted);
      return {};
    }
    return no("track_not_found");
  }

  // ---- what hosts do, and backends

  Answer act(const Actor& actor, Session& s, const std::string& method, const Json& p) {
    const std::string who = text_member(p, "participant_id");
    const std::string timer = text_member(p, "timer_id");
    const bool lock = method == "room.lock";
    if (lock || method == "room.unlock") {
      return yes({{"locked", lock}, {"already", !set_locked(*s.room, lock)}});
    }
    if (method == "room.mute_all") return mute_all(actor, s, p);
    if (method == "room.clear_mute_all") return clear_mute_all(actor, s);
    if (method == "track.mute") {
      for (Person& owner : s.people) {
        for (Track& t : owner.tracks) {
          if (t.id != text_member(p, "track_id")) continue;
          return yes({{"already", !mute(s, owner, t, actor.by, flag_member(p, "muted"))}});
        }
      }
      return no("track_not_found");
    }
    if (method == "participant.admit") return admit(s, who);
    if (method == "participant.deny") {
      return yes({{"already", !stop_waiting(s, who, "lobby_denied", true)}});
    }
    if (method == "participant.remove") {
      const Person* waits = with_id(s.waiting, who);
      const Person* leaving = waits == nullptr ? with_id(s.people, who) : waits;
      if (leaving == nullptr) return yes({{"already", true}});
      if (flag_member(p, "ban")) {
        ban(*s.room, std::string(leaving->token.identity));
      } else if (waits != nullptr) {
        stop_waiting(s, who, "removed", true);
      } else {
        leave(s, who, "removed", true);
      }
      return yes({{"already", false}});
    }
    if (method == "timer.start") return start_timer(actor, s, timer);
    if (method == "timer.cancel") {
      const bool ran = s.timers.erase(timer) != 0;
      if (ran) tell(s, method + "led", Json::object({{"timer_id", timer}, {"by", actor.label}}));
      return yes({{"already", !ran}});
    }
    end(s, actor.by == "api" ? "ended_by_api" : "ended_by_host");
    return yes({{"already", false}});
  }
  Answer mute_all(const Actor& actor, Session& s, const Json& p) {
    s.mute_all = MuteAll{};
    const Json* allowed = p.find("unmute_allowed");
    s.mute_all->unmute_allowed = allowed == nullptr || *allowed == Json(true);
    if (const Json* except = p.find("except")) {
      for (const Json& one : *except->as_array()) s.mute_all->except.push_back(*one.as_string());
    }
    if (!actor.identity.empty()) s.mute_all->except.push_back(actor.identity);
    int count = 0;
    for_each_microphone(s, [&](Person& owner, Track& t) {
      if (s.mute_all->covers(owner) && mute(s, owner, t, actor.by, true)) ++count;
    });
    return yes({{"muted", count}});
  }
  Answer clear_mute_all(const Actor& actor, Session& s) {
    if (!s.mute_all) return yes({{"already", true}});
    s.mute_all.reset();
    for_each_microphone(s, [&](Person& owner, Track& t) {
      change(s, owner, t, actor.by, [](Track& track) { track.host_muted = false; });
    });
    return yes({{"already", false}});
  }
  static void for_each_microphone(Session& s, const std::function<void(Person&, Track&)>& visit) {
    for (Person& p : s.people) {
      for (Track& t : p.tracks) {
        if (t.source == "microphone") visit(p, t);
      }
    }
  }
  Answer admit(Session& s, const std::string& id) {
    const Person* waits = with_id(s.waiting, id);
    if (waits == nullptr) return yes({{"already", true}});
    const auto limit = static_cast<std::size_t>(*s.room->number("max_participants"));
    if (s.people.size() >= limit) return no("room_full");
    if (const std::string why = tenant_refusal(s.tenant); !why.empty()) return no(why);
    Person p = *waits;
    s.waiting.remove_if([&](const Person& one) { return one.id == id; });
    tell(s, "participant.admitted",
         Json::object({{"participant_id", id}, {"waited_ms", wall() - p.since_ms}}));
    add(s, std::move(p));
    watch_emptiness(s);
    return yes({{"already", false}});
  }
  // For one person more in a session that runs.
  std::string tenant_refusal(const std::string& id) {
    const Tenant& tenant = tenants[id];
    if (tenant.suspended) return "tenant_suspended";
    const auto limit = tenant.limits.find("max_participants");
    std::int64_t people = 0;
    for (const Session& s : sessions) {
      if (s.tenant == id) people += static_cast<std::int64_t>(s.people.size());
    }
    const bool full = limit != tenant.limits.end() && people >= limit->second;
    return full ? "too_many_participants" : "";
  }
  Answer start_timer(const Actor& actor, Session& s, const std::string& id) {
    if (!countdowns.contains(id)) return no("invalid_argument");
    if (s.timers.contains(id)) return yes({{"already", true}});
    s.timers[id] = {in(countdowns[id]), wall() + countdowns[id]};
    tell(s, "timer.started",
         Json::object(
             {{"timer_id", id}, {"ends_at_ms", wall() + countdowns[id]}, {"by", actor.label}}));
    return yes({{"already", false}});
  }

  // ---- coming in

  static constexpr std::int64_t kLeewayMs = 5'000;
  [[nodiscard]] std::string state_of(const Room& r) const {
    if (wall() >= r.number("expires_at_ms").value_or(INT64_MAX)) return "expired";
    if (wall() < r.number("starts_at_ms").value_or(0)) return "scheduled";
    return r.locked ? "locked" : "open";
  }

  // In this order, which the documents leave open.
  std::string refusal(const Room& room, const Token& t) {
    if (revoked(t)) return "token_revoked";
    const bool waits = room.has_waiting(t);
    Session* s = running_in(room.id);
    const bool known = s != nullptr && named(s->people, t.identity) != nullptr;
    const std::string state = state_of(room);
    if (state == "scheduled" && !waits) return "room_not_open_yet";
    if (state == "expired") return "room_expired";
    if (state == "locked" && !is_host(t.role) && !known) return "room_locked";
    const auto ban = room.bans.find(t.identity);
    if (ban != room.bans.end() && t.issued_s * 1'000 <= ban->second) return "banned";
    if (known) return "";
    const auto limit = static_cast<std::size_t>(*room.number("max_participants"));
    if (s != nullptr && s->people.size() >= limit) return "room_full";
    const Tenant& tenant = tenants[t.tenant];
    const auto running = std::count_if(sessions.begin(), sessions.end(), [&](const Session& one) {
      return !over(one) && one.tenant == t.tenant;
    });
    const auto most = tenant.limits.find("max_sessions");
    const bool enough = s == nullptr && most != tenant.limits.end() && running >= most->second;
    return enough && !tenant.suspended ? "too_many_sessions" : tenant_refusal(t.tenant);
  }
  void tell_rejected(Room& room, const Token& t, const std::string& why) {
    const double passed_s = static_cast<double>(now_ - std::exchange(room.told_at, now_)) / 1e6;
    room.may_tell = std::min(10.0, room.may_tell + 5 * passed_s);
    if (room.may_tell < 1) return;
    room.may_tell -= 1;
    tell("participant.rejected", room, nullptr,
         Json::object({{"identity", t.identity}, {"reason", why}}));
  }
  Answer come_in(Session& s, const Token& t, std::uint64_t socket) {
    Person* known = named(s.people, t.identity);
    const Person* twin = named(s.waiting, t.identity);
    const bool waits = known == nullptr && s.room->has_waiting(t);
    if (twin != nullptr) {
      stop_waiting(s, std::string(twin->id), "duplicate_identity", true);
    }
    if (waits) return wait_in_lobby(s, t, socket);
    if (known != nullptr && known->socket) {
      remove(s, std::string(known->id), "duplicate_identity", true);
      known = nullptr;
    }
    if (known == nullptr) {
      known = &add(s, somebody(t, socket));
    } else {
      come_back(s, *known, t, socket);
    }
    watch_emptiness(s);
    return {"", join_result(s, *known)};
  }
  Person somebody(const Token& t, std::uint64_t socket) {
    Person p;
    p.id = make("pa_");
    p.socket = socket;
    p.since_ms = wall();
    take_token(p, t);
    return p;
  }
  Answer wait_in_lobby(Session& s, const Token& t, std::uint64_t socket) {
    const Person& p = s.waiting.emplace_back(somebody(t, socket));
    tell(s, "participant.waiting", waiting_json(p));
    watch_host(s);
    watch_emptiness(s);
    Json result = waiting_json(p);
    if (const auto opens = s.room->number("starts_at_ms")) result.set("opens_at_ms", *opens);
    return {"", result.set("session_id", s.id)};
  }
  bool revoked(const Token& t) const {
    const auto until = revoked_people_.find(t.tenant + "/" + t.identity);
    return revoked_tokens_.contains(t.tenant + "/" + t.jti) ||
           (until != revoked_people_.end() && t.issued_s * 1'000 <= until->second);
  }

  static constexpr std::int64_t kHostMs = 30'000;  // "end_after_s:30"
  Us now_;
  std::set<std::string> revoked_tokens_;                // tenant/jti
  std::map<std::string, std::int64_t> revoked_people_;  // tenant/identity: issued until

 private:
  std::int64_t wall_at_zero_;
  std::map<std::string, int> made_;
};

}  // namespace parley::control::model
