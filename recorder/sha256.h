#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "rtp/types.h"

namespace parley::recorder {

// SHA-256 of a file (FIPS 180-4), a slice at a time, so that hashing an eight-hour file does not
// keep the writer from its writing.
class FileHash {
 public:
  static constexpr std::size_t kSlice = 1U << 20U;

  explicit FileHash(const std::filesystem::path& path);
  ~FileHash();
  FileHash(FileHash&&) noexcept;
  FileHash& operator=(FileHash&&) noexcept;

  // Reads on by a slice; false when there is no more.
  [[nodiscard]] bool step();
  // Lower-case hex of what was read; empty if the file could not be read.
  [[nodiscard]] std::string digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string sha256_of(const std::filesystem::path& path);

}  // namespace parley::recorder
