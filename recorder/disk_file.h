#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include <fcntl.h>
#include <sys/types.h>
#include <tl/expected.hpp>
#include <unistd.h>

#include "rtp/types.h"

namespace parley::recorder {

// The calls that a disk can make slow or fail; tests put their own in.
struct DiskCalls {
  std::function<ssize_t(int, const void*, std::size_t, off_t)> write = ::pwrite;
  std::function<int(int)> sync = ::fdatasync;
};

struct DiskError {
  std::string reason;  // disk_full, disk_error, directory_unusable
  std::string detail;  // the call and what the system said
};
template <class T>
using Disk = tl::expected<T, DiskError>;

// The error that errno holds after `call` failed.
[[nodiscard]] DiskError disk_error(const char* call);

// A file open for writing, in plain system calls. After one failed sync the kernel may have dropped
// what was not written and says so only once, so whoever sees an error here must give the file up.
class DiskFile {
 public:
  // Created, or emptied if it is there; readable by the owner's group at most.
  [[nodiscard]] static Disk<DiskFile> create(const std::filesystem::path& path);
  // One that is there, as it is.
  [[nodiscard]] static Disk<DiskFile> open(const std::filesystem::path& path);
  ~DiskFile();
  DiskFile(DiskFile&& other) noexcept;
  DiskFile& operator=(DiskFile&& other) noexcept;

  [[nodiscard]] Disk<void> write_at(const DiskCalls& calls, std::uint64_t place,
                                    rtp::ConstBytes bytes);
  [[nodiscard]] Disk<void> sync(const DiskCalls& calls);
  [[nodiscard]] Disk<void> truncate(std::uint64_t size);

 private:
  explicit DiskFile(int fd) noexcept : fd_(fd) {}
  int fd_ = -1;
};

// Makes names that were created, renamed or removed in a directory last.
[[nodiscard]] Disk<void> sync_directory(const std::filesystem::path& directory);
// Writes `text` so that after a crash `path` holds all of it or what it held before.
[[nodiscard]] Disk<void> replace_file(const std::filesystem::path& path, std::string_view text,
                                      const DiskCalls& calls);
// Bytes that an ordinary user can still write there; nothing known: plenty.
[[nodiscard]] std::uint64_t free_bytes(const std::filesystem::path& directory) noexcept;

}  // namespace parley::recorder
