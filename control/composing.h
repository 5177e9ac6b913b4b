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
    std::uint64_t live = 0;  // while their recordings run
    std::uint64_t composed = 0;
    std::uint64_t failed = 0;
    std::uint64_t retries = 0;
  };
  struct Limits {  // of processes
    std::uint32_t at_once = 1;
    std::uint32_t live_at_once = 1;
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
            Limits limits, Events events);

  void add(ComposeJob job) { queue_of(job).add(std::move(job)); }
  // Makes what can be made of a recording while that runs. It is to be added once the recording is
  // over; nothing is told before.
  void follow(ComposeJob job) { live_.add(std::move(job)); }
  // Nothing more is started.
  void stop();
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
  struct Live {
    int crashes = 0;  // since it last said something
    std::string reason;
  };
  [[nodiscard]] ProcessQueue::Events events_of_queue();
  [[nodiscard]] ProcessQueue& queue_of(const ComposeJob& job);
  void line(const std::string& id, const Json& said);
  ProcessQueue::Events::Verdict live_ended(const std::string& id, const ProcessQueue::End& end);
  ProcessQueue::Events::Verdict ended(const std::string& id, const ProcessQueue::End& end);

  Events events_;
  std::map<std::string, Job, std::less<>> jobs_;
  std::uint64_t composed_ = 0;
  std::uint64_t failed_ = 0;
  std::map<std::string, Live, std::less<>> lives_;
  ProcessQueue queue_;
  ProcessQueue soon_;  // what live ones left: it is little, and somebody waits for it
  ProcessQueue live_;
};

// parley-compose as configured, or from beside this program. `end_turn` is called after each of its
// events.
[[nodiscard]] ProcessQueue::Spawn composer_program(server::Loop& loop,
                                                   const config::Recording& config,
                                                   std::function<void()> end_turn);

}  // namespace parley::control
