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
#include "recorder/upload/signature.h"

namespace parley::control {

// Has recordings copied into the object store, and deleted from it, each by a process of its own at
// low priority. What does not work now is tried again, at first soon and then every ten minutes,
// for as long as it takes: nothing is given up but what is damaged on this machine. The jobs live
// in the recordings' records: after a restart they are added again.
class Uploading {
 public:
  using UploadedFiles = std::map<std::string, std::string, std::less<>>;

  static constexpr rtp::Duration kLongestPause = std::chrono::minutes(10);

  struct Stats {
    std::uint64_t waiting = 0;
    std::uint64_t running = 0;
    std::uint64_t uploaded = 0;
    std::uint64_t bytes = 0;  // of those
    std::uint64_t deleted = 0;
    std::uint64_t failed = 0;
    std::uint64_t retries = 0;
  };
  struct Events {
    // With the SHA-256 of each file that was found in the store, by name.
    std::function<void(const std::string& recording_id, const UploadedFiles& files)> on_uploaded;
    // Once for each reason until it is done: it is tried again.
    std::function<void(const std::string& recording_id, const std::string& reason,
                       const std::string& detail)>
        on_delayed;
    // It is not.
    std::function<void(const std::string& recording_id, const std::string& reason,
                       const std::string& detail)>
        on_failed;
    std::function<void(const std::string& recording_id)> on_deleted;
  };

  // `timers` and `now` must outlive it. `first_pause`: before the second try, then twice as long.
  Uploading(Timers& timers, std::function<rtp::Time()> now, ProcessQueue::Spawn spawn,
            std::uint32_t at_once, rtp::Duration first_pause, Events events);

  // Copies the recording's folder to below `key_prefix`; anew where it is being copied, for there
  // may be more in it now.
  void upload(const std::string& recording_id, const std::string& key_prefix);
  // Deletes what is there, even if it is just being copied.
  void remove(const std::string& recording_id, const std::string& key_prefix,
              const std::vector<std::string>& names);
  // Nothing more is started.
  void stop() { queue_.stop(); }
  [[nodiscard]] Stats stats() const;

 private:
  struct Job {
    bool deletes = false;
    std::string told;  // the reason why it was delayed
    rtp::Duration pause{};
    // Of the process that runs.
    bool done = false;
    std::uint64_t bytes = 0;
    UploadedFiles files;
    std::string reason;
    std::string detail;
  };
  void forget(const std::string& id);
  void add(const std::string& id, bool deletes, std::vector<std::string> arguments);
  void line(const std::string& id, const Json& said);
  ProcessQueue::Events::Verdict ended(const std::string& id, const ProcessQueue::End& end);

  rtp::Duration first_pause_;
  Events events_;
  std::map<std::string, Job, std::less<>> jobs_;
  std::uint64_t uploaded_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t deleted_ = 0;
  std::uint64_t failed_ = 0;
  ProcessQueue queue_;
};

// parley-upload as configured, or from beside this program. `end_turn` is called after each of its
// events.
[[nodiscard]] ProcessQueue::Spawn uploader_program(server::Loop& loop,
                                                   const config::Recording& config,
                                                   std::function<void()> end_turn);

// Whose requests are sent to the store, and where it is.
[[nodiscard]] upload::Credentials credentials_of(const config::Upload& config);
[[nodiscard]] tl::expected<upload::Place, std::string> place_of(const config::Upload& config);
// "https://calls.example.org"; empty without a store.
[[nodiscard]] std::string origin_of(const config::Upload& config);

}  // namespace parley::control
