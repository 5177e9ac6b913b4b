#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <variant>

#include <fcntl.h>
#include <unistd.h>

#include "control/file_lock.h"
#include "control/random_id.h"
#include "control/sqlite_database.h"
#include "control/store.h"
#include "server/log.h"

namespace parley::control {
namespace {

// Batches that wait for the disk. From half of either on nothing new should be begun; beyond them
// the store gives up as after a failed commit, because the batch cannot be left out.
constexpr std::size_t kMaxQueuedBatches = 65'536;
constexpr std::size_t kMaxQueuedBytes = 67'108'864;
constexpr std::size_t kTrimStep = 500;
constexpr std::chrono::seconds kTrimInterval{30};
constexpr std::chrono::milliseconds kRetryPost{10};

using Committed = std::function<void(tl::expected<void, std::string>)>;
using Read = std::function<void(Store::Events)>;

struct CommitTask {
  Batch batch;
  std::size_t bytes = 0;
  std::string refused;  // not empty: was never taken, and this is why
  std::vector<Committed> done;
};
struct ReadTask {
  std::uint64_t after_seq = 0;
  std::size_t limit = 0;
  Read done;
};
using Task = std::variant<CommitTask, ReadTask>;
using Completion = std::function<void()>;

std::size_t bytes_of(const Batch& batch) {
  std::size_t bytes = sizeof(Batch);
  for (const Row& row : batch.upserts) bytes += sizeof row + row.body.size();
  for (const EventRow& event : batch.events) bytes += sizeof event + event.body.size();
  for (const auto& [kind, id] : batch.deletes) bytes += kind.size() + id.size();
  return bytes;
}

// What waits to run on the loop. Shared by the store, its thread and the task posted to the loop,
// which may run after the store is gone: hence a shared_ptr.
struct Completions {
  std::mutex mutex;
  std::deque<Completion> waiting;
  bool posted = false;
  bool closed = false;

  // Loop thread.
  void run() {
    for (;;) {
      std::deque<Completion> ready;
      {
        const std::lock_guard lock(mutex);
        posted = false;
        ready.swap(waiting);
      }
      if (ready.empty()) return;
      for (Completion& completion : ready) {
        {
          // A completion may destroy the store: then the rest must not run.
          const std::lock_guard lock(mutex);
          if (closed) return;
        }
        completion();
      }
    }
  }
};

class SqliteStore final : public Store {
 public:
  SqliteStore(server::Loop& loop, const config::Store& config, FileLock lock,
              SqliteDatabase database, std::uint64_t earliest_seq)
      : loop_(loop),
        config_(config),
        earliest_seq_(earliest_seq),
        lock_(std::move(lock)),
        database_(std::move(database)),
        completions_(std::make_shared<Completions>()),
        writer_([this] { write(); }) {}

  // Writes what is queued; what was to be told about it is dropped.
  ~SqliteStore() override {
    {
      const std::lock_guard lock(completions_->mutex);
      completions_->closed = true;
    }
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    writer_.join();
  }
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  void commit(Batch batch, Committed done) override {
    const std::lock_guard lock(mutex_);
    if (batch.empty() && !tasks_.empty() && std::holds_alternative<CommitTask>(tasks_.back())) {
      // It waits for what is before it, and costs nothing beside it.
      std::get<CommitTask>(tasks_.back()).done.push_back(std::move(done));
      return;
    }
    CommitTask task{std::move(batch), 0, {}, {}};
    task.done.push_back(std::move(done));
    task.bytes = bytes_of(task.batch);
    const bool full = tasks_.size() >= kMaxQueuedBatches || queued_bytes_ > kMaxQueuedBytes;
    if (full && failure_.empty()) fail_locked("the disk does not keep up: queue is full");
    if (!failure_.empty()) {
      // Still through the queue, so that answers keep their order.
      task.refused = failure_;
      task.batch = {};
      task.bytes = 0;
    }
    queued_bytes_ += task.bytes;
    tasks_.emplace_back(std::move(task));
    wake_.notify_one();
  }

  void events_after(std::uint64_t after_seq, std::size_t limit, Read done) override {
    const std::lock_guard lock(mutex_);
    tasks_.emplace_back(ReadTask{after_seq, limit, std::move(done)});
    wake_.notify_one();
  }

  [[nodiscard]] std::uint64_t earliest_seq() const override { return earliest_seq_; }

  [[nodiscard]] std::uint64_t used_bytes() const override { return used_bytes_; }

  [[nodiscard]] bool congested() const override {
    const std::lock_guard lock(mutex_);
    return tasks_.size() >= kMaxQueuedBatches / 2 || queued_bytes_ > kMaxQueuedBytes / 2;
  }

  [[nodiscard]] bool healthy() const override {
    const std::lock_guard lock(mutex_);
    return failure_.empty();
  }

 private:
  void fail_locked(const std::string& why) {
    failure_ = why;
    server::log::error("store_failed", {{"reason", why}});
  }
  void fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) fail_locked(why);
  }
  [[nodiscard]] std::string failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  // The thread's life.
  void write() {
    bool trim_again = true;
    bool post_again = false;
    rtp::Time next_trim{};
    for (;;) {
      std::deque<Task> tasks;
      bool stopping = false;
      {
        std::unique_lock lock(mutex_);
        const auto ready = [this] { return stopping_ || !tasks_.empty(); };
        if (post_again) {
          wake_.wait_for(lock, kRetryPost, ready);
        } else if (!trim_again) {
          wake_.wait_for(lock, kTrimInterval, ready);
        }
        tasks.swap(tasks_);
        queued_bytes_ = 0;
        stopping = stopping_;
      }
      if (!tasks.empty()) run(tasks);
      post_again = !post();
      if (stopping && tasks.empty()) return;
      if (trim_again || server::Loop::now() >= next_trim) {
        trim_again = trim();
        next_trim = server::Loop::now() + kTrimInterval;
      }
    }
  }

  // Consecutive batches share a transaction; a read ends it first, so that nobody sees what is
  // not durable.
  void run(std::deque<Task>& tasks) {
    std::vector<Committed> group;
    for (Task& task : tasks) {
      if (auto* commit = std::get_if<CommitTask>(&task)) {
        stage(*commit);
        for (Committed& done : commit->done) group.push_back(std::move(done));
      } else {
        finish(group);
        read(std::get<ReadTask>(task));
      }
    }
    finish(group);
  }

  void stage(const CommitTask& task) {
    if (!task.refused.empty()) {
      fail(task.refused);
      group_failure_ = task.refused;
      return;
    }
    if (task.batch.empty() || !group_failure_.empty()) return;
    if (!in_transaction_) {
      group_failure_ = failure();
      if (!group_failure_.empty()) return;
      if (const auto begun = database_.begin(); !begun) {
        group_failure_ = begun.error();
        return;
      }
      in_transaction_ = true;
    }
    if (const auto applied = database_.apply(task.batch); !applied) {
      group_failure_ = applied.error();
    }
  }

  void finish(std::vector<Committed>& group) {
    if (group.empty()) return;
    std::string why = group_failure_;
    if (in_transaction_ && why.empty()) {
      if (const auto committed = database_.commit(); !committed) why = committed.error();
    } else if (why.empty()) {
      why = failure();  // nothing was to be written, but what came before may be lost
    }
    if (!why.empty()) {
      if (in_transaction_) database_.rollback();
      fail(why);
    }
    in_transaction_ = false;
    group_failure_.clear();
    for (Committed& done : group) {
      if (!done) continue;
      complete([done = std::move(done), why] {
        done(why.empty() ? tl::expected<void, std::string>{} : tl::unexpected(why));
      });
    }
    group.clear();
  }

  void read(ReadTask& task) {
    auto events = database_.events_after(task.after_seq, task.limit);
    // Whoever reads it is told; what is written does not depend on it.
    if (!events) server::log::limited("events_unreadable", {{"why", events.error()}});
    complete([done = std::move(task.done), events = std::move(events)]() mutable {
      done(std::move(events));
    });
  }

  // True when there is more to delete.
  bool trim() {
    if (!failure().empty()) return false;
    const std::int64_t before =
        server::Loop::wall_ms() - std::int64_t{config_.event_retention_s} * 1000;
    const auto trimmed = database_.trim_events(before, config_.event_retention_bytes, kTrimStep);
    if (!trimmed) {
      fail(trimmed.error());
      return false;
    }
    if (const auto used = database_.used_bytes()) used_bytes_ = *used;
    earliest_seq_ += *trimmed;  // they are numbered without holes
    return *trimmed == kTrimStep;
  }

  void complete(Completion completion) {
    const std::lock_guard lock(completions_->mutex);
    if (!completions_->closed) completions_->waiting.push_back(std::move(completion));
  }
  // False when the loop's queue was full and there is something to tell.
  bool post() {
    {
      const std::lock_guard lock(completions_->mutex);
      if (completions_->waiting.empty() || completions_->posted || completions_->closed) {
        return true;
      }
      completions_->posted = true;
    }
    if (loop_.post([completions = completions_] { completions->run(); })) return true;
    const std::lock_guard lock(completions_->mutex);
    completions_->posted = false;
    return false;
  }

  server::Loop& loop_;
  config::Store config_;
  std::atomic<std::uint64_t> earliest_seq_;
  std::atomic<std::uint64_t> used_bytes_ = 0;
  FileLock lock_;

  // The writer's own.
  SqliteDatabase database_;
  bool in_transaction_ = false;
  std::string group_failure_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::size_t queued_bytes_ = 0;
  std::string failure_;  // not empty: poisoned
  bool stopping_ = false;

  std::shared_ptr<Completions> completions_;
  std::thread writer_;  // last: it starts when everything else is there
};

// A new file survives a power cut only when its directory entry does.
void sync_directory(const std::filesystem::path& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

tl::expected<OpenedStore, std::string> open_sqlite_store(server::Loop& loop,
                                                         const config::Store& config) {
  const std::filesystem::path file(config.file);
  const std::filesystem::path directory = file.has_parent_path() ? file.parent_path() : ".";
  const auto failed = [&](const std::string& why) {
    return tl::unexpected("store.file: " + config.file + ": " + why);
  };
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return failed(error.message());
  auto lock = FileLock::take(config.file + ".lock");
  if (!lock) return failed(lock.error());
  const bool existed = std::filesystem::exists(file, error);
  auto database = SqliteDatabase::open(config.file, random_id("ep"));
  if (!database) return failed(database.error());
  auto state = database->load();
  if (!state) return failed(state.error());
  if (!existed) sync_directory(directory);
  return OpenedStore{std::make_unique<SqliteStore>(loop, config, std::move(*lock),
                                                   std::move(*database), state->earliest_seq),
                     std::move(*state)};
}

}  // namespace parley::control
