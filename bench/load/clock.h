#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

#include "rtp/types.h"

// Clocks for measuring. Only the server must take time as an argument; here it is what we look at.
namespace parley::bench {

using Nanoseconds = std::int64_t;

[[nodiscard]] inline Nanoseconds read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
// The clock of the kernel's receive stamps (SO_TIMESTAMPNS).
[[nodiscard]] inline Nanoseconds stamp_clock() { return read_clock(CLOCK_REALTIME); }
[[nodiscard]] inline rtp::Time steady_now() {
  return rtp::Time{std::chrono::microseconds(read_clock(CLOCK_MONOTONIC) / 1'000)};
}

}  // namespace parley::bench
