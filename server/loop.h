#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "rtp/types.h"

struct uv_loop_s;

namespace parley::server {

// One libuv loop on the thread that calls run(), and the only place that reads a clock. Whoever
// needs a libuv handle of his own (sockets, the HTTP listener) takes uv(); everybody else gets by
// with post() and timers.
class Loop {
 public:
  using TimerId = std::uint64_t;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] uv_loop_s* uv() noexcept;

  // Steady time, read afresh. Any thread.
  [[nodiscard]] static rtp::Time now() noexcept;
  // Milliseconds since the Unix epoch, for labels and tokens; never for measuring. Any thread.
  [[nodiscard]] static std::int64_t wall_ms() noexcept;

  // Runs until stop(). Any thread may stop it.
  void run();
  void stop();

  // Runs `task` on the loop's thread in the order posted. Any thread. False when `kMaxPosted`
  // tasks wait already: the task is dropped and counted.
  [[nodiscard]] bool post(std::function<void()> task);

  // Calls `task` once at or after `at`. Loop thread only. Cancelling an unknown id does nothing.
  TimerId at(rtp::Time at, std::function<void()> task);
  void cancel(TimerId timer);

  static constexpr std::size_t kMaxPosted = 65'536;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::server
