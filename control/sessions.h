#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/metering.h"
#include "control/revocations.h"
#include "control/rooms.h"
#include "control/session.h"
#include "control/session_history.h"

namespace parley::control {

// What others do when sessions begin and end.
struct SessionsObserver {
  std::function<void(Session&)> started;
  // Before its participants are told.
  std::function<void(Session&, std::string_view reason)> ending;
  // Adds to the result of join what others know: `recording` and `chat`.
  std::function<void(const Session&, Json& result)> joining;
};

// The living sessions, at most one per room: who may come in, when one begins and ends, and which
// worker carries it. Routes the workers' events to them.
class Sessions {
 public:
  Sessions(Context& context, const Tenants& tenants, const Revocations& revocations, Rooms& rooms,
           Metering& metering);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // At start. Sessions that were running when the daemon stopped are ended as `server_restart`.
  void load(const std::vector<Row>& rows);
  void observe(SessionsObserver observer) { observer_ = std::move(observer); }
  // Set by who answers them: a request on somebody's data channel for chat.
  std::function<void(Session&, Participant& from, std::string_view text)> on_chat_request;

  struct Joined {
    std::string session_id;
    std::string participant_id;
    Json result;
  };
  // Lets the bearer of a verified token in, or says why not (participant.rejected.reason).
  [[nodiscard]] RpcResult<Joined> join(JoinClaims claims, ConnectionId connection);
  // Somebody did not come in: the backend is told, though not of a flood.
  void tell_rejected(const JoinClaims& claims, std::string_view reason);
  // Its socket ended; `gone`: the client said good-bye (close 1000 or 1001).
  void socket_closed(std::string_view session_id, std::string_view participant_id,
                     ConnectionId connection, bool gone);
  // From the lobby, where there is a place for him now. False when nobody of this id waits.
  [[nodiscard]] RpcResult<bool> admit(Session& session, std::string_view participant_id);
  bool stop_waiting(Session& session, std::string_view participant_id, std::string_view reason,
                    bool bye);
  void change_participant(Session& session, Participant& participant,
                          Session::ParticipantChange change);
  // The room of a running session has another configuration.
  void room_changed(Session& session, const Room& room);
  // Ends everybody's stay whose token was revoked.
  void remove_revoked();
  // No session begins any more, or they may again. Those that run go on, for `limit` at most.
  void drain(bool on, std::optional<std::chrono::milliseconds> limit);
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  void leave(Session& session, std::string participant_id, std::string_view reason, bool bye);
  void end(Session& session, std::string_view reason);
  void end_all(std::string_view reason);

  [[nodiscard]] Session* find(std::string_view session_id);
  [[nodiscard]] Session* find_by_room(std::string_view room_id);
  [[nodiscard]] const SessionHistory& history() const noexcept { return history_; }
  [[nodiscard]] std::size_t running() const noexcept { return sessions_.size(); }
  [[nodiscard]] std::size_t participants() const noexcept;

  void on_worker_events(std::size_t worker, const std::vector<server::Event>& events);

 private:
  struct Entry {
    std::unique_ptr<Session> session;
    Timers::Id empty_timer = 0;
    Timers::Id end_timer = 0;  // room.max_duration_ms
  };
  [[nodiscard]] static bool waits_in_lobby(const Room& room, const JoinClaims& claims);
  [[nodiscard]] RpcResult<Room*> admit(const JoinClaims& claims);
  [[nodiscard]] RpcResult<void> admit_for_tenant(const JoinClaims& claims,
                                                 const Session* session) const;
  Session& start(const Room& room);
  // Nothing when there is none but for these.
  [[nodiscard]] std::optional<std::size_t> least_loaded_worker(
      const std::vector<std::size_t>& but_for = {}) const;
  void watch_emptiness(Session& session);
  void arm_end(Entry& entry, const Room& room);
  [[nodiscard]] Json welcome(const Session& session, const Participant& participant,
                             const Room& room) const;
  [[nodiscard]] Joined wait_in_lobby(Session& session, const Room& room, JoinClaims claims,
                                     ConnectionId connection);
  void note_people(const Session& session);
  [[nodiscard]] Room* named_room(const JoinClaims& claims);
  [[nodiscard]] Session* find(server::RoomId worker_room);

  Context& context_;
  const Tenants& tenants_;
  const Revocations& revocations_;
  Rooms& rooms_;
  Metering& metering_;
  SessionsObserver observer_;
  bool draining_ = false;
  Timers::Id drain_timer_ = 0;
  std::map<std::string, Entry, std::less<>> sessions_;
  std::map<std::string, std::string, std::less<>> by_room_;
  std::unordered_map<std::uint64_t, Session*> by_worker_room_;
  SessionHistory history_;
  RateLimit rejections_;  // of each room, so that nobody fills the log from outside
};

}  // namespace parley::control
