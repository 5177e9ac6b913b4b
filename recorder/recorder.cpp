#include "recorder/recorder.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <sys/stat.h>

#include "recorder/adopt.h"
#include "recorder/muxer.h"
#include "recorder/names.h"
#include "recorder/recording.h"
#include "recorder/writer.h"

namespace parley::recorder {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kDrainInterval{10};
constexpr unsigned kIdleTurns = 20;  // turns without a record until what is held is written
// A disk that has not answered for ten seconds after it failed is reported without an answer.
constexpr unsigned kHungTurns = 1'000;
constexpr std::string_view kRemovedPrefix = ".removed-";

DiskRecording::Options disk_options(const config::Recording& config, DiskCalls calls) {
  return {config.directory, std::chrono::milliseconds{config.sync_interval_ms},
          config.min_free_bytes, std::move(calls)};
}

}  // namespace

struct Recorder::Impl {
  struct Start {
    RecordingInfo info;
    rtp::Time now;
  };
  struct AddTrack {
    std::string recording_id;
    TrackInfo track;
    std::shared_ptr<rtp::Tap> tap;
  };
  struct RemoveTrack {
    std::string recording_id;
    std::string track_id;
  };
  struct Stop {
    std::string recording_id;
    std::string end_reason;
    std::optional<rtp::Time> now;
  };
  struct Note {
    std::string recording_id;
    Change change;
  };
  using Command = std::variant<Start, AddTrack, RemoveTrack, Stop, Note>;
  struct Running {
    std::unique_ptr<Recording> recording;  // its participants point into it
    unsigned idle_turns = 0;
  };
  struct Ending {  // failed, and the writer has not reported it yet
    std::string recording_id;
    DiskError error;
    unsigned turns = 0;
  };

  Impl(const config::Recording& config, std::function<void(RecorderEvent)> event_sink,
       DiskCalls calls);
  ~Impl();

  void post(Command command);
  void run();
  void apply(Start command);
  void apply(AddTrack command);
  void apply(RemoveTrack command);
  void apply(Stop command);
  void apply(Note command);
  void drain();
  void end(const std::string& id, const std::string& reason, std::optional<rtp::Time> now);
  void watch_ending();
  void publish_stats();

  const fs::path root;
  const rtp::Duration key_frames_every;
  const std::function<void(RecorderEvent)> sink;
  Writer writer;
  std::map<std::string, Running> running;  // the recorder thread's own
  std::vector<Ending> ending;              // as well
  std::uint64_t past_packets = 0;          // as well: of recordings that ended
  std::uint64_t past_overflows = 0;        // as well

  mutable std::mutex mutex;  // the next four
  std::condition_variable wake;
  std::deque<Command> commands;
  RecorderStats stats;
  bool stopping = false;

  std::atomic<bool> stop_adopting{false};
  std::thread adopter;
  std::thread thread;
};

Recorder::Impl::Impl(const config::Recording& config, std::function<void(RecorderEvent)> event_sink,
                     DiskCalls calls)
    : root(config.directory),
      key_frames_every(std::chrono::seconds{config.key_frames_every_s}),
      sink(std::move(event_sink)),
      writer(disk_options(config, std::move(calls)), config.queue_bytes, sink) {
  silence_ffmpeg();
  thread = std::thread([this] { run(); });
}

Recorder::Impl::~Impl() {
  stop_adopting = true;
  if (adopter.joinable()) adopter.join();
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  wake.notify_one();
  thread.join();
}

void Recorder::Impl::post(Command command) {
  {
    const std::lock_guard lock(mutex);
    commands.push_back(std::move(command));
  }
  wake.notify_one();
}

void Recorder::Impl::run() {
  while (true) {
    std::deque<Command> batch;
    bool last = false;
    {
      std::unique_lock lock(mutex);
      const auto due = [this] { return !commands.empty() || stopping; };
      if (running.empty() && ending.empty()) {
        wake.wait(lock, due);
      } else {
        wake.wait_for(lock, kDrainInterval, due);
      }
      batch.swap(commands);
      last = stopping;
    }
    for (Command& command : batch) {
      std::visit([this](auto&& c) { apply(std::move(c)); }, std::move(command));
    }
    drain();
    watch_ending();
    if (last) {
      while (!running.empty()) end(running.begin()->first, "server_shutdown", std::nullopt);
    }
    publish_stats();
    if (last) return;
  }
}

void Recorder::Impl::apply(Start command) {
  const std::string id = command.info.recording_id;
  if (running.contains(id) || writer.knows(id)) return;
  running[id].recording =
      std::make_unique<Recording>(std::move(command.info), command.now, key_frames_every, writer);
}

void Recorder::Impl::apply(AddTrack command) {
  const auto found = running.find(command.recording_id);
  if (found == running.end()) return;
  found->second.recording->add_track(std::move(command.track), std::move(command.tap));
}

void Recorder::Impl::apply(RemoveTrack command) {
  const auto found = running.find(command.recording_id);
  if (found != running.end()) found->second.recording->remove_track(command.track_id);
}

void Recorder::Impl::apply(Stop command) {
  if (!running.contains(command.recording_id)) return;
  end(command.recording_id, command.end_reason, command.now);
}

void Recorder::Impl::apply(Note command) {
  const auto found = running.find(command.recording_id);
  if (found != running.end()) found->second.recording->note(std::move(command.change));
}

void Recorder::Impl::drain() {
  std::vector<std::string> failed;
  for (auto& [id, entry] : running) {
    const bool quiet = entry.recording->drain() == 0;
    entry.idle_turns = quiet ? entry.idle_turns + 1 : 0;
    if (entry.idle_turns == kIdleTurns) entry.recording->idle();
    if (entry.recording->failure()) failed.push_back(id);
  }
  for (const std::string& id : failed) end(id, {}, std::nullopt);
}

void Recorder::Impl::end(const std::string& recording_id, const std::string& reason,
                         std::optional<rtp::Time> now) {
  const std::string id = recording_id;  // the caller's may be the map's key
  Recording& recording = *running[id].recording;
  recording.finish(reason, now);
  if (auto error = recording.failure()) ending.push_back({id, std::move(*error)});
  past_packets += recording.packets();
  past_overflows += recording.overflows();
  running.erase(id);
}

void Recorder::Impl::watch_ending() {
  std::erase_if(ending, [this](Ending& e) {
    if (!writer.knows(e.recording_id)) return true;
    if (++e.turns < kHungTurns) return false;
    [[maybe_unused]] const bool reported = writer.report_hung(e.recording_id, e.error);
    return true;
  });
}

void Recorder::Impl::publish_stats() {
  RecorderStats now;
  now.active_recordings = running.size();
  now.packets = past_packets;
  now.dropped_ring = past_overflows;
  for (const auto& [id, entry] : running) {
    now.active_tracks += entry.recording->tracks();
    now.packets += entry.recording->packets();
    now.dropped_ring += entry.recording->overflows();
  }
  const std::lock_guard lock(mutex);
  stats = now;
}

Recorder::Recorder(const config::Recording& config, std::function<void(RecorderEvent)> sink)
    : Recorder(config, std::move(sink), DiskCalls{}) {}

Recorder::Recorder(const config::Recording& config, std::function<void(RecorderEvent)> sink,
                   DiskCalls calls)
    : impl_(std::make_unique<Impl>(config, std::move(sink), std::move(calls))) {}

Recorder::~Recorder() = default;

std::vector<std::string> Recorder::adopt_leftovers() {
  if (impl_->adopter.joinable()) return {};  // once
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(impl_->root, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kRemovedPrefix)) {
      impl_->writer.remove(entry.path(), name.substr(kRemovedPrefix.size()));
    }
  }
  std::vector<std::string> ids = find_leftovers(impl_->root);
  // Copying hours of video takes minutes, and calls must not wait for it.
  impl_->adopter = std::thread([impl = impl_.get(), ids] {
    for (const std::string& id : ids) {
      const auto event = adopt(impl->root, id, impl->stop_adopting);
      if (!event) continue;
      impl->sink(*event);
      if (std::holds_alternative<Failed>(*event)) forget_leftover(impl->root, id);
    }
  });
  return ids;
}

void Recorder::start(RecordingInfo info, rtp::Time now) {
  if (!is_id(info.recording_id)) {
    impl_->sink(Failed{info.recording_id, "directory_unusable", "not a recording id", {}});
    return;
  }
  impl_->post(Impl::Start{std::move(info), now});
}

void Recorder::add_track(const std::string& recording_id, TrackInfo track,
                         std::shared_ptr<rtp::Tap> ring) {
  impl_->post(Impl::AddTrack{recording_id, std::move(track), std::move(ring)});
}

void Recorder::remove_track(const std::string& recording_id, const std::string& track_id) {
  impl_->post(Impl::RemoveTrack{recording_id, track_id});
}

void Recorder::stop(const std::string& recording_id, std::string end_reason,
                    std::optional<rtp::Time> now) {
  impl_->post(Impl::Stop{recording_id, std::move(end_reason), now});
}

void Recorder::note(const std::string& recording_id, Change change) {
  impl_->post(Impl::Note{recording_id, std::move(change)});
}

void Recorder::settle(const std::string& recording_id) {
  if (is_id(recording_id)) impl_->writer.remove(impl_->root / recording_id / kJournalName);
}

bool Recorder::remove(const std::string& recording_id) {
  if (!is_id(recording_id) || impl_->writer.knows(recording_id)) return false;
  const fs::path folder = impl_->root / recording_id;
  const fs::path removed = impl_->root / (std::string{kRemovedPrefix} + recording_id);
  // Renamed at once, so that nothing is found there any more; the writer removes it.
  if (::rename(folder.c_str(), removed.c_str()) != 0 && errno != ENOENT) {
    impl_->sink(NotRemoved{recording_id, disk_error("rename").detail});
    return false;
  }
  impl_->writer.remove(removed, recording_id);
  return true;
}

bool Recorder::has_others(const std::string& recording_id,
                          const std::vector<std::string>& names) const {
  std::error_code error;
  fs::directory_iterator entry(impl_->root / recording_id, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool media =
        name.ends_with(".webm") || name.ends_with(".mp4") || name.ends_with(kPartSuffix);
    if (media && std::find(names.begin(), names.end(), name) == names.end()) return true;
  }
  return false;
}

fs::path Recorder::file_path(const std::string& recording_id, const std::string& name) const {
  if (!is_id(recording_id) || !is_file_name(name) || name == kJournalName ||
      name == kProgressName) {
    return {};
  }
  const fs::path path = impl_->root / recording_id / name;
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return path;
}

RecorderStats Recorder::stats() const {
  const Writer::Stats disk = impl_->writer.stats();
  const std::lock_guard lock(impl_->mutex);
  RecorderStats stats = impl_->stats;
  stats.dropped_queue = disk.dropped;
  stats.bytes_written = disk.bytes_written;
  stats.write_errors = disk.write_errors;
  return stats;
}

}  // namespace parley::recorder
