#include "recorder/disk_file.h"

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include <sys/stat.h>
#include <sys/statvfs.h>

namespace parley::recorder {

DiskError disk_error(const char* call) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? "disk_full" : "disk_error",
          std::string{call} + ": " + std::generic_category().message(error)};
}

Disk<DiskFile> DiskFile::create(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return tl::unexpected(disk_error("open"));
  return DiskFile{fd};
}

Disk<DiskFile> DiskFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return tl::unexpected(disk_error("open"));
  return DiskFile{fd};
}

DiskFile::~DiskFile() {
  if (fd_ >= 0) ::close(fd_);
}
DiskFile::DiskFile(DiskFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
DiskFile& DiskFile::operator=(DiskFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Disk<void> DiskFile::write_at(const DiskCalls& calls, std::uint64_t place, rtp::ConstBytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = calls.write(fd_, bytes.data(), bytes.size(), static_cast<off_t>(place));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = ENOSPC;
    if (count <= 0) return tl::unexpected(disk_error("write"));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    place += static_cast<std::uint64_t>(count);
  }
  return {};
}

Disk<void> DiskFile::sync(const DiskCalls& calls) {
  if (calls.sync(fd_) != 0) return tl::unexpected(disk_error("fdatasync"));
  return {};
}

Disk<void> DiskFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    return tl::unexpected(disk_error("ftruncate"));
  }
  return {};
}

Disk<void> sync_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(disk_error("open directory"));
  const int result = ::fsync(fd);
  const DiskError error = disk_error("fsync directory");
  ::close(fd);
  if (result != 0) return tl::unexpected(error);
  return {};
}

Disk<void> replace_file(const std::filesystem::path& path, std::string_view text,
                        const DiskCalls& calls) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  auto file = DiskFile::create(temporary);
  if (!file) return tl::unexpected(file.error());
  const rtp::ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  if (auto written = file->write_at(calls, 0, bytes); !written) return written;
  if (auto synced = file->sync(calls); !synced) return synced;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return tl::unexpected(disk_error("rename"));
  return sync_directory(path.parent_path());
}

std::uint64_t free_bytes(const std::filesystem::path& directory) noexcept {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace parley::recorder
