#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/auth.h"
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
  std::string room_id;      // a participant acts in its own room only
};
[[nodiscard]] Actor actor_of(const Principal& principal);
[[nodiscard]] Actor actor_of(const Participant& participant, const Session& session);

// What a host does from the page and a backend over the API goes through these functions, with one
// permission check and one audit line each (A37, A44). A refused action has changed nothing.
class Actions {
 public:
  Actions(Context& context, Rooms& rooms, Sessions& sessions, Recordings& recordings)
      : context_(context), rooms_(rooms), sessions_(sessions), recordings_(recordings) {}

  [[nodiscard]] RpcResult<Json> mute_track(const Actor& actor, Session& session,
                                           std::string_view track_id, bool muted);
  // All microphones but those of `except` (identities) and the actor's own.
  [[nodiscard]] RpcResult<Json> mute_all(const Actor& actor, Session& session,
                                         const std::vector<std::string>& except);
  [[nodiscard]] RpcResult<Json> remove_participant(const Actor& actor, Session& session,
                                                   const std::string& participant_id, bool ban);
  [[nodiscard]] RpcResult<Json> end_session(const Actor& actor, Session& session);
  [[nodiscard]] RpcResult<Json> start_recording(const Actor& actor, Session& session);
  [[nodiscard]] RpcResult<Json> stop_recording(const Actor& actor, const RecordingRecord& record);
  // All of a participant's room; a key filters by itself.
  [[nodiscard]] RpcResult<Json> list_recordings(const Actor& actor, std::string_view room_id);
  [[nodiscard]] RpcResult<Json> recording_links(const Actor& actor, const RecordingRecord& record,
                                                const std::optional<std::string>& file,
                                                std::optional<std::int64_t> ttl_s);

 private:
  // Says no, or yes and writes the audit line.
  [[nodiscard]] RpcResult<void> authorize(const Actor& actor, Permission permission,
                                          std::string_view action, std::string_view tenant,
                                          std::string_view room_id) const;

  Context& context_;
  Rooms& rooms_;
  Sessions& sessions_;
  Recordings& recordings_;
};

}  // namespace parley::control
