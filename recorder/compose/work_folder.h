#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "recorder/compose/encoder.h"

namespace parley::compose {

// Beside what is made: the disk may not get fuller than that, because calls are recorded on it.
struct Limits {
  std::uint64_t min_free_bytes = 0;
};

// Where a composite is made, beside the recording's files. What is whole has a name of its own,
// what is not ends in ".part", so whoever is killed goes on with what is there.
class WorkFolder {
 public:
  WorkFolder(const std::filesystem::path& recording, const Limits& limits)
      : path_(recording / "composite.work"), limits_(limits) {}

  // Empty, unless it was filled with these settings.
  [[nodiscard]] Result<void> open(const std::string& settings) const;
  // Removes what is half written: it is of no use to anybody, and the room is needed.
  void tidy() const;
  void remove() const;

  [[nodiscard]] std::filesystem::path sound() const { return path_ / "sound"; }
  [[nodiscard]] std::filesystem::path speakers() const { return path_ / "speakers"; }
  [[nodiscard]] std::filesystem::path picture(std::int64_t number) const;

  // Asked again and again: recordings of calls that go on need the same disk.
  [[nodiscard]] bool has_room(std::uint64_t for_bytes = 0) const;
  [[nodiscard]] tl::unexpected<Failure> no_room() const;

 private:
  std::filesystem::path path_;
  Limits limits_;
};

// What a file is called until it is whole.
[[nodiscard]] std::filesystem::path part_of(const std::filesystem::path& file);
// Its part becomes the file, and is on the disk.
[[nodiscard]] Result<void> keep(const std::filesystem::path& file);

}  // namespace parley::compose
