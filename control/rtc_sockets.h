#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "control/actions.h"
#include "control/auth.h"
#include "control/chat.h"
#include "control/context.h"
#include "control/params.h"
#include "control/rate_limit.h"
#include "control/rpc.h"
#include "control/sessions.h"

namespace parley::control {

// The participants' signalling, `GET /v1/rtc`: one WebSocket per participant, `join` first, then
// offers, slots and host actions (docs/control-protocol.md). It holds no state of a call; it
// translates messages into calls on Sessions and Actions and their results into answers.
class RtcSockets {
 public:
  static constexpr std::string_view kSubprotocol = "parley.rtc.v1";
  static constexpr std::chrono::seconds kJoinDeadline{5};

  // Answers what comes on data channels for chat, too.
  RtcSockets(Context& context, const Keyring& keyring, Sessions& sessions, Actions& actions,
             Recordings& recordings, const Chat& chat);
  RtcSockets(const RtcSockets&) = delete;
  RtcSockets& operator=(const RtcSockets&) = delete;

  void opened(ConnectionId connection);
  void message(ConnectionId connection, std::string_view text);
  void closed(ConnectionId connection, std::uint16_t code);
  [[nodiscard]] bool knows(ConnectionId connection) const {
    return sockets_.count(connection) != 0;
  }
  [[nodiscard]] std::size_t size() const noexcept { return sockets_.size(); }
  [[nodiscard]] static std::vector<std::string> method_names();

 private:
  // Of one participant. A page that scrolls wants other slots many times a second; nobody mutes
  // himself so often.
  static constexpr double kRequestsPerS = 50;
  static constexpr double kChangesPerS = 5;
  static constexpr double kChangesAtOnce = 40;
  // Some hundred entries each.
  static constexpr double kListsPerS = 2;
  static constexpr double kListsAtOnce = 20;
  // What one sends goes to all.
  static constexpr double kDataBytesPerS = 65'536;
  static constexpr double kDataBytesAtOnce = 262'144;

  struct Socket {
    explicit Socket(rtp::Time now)
        : requests(kRequestsPerS, 2 * kRequestsPerS, now),
          changes(kChangesPerS, kChangesAtOnce, now),
          lists(kListsPerS, kListsAtOnce, now),
          data_bytes(kDataBytesPerS, kDataBytesAtOnce, now) {}

    std::string session_id;  // empty until join
    std::string participant_id;
    std::uint32_t unanswered = 0;
    TokenBucket requests;  // what costs only this moment
    TokenBucket changes;   // what everybody is told of, and what is kept
    TokenBucket lists;     // of those who are there
    TokenBucket data_bytes;
    Timers::Id join_timer = 0;
    std::optional<std::pair<std::uint16_t, std::string_view>> closing;  // after this answer
  };
  struct Caller {
    ConnectionId connection;
    Session& session;
    Participant& participant;
  };
  using Handler = RpcResult<Json> (RtcSockets::*)(Caller&, Params&);
  static const std::map<std::string_view, Handler>& methods();

  // How a request came, and how it is answered.
  struct Way {
    bool chat_only = false;
    std::function<void(const std::string& said)> say;
  };
  void answer(ConnectionId connection, Socket& socket, std::string_view text, const Way& way);
  void chat_request(Session& session, const Participant& from, std::string_view text);
  RpcResult<Json> dispatch(ConnectionId connection, Socket& socket, const RpcRequest& request);
  RpcResult<Json> from_lobby(Socket& socket, Session& session, const RpcRequest& request);
  RpcResult<Json> join(ConnectionId connection, Socket& socket, const Json& params);
  struct Answer {
    std::string text;
    std::string if_lost;  // when what it tells of could not be kept; empty: the same
  };
  [[nodiscard]] std::shared_ptr<Answer> promise_answer(
      ConnectionId connection, Socket& socket,
      const std::function<void(const std::string& said)>& say);
  // Comes this one too fast?
  [[nodiscard]] std::optional<RpcError> over_rate(Socket& socket, const RpcRequest& request) const;
  [[nodiscard]] std::string text_of(const Json& id, const RpcResult<Json>& result);

  RpcResult<Json> offer(Caller& caller, Params& params);
  RpcResult<Json> track_update(Caller& caller, Params& params);
  RpcResult<Json> slot_want(Caller& caller, Params& params);
  RpcResult<Json> leave(Caller& caller, Params& params);
  RpcResult<Json> ping(Caller& caller, Params& params);
  RpcResult<Json> renew_ice_servers(Caller& caller, Params& params);
  RpcResult<Json> mute_all(Caller& caller, Params& params);
  RpcResult<Json> clear_mute_all(Caller& caller, Params& params);
  RpcResult<Json> track_mute(Caller& caller, Params& params);
  RpcResult<Json> participant_remove(Caller& caller, Params& params);
  RpcResult<Json> participant_admit(Caller& caller, Params& params);
  RpcResult<Json> participant_deny(Caller& caller, Params& params);
  RpcResult<Json> room_lock(Caller& caller, Params& params);
  RpcResult<Json> room_unlock(Caller& caller, Params& params);
  RpcResult<Json> timer_start(Caller& caller, Params& params);
  RpcResult<Json> timer_cancel(Caller& caller, Params& params);
  RpcResult<Json> session_end(Caller& caller, Params& params);
  RpcResult<Json> recording_start(Caller& caller, Params& params);
  RpcResult<Json> recording_stop(Caller& caller, Params& params);
  RpcResult<Json> recording_list(Caller& caller, Params& params);
  RpcResult<Json> recording_access_link(Caller& caller, Params& params);
  // rtc_sockets_chat.cpp
  RpcResult<Json> chat_send(Caller& caller, Params& params);
  RpcResult<Json> chat_list(Caller& caller, Params& params);
  RpcResult<Json> chat_delete(Caller& caller, Params& params);
  RpcResult<Json> chat_set(Caller& caller, Params& params);
  RpcResult<Json> data_send(Caller& caller, Params& params);
  RpcResult<Json> roster_list(Caller& caller, Params& params);
  RpcResult<Json> hand_raise(Caller& caller, Params& params);
  RpcResult<Json> hand_lower(Caller& caller, Params& params);
  // The recording of this id in the caller's own room.
  RpcResult<const RecordingRecord*> own_recording(const Caller& caller, std::string_view id) const;

  Context& context_;
  const Keyring& keyring_;
  Sessions& sessions_;
  Actions& actions_;
  Recordings& recordings_;
  const Chat& chat_;
  std::map<ConnectionId, Socket> sockets_;
};

}  // namespace parley::control
