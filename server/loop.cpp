#include "server/loop.h"

#include <atomic>
#include <cassert>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <uv.h>

namespace parley::server {

struct Loop::Impl {
  uv_loop_t loop{};
  uv_async_t wake{};
  uv_timer_t timer{};

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // guarded by mutex
  std::vector<std::function<void()>> running;
  std::atomic<bool> stopping{false};

  // Ordered by deadline, then by age. One uv_timer serves them all, set to the earliest.
  std::map<std::pair<rtp::Time, TimerId>, std::function<void()>> timers;
  std::map<TimerId, rtp::Time> deadlines;
  TimerId last_timer = 0;

  void run_posted() {
    {
      const std::lock_guard lock(mutex);
      running.swap(posted);
    }
    for (auto& task : running) task();
    running.clear();
    if (stopping.load()) uv_stop(&loop);
  }

  void run_due() {
    const rtp::Time now = Loop::now();
    while (!timers.empty() && timers.begin()->first.first <= now) {
      auto node = timers.extract(timers.begin());
      deadlines.erase(node.key().second);
      node.mapped()();
    }
    arm();
  }

  void arm() {
    if (timers.empty()) {
      uv_timer_stop(&timer);
      return;
    }
    const auto wait = timers.begin()->first.first - Loop::now();
    // libuv counts milliseconds; round up, or the timer would fire early and spin.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    uv_update_time(&loop);
    uv_timer_start(
        &timer, [](uv_timer_t* handle) { static_cast<Impl*>(handle->data)->run_due(); },
        ms > 0 ? static_cast<std::uint64_t>(ms) : 0, 0);
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  [[maybe_unused]] int rc = uv_loop_init(&impl_->loop);
  assert(rc == 0);
  impl_->wake.data = impl_.get();
  rc = uv_async_init(&impl_->loop, &impl_->wake,
                     [](uv_async_t* handle) { static_cast<Impl*>(handle->data)->run_posted(); });
  assert(rc == 0);
  impl_->timer.data = impl_.get();
  rc = uv_timer_init(&impl_->loop, &impl_->timer);
  assert(rc == 0);
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->wake), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->timer), nullptr);
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
  [[maybe_unused]] const int rc = uv_loop_close(&impl_->loop);
  assert(rc == 0);  // somebody left a handle open
}

uv_loop_s* Loop::uv() noexcept { return &impl_->loop; }

rtp::Time Loop::now() noexcept {
  return rtp::Time(std::chrono::duration_cast<rtp::Duration>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

std::int64_t Loop::wall_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Loop::run() {
  // A stop() that came before run() was called must not be lost, so it is asked first.
  if (!impl_->stopping.load()) uv_run(&impl_->loop, UV_RUN_DEFAULT);
  impl_->stopping.store(false);
  impl_->run_posted();  // what was posted before stop() still runs
}

void Loop::stop() {
  impl_->stopping.store(true);
  uv_async_send(&impl_->wake);
}

bool Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->posted.size() >= kMaxPosted) return false;
    impl_->posted.push_back(std::move(task));
  }
  uv_async_send(&impl_->wake);
  return true;
}

Loop::TimerId Loop::at(rtp::Time at, std::function<void()> task) {
  const TimerId id = ++impl_->last_timer;
  impl_->timers.emplace(std::pair(at, id), std::move(task));
  impl_->deadlines.emplace(id, at);
  if (impl_->timers.begin()->first.second == id) impl_->arm();
  return id;
}

void Loop::cancel(TimerId timer) {
  const auto found = impl_->deadlines.find(timer);
  if (found == impl_->deadlines.end()) return;
  impl_->timers.erase({found->second, timer});
  impl_->deadlines.erase(found);
  if (impl_->timers.empty()) uv_timer_stop(&impl_->timer);
}

}  // namespace parley::server
