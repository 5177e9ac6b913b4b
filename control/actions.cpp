#include "control/actions.h"

#include <algorithm>

#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::int64_t kDefaultLinkTtlS = 3'600;

MutedBy muted_by(const Actor& actor) { return actor.key != nullptr ? MutedBy::Api : MutedBy::Host; }

}  // namespace

Actor actor_of(const Principal& principal) {
  Actor actor;
  actor.label = "key:" + principal.key_id;
  actor.key = &principal;
  return actor;
}

Actor actor_of(const Participant& participant, const Session& session) {
  Actor actor;
  actor.label = "participant:" + participant.id;
  actor.permissions = participant.claims.permissions;
  actor.identity = participant.claims.identity;
  actor.room_id = session.room_id();
  return actor;
}

RpcResult<void> Actions::authorize(const Actor& actor, Permission permission,
                                   std::string_view action, std::string_view tenant,
                                   std::string_view room_id) const {
  auto allowed = allow(actor, permission, tenant, room_id);
  // A backend's calls have their line already, whatever they do (Api::audit).
  if (actor.key == nullptr) {
    server::log::info("audit", {{"action", action},
                                {"by", actor.label},
                                {"identity", actor.identity},
                                {"of", room_id},
                                {"outcome", allowed ? "done" : "permission_denied"}});
  }
  return allowed;
}

RpcResult<void> Actions::allow(const Actor& actor, Permission permission, std::string_view tenant,
                               std::string_view room_id) {
  const bool allowed = actor.key != nullptr
                           ? actor.key->may_see(tenant)
                           : actor.permissions.has(permission) && actor.room_id == room_id;
  if (allowed) return {};
  return tl::unexpected(rpc_error(Status::PermissionDenied, "permission_denied",
                                  "this needs the permission " + std::string(name_of(permission))));
}

RpcResult<Json> Actions::mute_track(const Actor& actor, Session& session, std::string_view track_id,
                                    bool muted) {
  if (auto ok = authorize(actor, Permission::MuteOthers, "track.mute", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const auto ref = session.find_track(track_id);
  if (ref.track == nullptr) {
    return tl::unexpected(
        rpc_error(Status::NotFound, "track_not_found", "there is no such track", "track_id"));
  }
  const bool changed = session.set_muted(*ref.participant, *ref.track, muted, muted_by(actor));
  return Json::object({{"already", !changed}});
}

RpcResult<Json> Actions::mute_all(const Actor& actor, Session& session,
                                  std::vector<std::string> except, bool unmute_allowed) {
  if (auto ok = authorize(actor, Permission::MuteOthers, "room.mute_all", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  if (!actor.identity.empty()) except.push_back(actor.identity);
  const std::size_t count = session.mute_all({unmute_allowed, std::move(except), muted_by(actor)});
  return Json::object({{"muted", static_cast<std::uint64_t>(count)}});
}

RpcResult<Json> Actions::clear_mute_all(const Actor& actor, Session& session) {
  if (auto ok = authorize(actor, Permission::MuteOthers, "room.clear_mute_all", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  return Json::object({{"already", !session.clear_mute_all(muted_by(actor))}});
}

RpcResult<Json> Actions::lower_hand(const Actor& actor, Session& session,
                                    const std::string& participant_id) {
  if (auto ok = authorize(actor, Permission::MuteOthers, "hand.lower", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  Participant* participant = session.find(participant_id);
  const bool lowered = participant != nullptr && session.raise_hand(*participant, false);
  return Json::object({{"already", !lowered}});
}

RpcResult<Json> Actions::remove_participant(const Actor& actor, Session& session,
                                            const std::string& participant_id, bool ban) {
  if (auto ok = authorize(actor, Permission::RemoveOthers, "participant.remove", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const Participant* participant = session.find(participant_id);
  const Waiting* waiting = session.find_waiting(participant_id);
  if (participant == nullptr && waiting == nullptr) return Json::object({{"already", true}});
  Room* room = rooms_.find(session.room_id());
  if (ban && room != nullptr) {
    add_ban(*room,
            std::string((participant == nullptr ? waiting->claims : participant->claims).identity));
  } else if (waiting != nullptr) {
    sessions_.stop_waiting(session, participant_id, "removed", true);
  } else {
    sessions_.leave(session, participant_id, "removed", true);
  }
  return Json::object({{"already", false}});
}

// A token of a later second is another invitation.
void Actions::add_ban(Room& room, const std::string& identity) {
  std::erase_if(room.bans, [&](const Ban& ban) { return ban.identity == identity; });
  if (room.bans.size() >= Room::kMaxBans) room.bans.erase(room.bans.begin());
  room.bans.push_back({identity, context_.wall_ms()});
  rooms_.save(room);
  Session* session = sessions_.find_by_room(room.id);
  Json data = Json::object({{"identity", identity}});
  const Participant* present = session == nullptr ? nullptr : session->find_identity(identity);
  if (present != nullptr) data.set("participant_id", present->id);
  context_.event({"participant.banned", room.config.tenant, room.id,
                  session == nullptr ? std::string() : session->id(), std::move(data)});
  if (session == nullptr) return;
  if (const Waiting* one = session->find_waiting_identity(identity)) {
    sessions_.stop_waiting(*session, std::string(one->id), "banned", true);
  }
  if (present != nullptr) sessions_.leave(*session, std::string(present->id), "banned", true);
}

RpcResult<Json> Actions::ban(const Actor& actor, Room& room, const std::string& identity) {
  if (auto ok = authorize(actor, Permission::RemoveOthers, "participant.ban", room.config.tenant,
                          room.id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  add_ban(room, identity);
  return Json::object({{"identity", identity}});
}

RpcResult<Json> Actions::unban(const Actor& actor, Room& room, const std::string& identity) {
  if (auto ok = authorize(actor, Permission::RemoveOthers, "participant.unban", room.config.tenant,
                          room.id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const bool was =
      std::erase_if(room.bans, [&](const Ban& ban) { return ban.identity == identity; }) != 0;
  if (was) rooms_.save(room);
  return Json::object({{"identity", identity}, {"already", !was}});
}

RpcResult<Json> Actions::admit(const Actor& actor, Session& session,
                               const std::string& participant_id) {
  if (auto ok = authorize(actor, Permission::AdmitOthers, "participant.admit", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const auto admitted = sessions_.admit(session, participant_id);
  if (!admitted) return tl::unexpected(admitted.error());
  return Json::object({{"already", !*admitted}});
}

RpcResult<Json> Actions::deny(const Actor& actor, Session& session,
                              const std::string& participant_id) {
  if (auto ok = authorize(actor, Permission::AdmitOthers, "participant.deny", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  return Json::object(
      {{"already", !sessions_.stop_waiting(session, participant_id, "lobby_denied", true)}});
}

RpcResult<Json> Actions::start_timer(const Actor& actor, Session& session,
                                     const std::string& timer_id) {
  if (auto ok = authorize(actor, Permission::RunTimers, "timer.start", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const auto& timers = context_.config.timers;
  const auto found = timers.find(timer_id);
  if (found == timers.end()) {
    std::string known;
    for (const auto& [id, ms] : timers) known += (known.empty() ? "" : ", ") + id;
    return tl::unexpected(rpc_error(Status::InvalidArgument, "invalid_argument",
                                    "timer_id must be one of the configuration: " + known,
                                    "timer_id"));
  }
  const bool started = session.start_timer(timer_id, found->second, actor.label);
  return Json::object({{"timer_id", timer_id}, {"already", !started}});
}

RpcResult<Json> Actions::cancel_timer(const Actor& actor, Session& session,
                                      const std::string& timer_id) {
  if (auto ok = authorize(actor, Permission::RunTimers, "timer.cancel", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  return Json::object(
      {{"timer_id", timer_id}, {"already", !session.cancel_timer(timer_id, actor.label)}});
}

RpcResult<Json> Actions::lock_room(const Actor& actor, Room& room, bool locked) {
  if (auto ok = authorize(actor, Permission::AdmitOthers, locked ? "room.lock" : "room.unlock",
                          room.config.tenant, room.id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const bool changed = rooms_.set_locked(room, locked);
  return Json::object({{"locked", locked}, {"already", !changed}});
}

RpcResult<Json> Actions::lock_room(const Actor& actor, const Session& session, bool locked) {
  const auto room = room_of(session);
  if (!room) return tl::unexpected(room.error());
  return lock_room(actor, **room, locked);
}

RpcResult<Room*> Actions::room_of(const Session& session) const {
  if (Room* room = rooms_.find(session.room_id())) return room;
  return tl::unexpected(rpc_error(Status::NotFound, "room_not_found", "the room was deleted"));
}

RpcResult<Json> Actions::end_session(const Actor& actor, Session& session) {
  if (auto ok = authorize(actor, Permission::EndSession, "session.end", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  sessions_.end(session, actor.key != nullptr ? "ended_by_api" : "ended_by_host");
  return Json::object({{"already", false}});
}

RpcResult<Json> Actions::start_recording(const Actor& actor, Session& session,
                                         const RecordingOptions& options) {
  if (auto ok = authorize(actor, Permission::Record, "recording.start", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const bool already = recordings_.running_in(session.id()) != nullptr;
  const auto record = recordings_.start(session, options);
  if (!record) return tl::unexpected(record.error());
  return Json::object({{"recording_id", (*record)->id},
                       {"started_ms", (*record)->started_ms},
                       {"already", already}});
}

RpcResult<Json> Actions::pause_recording(const Actor& actor, const RecordingRecord& record,
                                         bool paused) {
  if (auto ok =
          authorize(actor, Permission::Record, paused ? "recording.pause" : "recording.resume",
                    record.tenant, record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::string id = record.id;
  const auto changed = paused ? recordings_.pause(id) : recordings_.resume(id);
  if (!changed) return tl::unexpected(changed.error());
  return Json::object({{"recording_id", id}, {"already", !*changed}});
}

RpcResult<Json> Actions::set_layout(const Actor& actor, const RecordingRecord& record,
                                    const std::string& layout) {
  if (auto ok = authorize(actor, Permission::Record, "recording.set_layout", record.tenant,
                          record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::string id = record.id;
  const auto changed = recordings_.set_layout(id, layout);
  if (!changed) return tl::unexpected(changed.error());
  return Json::object({{"recording_id", id}, {"layout", layout}, {"already", !*changed}});
}

RpcResult<Json> Actions::compose_recording(const Actor& actor, const RecordingRecord& record,
                                           const RecordingOptions& options,
                                           const std::optional<std::string>& layout) {
  if (auto ok =
          authorize(actor, Permission::Record, "recording.compose", record.tenant, record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const auto composed = recordings_.compose_again(record.id, options, layout);
  if (!composed) return tl::unexpected(composed.error());
  return (*composed)->to_json();
}

RpcResult<Json> Actions::upload_recording(const Actor& actor, const RecordingRecord& record) {
  if (auto ok =
          authorize(actor, Permission::Record, "recording.upload", record.tenant, record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::string id = record.id;
  const auto begun = recordings_.upload_now(id);
  if (!begun) return tl::unexpected(begun.error());
  return Json::object({{"recording_id", id}, {"already", !*begun}});
}

RpcResult<Json> Actions::delete_recording(const Actor& actor, const RecordingRecord& record) {
  if (auto ok =
          authorize(actor, Permission::Record, "recording.delete", record.tenant, record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::string id = record.id;
  const auto removed =
      recordings_.remove(id, actor.key != nullptr ? "deleted_by_api" : "deleted_by_host");
  if (!removed) return tl::unexpected(removed.error());
  return Json::object({{"recording_id", id}, {"already", !*removed}});
}

RpcResult<Json> Actions::stop_recording(const Actor& actor, const RecordingRecord& record) {
  if (auto ok =
          authorize(actor, Permission::Record, "recording.stop", record.tenant, record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::string id = record.id;
  const bool stopped =
      recordings_.stop(id, actor.key != nullptr ? "stopped_by_api" : "stopped_by_host");
  return Json::object({{"recording_id", id}, {"already", !stopped}});
}

RpcResult<Json> Actions::list_recordings(const Actor& actor, std::string_view room_id) {
  const Room* room = rooms_.find(room_id);
  const std::string tenant = room == nullptr ? std::string() : room->config.tenant;
  if (auto ok = authorize(actor, Permission::ListRecordings, "recording.list", tenant, room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  constexpr std::size_t kMaxListed = 1'000;
  Json list = Json::array();
  recordings_.for_each([&](const RecordingRecord& record) {
    if (record.room_id != room_id || record.state == RecordingRecord::State::Deleted) return;
    if (list.as_array()->size() < kMaxListed) list.push(record.to_json(false));
  });
  return Json::object({{"recordings", std::move(list)}});
}

RpcResult<Json> Actions::recording_links(const Actor& actor, const RecordingRecord& record,
                                         const std::optional<std::string>& file,
                                         std::optional<std::int64_t> ttl_s,
                                         std::string_view audience) {
  if (auto ok = authorize(actor, Permission::ListRecordings, "recording.access_link", record.tenant,
                          record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::int64_t limit = context_.config.recording.max_link_ttl_s;
  return recordings_.links(record, file, ttl_s.value_or(std::min(kDefaultLinkTtlS, limit)),
                           audience.empty() ? std::string_view(actor.label) : audience);
}

}  // namespace parley::control
