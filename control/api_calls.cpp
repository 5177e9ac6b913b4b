#include <algorithm>

#include "control/api.h"

// The API's methods for what goes on in a call: participants, tracks, recordings.
namespace parley::control {

RpcResult<Json> Api::participant_list(Call& call) {
  const auto session = session_of(call);
  if (session) {
    return Json::object(
        {{"session_id", (*session)->id()}, {"participants", (*session)->roster(nullptr)}});
  }
  if (session.error().reason != "no_session") return tl::unexpected(session.error());
  return Json::object({{"participants", Json::array()}});
}

RpcResult<Json> Api::participant_remove(Call& call) {
  const auto id = call.params.optional_text("participant_id");
  const auto identity = call.params.optional_text("identity", {1, kMaxIdentityBytes});
  const bool ban = call.params.optional_flag("ban").value_or(false);
  if (!id && !identity) call.params.refuse("participant_id", "participant_id is missing");
  const auto session = session_of(call);
  if (!session) {
    if (session.error().reason != "no_session") return tl::unexpected(session.error());
    return Json::object({{"already", true}});
  }
  const Participant* participant =
      id ? (*session)->find(*id) : (*session)->find_identity(*identity);
  if (participant == nullptr) return Json::object({{"already", true}});
  return parts_.actions.remove_participant(actor_of(call.principal), **session,
                                           std::string(participant->id), ban);
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
  std::vector<std::string> except;
  if (const Json::Array* list = call.params.array("except", 1'000)) {
    for (const Json& item : *list) {
      const std::string* identity = item.as_string();
      if (identity == nullptr) {
        call.params.refuse("except", "except must be an array of identities");
        break;
      }
      except.push_back(*identity);
    }
  }
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.mute_all(actor_of(call.principal), **session, except);
}

RpcResult<Json> Api::recording_start(Call& call) {
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.start_recording(actor_of(call.principal), **session);
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

RpcResult<Json> Api::recording_get(Call& call) {
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return (*record)->to_json();
}

RpcResult<Json> Api::recording_list(Call& call) {
  const auto tenant = call.params.optional_text("tenant", {1, 64});
  const auto room_id = call.params.optional_text("room_id");
  const auto session_id = call.params.optional_text("session_id");
  const auto state = call.params.choice("state", {"active", "processing", "completed", "failed"});
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
  const auto record = recording_of(call);
  if (!record) return tl::unexpected(record.error());
  return parts_.actions.recording_links(actor_of(call.principal), **record, file, ttl_s);
}

}  // namespace parley::control
