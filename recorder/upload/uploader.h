#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/upload/store.h"

namespace parley::upload {

// A file of a recording, as its manifest names it.
struct LocalFile {
  std::string name;
  std::uint64_t size = 0;
  std::string sha256;  // lower-case hex
};
inline constexpr std::size_t kMaxManifest = 16U << 20U;  // bytes
inline constexpr std::size_t kMaxFiles = 10'000;

// All that the manifest names: tracks, what was composed, and what came with that.
[[nodiscard]] Result<std::vector<LocalFile>> files_in(std::string_view manifest);

struct Kept {
  std::string name;
  std::string key;
  std::uint64_t size = 0;
  std::string sha256;
};
struct Job {
  std::filesystem::path folder;
  std::string key_prefix;                 // "recordings/seller-1/rec_x/"
  std::uint64_t part_bytes = 16U << 20U;  // larger files go in parts of this size
};
// Bytes that are in the store, of all. False from it ends the work with the reason `stopped`.
using Report = std::function<bool(std::uint64_t done, std::uint64_t all)>;

// Copies a recording's files and then its manifest into the store, and looks there whether each is
// kept as it should be: by the store's SHA-256 (of the whole object, or of its parts' hashes), or
// by reading it back from one that keeps none. Begun again after it was killed it goes on; at its
// end no upload is left open under the prefix. One process at a time: the caller holds the folder.
[[nodiscard]] Result<std::vector<Kept>> upload(const Job& job, Store& store, const Report& report);

// Removes the objects, whatever else lies directly under the prefix, and ends what is open there.
// Asks for each of these names whether it is gone, and for a list with nothing in it. How many were
// found besides.
[[nodiscard]] Result<std::size_t> remove(const std::string& key_prefix,
                                         const std::vector<std::string>& names, Store& store);

}  // namespace parley::upload
