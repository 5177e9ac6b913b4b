#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recorder/participant_recording.h"
#include "recorder/writer.h"

namespace parley::recorder {

// One running recording on the recorder's thread: its participants, whose files it hands to the
// writer. When the disk fails or falls behind it ends itself; the taps are no concern of the disk.
class Recording {
 public:
  // `key_frames_every`: as of TrackReader.
  Recording(RecordingInfo info, rtp::Time start, rtp::Duration key_frames_every, Writer& writer);

  void add_track(TrackInfo track, std::shared_ptr<rtp::Tap> tap);
  void remove_track(const std::string& track_id);
  // Reads all taps; the number of records read.
  std::size_t drain();
  void idle();
  void note(Change change) { post(disk::Changed{std::move(change)}); }
  // Closes all files. The writer's event follows.
  void finish(const std::string& end_reason, std::optional<rtp::Time> now);

  // Why it cannot go on: the disk's fault, or ours for being too fast for it.
  [[nodiscard]] std::optional<DiskError> failure() const;
  [[nodiscard]] const std::string& id() const noexcept { return info_.recording_id; }
  [[nodiscard]] std::size_t tracks() const noexcept;
  [[nodiscard]] std::uint64_t packets() const noexcept;
  [[nodiscard]] std::uint64_t overflows() const noexcept;

 private:
  static constexpr rtp::Duration kToldEvery = std::chrono::seconds(5);
  static constexpr rtp::Duration kQuiet = std::chrono::seconds(1);

  void post(disk::Job job);
  void tell_how_far();
  [[nodiscard]] ParticipantRecording::Output make_output();

  RecordingInfo info_;
  rtp::Time start_;
  rtp::Duration key_frames_every_;
  Writer* writer_;
  ParticipantRecording::Output output_;  // the participants point to it
  std::vector<std::unique_ptr<ParticipantRecording>> participants_;
  bool queue_full_ = false;
  rtp::Time latest_{};
  rtp::Time told_{};  // how far it is
};

}  // namespace parley::recorder
