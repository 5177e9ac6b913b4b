#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/auth.h"
#include "control/chat.h"
#include "control/params.h"
#include "control/recordings.h"
#include "control/rooms.h"
#include "control/rpc.h"
#include "control/sessions.h"

namespace parley::control {

// Who asks for an action: a backend's key or a participant of the session. Made from verified
// tokens only.
struct Actor {
  std::string label;  // "key:crm", "participant:pa_..." for the audit log
  const Principal* key = nullptr;
  Permissions permissions;  // a participant's
  std::string identity;     // a participant's
  std::string room_id;      // a participant acts in its own room only
};
[[nodiscard]] Actor actor_of(const Principal& principal);
[[nodiscard]] Actor actor_of(const Participant& participant, const Session& session);

// `topic`, `data` and `to`.
[[nodiscard]] Session::DataMessage read_data_message(Params& params);

// What a host does from the page and a backend over the API goes through these functions, with one
// permission check and one audit line each (A37, A44). A refused action has changed nothing.
class Actions {
 public:
  Actions(Context& context, Rooms& rooms, Sessions& sessions, Recordings& recordings, Chat& chat)
      : context_(context),
        rooms_(rooms),
        sessions_(sessions),
        recordings_(recordings),
        chat_(chat) {}

  [[nodiscard]] RpcResult<Json> mute_track(const Actor& actor, Session& session,
                                           std::string_view track_id, bool muted);
  // All microphones but those of `except` (identities) and the actor's own, until it is cleared.
  [[nodiscard]] RpcResult<Json> mute_all(const Actor& actor, Session& session,
                                         std::vector<std::string> except, bool unmute_allowed);
  [[nodiscard]] RpcResult<Json> clear_mute_all(const Actor& actor, Session& session);
  // Of somebody who was asked to speak, or will not be.
  [[nodiscard]] RpcResult<Json> lower_hand(const Actor& actor, Session& session,
                                           const std::string& participant_id);
  [[nodiscard]] RpcResult<Json> remove_participant(const Actor& actor, Session& session,
                                                   const std::string& participant_id, bool ban);
  // From the lobby, by participant id.
  [[nodiscard]] RpcResult<Json> admit(const Actor& actor, Session& session,
                                      const std::string& participant_id);
  [[nodiscard]] RpcResult<Json> deny(const Actor& actor, Session& session,
                                     const std::string& participant_id);
  // Bars all tokens of the identity that were issued until now, and sends away whoever is there.
  [[nodiscard]] RpcResult<Json> ban(const Actor& actor, Room& room, const std::string& identity);
  [[nodiscard]] RpcResult<Json> unban(const Actor& actor, Room& room, const std::string& identity);
  // Of those in the configuration.
  [[nodiscard]] RpcResult<Json> start_timer(const Actor& actor, Session& session,
                                            const std::string& timer_id);
  [[nodiscard]] RpcResult<Json> cancel_timer(const Actor& actor, Session& session,
                                             const std::string& timer_id);
  // Nobody new comes in, but hosts.
  [[nodiscard]] RpcResult<Json> lock_room(const Actor& actor, Room& room, bool locked);
  [[nodiscard]] RpcResult<Json> lock_room(const Actor& actor, const Session& session, bool locked);
  [[nodiscard]] RpcResult<Json> end_session(const Actor& actor, Session& session);
  [[nodiscard]] RpcResult<Json> start_recording(const Actor& actor, Session& session,
                                                const RecordingOptions& options);
  [[nodiscard]] RpcResult<Json> stop_recording(const Actor& actor, const RecordingRecord& record);
  [[nodiscard]] RpcResult<Json> pause_recording(const Actor& actor, const RecordingRecord& record,
                                                bool paused);
  // The files; a backend's matter. The record stays.
  [[nodiscard]] RpcResult<Json> set_layout(const Actor& actor, const RecordingRecord& record,
                                           const std::string& layout);
  [[nodiscard]] RpcResult<Json> compose_recording(const Actor& actor, const RecordingRecord& record,
                                                  const RecordingOptions& options,
                                                  const std::optional<std::string>& layout);
  [[nodiscard]] RpcResult<Json> upload_recording(const Actor& actor, const RecordingRecord& record);
  [[nodiscard]] RpcResult<Json> delete_recording(const Actor& actor, const RecordingRecord& record);
  // All of a participant's room; a key filters by itself.
  [[nodiscard]] RpcResult<Json> list_recordings(const Actor& actor, std::string_view room_id);
  [[nodiscard]] RpcResult<Json> recording_links(const Actor& actor, const RecordingRecord& record,
                                                const std::optional<std::string>& file,
                                                std::optional<std::int64_t> ttl_s,
                                                std::string_view audience = {});

  // ---- what is written and sent (actions_chat.cpp)
  // `author` as he is shown; a key writes in the name it gives.
  [[nodiscard]] RpcResult<Json> send_chat(const Actor& actor, const Room& room, ChatAuthor author,
                                          std::string text, std::string ref);
  [[nodiscard]] RpcResult<Json> send_chat(const Actor& actor, const Session& session,
                                          ChatAuthor author, std::string text, std::string ref);
  [[nodiscard]] RpcResult<Json> delete_chat(const Actor& actor, const Session& session,
                                            const std::string& message_id);
  [[nodiscard]] RpcResult<Json> delete_chat(const Actor& actor, const Room& room,
                                            const std::string& message_id);
  struct ChatChange {
    std::optional<bool> enabled;
    std::optional<std::uint32_t> slow_mode_s;
  };
  // Lasts as the room does: it is the same as room.update.
  [[nodiscard]] RpcResult<Json> set_chat(const Actor& actor, const Session& session,
                                         const ChatChange& change);
  static constexpr std::size_t kMaxDataBytes = 65'536;  // as JSON
  [[nodiscard]] RpcResult<Json> send_data(const Actor& actor, Session& session,
                                          Session::DataMessage message);

 private:
  // Says no, or yes and writes the audit line.
  [[nodiscard]] RpcResult<void> authorize(const Actor& actor, Permission permission,
                                          std::string_view action, std::string_view tenant,
                                          std::string_view room_id) const;

  // What is no deed of a host, and so frequent that it is not worth a line.
  [[nodiscard]] static RpcResult<void> allow(const Actor& actor, Permission permission,
                                             std::string_view tenant, std::string_view room_id);
  [[nodiscard]] RpcResult<Room*> room_of(const Session& session) const;
  void add_ban(Room& room, const std::string& identity);

  Context& context_;
  Rooms& rooms_;
  Sessions& sessions_;
  Recordings& recordings_;
  Chat& chat_;
};

}  // namespace parley::control
