#include "recorder/compose/work_folder.h"

#include <array>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "recorder/compose/note.h"
#include "recorder/disk_file.h"
#include "recorder/names.h"

namespace parley::compose {

namespace fs = std::filesystem;

Result<void> WorkFolder::open(const std::string& settings) const {
  std::error_code error;
  const fs::path note = path_ / "settings";
  if (text_of(note) == settings) return {};
  fs::remove_all(path_, error);
  fs::create_directories(path_, error);
  if (error || !recorder::replace_file(note, settings, {})) return cannot_write(note);
  return {};
}

void WorkFolder::tidy() const {
  std::error_code error;
  fs::directory_iterator file(path_, error);
  for (; !error && file != fs::directory_iterator(); file.increment(error)) {
    std::error_code ignored;
    const bool half = file->path().string().ends_with(recorder::kPartSuffix);
    if (half) fs::remove(file->path(), ignored);
  }
}

void WorkFolder::remove() const {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path WorkFolder::picture(std::int64_t number) const {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "picture-%05lld.mkv", static_cast<long long>(number));
  return path_ / name.data();
}

bool WorkFolder::has_room(std::uint64_t for_bytes) const {
  return recorder::free_bytes(path_.parent_path()) >= limits_.min_free_bytes + for_bytes;
}

tl::unexpected<Failure> WorkFolder::no_room() const {
  return failed("disk_full", "besides what it takes " + std::to_string(limits_.min_free_bytes) +
                                 " bytes must stay free; what is made is kept");
}

fs::path part_of(const fs::path& file) {
  return file.string() + std::string(recorder::kPartSuffix);
}

Result<void> keep(const fs::path& file) {
  const fs::path part = part_of(file);
  const int fd = ::open(part.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fdatasync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced || std::rename(part.c_str(), file.c_str()) != 0) return cannot_write(file);
  if (!recorder::sync_directory(file.parent_path())) return cannot_write(file);
  return {};
}

}  // namespace parley::compose
