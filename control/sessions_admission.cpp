#include <utility>

#include "control/sessions.h"

// Who may come in, and who may not.
namespace parley::control {
namespace {

tl::unexpected<RpcError> refuse(Status status, std::string_view reason, std::string message) {
  return tl::unexpected(rpc_error(status, reason, std::move(message)));
}

}  // namespace

bool Sessions::waits_in_lobby(const Room& room, const JoinClaims& claims) {
  return room.config.lobby && !claims.is_host() && !claims.bypass_lobby;
}

// By id or by name, in the tenant of the token only.
Room* Sessions::named_room(const JoinClaims& claims) {
  Room* room = rooms_.find(claims.room);
  if (room == nullptr) room = rooms_.find(claims.tenant, claims.room);
  return room == nullptr || room->config.tenant != claims.tenant ? nullptr : room;
}

RpcResult<Room*> Sessions::admit(const JoinClaims& claims) {
  Room* room = named_room(claims);
  if (room == nullptr) {
    return refuse(Status::NotFound, "room_not_found", "there is no such room");
  }
  if (revocations_.is_revoked(claims)) {
    return refuse(Status::Unauthenticated, "token_revoked", "the token was revoked");
  }
  const bool waits = waits_in_lobby(*room, claims);
  Session* session = find_by_room(room->id);
  const bool known = session != nullptr && session->find_identity(claims.identity) != nullptr;
  switch (room->state(context_.wall_ms())) {
    case RoomState::Scheduled: {
      if (waits) break;
      RpcError error =
          rpc_error(Status::FailedPrecondition, "room_not_open_yet", "the room opens later");
      error.details.emplace_back("opens_at_ms", *room->config.starts_at_ms);
      return tl::unexpected(std::move(error));
    }
    case RoomState::Expired:
      return refuse(Status::FailedPrecondition, "room_expired", "the room is closed");
    case RoomState::Locked:
      if (claims.is_host() || known) break;
      return refuse(Status::PermissionDenied, "room_locked", "the room is locked");
    case RoomState::Open:
      break;
  }
  if (room->is_banned(claims.identity, claims.issued_ms)) {
    return refuse(Status::PermissionDenied, "banned", "this identity was removed from the room");
  }
  if (session != nullptr && !known &&
      session->participants().size() >= room->config.max_participants) {
    return refuse(Status::ResourceExhausted, "room_full", "the room is full");
  }
  if (session != nullptr && waits && session->waiting().size() >= Session::kMaxWaiting) {
    return refuse(Status::ResourceExhausted, "room_full", "too many people are waiting");
  }
  if (session == nullptr && draining_) {
    return refuse(Status::Unavailable, "server_draining", "this server is being taken down");
  }
  if (!known) {
    if (auto ok = admit_for_tenant(claims, session); !ok) return tl::unexpected(ok.error());
  }
  if (!context_.outbox.healthy() || context_.outbox.congested() || context_.workers.empty()) {
    return tl::unexpected(
        rpc_error(Status::Unavailable, "server_busy", "the server cannot take a call now"));
  }
  return room;
}

RpcResult<void> Sessions::admit_for_tenant(const JoinClaims& claims, const Session* session) const {
  if (auto ok = tenants_.check_active(claims.tenant); !ok) return ok;
  const Tenant* tenant = tenants_.find(claims.tenant);
  if (tenant != nullptr && (tenant->max_sessions || tenant->max_participants)) {
    std::size_t sessions = 0;
    std::size_t people = 0;
    for (const auto& [id, entry] : sessions_) {
      if (entry.session->tenant() != claims.tenant) continue;
      ++sessions;
      people += entry.session->participants().size();
    }
    if (session == nullptr && tenant->max_sessions && sessions >= *tenant->max_sessions) {
      return refuse(Status::ResourceExhausted, "too_many_sessions",
                    "this tenant has as many sessions as it may");
    }
    if (tenant->max_participants && people >= *tenant->max_participants) {
      return refuse(Status::ResourceExhausted, "too_many_participants",
                    "this tenant has as many participants as it may");
    }
  }
  return metering_.admit(claims.tenant, session != nullptr);
}

}  // namespace parley::control
