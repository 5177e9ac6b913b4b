#include "recorder/compose/growing.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "recorder/names.h"

namespace parley::compose {
namespace {

namespace fs = std::filesystem;
namespace journal = recorder::journal;

// What is there of a file by then; false: nothing yet.
bool cut(recorder::RecordedFile& file, const journal::Contents& journal, std::int64_t until_ms) {
  if (file.offset_ms < 0 || file.offset_ms >= until_ms) return false;
  const auto open = journal.open.find(file.name);
  if (open != journal.open.end()) {
    if (open->second.bytes <= open->second.header) return false;
    file.duration_ms = until_ms - file.offset_ms;
  }
  return file.duration_ms > 0;
}

}  // namespace

Result<Plan> plan_of(const journal::Contents& journal, const fs::path& folder) {
  recorder::Manifest manifest = journal.manifest;
  manifest.duration_ms = std::max<std::int64_t>(0, journal.reached_ms - recorder::to_ms(kLateness));
  std::erase_if(manifest.files, [&](recorder::ManifestFile& entry) {
    return !cut(entry.file, journal, manifest.duration_ms);
  });
  std::erase_if(manifest.changes, [&](const recorder::Change& change) {
    return change.at_ms > manifest.duration_ms;
  });
  if (manifest.files.empty()) return Plan{};
  auto plan = plan_of(manifest.to_json(), folder);
  if (!plan) return plan;
  for (PlannedFile& file : plan->files) {
    const auto open = journal.open.find(file.path.filename().string());
    if (open == journal.open.end()) continue;
    file.growing = open->second;
    file.path += recorder::kPartSuffix;
  }
  return plan;
}

bool continues(const Plan& earlier, const Plan& later) {
  const auto same_file = [&](const PlannedFile& a, const PlannedFile& b) {
    return recorder::final_name(a.path.filename().string()) ==
               recorder::final_name(b.path.filename().string()) &&
           a.offset == b.offset && a.skip == b.skip && a.tile == b.tile;
  };
  const auto same_tile = [](const PlannedTile& a, const PlannedTile& b) {
    return a.participant_id == b.participant_id && a.screen == b.screen;
  };
  return earlier.files.size() <= later.files.size() && earlier.tiles.size() <= later.tiles.size() &&
         std::equal(earlier.files.begin(), earlier.files.end(), later.files.begin(), same_file) &&
         std::equal(earlier.tiles.begin(), earlier.tiles.end(), later.tiles.begin(), same_tile);
}

Result<Growing> growing_plan(const fs::path& folder) {
  // In this order: the journal goes when the manifest is there.
  const auto journal = journal::read_followed(folder);
  std::error_code error;
  if (fs::exists(folder / recorder::kManifestName, error)) {
    auto plan = read_plan(folder);
    if (!plan) return tl::unexpected(plan.error());
    return Growing{*std::move(plan), true};
  }
  if (!journal) return failed("stopped", "the recording is gone");
  auto plan = plan_of(*journal, folder);
  if (!plan) return tl::unexpected(plan.error());
  return Growing{*std::move(plan), false};
}

}  // namespace parley::compose
