#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "bench/load/clock.h"

namespace parley::bench {

// The server under load: a process of its own, on a core of its own (below 0: on all).
class ServerProcess {
 public:
  // Starts `program` and waits until a line of its output contains `ready`. Throws with its output
  // when it ends before.
  ServerProcess(const std::vector<std::string>& arguments, int core, const std::string& ready);
  ~ServerProcess();  // SIGTERM, then waits
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Time on the processor of all threads so far, the kernel's work for them included (schedstat).
  [[nodiscard]] Nanoseconds cpu() const;
  [[nodiscard]] std::uint64_t resident_bytes() const;

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

// Runs the calling thread on this core alone; below 0, on all.
void pin_to(int core);
[[nodiscard]] Nanoseconds own_cpu();

}  // namespace parley::bench
