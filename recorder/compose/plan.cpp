#include "recorder/compose/plan.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "recorder/names.h"

namespace parley::compose {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxChanges = 10'000;

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Milliseconds that make sense on a time line.
std::optional<rtp::Duration> time(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  const auto ms = found->get<std::int64_t>();
  if (ms < 0 || ms > kLongestRecording / std::chrono::milliseconds(1)) return std::nullopt;
  return std::chrono::milliseconds(ms);
}

// Of manifests from before there was one: none.
std::optional<unsigned> rotation(const Json& file) {
  const Json degrees = file.value("rotation", Json(0));
  for (const unsigned known : {0U, 90U, 180U, 270U}) {
    if (degrees == known) return known;
  }
  return std::nullopt;
}

const Json& list(const Json& object, const char* key) {
  static const Json kEmpty = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

tl::unexpected<Failure> wrong(std::string what) {
  return failed("bad_manifest", "manifest.json: " + std::move(what));
}

bool read_changes(const Json& root, Plan& plan) {
  const Json& changes = list(root, "changes");
  if (changes.size() > kMaxChanges) return false;
  Offset before{};
  for (const Json& change : changes) {
    if (!change.is_object()) return false;
    const auto at = time(change, "at_ms");
    if (!at || *at < before) return false;
    before = *at;
    plan.changes.push_back({recorder::to_ms(*at), text(change, "what")});
  }
  return true;
}

}  // namespace

Result<Plan> plan_of(std::string_view manifest, const std::filesystem::path& folder) {
  const Json root = Json::parse(manifest, nullptr, false);
  if (!root.is_object()) return wrong("it is no JSON object");
  if (root.value("schema", Json()) != 1) return wrong("its schema is not 1");
  Plan plan;
  plan.recording_id = text(root, "recording_id");
  const auto length = time(root, "duration_ms");
  if (!length || *length == rtp::Duration(0)) return wrong("duration_ms is missing or too long");
  plan.length = *length;
  plan.failed = root.value("failure", Json()).is_object();

  struct Person {
    std::string name;
    std::size_t number = kMaxFiles;
  };
  std::map<std::string, Person> people;
  for (const Json& person : list(root, "participants")) {
    if (!person.is_object()) return wrong("a participant is no object");
    const std::string name = text(person, "name");
    people.try_emplace(text(person, "participant_id"),
                       Person{name.empty() ? text(person, "identity") : name, people.size()});
  }
  const Json& files = list(root, "files");
  if (files.empty()) return wrong("it lists no files");
  if (files.size() > kMaxFiles) return wrong("it lists too many files");
  struct Found {
    PlannedFile file;
    std::string participant;
    bool screen = false;
  };
  std::vector<Found> found;
  for (const Json& file : files) {
    if (!file.is_object()) return wrong("a file is no object");
    const std::string name = text(file, "name");
    if (!recorder::is_file_name(name)) return wrong("a file's name is none of ours");
    const auto offset = time(file, "offset_ms");
    const auto duration = time(file, "duration_ms");
    if (!offset || !duration) return wrong(name + ": offset_ms or duration_ms makes no sense");
    const auto turn = rotation(file);
    if (!turn) return wrong(name + ": rotation is not 0, 90, 180 or 270");
    PlannedFile planned;
    planned.path = folder / name;
    planned.offset = *offset;
    planned.duration = *duration;
    planned.rotation_degrees = *turn;
    for (const Json& codec : list(file, "codecs")) {
      (codec == "opus" ? planned.audio : planned.video) = true;
    }
    found.push_back(
        {std::move(planned), text(file, "participant_id"), text(file, "source") == "screen_share"});
  }
  // What comes later changes nothing before it: a recording that goes on is planned again and
  // again.
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::tie(a.file.offset, a.file.path) < std::tie(b.file.offset, b.file.path);
  });
  std::map<std::pair<std::string, bool>, std::size_t> tiles;
  for (Found& each : found) {
    const auto [tile, added] =
        tiles.try_emplace({each.participant, each.screen}, plan.tiles.size());
    const Person& person = people[each.participant];
    const std::size_t place = 2 * person.number + (each.screen ? 1 : 0);
    if (added) plan.tiles.push_back({each.participant, person.name, each.screen, place});
    each.file.tile = tile->second;
    plan.files.push_back(std::move(each.file));
  }
  if (!read_changes(root, plan)) return wrong("its changes make no sense");
  return plan;
}

Result<Plan> read_plan(const std::filesystem::path& folder) {
  const auto path = folder / recorder::kManifestName;
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return wrong(error.message() + " (give the folder of a finished recording)");
  if (size > kMaxManifest) return wrong("it is too large");
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  return plan_of(bytes, folder);
}

std::vector<Pause> pauses_of(const Plan& plan) {
  std::vector<Pause> pauses;
  bool paused = false;
  for (const recorder::Change& change : plan.changes) {
    const Offset at = std::chrono::milliseconds(change.at_ms);
    if (change.what == "pause" && !std::exchange(paused, true)) pauses.push_back({at, plan.length});
    if (change.what == "resume" && std::exchange(paused, false)) pauses.back().end = at;
  }
  return pauses;
}

Offset without(std::span<const Pause> pauses, Offset time) noexcept {
  Offset left_out{};
  for (const Pause& pause : pauses) {
    if (pause.begin < time) left_out += std::min(time, pause.end) - pause.begin;
  }
  return time - left_out;
}

Plan without(std::span<const Pause> pauses, Plan plan) {
  std::vector<PlannedFile> parts;
  for (const PlannedFile& file : plan.files) {
    Offset begin = file.offset;
    const auto add = [&](Offset end) {
      if (end <= begin) return;
      PlannedFile part = file;
      part.offset = without(pauses, begin);
      part.duration = end - begin;
      part.skip = begin - file.offset;
      parts.push_back(std::move(part));
    };
    for (const Pause& pause : pauses) {
      if (pause.end <= begin || pause.begin >= file.end()) continue;
      add(pause.begin);
      begin = std::max(begin, pause.end);
    }
    add(file.end());
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
  plan.files = std::move(parts);
  plan.length = without(pauses, plan.length);
  return plan;
}

}  // namespace parley::compose
