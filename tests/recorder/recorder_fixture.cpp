#include "tests/recorder/recorder_fixture.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

namespace parley::recorder::test {

std::function<void(RecorderEvent)> Events::sink() {
  return [this](RecorderEvent event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    wake_.notify_all();
  };
}

std::optional<RecorderEvent> Events::next() {
  std::unique_lock lock(mutex_);
  if (!wake_.wait_for(lock, std::chrono::seconds{30}, [&] { return events_.size() > taken_; })) {
    return std::nullopt;
  }
  return events_[taken_++];
}

std::optional<Completed> Events::next_completed() {
  const auto event = next();
  if (!event) return std::nullopt;
  if (const auto* failed = std::get_if<Failed>(&*event)) {
    ADD_FAILURE() << failed->reason << ": " << failed->detail;
    return std::nullopt;
  }
  return std::get<Completed>(*event);
}

std::optional<Failed> Events::next_failed() {
  const auto event = next();
  if (!event || !std::holds_alternative<Failed>(*event)) return std::nullopt;
  return std::get<Failed>(*event);
}

bool Events::next_removes(const std::string& recording_id) {
  const auto event = next();
  const auto* removed = event ? std::get_if<Removed>(&*event) : nullptr;
  return removed != nullptr && removed->recording_id == recording_id;
}

config::Recording config_in(const std::filesystem::path& folder) {
  config::Recording config;
  config.directory = folder.string();
  config.min_free_bytes = 0;
  return config;
}

RecordingInfo info(std::string id) {
  return {std::move(id), "seller-1", "rm_1", "A room", "se_1", 1'795'111'200'000};
}

Media media(const VideoSource& source, rtp::Duration length) {
  const auto delay = std::chrono::milliseconds{30};
  return {with_reports(video(source, kStart, kStart + length), 90'000, delay),
          with_reports(audio(kStart, kStart + length), 48'000, delay)};
}

void record(Recorder& recorder, const Media& media, const std::string& id) {
  const auto video_tap = make_tap();
  const auto audio_tap = make_tap();
  const std::uint64_t before = recorder.stats().active_tracks;
  recorder.start(info(id), kStart);
  recorder.add_track(id, camera(), video_tap);
  recorder.add_track(id, microphone(), audio_tap);
  // As in life: the taps are there before their media. A disk that fails at once ends it earlier.
  for (int i = 0; i < 100'000 && recorder.stats().active_tracks < before + 2; ++i) {
    std::this_thread::yield();
  }
  std::size_t a = 0;
  for (const Event& event : media.video) {
    for (; a < media.audio.size() && media.audio[a].record.arrival <= event.record.arrival; ++a) {
      push(*audio_tap, media.audio[a]);
    }
    push(*video_tap, event);
  }
  for (; a < media.audio.size(); ++a) push(*audio_tap, media.audio[a]);
}

void expect_playable(const std::filesystem::path& folder, const std::vector<RecordedFile>& files) {
  for (const RecordedFile& file : files) {
    const Probe p = probe(folder / file.name);
    EXPECT_EQ(p.errors, "") << file.name;
    // A file that could not be ended properly says no duration; its last packet does.
    double duration_s = p.duration_s;
    for (const auto& [codec, last] : p.last_s) duration_s = std::max(duration_s, last);
    EXPECT_NEAR(duration_s, static_cast<double>(file.duration_ms) / 1'000, 0.5) << file.name;
    EXPECT_EQ(file.size_bytes, std::filesystem::file_size(folder / file.name));
    const std::string sum = output_of("sha256sum '" + (folder / file.name).string() + "'");
    EXPECT_EQ(file.sha256, sum.substr(0, 64));
  }
}

}  // namespace parley::recorder::test
