#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "control/child_process.h"
#include "control/timers.h"

namespace parley::control {

struct ComposeJob {
  std::string recording_id;
  std::vector<std::string> arguments;  // of parley-compose
};
struct ComposedFile {
  struct Extra {
    std::string name;
    std::string kind;  // chapters, thumbnail, sheet, sheet_index
    std::uint64_t size_bytes = 0;
    std::string sha256;
  };
  std::string name;
  std::int64_t duration_ms = 0;
  std::uint64_t size_bytes = 0;
  std::string sha256;
  std::vector<Extra> extras;
};

// Has recordings composed, one after the other, each by a process of its own at low priority. Who
// is killed, crashes or says nothing for an hour is started again and goes on where he was; while
// the disk is full, or the program does not start, it is tried once a minute for an hour. The jobs
// live in the recordings' records: after a restart they are added again.
class Composing {
 public:
  static constexpr int kCrashes = 3;
  static constexpr rtp::Duration kAfterCrash = std::chrono::seconds(5);
  static constexpr int kDelays = 60;
  static constexpr rtp::Duration kAfterDelay = std::chrono::minutes(1);
  static constexpr rtp::Duration kSilence = std::chrono::hours(1);  // hashing 100 GB says nothing

  struct Stats {
    std::uint64_t waiting = 0;
    std::uint64_t running = 0;
    std::uint64_t composed = 0;
    std::uint64_t failed = 0;
    std::uint64_t retries = 0;
  };
  struct Events {
    std::function<void(const std::string& recording_id, int percent)> on_progress;
    std::function<void(const std::string& recording_id, const ComposedFile& file)> on_done;
    std::function<void(const std::string& recording_id, const std::string& reason,
                       const std::string& detail)>
        on_failed;
  };
  // Starts the program for a job. Tests put their own in.
  using Spawn = std::function<tl::expected<std::unique_ptr<ChildProcess>, std::string>(
      const ComposeJob& job, ChildProcess::Events events)>;

  // `timers` and `now` must outlive it.
  Composing(Timers& timers, std::function<rtp::Time()> now, Spawn spawn, std::uint32_t at_once,
            Events events);
  ~Composing();
  Composing(const Composing&) = delete;
  Composing& operator=(const Composing&) = delete;

  void add(ComposeJob job);
  // Nothing more is started.
  void stop();
  [[nodiscard]] Stats stats() const;

 private:
  struct Job {
    ComposeJob job;
    int crashes = 0;
    int delays = 0;
    Timers::Id timer = 0;  // until it is tried again, or has been silent for too long
    std::unique_ptr<ChildProcess> process;
    int percent = -1;
    std::optional<ComposedFile> done;
    std::string reason;
    std::string detail;
  };
  void pump();
  void start(Job& job);
  void watch(Job& job);
  void line(Job& job, std::string_view text);
  void ended(Job& job, ChildProcess::End end);
  // Tries it again, or gives it up.
  void not_done(Job& job, ChildProcess::End end);
  void again(Job& job, rtp::Duration after);
  void give_up(Job& job);

  Timers& timers_;
  std::function<rtp::Time()> now_;
  Spawn spawn_;
  std::uint32_t at_once_;
  Events events_;
  std::map<std::string, Job, std::less<>> jobs_;
  std::deque<std::string> waiting_;  // of those, to be started
  std::uint32_t running_ = 0;
  bool stopped_ = false;
  std::uint64_t composed_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t retries_ = 0;
};

// Starts parley-compose as configured, else from beside this program, on the recording's folder.
// `end_turn` is called after each of its events.
[[nodiscard]] Composing::Spawn composer_program(server::Loop& loop, const config::Recording& config,
                                                std::function<void()> end_turn);

}  // namespace parley::control
