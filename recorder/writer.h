#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "recorder/disk_recording.h"

namespace parley::recorder {

// The thread that touches the disk. Jobs are queued per recording up to a limit in bytes; whoever
// posts never waits. Finished recordings are hashed in slices between the writing.
class Writer {
 public:
  struct Stats {
    std::uint64_t bytes_written = 0;
    std::uint64_t write_errors = 0;
    std::uint64_t dropped = 0;  // jobs that found the queue full
  };

  Writer(DiskRecording::Options options, std::uint64_t queue_bytes,
         std::function<void(RecorderEvent)> sink);
  ~Writer();  // does all that was posted
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void begin(RecordingInfo info);
  // False when the recording's queue is full; then the job is dropped. Finish is always taken.
  [[nodiscard]] bool post(const std::string& recording_id, disk::Job job);
  // Removes a file or a tree that nobody uses any more; of a recording's it is told.
  void remove(std::filesystem::path path, std::string recording_id = {});
  // What went wrong with a recording's disk, while it has not been reported.
  [[nodiscard]] std::optional<DiskError> failure(const std::string& recording_id) const;
  // Reports a recording as failed though its disk does not answer. False if it was reported.
  [[nodiscard]] bool report_hung(const std::string& recording_id, const DiskError& error);
  [[nodiscard]] bool knows(const std::string& recording_id) const;
  [[nodiscard]] Stats stats() const;

 private:
  struct Begin {
    RecordingInfo info;
  };
  struct Remove {
    std::filesystem::path path;
  };
  struct Task {
    std::string recording_id;
    std::variant<Begin, Remove, disk::Job> work;
    std::uint64_t size = 0;
  };
  struct Account {
    std::uint64_t queued_bytes = 0;
    std::optional<DiskError> failure;
    bool reported = false;
  };

  void run();
  void perform(Task task);
  void remove_now(const Task& task);
  [[nodiscard]] bool finish_some();
  void settle(const std::string& recording_id, std::uint64_t size);

  const DiskRecording::Options options_;
  const std::uint64_t queue_bytes_;
  const std::function<void(RecorderEvent)> sink_;
  std::map<std::string, DiskRecording> recordings_;  // the thread's own

  mutable std::mutex mutex_;  // all below
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::deque<Task> removals_;  // of whole recordings: when nobody waits for the disk
  std::map<std::string, Account> accounts_;
  Stats stats_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace parley::recorder
