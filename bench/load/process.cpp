#include "bench/load/process.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace parley::bench {
namespace {

// How long a server may say nothing and not end.
constexpr int kPatienceMs = 5'000;

cpu_set_t only(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  return set;
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& arguments, int core,
                             const std::string& ready) {
  int ends[2] = {};
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    pin_to(core);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  output_ = ends[0];
  std::string said;
  char buffer[4'096];
  while (said.find(ready) == std::string::npos) {
    const ssize_t size = read(output_, buffer, sizeof buffer);
    if (size <= 0) throw std::runtime_error(arguments[0] + " did not start:\n" + said);
    said.append(buffer, static_cast<std::size_t>(size));
  }
  fcntl(output_, F_SETFL, O_NONBLOCK);
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGTERM);
  // It says goodbye to everybody in its log: a full pipe would keep it from ending. Some never end.
  char buffer[4'096];
  pollfd more{output_, POLLIN, 0};
  while (poll(&more, 1, kPatienceMs) > 0 && read(output_, buffer, sizeof buffer) > 0) {
  }
  kill(pid_, SIGKILL);  // without effect on one that has ended
  int status = 0;
  waitpid(pid_, &status, 0);
  close(output_);
}

Nanoseconds ServerProcess::cpu() const {
  Nanoseconds sum = 0;
  const std::filesystem::path tasks = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    Nanoseconds on_cpu = 0;
    std::ifstream(task.path() / "schedstat") >> on_cpu;
    sum += on_cpu;
  }
  // Its output is not read otherwise; a full pipe would stop its log.
  char buffer[4'096];
  while (read(output_, buffer, sizeof buffer) > 0) {
  }
  return sum;
}

std::uint64_t ServerProcess::resident_bytes() const {
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> pages >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void pin_to(int core) {
  if (core < 0) return;
  const cpu_set_t set = only(core);
  sched_setaffinity(0, sizeof set, &set);
}

Nanoseconds own_cpu() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace parley::bench
