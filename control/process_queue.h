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

#include <tl/expected.hpp>

#include "control/child_process.h"
#include "control/json.h"
#include "control/timers.h"

namespace parley::control {

// Runs a program for each recording that is given, some at a time. The program says how far it is
// in lines of JSON; one that says nothing for an hour is killed. What its end means, and whether it
// is tried again, is decided by who owns the queue. Jobs are not kept: after a restart they are
// added again.
class ProcessQueue {
 public:
  static constexpr rtp::Duration kSilence = std::chrono::hours(1);  // hashing 100 GB says nothing

  struct Job {
    std::string recording_id;
    std::vector<std::string> arguments;
  };
  struct End {
    ChildProcess::End process;
    std::string not_started;  // why; then nothing ran
    bool silent = false;      // it was killed for that
    [[nodiscard]] bool well() const noexcept {
      return not_started.empty() && process.exit_code == 0 && process.signal == 0;
    }
  };
  struct Events {
    std::function<void(const std::string& recording_id)> on_start;
    std::function<void(const std::string& recording_id, const Json& line)> on_line;
    // After how long it is to be tried again; nothing: the job is over. `tell` is called once the
    // queue knows nothing of it any more.
    struct Verdict {
      std::optional<rtp::Duration> again;
      std::function<void()> tell;
    };
    std::function<Verdict(const std::string& recording_id, const End& end)> on_end;
  };
  // Starts the program for a job. Tests put their own in.
  using Spawn = std::function<tl::expected<std::unique_ptr<ChildProcess>, std::string>(
      const Job& job, ChildProcess::Events events)>;

  // `timers` and `now` must outlive it.
  ProcessQueue(Timers& timers, std::function<rtp::Time()> now, Spawn spawn, std::uint32_t at_once,
               Events events);
  ~ProcessQueue();
  ProcessQueue(const ProcessQueue&) = delete;
  ProcessQueue& operator=(const ProcessQueue&) = delete;

  // False: there is one for that recording already.
  bool add(Job job);
  // Ends the recording's job in whatever state it is; nothing is told of it.
  void cancel(std::string_view recording_id);
  // Nothing more is started.
  void stop();
  [[nodiscard]] std::uint64_t waiting() const noexcept { return jobs_.size() - running_; }
  [[nodiscard]] std::uint64_t running() const noexcept { return running_; }
  [[nodiscard]] std::uint64_t retries() const noexcept { return retries_; }

 private:
  struct Entry {
    Job job;
    std::uint64_t number = 0;  // of this job: a later one of the same recording has another
    bool runs = false;
    Timers::Id timer = 0;  // until it is tried again, or has been silent for too long
    std::unique_ptr<ChildProcess> process;
  };
  void pump();
  void start(Entry& entry);
  void watch(Entry& entry);
  Entry* find(const std::string& id, std::uint64_t number);
  void ended(Entry& entry, const End& end);

  Timers& timers_;
  std::function<rtp::Time()> now_;
  Spawn spawn_;
  std::uint32_t at_once_;
  Events events_;
  std::map<std::string, Entry, std::less<>> jobs_;
  std::deque<std::string> waiting_;  // of those, to be started
  std::uint64_t running_ = 0;
  std::uint64_t last_number_ = 0;
  bool stopped_ = false;
  std::uint64_t retries_ = 0;
};

// Starts a program on recordings: `configured`, or else `name` beside this one. It is told this
// process as its --parent, and gets `environment` ("NAME=value") besides its own; `fixed` come
// before the job's arguments. `end_turn` is called after each of its events.
struct Program {
  std::string configured;
  std::string name;
  std::vector<std::string> fixed;
  std::vector<std::string> environment;
};
[[nodiscard]] ProcessQueue::Spawn program_beside(server::Loop& loop, Program program,
                                                 std::function<void()> end_turn);

}  // namespace parley::control
