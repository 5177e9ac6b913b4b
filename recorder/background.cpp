#include "recorder/background.h"

#include <csignal>
#include <fstream>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace parley::recorder {
namespace {

constexpr int kNicest = 19;

}  // namespace

bool work_in_background(pid_t parent) {
  if (parent != 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return false;
  }
  umask(S_IWGRP | S_IRWXO);
  std::ofstream("/proc/self/oom_score_adj") << "1000\n";
  std::signal(SIGXFSZ, SIG_IGN);
  setpriority(PRIO_PROCESS, 0, kNicest);
  return true;
}

}  // namespace parley::recorder
