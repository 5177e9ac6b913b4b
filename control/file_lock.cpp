#include "control/file_lock.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace parley::control {
namespace {

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  const std::size_t digits = pid.find_first_not_of("0123456789");
  pid.resize(std::min(digits, pid.size()));
  return pid.empty() ? "in use by another process" : "in use by process " + pid;
}

}  // namespace

tl::expected<FileLock, std::string> FileLock::take(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return tl::unexpected(std::string(std::strerror(errno)));
  FileLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return tl::unexpected(holder_of(fd));
    return tl::unexpected(std::string(std::strerror(errno)));
  }
  // The pid is for people only; when the disk is full the lock holds all the same.
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) == 0) (void)!pwrite(fd, pid.data(), pid.size(), 0);
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace parley::control
