#include "recorder/writer.h"

#include <algorithm>
#include <utility>

namespace parley::recorder {

namespace {
constexpr std::uint64_t kJobOverhead = 128;  // jobs without bytes take room as well

std::uint64_t size_of(const disk::Job& job) noexcept {
  const auto* write = std::get_if<disk::Write>(&job);
  return kJobOverhead + (write == nullptr ? 0 : write->bytes.size());
}
}  // namespace

Writer::Writer(DiskRecording::Options options, std::uint64_t queue_bytes,
               std::function<void(RecorderEvent)> sink)
    : options_(std::move(options)),
      queue_bytes_(queue_bytes),
      sink_(std::move(sink)),
      thread_([this] { run(); }) {}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Writer::begin(RecordingInfo info) {
  {
    const std::lock_guard lock(mutex_);
    accounts_[info.recording_id] = {};
    std::string id = info.recording_id;
    tasks_.push_back({std::move(id), Begin{std::move(info)}, 0});
  }
  wake_.notify_one();
}

bool Writer::post(const std::string& recording_id, disk::Job job) {
  const std::uint64_t size = size_of(job);
  {
    const std::lock_guard lock(mutex_);
    const auto known = accounts_.find(recording_id);
    if (known == accounts_.end()) return false;  // finished and reported already
    Account& account = known->second;
    const bool must = std::holds_alternative<disk::Finish>(job);
    if (!must && account.queued_bytes + size > queue_bytes_) {
      ++stats_.dropped;
      return false;
    }
    account.queued_bytes += size;
    tasks_.push_back({recording_id, std::move(job), size});
  }
  wake_.notify_one();
  return true;
}

void Writer::remove(std::filesystem::path path, std::string recording_id) {
  {
    const std::lock_guard lock(mutex_);
    const bool there = std::any_of(removals_.begin(), removals_.end(), [&](const Task& task) {
      return std::get<Remove>(task.work).path == path;
    });
    if (there) return;
    auto& queue = recording_id.empty() ? tasks_ : removals_;
    queue.push_back({std::move(recording_id), Remove{std::move(path)}, 0});
  }
  wake_.notify_one();
}

std::optional<DiskError> Writer::failure(const std::string& recording_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(recording_id);
  if (found == accounts_.end()) return std::nullopt;
  return found->second.failure;
}

bool Writer::report_hung(const std::string& recording_id, const DiskError& error) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = accounts_.find(recording_id);
    if (found == accounts_.end() || std::exchange(found->second.reported, true)) return false;
  }
  sink_(Failed{recording_id, error.reason, error.detail, {}});
  return true;
}

bool Writer::knows(const std::string& recording_id) const {
  const std::lock_guard lock(mutex_);
  return accounts_.contains(recording_id);
}

Writer::Stats Writer::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Writer::run() {
  while (true) {
    std::optional<Task> task;
    {
      std::unique_lock lock(mutex_);
      if (tasks_.empty() && stopping_ && recordings_.empty()) return;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    if (task) {
      perform(std::move(*task));
      continue;
    }
    if (finish_some()) continue;
    std::unique_lock lock(mutex_);
    if (stopping_ && tasks_.empty()) return;  // what was never finished is left to adopt
    if (tasks_.empty() && !removals_.empty()) {
      const Task removal = std::move(removals_.front());
      removals_.pop_front();
      lock.unlock();
      remove_now(removal);
      continue;
    }
    wake_.wait(lock, [this] { return !tasks_.empty() || !removals_.empty() || stopping_; });
  }
}

void Writer::perform(Task task) {
  if (auto* begin = std::get_if<Begin>(&task.work)) {
    recordings_.try_emplace(task.recording_id, options_, std::move(begin->info));
  } else if (auto* remove = std::get_if<Remove>(&task.work)) {
    std::error_code ignored;
    std::filesystem::remove_all(remove->path, ignored);
    return;
  } else if (const auto found = recordings_.find(task.recording_id); found != recordings_.end()) {
    found->second.apply(std::move(std::get<disk::Job>(task.work)));
  }
  settle(task.recording_id, task.size);
}

// What fails is tried again when it is asked for again, and at the next start.
void Writer::remove_now(const Task& task) {
  const std::filesystem::path& path = std::get<Remove>(task.work).path;
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return sink_(NotRemoved{task.recording_id, error.message()});
  // Said only once a power cut cannot bring it back.
  const auto synced = sync_directory(path.parent_path());
  if (!synced) return sink_(NotRemoved{task.recording_id, synced.error().detail});
  sink_(Removed{task.recording_id});
}

void Writer::settle(const std::string& recording_id, std::uint64_t size) {
  const auto found = recordings_.find(recording_id);
  const std::lock_guard lock(mutex_);
  const auto known = accounts_.find(recording_id);
  if (known == accounts_.end()) return;  // finished and reported already
  Account& account = known->second;
  account.queued_bytes -= size;
  if (size > kJobOverhead) stats_.bytes_written += size - kJobOverhead;
  if (found == recordings_.end() || !found->second.failure() || account.failure) return;
  account.failure = found->second.failure();
  ++stats_.write_errors;
}

bool Writer::finish_some() {
  for (auto& [id, recording] : recordings_) {
    if (!recording.step()) continue;
    if (!recording.outcome()) return true;
    bool report = false;
    {
      const std::lock_guard lock(mutex_);
      report = !accounts_[id].reported;
    }
    if (report) sink_(*recording.outcome());
    recording.close();
    {
      const std::lock_guard lock(mutex_);
      accounts_.erase(id);
    }
    recordings_.erase(id);  // ends the walk: `id` is gone
    return true;
  }
  return false;
}

}  // namespace parley::recorder
