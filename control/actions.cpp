#include "control/actions.h"

#include <algorithm>

#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::int64_t kDefaultLinkTtlS = 3'600;

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
  actor.room_id = session.room_id();
  return actor;
}

RpcResult<void> Actions::authorize(const Actor& actor, Permission permission,
                                   std::string_view action, std::string_view tenant,
                                   std::string_view room_id) const {
  const bool allowed = actor.key != nullptr
                           ? actor.key->may_see(tenant)
                           : actor.permissions.has(permission) && actor.room_id == room_id;
  server::log::info(
      "audit", {{"action", action}, {"by", actor.label}, {"room", room_id}, {"allowed", allowed}});
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
  const bool changed = session.set_muted(*ref.participant, *ref.track, muted,
                                         actor.key != nullptr ? MutedBy::Api : MutedBy::Host);
  return Json::object({{"already", !changed}});
}

RpcResult<Json> Actions::mute_all(const Actor& actor, Session& session,
                                  const std::vector<std::string>& except) {
  if (auto ok = authorize(actor, Permission::MuteOthers, "room.mute_all", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  std::int64_t count = 0;
  for (const auto& p : session.participants()) {
    const bool own = actor.label == "participant:" + p->id;
    if (own || std::find(except.begin(), except.end(), p->claims.identity) != except.end()) {
      continue;
    }
    for (Track& track : p->tracks) {
      if (track.source != TrackSource::Microphone) continue;
      if (session.set_muted(*p, track, true, actor.key != nullptr ? MutedBy::Api : MutedBy::Host)) {
        ++count;
      }
    }
  }
  return Json::object({{"muted", count}});
}

RpcResult<Json> Actions::remove_participant(const Actor& actor, Session& session,
                                            const std::string& participant_id, bool ban) {
  if (auto ok = authorize(actor, Permission::RemoveOthers, "participant.remove", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const Participant* participant = session.find(participant_id);
  if (participant == nullptr) return Json::object({{"already", true}});
  Room* room = rooms_.find(session.room_id());
  if (ban && room != nullptr) {
    if (room->bans.size() >= Room::kMaxBans) room->bans.erase(room->bans.begin());
    room->bans.push_back({participant->claims.identity, context_.wall_ms()});
    rooms_.save(*room);
    session.event("participant.banned", Json::object({{"participant_id", participant_id},
                                                      {"identity", participant->claims.identity}}));
  }
  sessions_.leave(session, participant_id, ban ? "banned" : "removed", true);
  return Json::object({{"already", false}});
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

RpcResult<Json> Actions::start_recording(const Actor& actor, Session& session) {
  if (auto ok = authorize(actor, Permission::Record, "recording.start", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  const bool already = recordings_.running_in(session.id()) != nullptr;
  const auto record = recordings_.start(session);
  if (!record) return tl::unexpected(record.error());
  return Json::object({{"recording_id", (*record)->id},
                       {"started_ms", (*record)->started_ms},
                       {"already", already}});
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
    if (record.room_id == room_id && list.as_array()->size() < kMaxListed) {
      list.push(record.to_json());
    }
  });
  return Json::object({{"recordings", std::move(list)}});
}

RpcResult<Json> Actions::recording_links(const Actor& actor, const RecordingRecord& record,
                                         const std::optional<std::string>& file,
                                         std::optional<std::int64_t> ttl_s) {
  if (auto ok = authorize(actor, Permission::ListRecordings, "recording.access_link", record.tenant,
                          record.room_id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const std::int64_t limit = context_.config.recording.max_link_ttl_s;
  return recordings_.links(record, file, ttl_s.value_or(std::min(kDefaultLinkTtlS, limit)),
                           actor.label);
}

}  // namespace parley::control
