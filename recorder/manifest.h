#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recorder/media.h"
#include "recorder/recorder.h"

namespace parley::recorder {

struct ManifestTrack {
  std::string track_id;
  std::string source;
  friend bool operator==(const ManifestTrack&, const ManifestTrack&) = default;
};
struct ManifestParticipant {
  std::string participant_id;
  std::string identity;
  std::string name;
  std::vector<ManifestTrack> tracks;
};
struct ManifestFile {
  RecordedFile file;
  std::vector<Gap> gaps;
};

// All that is known of a finished recording: manifest.json in its folder. docs/recording.md is the
// reference of its fields.
struct Manifest {
  static constexpr int kSchema = 1;

  RecordingInfo info;
  std::vector<ManifestParticipant> participants;
  std::vector<ManifestFile> files;
  std::vector<Change> changes;
  std::int64_t duration_ms = 0;
  std::string end_reason;
  bool truncated = false;
  std::optional<Failed> failure;  // only its reason and detail

  [[nodiscard]] std::uint64_t size_bytes() const noexcept;
  // The recording's length is at least that of what was recorded.
  void extend_duration() noexcept;
  [[nodiscard]] std::vector<RecordedFile> recorded_files() const;
  [[nodiscard]] std::string to_json() const;
};

// Notes a track of a participant, who is added if new.
void add_track(std::vector<ManifestParticipant>& participants, const TrackInfo& track);

}  // namespace parley::recorder
