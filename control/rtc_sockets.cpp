#include "control/rtc_sockets.h"

#include <algorithm>

#include "control/ice_servers.h"
#include "control/schema.h"
#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::size_t kMaxToken = 8'192;
constexpr std::size_t kMaxIntents = 64;
constexpr std::uint16_t kNormal = 1000;
constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kPolicy = 1008;

// Nothing of it is kept, and it costs only this moment.
bool is_momentary(std::string_view method) {
  return method == "slot.want" || method == "ping" || method == "offer" || method == "leave" ||
         method == "ice_servers.renew" || method == "recording.list" ||
         method == "recording.access_link" || method == "chat.list" || method == "data.send" ||
         method == "roster.list";
}

RpcError unknown_method() {
  return rpc_error(Status::MethodNotFound, "unknown_method", "there is no method of this name",
                   "method");
}

RpcResult<std::vector<SendIntent>> read_intents(const Json::Array* list) {
  std::vector<SendIntent> intents;
  if (list == nullptr) return intents;
  for (const Json& item : *list) {
    Params params(item);
    const auto mid = rtp::Mid::from(params.text("mid", {1, rtp::Mid::kMaxSize}));
    const auto source = source_of(params.text("source", {1, 32}));
    if (!mid) params.refuse("mid", "tracks: mid must be 1..16 visible characters");
    if (!source) {
      params.refuse("source",
                    "tracks: source must be camera, microphone, screen_share or "
                    "screen_share_audio");
    }
    if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
    intents.push_back({*mid, *source});
  }
  return intents;
}

}  // namespace

RtcSockets::RtcSockets(Context& context, const Keyring& keyring, Sessions& sessions,
                       Actions& actions, Recordings& recordings, const Chat& chat)
    : context_(context),
      keyring_(keyring),
      sessions_(sessions),
      actions_(actions),
      recordings_(recordings),
      chat_(chat) {
  sessions_.on_chat_request = [this](Session& session, const Participant& from,
                                     std::string_view text) { chat_request(session, from, text); };
}

const std::map<std::string_view, RtcSockets::Handler>& RtcSockets::methods() {
  static const std::map<std::string_view, Handler> kMethods = {
      {"offer", &RtcSockets::offer},
      {"track.update", &RtcSockets::track_update},
      {"slot.want", &RtcSockets::slot_want},
      {"leave", &RtcSockets::leave},
      {"ping", &RtcSockets::ping},
      {"ice_servers.renew", &RtcSockets::renew_ice_servers},
      {"room.mute_all", &RtcSockets::mute_all},
      {"room.clear_mute_all", &RtcSockets::clear_mute_all},
      {"track.mute", &RtcSockets::track_mute},
      {"participant.remove", &RtcSockets::participant_remove},
      {"participant.admit", &RtcSockets::participant_admit},
      {"participant.deny", &RtcSockets::participant_deny},
      {"room.lock", &RtcSockets::room_lock},
      {"room.unlock", &RtcSockets::room_unlock},
      {"timer.start", &RtcSockets::timer_start},
      {"timer.cancel", &RtcSockets::timer_cancel},
      {"session.end", &RtcSockets::session_end},
      {"recording.start", &RtcSockets::recording_start},
      {"recording.stop", &RtcSockets::recording_stop},
      {"recording.list", &RtcSockets::recording_list},
      {"recording.access_link", &RtcSockets::recording_access_link},
      {"chat.send", &RtcSockets::chat_send},
      {"chat.list", &RtcSockets::chat_list},
      {"chat.delete", &RtcSockets::chat_delete},
      {"chat.set", &RtcSockets::chat_set},
      {"data.send", &RtcSockets::data_send},
      {"roster.list", &RtcSockets::roster_list},
      {"hand.raise", &RtcSockets::hand_raise},
      {"hand.lower", &RtcSockets::hand_lower},
  };
  return kMethods;
}

std::vector<std::string> RtcSockets::method_names() {
  std::vector<std::string> names = {"join"};  // the one before which there is no participant
  for (const auto& [name, handler] : methods()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

void RtcSockets::opened(ConnectionId connection) {
  Socket& socket = sockets_.try_emplace(connection, context_.now()).first->second;
  socket.join_timer = context_.timers.at(context_.now() + kJoinDeadline, [this, connection] {
    context_.close(connection, kPolicy, "join did not come in time");
  });
}

void RtcSockets::closed(ConnectionId connection, std::uint16_t code) {
  const auto it = sockets_.find(connection);
  if (it == sockets_.end()) return;
  const Socket socket = it->second;
  context_.timers.cancel(it->second.join_timer);
  sockets_.erase(it);
  if (socket.participant_id.empty()) return;
  sessions_.socket_closed(socket.session_id, socket.participant_id, connection,
                          code == kNormal || code == kGoingAway);
}

void RtcSockets::message(ConnectionId connection, std::string_view text) {
  const auto it = sockets_.find(connection);
  if (it == sockets_.end()) return;
  answer(connection, it->second, text,
         {false, [this, connection](const std::string& said) { context_.send(connection, said); }});
  if (!it->second.closing) return;
  context_.outbox.after([this, connection, closing = *it->second.closing](bool) {
    context_.close(connection, closing.first, closing.second);
  });
}

// As if it had come over his socket, whose limits it shares, but that it is about chat only.
void RtcSockets::chat_request(Session& session, const Participant& from, std::string_view text) {
  const auto it = from.connection ? sockets_.find(*from.connection) : sockets_.end();
  const auto say = [this, session_id = session.id(), id = from.id](const std::string& said) {
    Session* there = sessions_.find(session_id);
    const Participant* one = there == nullptr ? nullptr : there->find(id);
    if (one != nullptr) there->send_chat(*one, said);
  };
  if (it != sockets_.end()) return answer(*from.connection, it->second, text, {true, say});
  const auto request = parse_request(text);
  say(text_of(request ? request->id : request.error().id,
              tl::unexpected(rpc_error(Status::Unavailable, "connection_lost",
                                       "the signalling has to be connected, too"))));
}

void RtcSockets::answer(ConnectionId connection, Socket& socket, std::string_view text,
                        const Way& way) {
  auto request = parse_request(text);
  const std::shared_ptr<Answer> answer = promise_answer(connection, socket, way.say);
  if (!request) {
    answer->text = text_of(request.error().id, tl::unexpected(request.error().error));
    return;
  }
  if (socket.unanswered > context_.config.control.max_inflight) {
    RpcError error = rpc_error(Status::ResourceExhausted, "rate_limited",
                               "too many requests are under way on this connection");
    error.retry_after_ms = 100;
    answer->text = text_of(request->id, tl::unexpected(std::move(error)));
    return;
  }
  if (auto error = over_rate(socket, *request)) {
    answer->text = text_of(request->id, tl::unexpected(std::move(*error)));
    return;
  }
  const RpcResult<Json> result = way.chat_only && !request->method.starts_with("chat.")
                                     ? tl::unexpected(unknown_method())
                                     : dispatch(connection, socket, *request);
  answer->text = text_of(request->id, result);
  // A call goes on while the disk does not; what a host decides must not seem to be kept.
  if (result && !is_momentary(request->method) && request->method != "join") {
    answer->if_lost =
        text_of(request->id, tl::unexpected(rpc_error(Status::Unavailable, "store_failed",
                                                      "the change could not be kept")));
  }
}

// Answers leave in the order of the requests, each after what it tells of is durable and before
// what comes of it: who ends the session is answered before he is sent away with the others.
std::shared_ptr<RtcSockets::Answer> RtcSockets::promise_answer(
    ConnectionId connection, Socket& socket,
    const std::function<void(const std::string& said)>& say) {
  ++socket.unanswered;
  auto answer = std::make_shared<Answer>();  // filled in before the turn ends
  context_.outbox.after([this, connection, answer, say](bool durable) {
    if (const auto it = sockets_.find(connection); it != sockets_.end()) --it->second.unanswered;
    const bool lost = !durable && !answer->if_lost.empty();
    say(lost ? answer->if_lost : answer->text);
  });
  return answer;
}

std::optional<RpcError> RtcSockets::over_rate(Socket& socket, const RpcRequest& request) const {
  TokenBucket& bucket = request.method == "roster.list" ? socket.lists
                        : is_momentary(request.method)  ? socket.requests
                                                        : socket.changes;
  const auto wait_ms = bucket.take(context_.now());
  if (!wait_ms) return std::nullopt;
  RpcError error = rpc_error(Status::ResourceExhausted, "rate_limited", "requests come too fast");
  error.retry_after_ms = *wait_ms;
  return error;
}

std::string RtcSockets::text_of(const Json& id, const RpcResult<Json>& result) {
  if (result) return rpc_answer(id, *result);
  const std::string trace = context_.id("err");
  server::log::limited("rtc_refused", {{"reason", result.error().reason}, {"trace_id", trace}});
  return rpc_error_answer(id, result.error(), trace);
}

RpcResult<Json> RtcSockets::dispatch(ConnectionId connection, Socket& socket,
                                     const RpcRequest& request) {
  const auto method = methods().find(request.method);
  const bool joins = request.method == "join";
  if (method == methods().end() && !joins) {
    return tl::unexpected(unknown_method());
  }
  const SchemaSet& schemas = SchemaSet::of_api();
  if (auto ok = schemas.check_request(schemas.participant_methods(), request); !ok) {
    return tl::unexpected(ok.error());
  }
  if (joins) return join(connection, socket, request.params);
  Session* session = sessions_.find(socket.session_id);
  Participant* participant = session == nullptr ? nullptr : session->find(socket.participant_id);
  if (session != nullptr && session->find_waiting(socket.participant_id) != nullptr) {
    return from_lobby(socket, *session, request);
  }
  if (participant == nullptr) {
    return tl::unexpected(
        rpc_error(Status::FailedPrecondition, "not_joined", "join comes first on this socket"));
  }
  Caller caller{connection, *session, *participant};
  Params params(request.params);
  return (this->*method->second)(caller, params);
}

// Who waits can go, and show that he is still there.
RpcResult<Json> RtcSockets::from_lobby(Socket& socket, Session& session,
                                       const RpcRequest& request) {
  Params params(request.params);
  if (request.method == "ping" || request.method == "leave") {
    if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  }
  if (request.method == "ping") return Json::object({{"server_time_ms", context_.wall_ms()}});
  if (request.method == "leave") {
    sessions_.stop_waiting(session, socket.participant_id, "client_left", false);
    socket.closing = {kNormal, "left"};
    return Json(Json::Object{});
  }
  return tl::unexpected(
      rpc_error(Status::FailedPrecondition, "waiting", "a host has to let you in first"));
}

RpcResult<Json> RtcSockets::join(ConnectionId connection, Socket& socket, const Json& json) {
  if (!socket.participant_id.empty()) {
    return tl::unexpected(
        rpc_error(Status::FailedPrecondition, "already_joined", "this socket has joined already"));
  }
  Params params(json);
  const std::string token = params.text("token", {1, kMaxToken});
  const auto client = params.optional_text("client", {1, 128});
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  const auto refuse = [&](RpcError error) {
    context_.timers.cancel(socket.join_timer);
    socket.closing = {kPolicy, "join was refused"};
    return tl::unexpected(std::move(error));
  };
  auto claims = keyring_.verify_join_token(token, context_.wall_ms());
  if (!claims) {
    const auto bearer = keyring_.bearer_out_of_time(token);
    if (bearer) sessions_.tell_rejected(*bearer, claims.error().reason);
    return refuse(claims.error());
  }
  auto joined = sessions_.join(std::move(*claims), connection);
  if (!joined) return refuse(joined.error());
  context_.timers.cancel(socket.join_timer);
  socket.session_id = joined->session_id;
  socket.participant_id = joined->participant_id;
  return std::move(joined->result);
}

RpcResult<Json> RtcSockets::offer(Caller& caller, Params& params) {
  const std::string sdp = params.text("sdp", {1, sdp::kMaxBytes});
  const Json::Array* tracks = params.array("tracks", kMaxIntents);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  const auto intents = read_intents(tracks);
  if (!intents) return tl::unexpected(intents.error());
  return caller.session.offer(caller.participant, sdp, *intents);
}

RpcResult<Json> RtcSockets::track_update(Caller& caller, Params& params) {
  const std::string track_id = params.text("track_id");
  const bool muted = params.flag("muted");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  const auto ref = caller.session.find_track(track_id);
  if (ref.participant != &caller.participant) {
    return tl::unexpected(
        rpc_error(Status::NotFound, "track_not_found", "you publish no such track", "track_id"));
  }
  if (!muted && !caller.session.may_unmute(*ref.participant, *ref.track)) {
    return tl::unexpected(rpc_error(Status::PermissionDenied, "muted_by_host",
                                    "a host has muted everybody and lets nobody unmute himself"));
  }
  caller.session.set_muted(*ref.participant, *ref.track, muted, MutedBy::Self);
  return Json(Json::Object{});
}

RpcResult<Json> RtcSockets::slot_want(Caller& caller, Params& params) {
  const auto mid = rtp::Mid::from(params.text("mid", {1, rtp::Mid::kMaxSize}));
  const auto track_id = params.optional_text("track_id");
  const std::int64_t height = params.integer("height", 0, 8'640);
  const auto priority = params.optional_integer("priority", -1'000, 1'000);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  if (!mid) {
    return tl::unexpected(
        rpc_error(Status::NotFound, "slot_not_found", "no recvonly m-line has this mid", "mid"));
  }
  SlotWant want;
  want.height = static_cast<std::uint32_t>(height);
  want.empty = height == 0;
  want.priority = static_cast<std::int32_t>(priority.value_or(0));
  if (track_id) {
    const auto ref = caller.session.find_track(*track_id);
    if (ref.track == nullptr || ref.participant == &caller.participant) {
      return tl::unexpected(rpc_error(Status::NotFound, "track_not_found",
                                      "nobody else publishes such a track", "track_id"));
    }
    want.track = ref.track->no;
  }
  if (auto ok = caller.session.want(caller.participant, *mid, want); !ok) {
    return tl::unexpected(ok.error());
  }
  return Json(Json::Object{});
}

RpcResult<Json> RtcSockets::leave(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  sessions_.leave(caller.session, caller.participant.id, "client_left", false);
  sockets_.find(caller.connection)->second.closing = {kNormal, "left"};
  return Json(Json::Object{});
}

RpcResult<Json> RtcSockets::ping(Caller&, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"server_time_ms", context_.wall_ms()}});
}

RpcResult<Json> RtcSockets::renew_ice_servers(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  Json result = Json::object({{"server_time_ms", context_.wall_ms()}});
  add_ice_servers(result, context_.config.ice_servers, caller.participant.claims.identity,
                  context_.wall_ms());
  return result;
}

RpcResult<Json> RtcSockets::mute_all(Caller& caller, Params& params) {
  auto except = read_identities(params, "except");
  const bool unmute_allowed = params.optional_flag("unmute_allowed").value_or(true);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.mute_all(actor_of(caller.participant, caller.session), caller.session,
                           std::move(except), unmute_allowed);
}

RpcResult<Json> RtcSockets::clear_mute_all(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.clear_mute_all(actor_of(caller.participant, caller.session), caller.session);
}

RpcResult<Json> RtcSockets::track_mute(Caller& caller, Params& params) {
  const std::string track_id = params.text("track_id");
  const bool muted = params.flag("muted");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.mute_track(actor_of(caller.participant, caller.session), caller.session, track_id,
                             muted);
}

RpcResult<Json> RtcSockets::participant_remove(Caller& caller, Params& params) {
  const std::string participant_id = params.text("participant_id");
  const bool ban = params.optional_flag("ban").value_or(false);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.remove_participant(actor_of(caller.participant, caller.session), caller.session,
                                     participant_id, ban);
}

RpcResult<Json> RtcSockets::participant_admit(Caller& caller, Params& params) {
  const std::string id = params.text("participant_id");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.admit(actor_of(caller.participant, caller.session), caller.session, id);
}

RpcResult<Json> RtcSockets::participant_deny(Caller& caller, Params& params) {
  const std::string id = params.text("participant_id");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.deny(actor_of(caller.participant, caller.session), caller.session, id);
}

RpcResult<Json> RtcSockets::room_lock(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.lock_room(actor_of(caller.participant, caller.session), caller.session, true);
}

RpcResult<Json> RtcSockets::room_unlock(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.lock_room(actor_of(caller.participant, caller.session), caller.session, false);
}

RpcResult<Json> RtcSockets::timer_start(Caller& caller, Params& params) {
  const std::string timer_id = params.text("timer_id", {1, 64});
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.start_timer(actor_of(caller.participant, caller.session), caller.session,
                              timer_id);
}

RpcResult<Json> RtcSockets::timer_cancel(Caller& caller, Params& params) {
  const std::string timer_id = params.text("timer_id", {1, 64});
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.cancel_timer(actor_of(caller.participant, caller.session), caller.session,
                               timer_id);
}

RpcResult<Json> RtcSockets::session_end(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.end_session(actor_of(caller.participant, caller.session), caller.session);
}

RpcResult<Json> RtcSockets::recording_start(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.start_recording(actor_of(caller.participant, caller.session), caller.session,
                                  recordings_.options_of(caller.session));
}

RpcResult<const RecordingRecord*> RtcSockets::own_recording(const Caller& caller,
                                                            std::string_view id) const {
  const RecordingRecord* record = recordings_.find(id);
  if (record == nullptr || record->room_id != caller.session.room_id()) {
    return tl::unexpected(rpc_error(Status::NotFound, "recording_not_found",
                                    "there is no such recording", "recording_id"));
  }
  return record;
}

RpcResult<Json> RtcSockets::recording_stop(Caller& caller, Params& params) {
  auto id = params.optional_text("recording_id");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  if (!id) {
    const RecordingRecord* running = recordings_.running_in(caller.session.id());
    id = running == nullptr ? std::string() : running->id;
  }
  const auto record = own_recording(caller, *id);
  if (!record) return tl::unexpected(record.error());
  return actions_.stop_recording(actor_of(caller.participant, caller.session), **record);
}

RpcResult<Json> RtcSockets::recording_list(Caller& caller, Params& params) {
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.list_recordings(actor_of(caller.participant, caller.session),
                                  caller.session.room_id());
}

RpcResult<Json> RtcSockets::recording_access_link(Caller& caller, Params& params) {
  const std::string id = params.text("recording_id");
  const auto file = params.optional_text("file");
  const auto ttl_s = params.optional_integer("ttl_s", 1, context_.config.recording.max_link_ttl_s);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  const auto record = own_recording(caller, id);
  if (!record) return tl::unexpected(record.error());
  return actions_.recording_links(actor_of(caller.participant, caller.session), **record, file,
                                  ttl_s);
}

}  // namespace parley::control
