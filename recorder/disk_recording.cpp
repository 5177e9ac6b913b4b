#include "recorder/disk_recording.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "recorder/journal.h"
#include "recorder/names.h"

namespace parley::recorder {

namespace fs = std::filesystem;

DiskRecording::DiskRecording(const Options& options, RecordingInfo info)
    : options_(&options), folder_(options.root / info.recording_id) {
  manifest_.info = std::move(info);
  begin();
}

void DiskRecording::begin() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return fail({"directory_unusable", folder_.string() + ": " + error.message()});
  auto journal = DiskFile::create(folder_ / kJournalName);
  if (!journal) return fail({"directory_unusable", journal.error().detail});
  journal_ = std::move(*journal);
  check_space();
  write_journal(journal::recording_line(manifest_.info));
  if (failure_) return;
  if (auto synced = journal_->sync(options_->calls); !synced) return fail(synced.error());
  if (auto synced = sync_directory(folder_); !synced) return fail(synced.error());
  if (auto synced = sync_directory(options_->root); !synced) fail(synced.error());
}

fs::path DiskRecording::path(std::string_view name) const { return folder_ / name; }

fs::path DiskRecording::part_path(const std::string& name) const {
  return folder_ / (name + std::string{kPartSuffix});
}

void DiskRecording::write_journal(const std::string& line) {
  if (failure_ || !journal_) return;
  const rtp::ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(line.data()), line.size()};
  auto written = journal_->write_at(options_->calls, journal_size_, bytes);
  if (!written) return fail(written.error());
  journal_size_ += bytes.size();
}

void DiskRecording::fail(DiskError error) {
  if (failure_) return;
  failure_ = std::move(error);
  // Cut every file back to where it plays; each is closed when the muxing side says so.
  for (auto& [name, file] : open_) {
    if (file.disk.truncate(file.good_size)) file.size = file.good_size;
  }
}

void DiskRecording::check_space() {
  const std::uint64_t free = free_bytes(folder_);
  if (free >= options_->min_free_bytes) return;
  fail({"disk_full", std::to_string(free) + " bytes are left, recording.min_free_bytes is " +
                         std::to_string(options_->min_free_bytes)});
}

void DiskRecording::apply(disk::Job job) {
  std::visit([this](auto&& j) { on(std::move(j)); }, std::move(job));
}

void DiskRecording::on(disk::Track job) {
  add_track(manifest_.participants, job.track);
  write_journal(journal::track_line(job.track));
}

void DiskRecording::on(disk::Open job) {
  write_journal(journal::file_line(job.file));
  if (failure_) return;
  auto file = DiskFile::create(part_path(job.file.name));
  if (!file) return fail(file.error());
  const std::string name = job.file.name;
  open_.emplace(name, OpenFile{std::move(*file), {std::move(job.file), {}}, 0, 0, 0, {}, {}});
}

void DiskRecording::on(disk::Write job) {
  const auto found = open_.find(job.file);
  if (failure_ || found == open_.end()) return;
  OpenFile& file = found->second;
  auto written = file.disk.write_at(options_->calls, job.place, job.bytes);
  if (!written) return fail(written.error());
  file.size = std::max(file.size, job.place + job.bytes.size());
}

void DiskRecording::on(disk::Header job) {
  const auto found = open_.find(job.file);
  if (found != open_.end()) found->second.header_size = found->second.size;
}

void DiskRecording::on(disk::Boundary job) {
  const auto found = open_.find(job.file);
  if (failure_ || found == open_.end()) return;
  OpenFile& file = found->second;
  file.good_size = file.size;
  file.good_duration = job.duration;
  if (job.duration - file.synced < options_->sync_interval) return;
  file.synced = job.duration;
  if (auto synced = file.disk.sync(options_->calls); !synced) return fail(synced.error());
  check_space();
}

void DiskRecording::on(disk::Note job) {
  const auto found = open_.find(job.file);
  if (failure_ || found == open_.end()) return;
  write_journal(journal::gap_line(job.file, job.gap));
  found->second.entry.gaps.push_back(std::move(job.gap));
}

void DiskRecording::on(disk::Close job) {
  const auto found = open_.find(job.file);
  if (found == open_.end()) return;
  if (!failure_) found->second.good_duration = job.duration;
  OpenFile file = std::move(found->second);
  open_.erase(found);
  close(std::move(file));
}

void DiskRecording::close(OpenFile file) {
  const std::string name = file.entry.file.name;
  if (auto synced = file.disk.sync(options_->calls); !synced) fail(synced.error());
  if (failure_ && file.good_size == 0) {  // not even a header
    std::error_code ignored;
    fs::remove(part_path(name), ignored);
    return;
  }
  if (::rename(part_path(name).c_str(), path(name).c_str()) != 0) return fail(disk_error("rename"));
  if (auto synced = sync_directory(folder_); !synced) fail(synced.error());
  file.entry.file.duration_ms = to_ms(file.good_duration);
  file.entry.file.size_bytes = file.size;
  if (manifest_.info.followed) {
    write_journal(journal::closed_line(name, file.entry.file.duration_ms));
  }
  manifest_.files.push_back(std::move(file.entry));
  hashing_.push_back({manifest_.files.size() - 1, FileHash{path(name)}});
}

void DiskRecording::on(disk::Changed job) {
  write_journal(journal::change_line(job.change));
  manifest_.changes.push_back(std::move(job.change));
}

// Whoever follows can do without: what is wrong with the disk is found by others.
void DiskRecording::on(disk::Reached job) {
  if (failure_) return;
  std::string text;
  for (const auto& [name, file] : open_) {
    text += journal::whole_line(name, {file.header_size, file.good_size});
  }
  text += journal::reached_line(job.ms);
  const fs::path next = part_path(std::string{kProgressName});
  auto file = DiskFile::create(next);
  const rtp::ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  if (!file || !file->write_at(options_->calls, 0, bytes)) return;
  static_cast<void>(::rename(next.c_str(), path(kProgressName).c_str()));
}

void DiskRecording::on(disk::Finish job) {
  if (job.failure) fail(*job.failure);
  while (!open_.empty()) close(std::move(open_.extract(open_.begin()).mapped()));
  manifest_.end_reason = job.end_reason;
  manifest_.duration_ms = job.duration_ms;
  manifest_.extend_duration();
  finish_ = std::move(job);
}

bool DiskRecording::step() {
  if (!hashing_.empty()) {
    Hashing& first = hashing_.front();
    if (first.hash.step()) return true;
    manifest_.files[first.file].file.sha256 = first.hash.digest();
    hashing_.pop_front();
    return true;
  }
  if (!finish_ || outcome_) return false;
  conclude();
  return true;
}

void DiskRecording::conclude() {
  if (!failure_ && manifest_.files.empty()) {
    failure_ = DiskError{"no_media", "no track delivered anything that plays"};
  }
  if (failure_) {
    manifest_.failure = Failed{manifest_.info.recording_id, failure_->reason, failure_->detail, {}};
    manifest_.end_reason = failure_->reason;
  } else {
    write_journal(journal::end_line(manifest_.end_reason, manifest_.duration_ms));
  }
  const fs::path manifest_path = path(kManifestName);
  const auto written = replace_file(manifest_path, manifest_.to_json(), options_->calls);
  if (!written && !failure_) {
    failure_ = written.error();
    manifest_.failure = Failed{manifest_.info.recording_id, failure_->reason, failure_->detail, {}};
  }
  std::error_code ignored;
  fs::remove(path(kProgressName), ignored);
  fs::remove(part_path(std::string{kProgressName}), ignored);
  outcome_ = to_event(manifest_, manifest_path);
}

void DiskRecording::close() {
  std::error_code ignored;
  journal_.reset();
  if (manifest_.files.empty()) fs::remove_all(folder_, ignored);
}

RecorderEvent to_event(const Manifest& manifest, const fs::path& path) {
  const std::string& id = manifest.info.recording_id;
  if (manifest.failure) {
    return Failed{id, manifest.failure->reason, manifest.failure->detail,
                  manifest.recorded_files()};
  }
  Completed completed;
  completed.recording_id = id;
  completed.info = manifest.info;
  completed.manifest = path;
  completed.files = manifest.recorded_files();
  completed.duration_ms = manifest.duration_ms;
  completed.size_bytes = manifest.size_bytes();
  completed.end_reason = manifest.end_reason;
  completed.truncated = manifest.truncated;
  return completed;
}

}  // namespace parley::recorder
