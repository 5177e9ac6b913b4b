#include <algorithm>
#include <iterator>
#include <utility>

#include "control/recording_errors.h"
#include "control/recordings.h"
#include "server/log.h"

// What becomes of recordings after their end: one picture and one sound.
namespace parley::control {
namespace {

using State = RecordingRecord::State;

constexpr std::string_view kComposite = "composite";  // the source of such a file
constexpr std::string_view kSheet = "sheet";          // of what is made without one
constexpr int kToldStep = 10;                         // percent

std::vector<std::string> codecs_of(const RecordingOptions& options) {
  std::vector<std::string> codecs;
  if (!options.audio_only) codecs.push_back(options.codec);
  codecs.emplace_back(options.codec == "h264" ? "aac" : "opus");
  return codecs;
}

}  // namespace

std::int64_t Recordings::recorded_for_ms(const RecordingRecord& record) const {
  const auto active = active_.find(record.session_id);
  if (active == active_.end() || !active->second.begun) return 0;
  return (context_.now() - active->second.since) / std::chrono::milliseconds(1);
}

void Recordings::end_pause(RecordingRecord& record) {
  if (record.pauses.empty() || record.pauses.back().to_ms) return;
  record.pauses.back().to_ms = recorded_for_ms(record);
}

RpcResult<bool> Recordings::set_layout(const std::string& recording_id, const std::string& layout) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->runs()) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "recording_not_running",
                                    "the recording is over: recording.compose makes it anew",
                                    "recording_id"));
  }
  const std::string& now =
      record->layouts.empty() ? record->options.layout : record->layouts.back().layout;
  if (now == layout) return false;
  if (record->layouts.size() >= kMaxChanges) return tl::unexpected(too_many_changes());
  record->layouts.push_back({recorded_for_ms(*record), layout});
  recorder_.note(recording_id, {record->layouts.back().at_ms, layout});
  store(*record);
  return true;
}

RpcResult<const RecordingRecord*> Recordings::compose_again(
    const std::string& recording_id, const RecordingOptions& options,
    const std::optional<std::string>& layout) {
  RecordingRecord* record = find_mutable(recording_id);
  if (auto why = why_not_over(record)) return tl::unexpected(*std::move(why));
  if (!record->local || leaving_.contains(record->id)) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "recording_moved",
                                    "its files are in the object store alone: with "
                                    "recording.upload.keep_local they stay here, too",
                                    "recording_id"));
  }
  if (record->manifest.empty()) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "nothing_recorded",
                                    "there are no tracks to compose", "recording_id"));
  }
  record->options = options;
  record->options.composite = options.composite || !options.stills;
  record->options.live = false;
  if (layout) record->layouts.clear();
  deadlines_.erase({record->delete_at_ms().value_or(0), record->id});
  record->state = State::Processing;
  record->composing = true;
  record->percent = 0;
  record->failure_reason.clear();
  record->failure_detail.clear();
  store(*record);
  compose_when_stored(*record);
  return record;
}

// Its record says that it is to be composed before anything is begun, so that a restart goes on.
void Recordings::compose_when_stored(const RecordingRecord& record) {
  context_.outbox.after([this, job = record.compose_job()](bool durable) {
    if (durable && compose) compose(job);
  });
}

Composing::Events Recordings::composing_events() {
  return {[this](const std::string& id, int percent) { on_compose_progress(id, percent); },
          [this](const std::string& id, const ComposedFile& file) { on_composed(id, file); },
          [this](const std::string& id, const std::string& reason, const std::string& detail) {
            on_not_composed(id, reason, detail);
          }};
}

void Recordings::on_compose_progress(const std::string& recording_id, int percent) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->composing || percent <= record->percent) return;
  const bool told = percent / kToldStep != record->percent / kToldStep;
  record->percent = percent;
  if (!told) return;
  context_.event({"recording.progress", record->tenant, record->room_id, record->session_id,
                  record->to_json()});
}

void Recordings::on_composed(const std::string& recording_id, const ComposedFile& file) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->composing) return;
  // First the film, then what comes with it, in place of what was made before.
  std::vector<recorder::RecordedFile> made;
  const auto add = [&](const std::string& name, std::string source, std::uint64_t size,
                       const std::string& sha256) {
    std::erase_if(record->files, [&](const auto& f) { return f.name == name; });
    recorder::RecordedFile& added = made.emplace_back();
    added.name = name;
    added.source = std::move(source);
    added.size_bytes = size;
    added.sha256 = sha256;
  };
  const bool film = record->options.composite;
  add(file.name, std::string(film ? kComposite : kSheet), file.size_bytes, file.sha256);
  if (film) made[0].codecs = codecs_of(record->options);
  if (film) made[0].duration_ms = file.duration_ms;
  record->chapters = file.chapters;
  for (const auto& extra : file.extras) add(extra.name, extra.kind, extra.size_bytes, extra.sha256);
  record->files.insert(record->files.begin(), std::make_move_iterator(made.begin()),
                       std::make_move_iterator(made.end()));
  record->size_bytes = 0;
  for (const auto& each : record->files) record->size_bytes += each.size_bytes;
  complete(*record);
}

void Recordings::on_not_composed(const std::string& recording_id, const std::string& reason,
                                 const std::string& detail) {
  RecordingRecord* record = find_mutable(recording_id);
  if (record == nullptr || !record->composing) return;
  server::log::error("composing_failed",
                     {{"recording", recording_id}, {"reason", reason}, {"detail", detail}});
  if (!record->options.composite) return complete(*record);  // it has all but its stills
  record->composing = false;
  record->state = State::Failed;
  record->failure_reason = reason == "disk_full" ? reason : "compose_failed";
  record->failure_detail = (reason == "disk_full" ? "" : reason + ": ") + detail +
                           "; the tracks are there, recording.compose tries again";
  plan_keeping(*record);
  store(*record);
  tell(*record, "recording.failed", Json::object({{"reason", record->failure_reason}}));
  upload_when_stored(*record);
}

}  // namespace parley::control
