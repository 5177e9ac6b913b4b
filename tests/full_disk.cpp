// To be put into a program with LD_PRELOAD: its disk is full from the write on whose number the
// environment names. Only regular files are on a disk; pipes, sockets and what the program says to
// whoever started it are not.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

constexpr size_t kBlock = 4'096;

std::atomic<long> writes_left = [] {
  const char* number = std::getenv("PARLEY_FULL_AT_WRITE");
  return number == nullptr ? std::numeric_limits<long>::max() : std::atol(number);
}();

bool is_on_disk(int fd) {
  struct stat file {};
  return fd > STDERR_FILENO && ::fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
}

bool is_full(int fd) {
  if (!is_on_disk(fd) || --writes_left > 0) return false;
  errno = ENOSPC;
  return true;
}

size_t at_once(int fd, size_t size) { return is_on_disk(fd) ? std::min(size, kBlock) : size; }

}  // namespace

// The system calls themselves, so that nothing of a sanitizer's is between. What comes in one call
// goes to a real disk in blocks, of which some may still fit.
extern "C" {
ssize_t write(int fd, const void* bytes, size_t size) {
  return is_full(fd) ? -1 : ::syscall(SYS_write, fd, bytes, at_once(fd, size));
}
ssize_t writev(int fd, const iovec* parts, int count) {
  return is_full(fd) ? -1 : ::syscall(SYS_writev, fd, parts, count);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t place) {
  return is_full(fd) ? -1 : ::syscall(SYS_pwrite64, fd, bytes, at_once(fd, size), place);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t place) {
  return pwrite(fd, bytes, size, place);
}
}
