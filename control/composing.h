#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "control/process_queue.h"

namespace parley::control {

using ComposeJob = ProcessQueue::Job;  // the arguments are those of parley-compose
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
  std::string chapters;  // as WebVTT
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

  // `timers` and `now` must outlive it.
  Composing(Timers& timers, std::function<rtp::Time()> now, ProcessQueue::Spawn spawn,
            std::uint32_t at_once, Events events);

  void add(ComposeJob job) { queue_.add(std::move(job)); }
  // Nothing more is started.
  void stop() { queue_.stop(); }
  [[nodiscard]] Stats stats() const;

 private:
  struct Job {
    int crashes = 0;
    int delays = 0;
    int percent = -1;
    // Of the process that runs.
    std::optional<ComposedFile> done;
    std::string reason;
    std::string detail;
  };
  void line(const std::string& id, const Json& said);
  ProcessQueue::Events::Verdict ended(const std::string& id, const ProcessQueue::End& end);

  Events events_;
  std::map<std::string, Job, std::less<>> jobs_;
  std::uint64_t composed_ = 0;
  std::uint64_t failed_ = 0;
  ProcessQueue queue_;
};

// parley-compose as configured, or from beside this program. `end_turn` is called after each of its
// events.
[[nodiscard]] ProcessQueue::Spawn composer_program(server::Loop& loop,
                                                   const config::Recording& config,
                                                   std::function<void()> end_turn);

}  // namespace parley::control
