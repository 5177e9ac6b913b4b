#include "recorder/adopt.h"

#include <algorithm>
#include <cstdio>
#include <system_error>

#include "recorder/disk_recording.h"
#include "recorder/journal.h"
#include "recorder/names.h"
#include "recorder/remux.h"
#include "recorder/sha256.h"

namespace parley::recorder {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kRepairSuffix = ".repair";

fs::path with(const fs::path& path, std::string_view suffix) {
  fs::path result = path;
  result += suffix;
  return result;
}

// The file under its final name, whole. Its packets are copied first and the original is removed
// last, so whenever we are killed one of them is there.
std::optional<FileSummary> repair(const fs::path& path, const std::atomic<bool>& stop) {
  const fs::path part = with(path, kPartSuffix);
  const fs::path repaired = with(path, kRepairSuffix);
  std::error_code error;
  if (!fs::exists(part, error)) return summarize(path, stop);
  const auto copied = remux(part, repaired, stop);
  if (copied) {
    if (::rename(repaired.c_str(), path.c_str()) != 0) return std::nullopt;
    fs::remove(part, error);
    return copied;
  }
  fs::remove(repaired, error);
  if (stop) return std::nullopt;
  // No room for a copy, perhaps: as it is it plays up to its torn end.
  const auto summary = summarize(part, stop);
  if (summary && ::rename(part.c_str(), path.c_str()) == 0) return summary;
  if (!summary && !stop) fs::remove(part, error);
  return std::nullopt;
}

bool is_untouched(const fs::path& folder, const Manifest& manifest) {
  return std::none_of(manifest.files.begin(), manifest.files.end(), [&](const auto& entry) {
    std::error_code ignored;
    return fs::exists(with(folder / entry.file.name, kPartSuffix), ignored);
  });
}

Disk<void> sync_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(disk_error("open"));
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) return tl::unexpected(disk_error("fsync"));
  return {};
}

}  // namespace

std::vector<std::string> find_leftovers(const fs::path& root) {
  std::vector<std::string> ids;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const std::string name = entry.path().filename().string();
    if (is_id(name) && fs::exists(entry.path() / kJournalName, error)) ids.push_back(name);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::optional<RecorderEvent> adopt(const fs::path& root, const std::string& recording_id,
                                   const std::atomic<bool>& stop) {
  const fs::path folder = root / recording_id;
  auto journal = journal::read(folder / kJournalName);
  if (!journal) {  // killed before its first line was written: nothing else can be there
    return Failed{recording_id, "no_media", "the server stopped as the recording began", {}};
  }
  Manifest& manifest = journal->manifest;
  manifest.info.recording_id = recording_id;
  manifest.truncated = !journal->ended || !is_untouched(folder, manifest);
  if (!journal->ended) manifest.end_reason = "server_restart";

  std::error_code ignored;
  fs::remove(folder / kProgressName, ignored);
  fs::remove(with(folder / kProgressName, kPartSuffix), ignored);
  std::vector<ManifestFile> files;
  for (ManifestFile& entry : manifest.files) {
    RecordedFile& file = entry.file;
    if (!is_file_name(file.name)) continue;
    const fs::path path = folder / file.name;
    const auto summary = repair(path, stop);
    if (stop) return std::nullopt;
    if (!summary || !sync_file(path)) continue;
    std::error_code error;
    file.size_bytes = fs::file_size(path, error);
    file.duration_ms = to_ms(summary->duration);
    file.sha256 = sha256_of(path);
    files.push_back(std::move(entry));
  }
  manifest.files = std::move(files);
  manifest.extend_duration();
  if (manifest.files.empty()) {
    return Failed{recording_id, "no_media", "nothing that plays was written before the stop", {}};
  }
  const fs::path path = folder / kManifestName;
  // One that was finished may say more by now, of what was composed.
  std::error_code error;
  const bool finished = journal->ended && !manifest.truncated && fs::exists(path, error);
  if (!finished && !replace_file(path, manifest.to_json(), {})) return std::nullopt;
  return to_event(manifest, path);
}

void forget_leftover(const fs::path& root, const std::string& recording_id) {
  std::error_code ignored;
  const fs::path folder = root / recording_id;
  if (fs::exists(folder / kManifestName, ignored)) {
    fs::remove(folder / kJournalName, ignored);
  } else {
    fs::remove_all(folder, ignored);
  }
}

}  // namespace parley::recorder
