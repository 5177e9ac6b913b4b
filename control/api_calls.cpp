#include <algorithm>

#include "control/api.h"

// The API's methods for what goes on in a call: participants, tracks, recordings.
namespace parley::control {

std::string Api::participant_of(Call& call, const Session& session) const {
  const auto id = call.params.optional_text("participant_id");
  if (id) {
    static_cast<void>(call.params.optional_text("identity", {1, kMaxIdentityBytes}));
    return *id;
  }
  const std::string identity = call.params.text("identity", {1, kMaxIdentityBytes});
  if (const Participant* p = session.find_identity(identity)) return p->id;
  if (const Waiting* one = session.find_waiting_identity(identity)) return one->id;
  return {};
}

RpcResult<Json> Api::participant_list(Call& call) {
  Page page(call.params);
  const auto session = session_of(call);
  if (!session && session.error().reason != "no_session") return tl::unexpected(session.error());
  if (session) (*session)->page_of_people(page, false);
  Json result = page.result("participants");
  if (session) result.set("session_id", (*session)->id());
  result.set("count", session ? static_cast<std::uint64_t>((*session)->shown()) : 0);
  result.set("waiting", session ? (*session)->waiting_list() : Json::array());
  return result;
}

// The session first, because an identity means something within one only; then whom of it.
RpcResult<Api::Found> Api::find_participant(Call& call) {
  Session* peeked = peek_session(call);
  Found found;
  if (peeked != nullptr) {
    found.participant_id = participant_of(call, *peeked);
  } else {
    const bool by_id = call.params.optional_text("participant_id").has_value();
    const bool by_identity =
        call.params.optional_text("identity", {1, kMaxIdentityBytes}).has_value();
    if (!by_id && !by_identity) {
      call.params.refuse("participant_id", "participant_id is missing");
    }
  }
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  found.session = *session;
  return found;
}

RpcResult<Json> Api::participant_get(Call& call) {
  const auto found = find_participant(call);
  if (found) {
    if (const Participant* p = found->session->find(found->participant_id)) return p->to_json();
    if (const Waiting* one = found->session->find_waiting(found->participant_id)) {
      return one->to_json();
    }
  } else if (found.error().reason != "no_session") {
    return tl::unexpected(found.error());
  }
  return tl::unexpected(rpc_error(Status::NotFound, "participant_not_found",
                                  "there is no such participant", "participant_id"));
}

RpcResult<Json> Api::subscription_get(Call& call) {
  const auto found = find_participant(call);
  if (!found && found.error().reason != "no_session") return tl::unexpected(found.error());
  const Participant* participant = found ? found->session->find(found->participant_id) : nullptr;
  if (participant == nullptr) {
    return tl::unexpected(rpc_error(Status::NotFound, "participant_not_found",
                                    "there is no such participant", "participant_id"));
  }
  return Json::object({{"participant_id", participant->id},
                       {"identity", participant->claims.identity},
                       {"subscriptions", found->session->subscriptions(*participant)}});
}

RpcResult<Json> Api::participant_update(Call& call) {
  Params& p = call.params;
  Session::ParticipantChange change;
  change.name = p.optional_text("name", {1, kMaxDisplayNameBytes});
  if (change.name && !is_printable_text(*change.name)) {
    p.refuse("name", "name must have no control characters");
  }
  if (const auto role = p.choice("role", {"host", "co_host", "participant", "viewer"})) {
    change.role = role_of(*role);
  }
  if (const Json::Object* attributes = p.object("attributes")) {
    change.attributes = Json(*attributes);
    if (change.attributes->dump().size() > kMaxAttributesBytes) {
      p.refuse("attributes", "attributes are longer than 4096 bytes");
    }
  }
  const auto found = find_participant(call);
  if (!found) return tl::unexpected(found.error());
  Participant* participant = found->session->find(found->participant_id);
  if (participant == nullptr) {
    return tl::unexpected(rpc_error(Status::NotFound, "participant_not_found",
                                    "there is no such participant", "participant_id"));
  }
  parts_.sessions.change_participant(*found->session, *participant, std::move(change));
  return participant->to_json();
}

RpcResult<Json> Api::participant_remove(Call& call) {
  const bool ban = call.params.optional_flag("ban").value_or(false);
  const auto found = find_participant(call);
  if (!found) {
    if (found.error().reason != "no_session") return tl::unexpected(found.error());
    return Json::object({{"already", true}});
  }
  return parts_.actions.remove_participant(actor_of(call.principal), *found->session,
                                           found->participant_id, ban);
}

RpcResult<Json> Api::participant_admit(Call& call) {
  const auto found = find_participant(call);
  if (!found) return tl::unexpected(found.error());
  return parts_.actions.admit(actor_of(call.principal), *found->session, found->participant_id);
}

RpcResult<Json> Api::participant_deny(Call& call) {
  const auto found = find_participant(call);
  if (!found) return tl::unexpected(found.error());
  return parts_.actions.deny(actor_of(call.principal), *found->session, found->participant_id);
}

RpcResult<Json> Api::participant_ban(Call& call) {
  const std::string identity = call.params.text("identity", {1, kMaxIdentityBytes});
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.actions.ban(actor_of(call.principal), **room, identity);
}

RpcResult<Json> Api::participant_unban(Call& call) {
  const std::string identity = call.params.text("identity", {1, kMaxIdentityBytes});
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.actions.unban(actor_of(call.principal), **room, identity);
}

RpcResult<Json> Api::timer_start(Call& call) {
  const std::string timer_id = call.params.text("timer_id", {1, 64});
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.start_timer(actor_of(call.principal), **session, timer_id);
}

RpcResult<Json> Api::timer_cancel(Call& call) {
  const std::string timer_id = call.params.text("timer_id", {1, 64});
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.cancel_timer(actor_of(call.principal), **session, timer_id);
}

RpcResult<Json> Api::track_list(Call& call) {
  const auto session = session_of(call);
  Json list = Json::array();
  if (!session) {
    if (session.error().reason != "no_session") return tl::unexpected(session.error());
    return Json::object({{"tracks", std::move(list)}});
  }
  for (const auto& p : (*session)->participants()) {
    for (const Track& track : p->tracks) {
      Json json = track.to_json();
      json.set("participant_id", p->id);
      json.set("identity", p->claims.identity);
      list.push(std::move(json));
    }
  }
  return Json::object({{"tracks", std::move(list)}});
}

RpcResult<Json> Api::track_mute(Call& call) {
  const std::string track_id = call.params.text("track_id");
  const bool muted = call.params.flag("muted");
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.mute_track(actor_of(call.principal), **session, track_id, muted);
}

RpcResult<Json> Api::room_mute_all(Call& call) {
  auto except = read_identities(call.params, "except");
  const bool unmute_allowed = call.params.optional_flag("unmute_allowed").value_or(true);
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.mute_all(actor_of(call.principal), **session, std::move(except),
                                 unmute_allowed);
}

RpcResult<Json> Api::room_clear_mute_all(Call& call) {
  const auto session = session_of(call);
  if (session) return parts_.actions.clear_mute_all(actor_of(call.principal), **session);
  if (session.error().reason != "no_session") return tl::unexpected(session.error());
  return Json::object({{"already", true}});
}

// Options are read twice: for mistakes before anything is looked up, then over what they change.
RpcResult<Json> Api::recording_start(Call& call) {
  RecordingOptions any;
  read_recording_options(call.params, any);
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  RecordingOptions options = parts_.recordings.options_of(**session);
  read_recording_options(call.params, options);
  return parts_.actions.start_recording(actor_of(call.principal), **session, options);
}

RpcResult<Json> Api::recording_set_layout(Call& call) {
  if (call.params.is_null("layout") || !call.params.names("layout")) {
    call.params.refuse("layout", "layout is missing");
  }
  const auto layout = read_layout(call.params);
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.set_layout(actor_of(call.principal), **record, *layout);
}

RpcResult<Json> Api::recording_compose(Call& call) {
  RecordingOptions any;
  read_composite(call.params, any);
  if (any.live) call.params.refuse("composite", "live is for recordings that begin");
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  RecordingOptions options = (*record)->options;
  read_composite(call.params, options);
  const Json* how = call.params.all().find("composite");
  const bool all_through = how != nullptr && how->find("layout") != nullptr;
  return parts_.actions.compose_recording(
      actor_of(call.principal), **record, options,
      all_through ? std::optional(options.layout) : std::nullopt);
}

RpcResult<const RecordingRecord*> Api::recording_of(Call& call) {
  const std::string id = call.params.text("recording_id");
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  const RecordingRecord* record = parts_.recordings.find(id);
  if (record == nullptr || !call.principal.may_see(record->tenant)) {
    return tl::unexpected(rpc_error(Status::NotFound, "recording_not_found",
                                    "there is no such recording", "recording_id"));
  }
  return record;
}

RpcResult<Json> Api::recording_stop(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.stop_recording(actor_of(call.principal), **record);
}

RpcResult<Json> Api::recording_pause(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.pause_recording(actor_of(call.principal), **record, true);
}

RpcResult<Json> Api::recording_resume(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.pause_recording(actor_of(call.principal), **record, false);
}

RpcResult<Json> Api::recording_upload(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.upload_recording(actor_of(call.principal), **record);
}

RpcResult<Json> Api::recording_delete(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.delete_recording(actor_of(call.principal), **record);
}

RpcResult<Json> Api::recording_get(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return (*record)->to_json();
}

RpcResult<Json> Api::recording_list(Call& call) {
  const auto tenant = call.params.optional_text("tenant", {1, 64});
  const auto room_id = call.params.optional_text("room_id");
  const auto session_id = call.params.optional_text("session_id");
  const auto state = call.params.choice(
      "state", {"active", "paused", "processing", "completed", "failed", "deleted"});
  Page page(call.params, Page::Order::NewestFirst);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  parts_.recordings.for_each([&](const RecordingRecord& record) {
    if (!call.principal.may_see(record.tenant)) return;
    if (tenant && record.tenant != *tenant) return;
    if (room_id && record.room_id != *room_id) return;
    if (session_id && record.session_id != *session_id) return;
    if (state && name_of(record.state) != *state) return;
    if (page.takes(record.started_ms, record.id)) {
      page.add(record.to_json(), record.started_ms, record.id);
    }
  });
  return page.result("recordings");
}

RpcResult<Json> Api::recording_access_link(Call& call) {
  const auto file = call.params.optional_text("file");
  const auto ttl_s =
      call.params.optional_integer("ttl_s", 1, parts_.context.config.recording.max_link_ttl_s);
  const bool shared = call.params.choice("audience", {"backend", "participants"}) == "participants";
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.recording_links(actor_of(call.principal), **record, file, ttl_s,
                                        shared ? "participants" : "");
}

}  // namespace parley::control
