#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "recorder/disk_file.h"
#include "recorder/recorder.h"
#include "tests/recorder/support.h"

namespace parley::recorder::test {

// Collects what a recorder reports.
class Events {
 public:
  [[nodiscard]] std::function<void(RecorderEvent)> sink();
  // The next event, or nothing after half a minute.
  [[nodiscard]] std::optional<RecorderEvent> next();
  [[nodiscard]] std::optional<Completed> next_completed();
  [[nodiscard]] std::optional<Failed> next_failed();
  // Whether the next one says that nothing is left of this recording.
  [[nodiscard]] bool next_removes(const std::string& recording_id);

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<RecorderEvent> events_;
  std::size_t taken_ = 0;
};

[[nodiscard]] config::Recording config_in(const std::filesystem::path& folder);
[[nodiscard]] RecordingInfo info(std::string id = "rec_1");

// Alice's camera and microphone for a while, all at once.
struct Media {
  Script video;
  Script audio;
};
[[nodiscard]] Media media(const VideoSource& source, rtp::Duration length);
// Starts a recording and gives it the media, faster than life. Nothing is stopped.
void record(Recorder& recorder, const Media& media, const std::string& id = "rec_1");

void expect_playable(const std::filesystem::path& folder, const std::vector<RecordedFile>& files);

}  // namespace parley::recorder::test
