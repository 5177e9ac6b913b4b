#include <algorithm>

#include "control/recordings.h"
#include "control/room.h"

namespace parley::control {
namespace {

using State = RecordingRecord::State;

Json file_json(const recorder::RecordedFile& file, const RecordingRecord& record) {
  Json codecs = Json::array();
  for (const std::string& codec : file.codecs) codecs.push(codec);
  const auto person = std::find_if(
      record.people.begin(), record.people.end(),
      [&](const RecordingRecord::Person& p) { return p.participant_id == file.participant_id; });
  return Json::object(
      {{"name", file.name},
       {"participant_id", file.participant_id},
       {"identity", file.identity},
       {"participant_name", person == record.people.end() ? file.identity : person->name},
       {"source", file.source},
       {"codecs", std::move(codecs)},
       {"rotation", file.rotation},
       {"offset_ms", file.offset_ms},
       {"duration_ms", file.duration_ms},
       {"size_bytes", file.size_bytes},
       {"sha256", file.sha256}});
}

recorder::RecordedFile file_from(const Json& json) {
  recorder::RecordedFile file;
  file.name = text_member(json, "name");
  file.participant_id = text_member(json, "participant_id");
  file.identity = text_member(json, "identity");
  file.source = text_member(json, "source");
  file.rotation = integer_member(json, "rotation");
  file.offset_ms = integer_member(json, "offset_ms");
  file.duration_ms = integer_member(json, "duration_ms");
  file.size_bytes = static_cast<std::uint64_t>(integer_member(json, "size_bytes"));
  file.sha256 = text_member(json, "sha256");
  const Json* codecs = json.find("codecs");
  if (codecs != nullptr && codecs->is_array()) {
    for (const Json& codec : *codecs->as_array()) {
      if (const std::string* name = codec.as_string()) file.codecs.push_back(*name);
    }
  }
  return file;
}

}  // namespace

std::string_view name_of(State state) noexcept {
  switch (state) {
    case State::Active:
      return "active";
    case State::Paused:
      return "paused";
    case State::Processing:
      return "processing";
    case State::Completed:
      return "completed";
    case State::Failed:
      return "failed";
    case State::Deleted:
      return "deleted";
  }
  return "failed";
}

std::string_view name_of(RecordingRecord::Copy::State state) noexcept {
  using Copy = RecordingRecord::Copy::State;
  switch (state) {
    case Copy::None:
      return "none";
    case Copy::Waiting:
      return "waiting";
    case Copy::Delayed:
      return "delayed";
    case Copy::Uploaded:
      return "uploaded";
    case Copy::Failed:
      return "failed";
    case Copy::Deleted:
      return "deleted";
  }
  return "none";
}

namespace {

Json copy_json(const RecordingRecord::Copy& copy) {
  Json json = Json::object(
      {{"state", name_of(copy.state)}, {"bucket", copy.bucket}, {"key_prefix", copy.key_prefix}});
  if (copy.uploaded_ms != 0) json.set("uploaded_ms", copy.uploaded_ms);
  if (!copy.reason.empty()) {
    json.set("reason", copy.reason);
    json.set("detail", copy.detail);
  }
  return json;
}

RecordingRecord::Copy copy_from(const Json& json) {
  using Copy = RecordingRecord::Copy;
  Copy copy;
  for (const auto state : {Copy::State::Waiting, Copy::State::Delayed, Copy::State::Uploaded,
                           Copy::State::Failed, Copy::State::Deleted}) {
    if (text_member(json, "state") == name_of(state)) copy.state = state;
  }
  copy.bucket = text_member(json, "bucket");
  copy.key_prefix = text_member(json, "key_prefix");
  copy.uploaded_ms = integer_member(json, "uploaded_ms");
  copy.reason = text_member(json, "reason");
  copy.detail = text_member(json, "detail");
  return copy;
}

}  // namespace

std::optional<std::int64_t> RecordingRecord::delete_at_ms() const noexcept {
  constexpr std::int64_t kDayMs = 86'400'000;
  if (!is_over() || options.keep_days.value_or(0) == 0) return std::nullopt;
  return started_ms + duration_ms + *options.keep_days * kDayMs;
}

std::vector<std::string> RecordingRecord::file_names() const {
  std::vector<std::string> names;
  for (const recorder::RecordedFile& file : files) names.push_back(file.name);
  if (!manifest.empty()) names.push_back(manifest);
  return names;
}

Json RecordingRecord::to_json(bool for_backend) const {
  Json list = Json::array();
  for (const recorder::RecordedFile& file : files) list.push(file_json(file, *this));
  Json json = Json::object({{"recording_id", id},
                            {"tenant", tenant},
                            {"room_id", room_id},
                            {"room_name", room_name},
                            {"session_id", session_id},
                            {"state", name_of(state)},
                            {"started_ms", started_ms},
                            {"duration_ms", duration_ms},
                            {"size_bytes", size_bytes},
                            {"truncated", truncated},
                            {"files", std::move(list)}});
  const Json how = options.to_json();
  for (const auto& [name, value] : *how.as_object()) json.set(name, value);
  if (composing) json.set("progress_percent", percent);
  json.set("local", local);
  if (for_backend && copy.state != Copy::State::None) json.set("stored", copy_json(copy));
  if (const auto at = delete_at_ms()) json.set("delete_at_ms", *at);
  if (deleted_ms != 0) {
    json.set("deleted_ms", deleted_ms);
    json.set("deleted_reason", deleted_reason);
  }
  if (erased_ms != 0) json.set("erased_ms", erased_ms);
  if (!end_reason.empty()) json.set("end_reason", end_reason);
  if (!failure_reason.empty()) {
    json.set("failure", Json::object({{"reason", failure_reason}, {"detail", failure_detail}}));
  }
  return json;
}

Row RecordingRecord::to_row() const {
  Json body = to_json();
  body.set("manifest", manifest);
  Json list = Json::array();
  for (const Person& person : people) {
    list.push(Json::object({{"participant_id", person.participant_id},
                            {"identity", person.identity},
                            {"name", person.name}}));
  }
  body.set("people", std::move(list));
  body.set("composing", composing);
  body.set("place", copy.place);
  body.set("moves", copy.moves);
  if (!chapters.empty()) body.set("chapters", chapters);
  Json changes = Json::array();
  for (const LayoutChange& change : layouts) {
    changes.push(Json::object({{"at_ms", change.at_ms}, {"layout", change.layout}}));
  }
  body.set("layouts", std::move(changes));
  Json stops = Json::array();
  for (const Pause& pause : pauses) {
    Json stop = Json::object({{"from_ms", pause.from_ms}});
    if (pause.to_ms) stop.set("to_ms", *pause.to_ms);
    stops.push(std::move(stop));
  }
  body.set("pauses", std::move(stops));
  return {"recording", id, tenant, body.dump(), started_ms};
}

std::optional<RecordingRecord> RecordingRecord::from_row(const Row& row) {
  const auto body = Json::parse_own(row.body);
  if (!body || !body->is_object()) return std::nullopt;
  RecordingRecord record;
  record.id = row.id;
  record.tenant = row.tenant;
  record.started_ms = row.created_ms;
  record.room_id = text_member(*body, "room_id");
  record.room_name = text_member(*body, "room_name");
  record.session_id = text_member(*body, "session_id");
  for (const State state : {State::Active, State::Paused, State::Processing, State::Completed,
                            State::Failed, State::Deleted}) {
    if (text_member(*body, "state") == name_of(state)) record.state = state;
  }
  record.duration_ms = integer_member(*body, "duration_ms");
  record.size_bytes = static_cast<std::uint64_t>(integer_member(*body, "size_bytes"));
  record.truncated = flag_member(*body, "truncated");
  record.end_reason = text_member(*body, "end_reason");
  record.manifest = text_member(*body, "manifest");
  if (const Json* people = body->find("people"); people != nullptr && people->is_array()) {
    for (const Json& person : *people->as_array()) {
      record.people.push_back({text_member(person, "participant_id"),
                               text_member(person, "identity"), text_member(person, "name")});
    }
  }
  if (const Json* files = body->find("files"); files != nullptr && files->is_array()) {
    for (const Json& file : *files->as_array()) record.files.push_back(file_from(file));
  }
  record.options = RecordingOptions::from_json(*body);
  record.composing = flag_member(*body, "composing");
  record.chapters = text_member(*body, "chapters");
  if (const Json* local = body->find("local")) record.local = *local != Json(false);
  if (const Json* copy = body->find("stored")) record.copy = copy_from(*copy);
  record.copy.place = text_member(*body, "place");
  record.copy.moves = flag_member(*body, "moves");
  record.deleted_ms = integer_member(*body, "deleted_ms");
  record.deleted_reason = text_member(*body, "deleted_reason");
  record.erased_ms = integer_member(*body, "erased_ms");
  if (const Json* failure = body->find("failure")) {
    record.failure_reason = text_member(*failure, "reason");
    record.failure_detail = text_member(*failure, "detail");
  }
  if (const Json* list = body->find("layouts"); list != nullptr && list->is_array()) {
    for (const Json& change : *list->as_array()) {
      record.layouts.push_back({integer_member(change, "at_ms"), text_member(change, "layout")});
    }
  }
  if (const Json* list = body->find("pauses"); list != nullptr && list->is_array()) {
    for (const Json& stop : *list->as_array()) {
      Pause pause{integer_member(stop, "from_ms"), std::nullopt};
      if (const Json* to = stop.find("to_ms")) pause.to_ms = to->as_int();
      record.pauses.push_back(pause);
    }
  }
  return record;
}

ComposeJob RecordingRecord::follow_job() const {
  ComposeJob job{id, options.arguments()};
  for (const char* argument : {"--layout", options.layout.c_str(), "--follow"}) {
    job.arguments.emplace_back(argument);
  }
  return job;
}

ComposeJob RecordingRecord::compose_job() const {
  ComposeJob job{id, options.arguments()};
  const auto add = [&](const char* option, std::string value) {
    job.arguments.emplace_back(option);
    job.arguments.push_back(std::move(value));
  };
  // Beside tracks, stills count as these do, pauses included.
  if (!options.composite) return job;
  add("--layout", options.layout);
  for (const LayoutChange& change : layouts) {
    add("--layout-change", std::to_string(change.at_ms) + "=" + change.layout);
  }
  for (const Pause& pause : pauses) {
    if (!pause.to_ms) continue;
    add("--pause", std::to_string(pause.from_ms) + "-" + std::to_string(*pause.to_ms));
  }
  return job;
}

}  // namespace parley::control
