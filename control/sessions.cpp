#include "control/sessions.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/log.h"

namespace parley::control {
namespace {

using std::chrono::seconds;

// Why participants left, given why their session ended (control-api.md, section 0).
std::string_view left_reason(std::string_view session_reason) {
  if (session_reason == "server_shutdown" || session_reason == "room_expired" ||
      session_reason == "quota_exhausted" || session_reason == "max_duration") {
    return session_reason;
  }
  return "room_ended";
}

}  // namespace

Sessions::Sessions(Context& context, const Tenants& tenants, const Revocations& revocations,
                   Rooms& rooms, Metering& metering)
    : context_(context),
      tenants_(tenants),
      revocations_(revocations),
      rooms_(rooms),
      metering_(metering) {
  metering_.end_session = [this](std::string_view session_id, std::string_view reason) {
    if (Session* session = find(session_id)) end(*session, reason);
  };
  history_.on_forgotten = [this](const std::string& id) {
    context_.outbox.remove("session", id);
    metering_.forget(id);
  };
  rooms_.on_expired = [this](Room& room) {
    if (Session* session = find_by_room(room.id)) end(*session, "room_expired");
  };
}

Sessions::~Sessions() {
  context_.timers.cancel(drain_timer_);
  for (auto& [id, entry] : sessions_) {
    context_.timers.cancel(entry.empty_timer);
    context_.timers.cancel(entry.end_timer);
  }
}

void Sessions::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != "session") continue;
    auto record = SessionRecord::from_row(row);
    if (!record) {
      server::log::error("session_unreadable", {{"session", row.id}});
      continue;
    }
    if (record->ended_ms == 0) {
      record->ended_ms =
          std::max(record->started_ms,
                   metering_.last_known_wall_ms(record->tenant).value_or(context_.wall_ms()));
      record->end_reason = "server_restart";
      context_.outbox.put(record->to_row());
      Json data = record->to_json();
      metering_.add_usage(record->id, Metering::kMaxIntervalsTold, data);
      context_.event(
          {"session.ended", record->tenant, record->room_id, record->id, std::move(data)});
    }
    history_.remember(std::move(*record));
  }
}

RpcResult<Sessions::Joined> Sessions::join(JoinClaims claims, ConnectionId connection) {
  if (const Room* named = named_room(claims)) {
    if (const Session* running = find_by_room(named->id)) running->apply_given(claims);
  }
  claims.permissions = tenants_.permissions(claims.tenant, claims.role) & claims.allowed;
  auto room = admit(claims);
  if (!room) {
    tell_rejected(claims, room.error().reason);
    return tl::unexpected(room.error());
  }
  Session* session = find_by_room((*room)->id);
  if (session == nullptr) session = &start(**room);
  if (waits_in_lobby(**room, claims) && session->find_identity(claims.identity) == nullptr) {
    return wait_in_lobby(*session, **room, std::move(claims), connection);
  }
  if (const Waiting* before = session->find_waiting_identity(claims.identity)) {
    session->stop_waiting(std::string(before->id), "duplicate_identity",
                          true);  // came in otherwise
  }
  Participant* participant = session->find_identity(claims.identity);
  if (participant != nullptr && participant->connection) {
    const std::string before = participant->id;
    session->remove(before, "duplicate_identity", true);  // the newer wins
    metering_.changed(*session, before, "duplicate_identity");
    participant = nullptr;
  }
  if (participant != nullptr) {
    session->resume(*participant, std::move(claims), connection);
    metering_.changed(*session, participant->id);  // another token may make another role
  } else {
    participant = &session->add(std::move(claims), connection);
  }
  note_people(*session);
  watch_emptiness(*session);
  return Joined{session->id(), participant->id, welcome(*session, *participant, **room)};
}

Json Sessions::welcome(const Session& session, const Participant& participant,
                       const Room& room) const {
  Json result = session.join_result(participant, room);
  if (observer_.joining) observer_.joining(session, result);
  return result;
}

void Sessions::tell_rejected(const JoinClaims& claims, std::string_view reason) {
  constexpr RateLimit::Rates kTold{0, 5};
  const Room* room = named_room(claims);
  if (room == nullptr || rejections_.take(room->id, kTold, true, context_.now())) return;
  context_.event({"participant.rejected", claims.tenant, room->id, "",
                  Json::object({{"identity", claims.identity}, {"reason", reason}})});
}

void Sessions::note_people(const Session& session) {
  SessionRecord& record = *history_.find(session.id());
  record.participants_peak = session.peak();
  record.participants_total = session.total();
}

Sessions::Joined Sessions::wait_in_lobby(Session& session, const Room& room, JoinClaims claims,
                                         ConnectionId connection) {
  if (const Waiting* before = session.find_waiting_identity(claims.identity)) {
    session.stop_waiting(std::string(before->id), "duplicate_identity", true);
  }
  const Waiting& one = session.wait(std::move(claims), connection);
  watch_emptiness(session);
  Json result = one.to_json();
  result.set("room", Json::object({{"room_id", room.id}, {"name", room.config.name}}));
  result.set("session_id", session.id());
  if (room.config.starts_at_ms) result.set("opens_at_ms", *room.config.starts_at_ms);
  result.set("server_time_ms", context_.wall_ms());
  return {session.id(), one.id, std::move(result)};
}

RpcResult<bool> Sessions::admit(Session& session, std::string_view participant_id) {
  const Room* room = rooms_.find(session.room_id());
  const Waiting* waiting = session.find_waiting(participant_id);
  if (room == nullptr || waiting == nullptr) return false;
  if (session.participants().size() >= room->config.max_participants) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "room_full", "the room is full"));
  }
  if (auto ok = admit_for_tenant(waiting->claims, &session); !ok) {
    return tl::unexpected(ok.error());
  }
  const Participant& participant = *session.admit(participant_id);
  session.notify(participant, "admitted", welcome(session, participant, *room));
  note_people(session);
  watch_emptiness(session);
  return true;
}

bool Sessions::stop_waiting(Session& session, std::string_view participant_id,
                            std::string_view reason, bool bye) {
  if (!session.stop_waiting(participant_id, reason, bye)) return false;
  watch_emptiness(session);
  return true;
}

void Sessions::change_participant(Session& session, Participant& participant,
                                  Session::ParticipantChange change) {
  if (change.role) change.permissions = tenants_.permissions(session.tenant(), *change.role);
  session.change(participant, std::move(change));
  metering_.changed(session, participant.id);  // a host may have become none
}

void Sessions::room_changed(Session& session, const Room& room) {
  session.set_end_after_host_left(room.config.end_after_host_left_ms);
  session.set_slot_limits(room.config.last_n, room.config.loudest);
  session.set_codecs(CodecPolicy::from(room.config.codecs).value_or(CodecPolicy()));
  session.set_chat_rules({room.config.chat, room.config.chat_slow_mode_s});
  session.set_data_enabled(room.config.data);
  arm_end(sessions_.find(session.id())->second, room);
}

void Sessions::arm_end(Entry& entry, const Room& room) {
  context_.timers.cancel(entry.end_timer);
  if (!room.config.max_duration_ms) return;
  const std::int64_t at = entry.session->started_ms() + *room.config.max_duration_ms;
  entry.end_timer = context_.timers.at(std::max(context_.steady(at), context_.now()),
                                       [this, id = entry.session->id()] {
                                         if (Session* session = find(id))
                                           end(*session, "max_duration");
                                       });
}

void Sessions::remove_revoked() {
  std::vector<std::pair<std::string, std::string>> gone;  // session, participant
  for (const auto& [id, entry] : sessions_) {
    for (const auto& p : entry.session->participants()) {
      if (revocations_.is_revoked(p->claims)) gone.emplace_back(id, p->id);
    }
    for (const Waiting& one : entry.session->waiting()) {
      if (revocations_.is_revoked(one.claims)) gone.emplace_back(id, one.id);
    }
  }
  for (const auto& [session_id, participant_id] : gone) {
    Session* session = find(session_id);
    if (session == nullptr) continue;
    if (!stop_waiting(*session, participant_id, "removed", true)) {
      leave(*session, participant_id, "removed", true);
    }
  }
}

void Sessions::drain(bool on, std::optional<std::chrono::milliseconds> limit) {
  context_.timers.cancel(drain_timer_);
  const bool was = std::exchange(draining_, on);
  if (on && limit) {
    drain_timer_ =
        context_.timers.at(context_.now() + *limit, [this] { end_all("server_shutdown"); });
  }
  if (!on || was) return;
  Json data = Json::object({{"sessions", static_cast<std::uint64_t>(sessions_.size())}});
  if (limit) data.set("limit_ms", static_cast<std::int64_t>(limit->count()));
  context_.event({"server.draining", "", "", "", std::move(data)});
  server::log::info("draining", {{"sessions", sessions_.size()}});
}

Session& Sessions::start(const Room& room) {
  auto session = std::make_unique<Session>(context_, room, *least_loaded_worker());
  Session& started = *session;
  const std::string id = started.id();
  started.on_timeout = [this, id](const std::string& participant_id, std::string_view reason) {
    if (Session* s = find(id)) leave(*s, participant_id, reason, true);
  };
  started.on_offline = [this, id](const std::string& participant_id) {
    if (Session* s = find(id)) metering_.changed(*s, participant_id, "client_left");
  };
  started.on_chat_request = [this, &started](Participant& from, std::string_view text) {
    if (on_chat_request) on_chat_request(started, from, text);
  };
  started.other_worker = [this](const std::vector<std::size_t>& but_for) {
    return least_loaded_worker(but_for);
  };
  by_worker_room_[started.worker_room().value] = &started;
  started.on_host_left = [this, id] {
    if (Session* s = find(id)) end(*s, "host_left");
  };
  Entry& entry = sessions_.emplace(id, Entry{std::move(session), 0, 0}).first->second;
  arm_end(entry, room);
  by_room_[room.id] = id;
  SessionRecord record;
  record.id = id;
  record.tenant = started.tenant();
  record.room_id = room.id;
  record.room_name = room.config.name;
  record.started_ms = started.started_ms();
  context_.outbox.put(record.to_row());
  started.event("session.started", record.to_json());
  server::log::info("session_started",
                    {{"room", room.id}, {"session", id}, {"worker", started.workers().front()}});
  history_.remember(std::move(record));
  metering_.started(started);
  if (observer_.started) observer_.started(started);
  return started;
}

std::optional<std::size_t> Sessions::least_loaded_worker(
    const std::vector<std::size_t>& but_for) const {
  if (but_for.size() >= context_.workers.size()) return std::nullopt;
  std::vector<std::size_t> load(context_.workers.size());
  for (const auto& [id, entry] : sessions_) {
    const Session& session = *entry.session;
    // Who has no media yet will have it where the session began, as far as one knows.
    std::size_t elsewhere = 0;
    for (const std::size_t worker : session.workers()) {
      if (worker == session.workers().front()) continue;
      const std::size_t peers = session.participants().peers_on(worker);
      load[worker] += peers;
      elsewhere += peers;
    }
    load[session.workers().front()] += 1 + session.participants().size() - elsewhere;
  }
  std::optional<std::size_t> least;
  for (std::size_t i = 0; i < load.size(); ++i) {
    if (std::find(but_for.begin(), but_for.end(), i) != but_for.end()) continue;
    if (!least || load[i] < load[*least]) least = i;
  }
  return least;
}

// Ends it when everybody has been away for departure_timeout_s, or when nobody's media came
// through within empty_timeout_s of the start.
void Sessions::watch_emptiness(Session& session) {
  Entry& entry = sessions_.find(session.id())->second;
  context_.timers.cancel(entry.empty_timer);
  const Room* room = rooms_.find(session.room_id());
  if (room == nullptr) return;
  const auto is_empty = [](const Session& s) {
    return s.participants().empty() && s.waiting().empty();
  };
  const bool empty = is_empty(session);
  if (!empty && session.ever_connected()) return;
  const bool somebody_came = session.ever_connected();
  const auto timeout =
      seconds(empty ? room->config.departure_timeout_s : room->config.empty_timeout_s);
  entry.empty_timer = context_.timers.at(context_.now() + timeout,
                                         [this, id = session.id(), empty, somebody_came, is_empty] {
                                           Session* due = find(id);
                                           if (due == nullptr) return;
                                           if (is_empty(*due) != empty)
                                             return watch_emptiness(*due);
                                           if (!empty && due->ever_connected()) return;
                                           // Who is early waits as long as he likes.
                                           if (!due->waiting().empty())
                                             return watch_emptiness(*due);
                                           end(*due, somebody_came ? "departure_timeout" : "empty");
                                         });
}

void Sessions::socket_closed(std::string_view session_id, std::string_view participant_id,
                             ConnectionId connection, bool gone) {
  Session* session = find(session_id);
  if (session == nullptr) return;
  if (const Waiting* one = session->find_waiting(participant_id)) {
    if (one->connection == connection) {
      stop_waiting(*session, std::string(participant_id), "client_left", false);
    }
    return;
  }
  Participant* participant = session->find(participant_id);
  if (participant == nullptr || participant->connection != connection) return;
  if (gone) return leave(*session, participant->id, "client_left", false);
  session->lose_socket(*participant);
}

// By value: it may be the one of who is removed.
void Sessions::leave(Session& session, std::string participant_id, std::string_view reason,
                     bool bye) {
  session.remove(participant_id, reason, bye);
  metering_.changed(session, participant_id, reason);
  if (session.participants().empty()) watch_emptiness(session);
}

void Sessions::end(Session& session, std::string_view reason) {
  const auto it = sessions_.find(session.id());
  if (it == sessions_.end()) return;
  const std::string id = session.id();
  if (observer_.ending) observer_.ending(session, reason);
  SessionRecord& record = *history_.find(id);
  record.ended_ms = context_.wall_ms();
  record.end_reason = std::string(reason);
  session.broadcast("session.ended", Json::object({{"reason", reason}}));
  session.remove_all(left_reason(reason), reason);
  metering_.ended(session, left_reason(reason));
  Json data = record.to_json();
  metering_.add_usage(id, Metering::kMaxIntervalsTold, data);
  session.event("session.ended", std::move(data));
  context_.outbox.put(record.to_row());
  server::log::info("session_ended",
                    {{"room", session.room_id()}, {"session", id}, {"reason", reason}});
  context_.timers.cancel(it->second.empty_timer);
  context_.timers.cancel(it->second.end_timer);
  by_room_.erase(session.room_id());
  by_worker_room_.erase(session.worker_room().value);
  sessions_.erase(it);
}

void Sessions::end_all(std::string_view reason) {
  while (!sessions_.empty()) end(*sessions_.begin()->second.session, reason);
}

Session* Sessions::find(std::string_view session_id) {
  const auto it = sessions_.find(session_id);
  return it == sessions_.end() ? nullptr : it->second.session.get();
}

Session* Sessions::find_by_room(std::string_view room_id) {
  const auto it = by_room_.find(room_id);
  return it == by_room_.end() ? nullptr : find(it->second);
}

std::size_t Sessions::participants() const noexcept {
  std::size_t count = 0;
  for (const auto& [id, entry] : sessions_) count += entry.session->participants().size();
  return count;
}

Session* Sessions::find(server::RoomId worker_room) {
  const auto it = by_worker_room_.find(worker_room.value);
  return it == by_worker_room_.end() ? nullptr : it->second;
}

void Sessions::on_worker_events(std::size_t worker, const std::vector<server::Event>& events) {
  for (const server::Event& event : events) {
    if (const auto* speakers = std::get_if<server::Speakers>(&event)) {
      if (Session* session = find(speakers->room)) session->speakers(worker, *speakers);
      continue;
    }
    if (const auto* traffic = std::get_if<server::RoomTraffic>(&event)) {
      metering_.traffic(worker, *traffic);
      continue;
    }
    const auto peer = std::visit(
        [](const auto& e) -> server::PeerId {
          if constexpr (requires { e.peer; }) return e.peer;
          return server::PeerId();
        },
        event);
    Session* session = find(Session::worker_room_of(peer));
    Participant* participant = session == nullptr ? nullptr : session->find_peer(peer);
    if (participant == nullptr) continue;  // it has left meanwhile
    const auto silent_since = [](rtp::Time last_heard) {
      return std::chrono::duration_cast<std::chrono::milliseconds>(last_heard.time_since_epoch())
          .count();
    };
    if (std::holds_alternative<server::PeerConnected>(event)) {
      session->peer_connected(*participant);
      metering_.changed(*session, participant->id);
      watch_emptiness(*session);
    } else if (const auto* away = std::get_if<server::PeerAway>(&event)) {
      session->peer_away(*participant, true);
      metering_.changed(*session, participant->id, "connection_timeout",
                        silent_since(away->last_heard));
    } else if (std::holds_alternative<server::PeerBack>(event)) {
      session->peer_away(*participant, false);
      metering_.changed(*session, participant->id);
    } else if (const auto* closed = std::get_if<server::PeerClosed>(&event)) {
      session->peer_closed(*participant, closed->reason);
      metering_.changed(*session, participant->id, "media_failure",
                        silent_since(closed->last_heard));
    } else if (const auto* started = std::get_if<server::TrackStarted>(&event)) {
      session->track_started(*participant, *started);
      if (!std::exchange(participant->sends, true)) metering_.changed(*session, participant->id);
    } else if (const auto* switched = std::get_if<server::SlotSwitched>(&event)) {
      session->slot_switched(*participant, *switched);
    } else if (const auto* layer = std::get_if<server::SlotLayer>(&event)) {
      session->slot_layer(*participant, *layer);
    } else if (const auto* opened = std::get_if<server::DataOpened>(&event)) {
      session->data_opened(*participant, *opened);
    } else if (const auto* ended = std::get_if<server::DataClosed>(&event)) {
      session->data_closed(*participant, *ended);
    } else if (const auto* message = std::get_if<server::DataReceived>(&event)) {
      session->data_received(*participant, *message);
    }
  }
}

}  // namespace parley::control
