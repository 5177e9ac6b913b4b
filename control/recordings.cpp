#include "control/recordings.h"

#include <algorithm>
#include <utility>

#include "recorder/names.h"
#include "server/log.h"

namespace parley::control {
namespace {

using State = RecordingRecord::State;

RpcError not_running() {
  return rpc_error(Status::FailedPrecondition, "recording_not_running",
                   "the recording is over, or being finished", "recording_id");
}

}  // namespace

Recordings::Recordings(Context& context, recorder::Recorder& recorder, std::string link_key)
    : context_(context), recorder_(recorder), link_key_(std::move(link_key)) {}

RpcError Recordings::too_many_changes() {
  return rpc_error(Status::ResourceExhausted, "too_many_changes",
                   "one recording has 1,000 pauses and layouts at most", "recording_id");
}

void Recordings::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != "recording") continue;
    auto record = RecordingRecord::from_row(row);
    if (!record) {
      server::log::error("recording_unreadable", {{"recording", row.id}});
      continue;
    }
    if (record->state == State::Active || record->state == State::Paused) {
      record->state = State::Processing;
    }
    index(*record);
    records_[record->id] = std::move(*record);
  }
}

bool Recordings::forget_an_erased_one() {
  for (const auto& [age, id] : by_age_) {
    const auto record = records_.find(id);
    if (record->second.erased_ms == 0) continue;
    std::erase(by_session_[record->second.session_id], id);
    context_.outbox.remove("recording", id);
    records_.erase(record);
    by_age_.erase(age);  // ends the walk: `id` is gone
    return true;
  }
  return false;
}

void Recordings::index(const RecordingRecord& record) {
  by_age_[{record.started_ms, record.id}] = record.id;
  by_session_[record.session_id].push_back(record.id);
}

std::int64_t Recordings::recorded_ms(std::string_view session_id) const {
  const auto ids = by_session_.find(session_id);
  if (ids == by_session_.end()) return 0;
  std::int64_t sum = 0;
  for (const std::string& id : ids->second) {
    const RecordingRecord& record = records_.find(id)->second;
    sum += record.runs() ? context_.wall_ms() - record.started_ms : record.duration_ms;
  }
  return sum;
}

void Recordings::expect_leftovers(const std::vector<std::string>& found) {
  leftovers_ = {found.begin(), found.end()};
  std::vector<std::string> lost;
  for (const auto& [id, record] : records_) {
    if (record.state == State::Processing && !record.composing && !leftovers_.contains(id)) {
      lost.push_back(id);
    }
  }
  for (const std::string& id : lost) {
    fail({id, "server_restart", "nothing of it was found on the disk", {}});
  }
}

void Recordings::attach(Session& session, bool record, RecordingOptions options) {
  const std::string id = session.id();
  sessions_[id] = {&session, std::move(options)};
  session.observe({[this, id](const Participant& participant, const Track& track) {
                     const auto it = active_.find(id);
                     if (it != active_.end()) add_track(it->second, participant, track);
                   },
                   [this, id](const Participant&, const Track& track) {
                     const auto it = active_.find(id);
                     if (it != active_.end()) remove_track(it->second, track);
                   }});
  if (!record) return;
  if (const auto started = start(session, options_of(session)); !started) {
    // Nobody asked, so nobody has got the answer.
    context_.event(
        {"recording.refused", session.tenant(), session.room_id(), id,
         Json::object({{"reason", started.error().reason}, {"detail", started.error().message}})});
    server::log::error("auto_recording_failed",
                       {{"session", id}, {"reason", started.error().reason}});
  }
}

void Recordings::detach(const Session& session, std::string_view reason) {
  if (const RecordingRecord* record = running_in(session.id())) stop(record->id, reason);
  sessions_.erase(session.id());
  forbidden_.erase(session.id());
}

void Recordings::forbid(const Session& session, bool forbidden) {
  if (!forbidden) {
    forbidden_.erase(session.id());
    return;
  }
  forbidden_.insert(session.id());
  if (const RecordingRecord* record = running_in(session.id())) stop(record->id, "quota_exhausted");
}

RecordingOptions Recordings::options_of(const Session& session) const {
  const auto attached = sessions_.find(session.id());
  return attached == sessions_.end() ? RecordingOptions() : attached->second.options;
}

RpcResult<const RecordingRecord*> Recordings::start(Session& session,
                                                    const RecordingOptions& options) {
  if (const RecordingRecord* running = running_in(session.id())) return running;
  if (active_.count(session.id()) != 0) {
    return tl::unexpected(rpc_error(Status::Unavailable, "recording_stopping",
                                    "the last recording is just being closed"));
  }
  if (!context_.config.recording.enabled) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "recording_disabled",
                                    "recording.enabled is false in the configuration"));
  }
  if (forbidden_.contains(session.id())) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "quota_exhausted",
                                    "without minutes nothing more is recorded"));
  }
  if (records_.size() >= kMaxRecordings && !forget_an_erased_one()) {
    return tl::unexpected(
        rpc_error(Status::ResourceExhausted, "too_many_recordings", "delete old recordings first"));
  }
  const auto limit = storage_limit ? storage_limit(session.tenant()) : std::nullopt;
  if (limit && stored_bytes(session.tenant()) >= *limit) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "storage_exhausted",
                                    "the tenant's max_storage_bytes are used: delete old "
                                    "recordings, or raise them"));
  }
  RecordingRecord record;
  record.id = context_.id("rec");
  record.tenant = session.tenant();
  record.room_id = session.room_id();
  record.room_name = session.room_name();
  record.session_id = session.id();
  record.started_ms = context_.wall_ms();
  record.options = options;
  if (!record.options.keep_days) record.options.keep_days = context_.config.recording.keep_days;
  const std::string id = record.id;
  index(record);
  const RecordingRecord& stored = records_.emplace(id, std::move(record)).first->second;
  active_[session.id()] = {id, &session, false, false, {}, {}};
  session.set_recorded(true);
  store(stored);
  tell(stored, "recording.started", Json::object({{"started_ms", stored.started_ms}}));
  // Queued behind the notification: everybody has been told before the first packet is kept.
  context_.outbox.after([this, session_id = session.id()](bool) { begin(session_id); });
  server::log::info("recording_started", {{"recording", id}, {"session", session.id()}});
  return &stored;
}

void Recordings::begin(const std::string& session_id) {
  const auto it = active_.find(session_id);
  if (it == active_.end()) return;
  Active& active = it->second;
  const RecordingRecord& record = records_.find(active.recording_id)->second;
  active.begun = true;
  active.since = context_.now();
  recorder_.start({record.id, record.tenant, record.room_id, record.room_name, record.session_id,
                   record.started_ms, record.is_live()},
                  active.since);
  for (const auto& change : record.layouts) {
    recorder_.note(record.id, {change.at_ms, change.layout});
  }
  if (active.paused) recorder_.note(record.id, {record.pauses.back().from_ms, "pause"});
  if (record.is_live() && compose_live) compose_live(record.follow_job());
  if (active.session == nullptr) return;
  for (const auto& participant : active.session->participants()) {
    for (const Track& track : participant->tracks) add_track(active, *participant, track);
  }
}

void Recordings::add_track(Active& active, const Participant& participant, const Track& track) {
  if (active.paused) return;  // resume() takes all that is there then
  if (!active.begun) return;  // begin() takes all that is there by then
  RecordingRecord& record = *find_mutable(active.recording_id);
  const auto same = [&](const RecordingRecord::Person& p) {
    return p.participant_id == participant.id;
  };
  if (std::none_of(record.people.begin(), record.people.end(), same)) {
    record.people.push_back({participant.id, participant.claims.identity, participant.claims.name});
    store(record);
  }
  // shared_ptr: worker and recorder threads let go of the ring at times of their own (tap.h).
  auto ring = std::make_shared<rtp::Tap>(context_.config.recording.tap_bytes);
  const server::TapId tap(context_.next_number());
  active.taps.push_back({track.id, tap, participant.worker});
  recorder_.add_track(record.id,
                      {track.id, participant.id, participant.claims.identity,
                       participant.claims.name, std::string(name_of(track.source)), track.kind},
                      ring);
  context_.post(participant.worker, server::OpenTap{tap, track.no, std::move(ring)});
}

void Recordings::remove_track(Active& active, const Track& track) {
  const auto it = std::find_if(active.taps.begin(), active.taps.end(),
                               [&](const Tap& tap) { return tap.track_id == track.id; });
  if (it == active.taps.end()) return;
  context_.post(it->worker, server::CloseTap{it->tap});
  recorder_.remove_track(active.recording_id, track.id);
  active.taps.erase(it);
}

void Recordings::close_taps(Active& active) {
  for (const Tap& tap : active.taps) context_.post(tap.worker, server::CloseTap{tap.tap});
  active.taps.clear();
}

bool Recordings::stop(const std::string& recording_id, std::string_view reason) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->runs()) return false;
  record->state = State::Processing;
  record->end_reason = std::string(reason);
  end_pause(*record);
  store(*record);
  tell(*record, "recording.stopped", Json::object({{"reason", reason}}));
  const auto it = active_.find(record->session_id);
  if (Session* session = std::exchange(it->second.session, nullptr)) session->set_recorded(false);
  close_taps(it->second);
  // After begin(), which may still wait for the store.
  context_.outbox.after(
      [this, id = recording_id, session = record->session_id, why = std::string(reason)](bool) {
        const auto active = active_.find(session);
        if (active != active_.end() && active->second.recording_id == id) {
          close_taps(active->second);
          active_.erase(active);
        }
        recorder_.stop(id, why);
      });
  return true;
}

void Recordings::on_recorder_event(const recorder::RecorderEvent& event) {
  if (const auto* done = std::get_if<recorder::Completed>(&event)) finish(*done);
  if (const auto* failed = std::get_if<recorder::Failed>(&event)) fail(*failed);
  if (const auto* removed = std::get_if<recorder::Removed>(&event)) {
    on_removed(removed->recording_id);
  }
  if (const auto* left = std::get_if<recorder::NotRemoved>(&event)) on_not_removed(*left);
}

// True for one whose end is known: the process before this one was killed before it was settled.
bool Recordings::settle_again(const RecordingRecord& record) {
  if (!record.is_over() && !record.composing) return false;
  recorder_.settle(record.id);
  if (leftovers_.erase(record.id) == 0) return true;
  if (record.composing)
    compose_when_stored(record);
  else
    upload_when_stored(record);
  return true;
}

void Recordings::finish(const recorder::Completed& done) {
  RecordingRecord* record = find_mutable(done.recording_id);
  if (record == nullptr) {  // its row was lost with the store, its files were not
    RecordingRecord adopted;
    adopted.id = done.recording_id;
    adopted.tenant = done.info.tenant;
    adopted.room_id = done.info.room_id;
    adopted.room_name = done.info.room_name;
    adopted.session_id = done.info.session_id;
    adopted.started_ms = done.info.started_ms;
    adopted.options.keep_days = context_.config.recording.keep_days;
    index(adopted);
    record = &records_.emplace(adopted.id, std::move(adopted)).first->second;
  }
  if (settle_again(*record)) return;
  record->duration_ms = done.duration_ms;
  record->size_bytes = done.size_bytes;
  record->truncated = done.truncated;
  record->files = done.files;
  record->manifest = done.manifest.filename().string();
  if (record->end_reason.empty()) record->end_reason = done.end_reason;
  if (record->options.composes()) {
    record->composing = true;
    store(*record);
  } else {
    complete(*record);
  }
  settle_when_stored(record->id);
  if (record->composing) compose_when_stored(*record);
}

void Recordings::complete(RecordingRecord& record) {
  record.state = State::Completed;
  record.composing = false;
  plan_keeping(record);
  store(record);
  tell(record, "recording.completed", Json::object({{"duration_ms", record.duration_ms}}));
  upload_when_stored(record);
  server::log::info("recording_completed", {{"recording", record.id},
                                            {"duration_ms", record.duration_ms},
                                            {"truncated", record.truncated}});
}

void Recordings::fail(const recorder::Failed& failed) {
  RecordingRecord* record = find_mutable(failed.recording_id);
  if (record == nullptr) return;
  if (settle_again(*record)) return;
  if (const auto it = active_.find(record->session_id);
      it != active_.end() && it->second.recording_id == record->id) {
    close_taps(it->second);
    if (it->second.session != nullptr) it->second.session->set_recorded(false);
    active_.erase(it);
  }
  record->state = State::Failed;
  record->end_reason = failed.reason;
  record->failure_reason = failed.reason;
  record->failure_detail = failed.detail;
  record->files = failed.files;
  for (const recorder::RecordedFile& file : record->files) {
    record->size_bytes += file.size_bytes;
    record->duration_ms = std::max(record->duration_ms, file.offset_ms + file.duration_ms);
  }
  if (!record->files.empty()) record->manifest = recorder::kManifestName;
  plan_keeping(*record);
  store(*record);
  tell(*record, "recording.failed", Json::object({{"reason", failed.reason}}));
  settle_when_stored(record->id);
  upload_when_stored(*record);
  server::log::error(
      "recording_failed",
      {{"recording", record->id}, {"reason", failed.reason}, {"detail", failed.detail}});
}

RpcResult<bool> Recordings::pause(const std::string& recording_id) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->runs()) return tl::unexpected(not_running());
  if (record->state == State::Paused) return false;
  if (record->pauses.size() >= kMaxChanges) return tl::unexpected(too_many_changes());
  record->state = State::Paused;
  record->pauses.push_back({recorded_for_ms(*record), std::nullopt});
  store(*record);
  tell(*record, "recording.paused", Json(Json::Object{}));
  Active& active = active_.find(record->session_id)->second;
  active.paused = true;
  for (const Tap& tap : active.taps) recorder_.remove_track(recording_id, tap.track_id);
  close_taps(active);
  recorder_.note(recording_id, {record->pauses.back().from_ms, "pause"});
  return true;
}

RpcResult<bool> Recordings::resume(const std::string& recording_id) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->runs()) return tl::unexpected(not_running());
  if (record->state == State::Active) return false;
  record->state = State::Active;
  end_pause(*record);
  recorder_.note(recording_id, {*record->pauses.back().to_ms, "resume"});
  store(*record);
  tell(*record, "recording.resumed", Json(Json::Object{}));
  // As at the start, everybody has been told before the first packet is kept.
  context_.outbox.after([this, session_id = record->session_id](bool) {
    const auto it = active_.find(session_id);
    if (it == active_.end() || !it->second.paused || it->second.session == nullptr) return;
    const RecordingRecord* again = find(it->second.recording_id);
    if (again == nullptr || again->state != State::Active) return;  // paused once more
    it->second.paused = false;
    for (const auto& participant : it->second.session->participants()) {
      for (const Track& track : participant->tracks) add_track(it->second, *participant, track);
    }
  });
  return true;
}

void Recordings::settle_when_stored(const std::string& recording_id) {
  context_.outbox.after([this, recording_id](bool durable) {
    if (durable) recorder_.settle(recording_id);
  });
}

// The event for backends with all that is known, the notification for participants in brief.
void Recordings::tell(const RecordingRecord& record, std::string_view what, Json extra) {
  context_.event(
      {std::string(what), record.tenant, record.room_id, record.session_id, record.to_json()});
  extra.set("recording_id", record.id);
  const auto session = sessions_.find(record.session_id);
  if (session != sessions_.end()) session->second.session->broadcast(what, extra);
}

const RecordingRecord* Recordings::find(std::string_view recording_id) const {
  const auto it = records_.find(recording_id);
  return it == records_.end() ? nullptr : &it->second;
}

RecordingRecord* Recordings::find_mutable(std::string_view recording_id) {
  const auto it = records_.find(recording_id);
  return it == records_.end() ? nullptr : &it->second;
}

const RecordingRecord* Recordings::running_in(std::string_view session_id) const {
  const auto it = active_.find(session_id);
  if (it == active_.end()) return nullptr;
  const RecordingRecord* record = find(it->second.recording_id);
  return record != nullptr && record->runs() ? record : nullptr;
}

void Recordings::for_each(const std::function<void(const RecordingRecord&)>& visit) const {
  for (auto it = by_age_.rbegin(); it != by_age_.rend(); ++it) visit(*find(it->second));
}

Json Recordings::info(const Session& session) const {
  const RecordingRecord* record = running_in(session.id());
  if (record == nullptr) return {};
  return Json::object({{"recording_id", record->id}, {"started_ms", record->started_ms}});
}

}  // namespace parley::control
