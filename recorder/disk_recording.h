#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "recorder/disk_file.h"
#include "recorder/manifest.h"
#include "recorder/recorder.h"
#include "recorder/sha256.h"

namespace parley::recorder {

// What the muxing side asks of the disk, for one recording, in order.
namespace disk {
struct Track {
  TrackInfo track;
};
struct Open {
  RecordedFile file;  // without size, duration and hash
};
struct Write {
  std::string file;
  std::uint64_t place = 0;
  std::vector<std::uint8_t> bytes;
};
struct Header {  // is all that was written so far
  std::string file;
};
struct Boundary {  // what was written so far plays
  std::string file;
  rtp::Duration duration{};
};
struct Note {
  std::string file;
  Gap gap;
};
struct Close {
  std::string file;
  rtp::Duration duration{};
};
struct Changed {
  Change change;
};
struct Reached {  // what came before was posted before, but for a moment and what was late
  std::int64_t ms = 0;
};
struct Finish {
  std::string end_reason;
  std::int64_t duration_ms = 0;
  std::optional<DiskError> failure;  // what went wrong before the disk
};
using Job =
    std::variant<Track, Open, Write, Header, Boundary, Note, Close, Changed, Reached, Finish>;
}  // namespace disk

// One recording as it lies on the disk; only the writer's thread knows it. Each file has a
// temporary name until it is whole and synced. The first error ends the writing: every file is cut
// back to where it last played, closed and kept.
class DiskRecording {
 public:
  struct Options {
    std::filesystem::path root;
    rtp::Duration sync_interval{};  // of media time between two fdatasync
    std::uint64_t min_free_bytes = 0;
    DiskCalls calls;
  };

  // Makes the folder and its journal. `options` must outlive this.
  DiskRecording(const Options& options, RecordingInfo info);

  void apply(disk::Job job);
  // A slice of what is left to do after Finish; false when there is nothing (yet).
  [[nodiscard]] bool step();

  [[nodiscard]] const std::optional<DiskError>& failure() const noexcept { return failure_; }
  // Set once all is done: what to report.
  [[nodiscard]] const std::optional<RecorderEvent>& outcome() const noexcept { return outcome_; }
  // After the outcome was reported. The journal stays until it is settled (Recorder::settle), but a
  // folder without media goes: it is of no use to anybody.
  void close();

 private:
  struct OpenFile {
    DiskFile disk;
    ManifestFile entry;
    std::uint64_t size = 0;  // written
    std::uint64_t header_size = 0;
    std::uint64_t good_size = 0;  // up to here it plays
    rtp::Duration good_duration{};
    rtp::Duration synced{};
  };
  struct Hashing {
    std::size_t file;  // in manifest_.files
    FileHash hash;
  };

  void on(disk::Track job);
  void on(disk::Open job);
  void on(disk::Write job);
  void on(disk::Header job);
  void on(disk::Boundary job);
  void on(disk::Note job);
  void on(disk::Close job);
  void on(disk::Changed job);
  void on(disk::Reached job);
  void on(disk::Finish job);
  void begin();
  void close(OpenFile file);
  void write_journal(const std::string& line);
  void fail(DiskError error);
  void check_space();
  void conclude();
  [[nodiscard]] std::filesystem::path path(std::string_view name) const;
  [[nodiscard]] std::filesystem::path part_path(const std::string& name) const;

  const Options* options_;
  std::filesystem::path folder_;
  std::optional<DiskFile> journal_;
  std::uint64_t journal_size_ = 0;
  std::map<std::string, OpenFile> open_;
  Manifest manifest_;
  std::deque<Hashing> hashing_;
  std::optional<disk::Finish> finish_;
  std::optional<DiskError> failure_;
  std::optional<RecorderEvent> outcome_;
};

// The event that tells of a finished recording.
[[nodiscard]] RecorderEvent to_event(const Manifest& manifest, const std::filesystem::path& path);

}  // namespace parley::recorder
