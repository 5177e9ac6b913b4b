#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/config.h"
#include "rtp/tap.h"
#include "rtp/types.h"

namespace parley::recorder {

struct DiskCalls;  // recorder/disk_file.h

// Who and what a recording is of; it goes into the manifest as it is.
struct RecordingInfo {
  std::string recording_id;
  std::string tenant;
  std::string room_id;
  std::string room_name;
  std::string session_id;
  std::int64_t started_ms = 0;  // wall clock, for labels
  // Somebody reads along: the journal says how far each file is.
  bool followed = false;
};

// Something that whoever composes a recording has to know.
struct Change {
  std::int64_t at_ms = 0;  // of the recording
  std::string what;        // pause, resume, or a layout's name
};

struct TrackInfo {
  std::string track_id;
  std::string participant_id;
  std::string identity;
  std::string name;
  std::string source;  // camera, microphone, screen_share, screen_share_audio
  rtp::MediaKind kind = rtp::MediaKind::Audio;
};

// One file of a finished recording: a participant and a codec period.
struct RecordedFile {
  std::string name;  // within the recording's folder
  std::string participant_id;
  std::string identity;
  std::string source;  // "camera" (with its microphone) or "screen_share"
  std::vector<std::string> codecs;
  std::int64_t offset_ms = 0;  // start within the recording
  std::int64_t duration_ms = 0;
  std::uint64_t size_bytes = 0;
  std::string sha256;         // lower-case hex
  std::int64_t rotation = 0;  // degrees clockwise, to show its picture upright
};

struct Completed {
  std::string recording_id;
  RecordingInfo info;
  std::filesystem::path manifest;
  std::vector<RecordedFile> files;
  std::int64_t duration_ms = 0;
  std::uint64_t size_bytes = 0;
  std::string end_reason;
  bool truncated = false;  // adopted after a crash
};
struct Failed {  // the files up to here are kept and listed, if any plays
  std::string recording_id;
  std::string reason;  // disk_full, disk_error, disk_slow, no_media, directory_unusable
  std::string detail;
  std::vector<RecordedFile> files;
};
struct Removed {  // nothing of it is left on the disk
  std::string recording_id;
};
struct NotRemoved {  // it is tried again when it is asked for again, and at the next start
  std::string recording_id;
  std::string detail;
};
using RecorderEvent = std::variant<Completed, Failed, Removed, NotRemoved>;

struct RecorderStats {
  std::uint64_t active_recordings = 0;
  std::uint64_t active_tracks = 0;
  std::uint64_t packets = 0;
  std::uint64_t dropped_ring = 0;   // ring from the worker was full
  std::uint64_t dropped_queue = 0;  // queue to the disk was full
  std::uint64_t bytes_written = 0;
  std::uint64_t write_errors = 0;
};

// Records tracks into files with FFmpeg's muxers, without decoding. It owns two threads: one reads
// the taps and muxes into memory (it never touches a disk), one writes. Whatever the disk does, the
// taps are drained, so a call never notices. All calls are for the control thread and return at
// once; `sink` is called on a thread of the recorder's.
class Recorder {
 public:
  Recorder(const config::Recording& config, std::function<void(RecorderEvent)> sink);
  // With system calls of a test's own.
  Recorder(const config::Recording& config, std::function<void(RecorderEvent)> sink,
           DiskCalls calls);
  ~Recorder();  // finishes what is open, as stop() would with "server_shutdown"
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Turns what a crash left behind in the directory into finished recordings, `truncated`, and
  // reports each through the sink, one after the other on a thread of its own. Returns the ids that
  // will be reported; others that were running when the server stopped left nothing. What was not
  // settled is reported again. Call once, before the first start().
  std::vector<std::string> adopt_leftovers();

  void start(RecordingInfo info, rtp::Time now);
  // The tap must already be open, or be opened right after; `ring` is read until Kind::Ended, the
  // track's removal or the recording's end.
  void add_track(const std::string& recording_id, TrackInfo track, std::shared_ptr<rtp::Tap> ring);
  void remove_track(const std::string& recording_id, const std::string& track_id);
  // Goes into the journal, behind all that was recorded before, and into the manifest.
  void note(const std::string& recording_id, Change change);
  // Finishes the files; Completed or Failed follows. `now`, where known, makes the recording's
  // duration reach to this moment even if everybody was silent at the end.
  void stop(const std::string& recording_id, std::string end_reason,
            std::optional<rtp::Time> now = std::nullopt);
  // How the recording ended is in the caller's store. Until then it is reported anew at each start,
  // so that no kill between the end and the store loses a recording.
  void settle(const std::string& recording_id);
  // Removes the recording's folder, at once for whoever looks; Removed follows, also when there was
  // none, or NotRemoved. False when it is not finished, or cannot be removed.
  [[nodiscard]] bool remove(const std::string& recording_id);
  // Whether the folder has media besides these files: what could not be finished, and is in no
  // list.
  [[nodiscard]] bool has_others(const std::string& recording_id,
                                const std::vector<std::string>& names) const;
  // Where a file of a finished recording lies; empty unless it exists and the name is one of ours,
  // so "../" gets nowhere.
  [[nodiscard]] std::filesystem::path file_path(const std::string& recording_id,
                                                const std::string& name) const;

  [[nodiscard]] RecorderStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::recorder
