#include "recorder/compose/note.h"

#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "recorder/disk_file.h"
#include "recorder/media.h"
#include "recorder/names.h"

namespace parley::compose {
namespace {

using Json = nlohmann::ordered_json;  // the manifest keeps its order

Json manifest_of(const std::filesystem::path& folder) {
  return Json::parse(text_of(folder / recorder::kManifestName), nullptr, false);
}

}  // namespace

std::string text_of(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > kMaxManifest) return {};
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::optional<Composed> noted_composite(const std::filesystem::path& folder, const Wanted& wanted) {
  const Json manifest = manifest_of(folder);
  if (!manifest.is_object()) return std::nullopt;
  const auto all = manifest.find("composites");
  if (all == manifest.end() || !all->is_array()) return std::nullopt;
  for (const Json& one : *all) {
    if (!one.is_object() || one.value("name", Json()) != wanted.name ||
        one.value("settings", Json()) != wanted.settings) {
      continue;
    }
    const Json size = one.value("size_bytes", Json());
    const Json length = one.value("duration_ms", Json());
    const Json hash = one.value("sha256", Json());
    if (!size.is_number_unsigned() || !length.is_number_unsigned() || !hash.is_string()) continue;
    Composed composed{folder / wanted.name, std::chrono::milliseconds(length.get<std::int64_t>()),
                      size.get<std::uint64_t>(), hash.get<std::string>()};
    std::error_code error;
    if (std::filesystem::file_size(composed.file, error) == composed.size_bytes && !error) {
      return composed;
    }
  }
  return std::nullopt;
}

bool note_composite(const std::filesystem::path& folder, const Wanted& wanted,
                    const Composed& composed) {
  Json manifest = manifest_of(folder);
  if (!manifest.is_object()) return false;
  Json kept = Json::array();
  if (const auto all = manifest.find("composites"); all != manifest.end() && all->is_array()) {
    for (const Json& one : *all) {
      if (one.is_object() && one.value("name", Json()) != wanted.name) kept.push_back(one);
    }
  }
  kept.push_back({{"name", wanted.name},
                  {"settings", wanted.settings},
                  {"duration_ms", recorder::to_ms(composed.length)},
                  {"size_bytes", composed.size_bytes},
                  {"sha256", composed.sha256}});
  manifest["composites"] = std::move(kept);
  const auto done = recorder::replace_file(
      folder / recorder::kManifestName,
      manifest.dump(2, ' ', false, Json::error_handler_t::replace) + '\n', {});
  return done.has_value();
}

}  // namespace parley::compose
