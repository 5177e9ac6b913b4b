#include "control/session.h"

#include <algorithm>

#include "control/ice_servers.h"
#include "server/log.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Negotiation new_negotiation(Context& context) {
  return Negotiation([&context] { return context.next_track(); }, context.random);
}

}  // namespace

Session::Session(Context& context, const Room& room, std::size_t worker)
    : context_(context),
      id_(context.id("se")),
      room_id_(room.id),
      room_name_(room.config.name),
      tenant_(room.config.tenant),
      workers_{worker},
      speakers_(1),
      worker_room_(context.next_number()),
      started_ms_(context.wall_ms()),
      last_n_(room.config.last_n),
      loudest_(room.config.loudest),
      end_after_host_left_ms_(room.config.end_after_host_left_ms),
      upright_(room.config.record_sessions),
      codecs_(CodecPolicy::from(room.config.codecs).value_or(CodecPolicy())),
      chat_rules_{room.config.chat, room.config.chat_slow_mode_s},
      data_enabled_(room.config.data) {
  context_.post(worker, server::OpenRoom{worker_room_});
}

Session::~Session() {
  for (const auto& participant : participants_) cancel_timers(*participant);
  context_.timers.cancel(host_timer_);
  context_.timers.cancel(wanted_timer_);
  context_.timers.cancel(codec_timer_);
  context_.timers.cancel(roster_timer_);
  for (auto& [id, countdown] : timers_) context_.timers.cancel(countdown.timer);
  for (const std::size_t worker : workers_) {
    context_.post(worker, server::CloseRoom{worker_room_});
  }
}

Session::TrackRef Session::find_track(std::string_view track_id) const {
  for (Participant* p : participants_.publishers()) {
    for (Track& track : p->tracks) {
      if (track.id == track_id) return {p, &track};
    }
  }
  return {};
}

Session::TrackRef Session::find_track(server::TrackNo no) const {
  for (Participant* p : participants_.publishers()) {
    for (Track& track : p->tracks) {
      if (track.no == no) return {p, &track};
    }
  }
  return {};
}

void Session::event(std::string_view type, Json data) {
  context_.event({std::string(type), tenant_, room_id_, id_, std::move(data)});
}

void Session::notify(const Participant& participant, std::string_view method, Json params) {
  if (!participant.connection) return;
  context_.outbox.after(
      [&context = context_, to = *participant.connection,
       text = rpc_notification(method, params)](bool) { context.send(to, text); });
}

void Session::broadcast(std::string_view method, const Json& params, const Participant* except) {
  send_to(sockets(except), method, params);
}

std::vector<ConnectionId> Session::sockets(const Participant* except) const {
  std::vector<ConnectionId> all;
  for (const auto& p : participants_) {
    if (p->connection && p.get() != except) all.push_back(*p->connection);
  }
  return all;
}

void Session::send_to(std::vector<ConnectionId> to, std::string_view method, const Json& params) {
  if (to.empty()) return;
  context_.outbox.after(
      [&context = context_, to = std::move(to), text = rpc_notification(method, params)](bool) {
        for (const ConnectionId connection : to) context.send(connection, text);
      });
}

Participant& Session::add(JoinClaims claims, ConnectionId connection, std::string id) {
  auto added = std::make_unique<Participant>(std::move(claims), new_negotiation(context_));
  added->id = id.empty() ? context_.id("pa") : std::move(id);
  added->joined_ms = context_.wall_ms();
  added->order = ++next_order_;
  added->connection = connection;
  Participant& participant = participants_.add(std::move(added));
  peak_ = std::max(peak_, participants_.size());
  arm_end(participant);
  Json data = participant.to_json();
  data.set("hidden", participant.hidden());
  event("participant.joined", std::move(data));
  if (!participant.hidden()) ++shown_;
  list_if_due(participant);
  if (!participant.hidden() && !participant.listed) tell_count();
  if (participants_.size() == kManyPeople + 1) update_slots();
  participant.roster_from = next_roster_change();  // what was before is in the result of his join
  server::log::info("participant_joined", {{"room", room_id_},
                                           {"session", id_},
                                           {"participant", participant.id},
                                           {"role", name_of(participant.claims.role)}});
  watch_host();
  return participant;
}

void Session::resume(Participant& participant, JoinClaims claims, ConnectionId connection) {
  if (claims.hidden && !participant.hidden()) unlist(participant, "client_left");
  const bool comes_to_light = participant.hidden() && !claims.hidden;
  participant.claims = std::move(claims);
  participant.connection = connection;
  participants_.note(participant);
  if (comes_to_light) ++shown_;
  arm_end(participant);
  set_state(participant,
            participant.media_away ? ParticipantState::Reconnecting : ParticipantState::Active);
  withhold_again(participant);
  tell_wanted_again(participant);
  ask_codecs_again(participant);
  list_if_due(participant);
  if (comes_to_light && !participant.listed) tell_count();
  participant.roster_from = next_roster_change();
  watch_host();
}

void Session::cancel_timers(Participant& participant) {
  context_.timers.cancel(participant.reconnect_timer);
  context_.timers.cancel(participant.end_timer);
  context_.timers.cancel(participant.quality_timer);
}

void Session::apply_given(JoinClaims& claims) const {
  const auto given = given_.find(claims.identity);
  if (given == given_.end()) return;
  const ParticipantChange& change = given->second;
  if (change.name) claims.name = *change.name;
  if (change.attributes) claims.attributes = *change.attributes;
  if (!change.role) return;
  claims.role = *change.role;
  claims.allowed = Permissions::all();
}

void Session::remember_change(const Participant& participant, const ParticipantChange& change) {
  ParticipantChange& given = given_[participant.claims.identity];
  if (change.name) given.name = change.name;
  if (change.role) given.role = change.role;
  if (change.attributes) given.attributes = change.attributes;
}

void Session::lose_socket(Participant& participant) {
  participant.connection.reset();
  set_state(participant, ParticipantState::Reconnecting);
}

void Session::set_state(Participant& participant, ParticipantState state) {
  if (state == ParticipantState::Active) context_.timers.cancel(participant.reconnect_timer);
  if (state == ParticipantState::Reconnecting) arm_reconnect(participant);
  if (participant.state == state) return;
  participant.state = state;
  const bool active = state == ParticipantState::Active;
  const Json data = Json::object(
      {{"participant_id", participant.id}, {"state", active ? "active" : "reconnecting"}});
  Json event_data = data;
  event_data.set("identity", participant.claims.identity);
  event(active ? "participant.updated" : "participant.reconnecting", std::move(event_data));
  tell_roster(RosterKind::Updated, participant, data);
}

void Session::arm_reconnect(Participant& participant) {
  if (participant.reconnect_timer != 0) return;  // the window runs from the first loss
  participant.reconnect_timer =
      context_.timers.at(context_.now() + seconds(context_.config.rooms.reconnect_window_s),
                         [this, id = participant.id] { on_timeout(id, "connection_timeout"); });
}

// A token may bound how long its bearer stays (control-api.md, section 6).
void Session::arm_end(Participant& participant) {
  context_.timers.cancel(participant.end_timer);
  const JoinClaims& claims = participant.claims;
  std::optional<std::int64_t> at;
  std::string_view reason;
  if (claims.max_session_ms) {
    at = participant.joined_ms + *claims.max_session_ms;
    reason = "max_duration";
  }
  if (claims.eject_at_exp && (!at || claims.expires_ms < *at)) {
    at = claims.expires_ms;
    reason = "token_expired";
  }
  if (!at) return;
  participant.end_timer = context_.timers.at(
      context_.steady(*at), [this, id = participant.id, reason] { on_timeout(id, reason); });
}

void Session::change(Participant& participant, ParticipantChange change) {
  remember_change(participant, change);
  if (change.name) participant.claims.name = *change.name;
  if (change.attributes) participant.claims.attributes = *change.attributes;
  if (change.role && *change.role != participant.claims.role) {
    participant.claims.role = *change.role;
    participant.claims.permissions = change.permissions;
    participants_.note(participant);
    withhold_again(participant);
    notify(participant, "permissions",
           Json::object({{"role", name_of(*change.role)},
                         {"permissions", participant.claims.permissions.names()}}));
  }
  Json data = participant.to_json();
  event("participant.updated", data);
  tell_roster(RosterKind::Updated, participant, std::move(data));
  list_if_due(participant);
  watch_host();
}

void Session::remove(const std::string& participant_id, std::string_view reason, bool bye) {
  Participant* leaving = find(participant_id);
  if (leaving == nullptr) return;
  const bool published = !leaving->tracks.empty();
  drop_peer(*leaving);
  cancel_timers(*leaving);
  if (bye) say_bye(*leaving, reason);
  left_event(*leaving, reason);
  unlist(*leaving, reason);
  participants_.remove(*leaving);
  update_codecs();
  // Who only watched leaves no slot empty, but perhaps a room in which all can be heard.
  if (published || participants_.size() == kManyPeople) {
    update_slots();
  } else {
    update_wanted();
  }
  watch_host();
}

void Session::say_bye(const Participant& participant, std::string_view reason) {
  if (!participant.connection) return;
  notify(participant, "bye",
         Json::object({{"reason", reason}, {"text_key", "bye." + std::string(reason)}}));
  context_.outbox.after([&context = context_, to = *participant.connection](bool) {
    context.close(to, 1000, "bye");
  });
}

void Session::left_event(const Participant& participant, std::string_view reason) {
  event("participant.left", Json::object({{"participant_id", participant.id},
                                          {"identity", participant.claims.identity},
                                          {"reason", reason},
                                          {"joined_ms", participant.joined_ms},
                                          {"left_ms", context_.wall_ms()}}));
  server::log::info(
      "participant_left",
      {{"room", room_id_}, {"session", id_}, {"participant", participant.id}, {"reason", reason}});
}

void Session::remove_all(std::string_view left, std::string_view bye) {
  ending_ = true;
  while (!waiting_.empty()) stop_waiting(waiting_.front().id, left, true);
  for (const auto& p : participants_) {
    say_bye(*p, bye);
    left_event(*p, left);
    cancel_timers(*p);
  }
  listed_.clear();
  shown_ = 0;
  participants_.clear();  // their peers go with the worker's room
}

Json Session::join_result(const Participant& participant, const Room& room) const {
  Snapshot snapshot = snapshot_for(participant);
  Json result =
      Json::object({{"participant_id", participant.id},
                    {"identity", participant.claims.identity},
                    {"name", participant.claims.name},
                    {"role", name_of(participant.claims.role)},
                    {"state", "active"},
                    {"permissions", participant.claims.permissions.names()},
                    {"room", Json::object({{"room_id", room.id}, {"name", room.config.name}})},
                    {"session_id", id_},
                    {"participants", std::move(snapshot.participants)},
                    {"participants_count", static_cast<std::uint64_t>(shown_)},
                    {"recording", Json()},
                    {"speakers", speakers_now()},
                    {"muted_by_host", is_muted_by_host(participant)},
                    {"timers", timer_list()},
                    {"reconnect_window_s", context_.config.rooms.reconnect_window_s},
                    {"server_time_ms", context_.wall_ms()}});
  add_ice_servers(result, context_.config.ice_servers, participant.claims.identity,
                  context_.wall_ms());
  if (snapshot.omitted > 0) {
    result.set("participants_omitted", static_cast<std::uint64_t>(snapshot.omitted));
  }
  if (participant.hidden()) result.set("hidden", true);
  if (participant.hand_raised_ms) result.set("hand_raised_ms", *participant.hand_raised_ms);
  if (participant.may(Permission::AdmitOthers)) result.set("waiting", waiting_list());
  return result;
}

}  // namespace parley::control
