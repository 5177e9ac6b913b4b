#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace parley::control {

// An exclusive lock on a file of its own (flock), held until the object or the process ends,
// however it ends. The file holds the pid, so that a second daemon can say who is there.
class FileLock {
 public:
  // The error names the holder: "in use by process 4711".
  [[nodiscard]] static tl::expected<FileLock, std::string> take(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace parley::control
