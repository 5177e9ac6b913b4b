#include <algorithm>
#include <utility>

#include "control/recording_errors.h"
#include "control/recordings.h"
#include "server/log.h"

// Where recordings are kept when they are over, and for how long: on this machine, in an object
// store, and nowhere in the end.
namespace parley::control {
namespace {

using State = RecordingRecord::State;
using Copy = RecordingRecord::Copy;

constexpr rtp::Duration kLookAfter = std::chrono::minutes(1);
constexpr std::string_view kDiffers = "files_differ";

}  // namespace

void Recordings::resume() {
  for (auto& [id, record] : records_) {
    if (const auto at = record.delete_at_ms(); at && record.state != State::Deleted) {
      deadlines_.emplace(*at, id);
    }
    // A power cut may have brought back what was gone.
    const bool is_back = !record.local && !recorder_.file_path(id, record.manifest).empty();
    if (record.state == State::Deleted) {
      // The process before this one may have ended between saying so and doing it.
      if (record.erased_ms == 0) remove_when_stored(record);
      if (is_back) remove_here(id);
    } else if (leftovers_.contains(id)) {
      continue;  // the recorder makes the files whole once more, and reports
    } else if (record.composing) {
      compose_when_stored(record);
    } else if (record.copy.state == Copy::State::Waiting ||
               record.copy.state == Copy::State::Delayed) {
      // Another store may be configured by now: that is where it goes, so that it is found there.
      if (context_.config.recording.upload.enabled() && !is_reachable(record.copy)) {
        aim_copy(record);
        store(record);
      }
      upload_when_stored(record);
    } else if (is_back || (record.copy.moves && record.local)) {
      remove_here(id);
    }
  }
  look_after_files();
}

void Recordings::plan_keeping(RecordingRecord& record) {
  if (const auto at = record.delete_at_ms()) deadlines_.emplace(*at, record.id);
  const config::Upload& to = context_.config.recording.upload;
  if (!to.enabled() || !record.options.upload || record.manifest.empty()) return;
  aim_copy(record);
}

void Recordings::aim_copy(RecordingRecord& record) const {
  const config::Upload& to = context_.config.recording.upload;
  record.copy = {};
  record.copy.state = Copy::State::Waiting;
  record.copy.place = place_of(to) ? place_of(to)->url({}) : "";
  record.copy.bucket = to.bucket;
  record.copy.key_prefix = to.prefix + record.tenant + "/" + record.id + "/";
}

// Whether the store that is configured now is the one where the copy is.
bool Recordings::is_reachable(const Copy& copy) const {
  const config::Upload& to = context_.config.recording.upload;
  const auto place = place_of(to);
  return to.enabled() && place && place->url({}) == copy.place;
}

void Recordings::upload_when_stored(const RecordingRecord& record) {
  const Copy::State state = record.copy.state;
  if (state != Copy::State::Waiting && state != Copy::State::Delayed) return;
  context_.outbox.after([this, id = record.id, prefix = record.copy.key_prefix](bool durable) {
    if (durable && upload) upload(id, prefix);
  });
}

RpcResult<bool> Recordings::upload_now(const std::string& recording_id) {
  RecordingRecord* record = find_mutable(recording_id);
  if (auto why = why_not_over(record)) return tl::unexpected(*std::move(why));
  if (!context_.config.recording.upload.enabled()) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "no_object_store",
                                    "recording.upload is not configured"));
  }
  const Copy::State state = record->copy.state;
  if (state != Copy::State::None && state != Copy::State::Failed) return false;
  if (recorder_.file_path(recording_id, record->manifest).empty()) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "recording_not_here",
                                    "its files are not on this server", "recording_id"));
  }
  record->options.upload = true;  // what is composed later goes there, too
  aim_copy(*record);
  store(*record);
  upload_when_stored(*record);
  return true;
}

std::uint64_t Recordings::stored_bytes(std::string_view tenant) const {
  std::uint64_t sum = 0;
  for (const auto& [id, record] : records_) {
    if (record.tenant == tenant && record.state != State::Deleted) sum += record.size_bytes;
  }
  return sum;
}

Uploading::Events Recordings::uploading_events() {
  return {[this](const std::string& id, const Uploading::UploadedFiles& files) {
            on_uploaded(id, files);
          },
          [this](const std::string& id, const std::string& reason, const std::string& detail) {
            on_not_uploaded(id, Copy::State::Delayed, reason, detail);
          },
          [this](const std::string& id, const std::string& reason, const std::string& detail) {
            on_not_uploaded(id, Copy::State::Failed, reason, detail);
          },
          [this](const std::string& id) { on_copy_removed(id); }};
}

void Recordings::on_uploaded(const std::string& recording_id,
                             const Uploading::UploadedFiles& files) {
  RecordingRecord* record = find_mutable(recording_id);
  // One that is being composed anew is uploaded again after that.
  if (record == nullptr || record->composing || record->state == State::Deleted) return;
  const auto is_there = [&](const recorder::RecordedFile& file) {
    const auto found = files.find(file.name);
    return found != files.end() && found->second == file.sha256;
  };
  if (!std::all_of(record->files.begin(), record->files.end(), is_there)) {
    // It was begun before the last of them was made. Once more; not for ever, if they never agree.
    if (record->copy.reason == kDiffers) {
      return on_not_uploaded(recording_id, Copy::State::Failed, std::string(kDiffers),
                             "the manifest and the list of the recording's files do not agree");
    }
    record->copy.state = Copy::State::Waiting;
    record->copy.reason = kDiffers;
    upload_when_stored(*record);
    return;
  }
  record->copy.state = Copy::State::Uploaded;
  // What is in no list, because it could not be finished, was not copied either.
  const bool others = recorder_.has_others(recording_id, record->file_names());
  if (others) server::log::warn("recording_stays_here", {{"recording", recording_id}});
  record->copy.moves = !context_.config.recording.upload.keep_local && !others;
  record->copy.uploaded_ms = context_.wall_ms();
  record->copy.reason.clear();
  record->copy.detail.clear();
  store(*record);
  tell(*record, "recording.uploaded", Json(Json::Object{}));
  server::log::info("recording_uploaded", {{"recording", recording_id}});
  if (!record->copy.moves) return;
  context_.outbox.after([this, recording_id](bool durable) {
    const RecordingRecord* still = find(recording_id);
    const bool kept =
        still != nullptr && still->copy.state == Copy::State::Uploaded && !still->composing;
    if (durable && kept) remove_here(recording_id);
  });
}

void Recordings::on_not_uploaded(const std::string& recording_id, Copy::State state,
                                 const std::string& reason, const std::string& detail) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || record->composing) return;
  if (record->state == State::Deleted) {  // of deleting; it is tried again
    server::log::warn("recording_not_erased", {{"recording", recording_id}, {"reason", reason}});
    return;
  }
  const bool known = record->copy.state == state;
  record->copy.state = state;
  record->copy.reason = reason;
  record->copy.detail = detail;
  store(*record);
  if (known) return;  // told already, before a restart perhaps
  const bool delayed = state == Copy::State::Delayed;
  tell(*record, delayed ? "recording.upload_delayed" : "recording.upload_failed",
       Json::object({{"reason", reason}}));
  server::log::error(delayed ? "upload_delayed" : "upload_failed",
                     {{"recording", recording_id}, {"reason", reason}, {"detail", detail}});
}

RpcResult<bool> Recordings::remove(const std::string& recording_id, std::string_view reason) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || record->state == State::Deleted) return false;
  if (!record->is_over()) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "recording_not_over",
                                    "stop the recording, and wait for recording.completed",
                                    "recording_id"));
  }
  deadlines_.erase({record->delete_at_ms().value_or(0), record->id});
  record->state = State::Deleted;
  record->deleted_ms = context_.wall_ms();
  record->deleted_reason = std::string(reason);
  store(*record);
  tell(*record, "recording.deleted", Json(Json::Object{}));
  remove_when_stored(*record);
  return true;
}

void Recordings::remove_when_stored(const RecordingRecord& record) {
  context_.outbox.after([this, id = record.id](bool durable) {
    const RecordingRecord* gone = find(id);
    if (!durable || gone == nullptr) return;
    // An upload that goes on reads the files, so it is ended first.
    if (gone->copy.exists() && remove_copy && is_reachable(gone->copy)) {
      remove_copy(id, gone->copy.key_prefix, gone->file_names());
    } else if (gone->copy.exists()) {
      server::log::error("copy_out_of_reach", {{"recording", id}, {"place", gone->copy.place}});
    }
    remove_here(id);
  });
}

// The recorder may not be done with it; then it is tried again.
void Recordings::remove_here(const std::string& recording_id) {
  leaving_.insert(recording_id);
  static_cast<void>(recorder_.remove(recording_id));
}

void Recordings::on_copy_removed(const std::string& recording_id) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr) return;
  record->copy.state = Copy::State::Deleted;
  store(*record);
  tell_if_erased(*record);
}

void Recordings::on_removed(const std::string& recording_id) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr) return;
  leaving_.erase(recording_id);
  stuck_.erase(recording_id);
  record->local = false;
  store(*record);
  tell_if_erased(*record);
}

void Recordings::on_not_removed(const recorder::NotRemoved& what) {
  if (!stuck_.insert(what.recording_id).second) return;
  server::log::error("recording_not_removed",
                     {{"recording", what.recording_id}, {"detail", what.detail}});
}

// The proof of deletion: what there was, by its hashes, and since when nothing of it is left.
void Recordings::tell_if_erased(RecordingRecord& record) {
  const bool is_left = record.local || record.copy.exists();
  if (record.state != State::Deleted || is_left || record.erased_ms != 0) return;
  record.erased_ms = context_.wall_ms();
  store(record);
  tell(record, "recording.erased", Json(Json::Object{}));
  server::log::info("recording_erased", {{"recording", record.id}});
}

// Once a minute: deletes what was kept long enough, and what could not be removed before.
void Recordings::look_after_files() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= context_.wall_ms()) {
    const std::string id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    static_cast<void>(remove(id, "kept_long_enough"));
  }
  for (const std::string& id : leaving_) static_cast<void>(recorder_.remove(id));
  context_.timers.at(context_.now() + kLookAfter, [this] { look_after_files(); });
}

std::string Recordings::link_to_copy(const RecordingRecord& record, const std::string& name,
                                     std::int64_t ttl_s) const {
  if (record.copy.state != Copy::State::Uploaded || record.state == State::Deleted) return {};
  const std::vector<std::string> names = record.file_names();
  const auto place = place_of(context_.config.recording.upload);
  const bool known = std::find(names.begin(), names.end(), name) != names.end();
  if (!known || !place || !is_reachable(record.copy)) return {};
  return upload::presigned_url(*place, credentials_of(context_.config.recording.upload),
                               record.copy.key_prefix + name, context_.wall_ms() / 1'000,
                               std::max<std::int64_t>(1, ttl_s));
}

}  // namespace parley::control
