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

constexpr std::uint64_t kMostChapters = 16U << 10U;  // bytes, in one line

Json manifest_of(const std::filesystem::path& folder) {
  return Json::parse(text_of(folder / recorder::kManifestName), nullptr, false);
}

Json json_of(const std::vector<Extra>& extras) {
  Json list = Json::array();
  for (const Extra& extra : extras) {
    list.push_back({{"name", extra.name},
                    {"kind", extra.kind},
                    {"size_bytes", extra.size_bytes},
                    {"sha256", extra.sha256}});
  }
  return list;
}

// Nothing unless it is there in the size that is noted.
std::optional<Extra> extra_of(const std::filesystem::path& folder, const Json& noted) {
  const Json name = noted.value("name", Json());
  const Json kind = noted.value("kind", Json());
  const Json size = noted.value("size_bytes", Json());
  const Json hash = noted.value("sha256", Json());
  if (!name.is_string() || !recorder::is_file_name(name.get<std::string>()) ||
      !size.is_number_unsigned() || !hash.is_string()) {
    return std::nullopt;
  }
  Extra extra{name.get<std::string>(), kind.is_string() ? kind.get<std::string>() : "",
              size.get<std::uint64_t>(), hash.get<std::string>()};
  std::error_code error;
  const bool there = std::filesystem::file_size(folder / extra.name, error) == extra.size_bytes;
  return there && !error ? std::optional(extra) : std::nullopt;
}

std::optional<Composed> composed_of(const std::filesystem::path& folder, const Json& noted) {
  const auto file = extra_of(folder, noted);
  const Json length = noted.value("duration_ms", Json());
  if (!file || !length.is_number_unsigned()) return std::nullopt;
  Composed composed{folder / file->name,
                    std::chrono::milliseconds(length.get<std::int64_t>()),
                    file->size_bytes,
                    file->sha256,
                    {}};
  for (const Json& one : noted.value("extras", Json::array())) {
    auto extra = one.is_object() ? extra_of(folder, one) : std::nullopt;
    if (!extra) return std::nullopt;
    composed.extras.push_back(*std::move(extra));
  }
  return composed;
}

std::size_t list_size(const Json& manifest) {
  const auto all = manifest.find("composites");
  return all != manifest.end() && all->is_array() ? all->size() : 0;
}

// The composites of other names.
Json others_of(const Json& manifest, const std::string& name) {
  Json kept = Json::array();
  if (list_size(manifest) == 0) return kept;
  for (const Json& one : manifest["composites"]) {
    if (one.is_object() && one.value("name", Json()) != name) kept.push_back(one);
  }
  return kept;
}

bool write_manifest(const std::filesystem::path& folder, const Json& manifest) {
  const auto done = recorder::replace_file(
      folder / recorder::kManifestName,
      manifest.dump(2, ' ', false, Json::error_handler_t::replace) + '\n', {});
  return done.has_value();
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
    if (auto composed = composed_of(folder, one)) return composed;
  }
  return std::nullopt;
}

bool forget_composite(const std::filesystem::path& folder, const std::string& name) {
  Json manifest = manifest_of(folder);
  if (!manifest.is_object()) return false;
  Json kept = others_of(manifest, name);
  if (kept.size() == list_size(manifest)) return true;  // nothing to forget
  manifest["composites"] = std::move(kept);
  return write_manifest(folder, manifest);
}

bool note_composite(const std::filesystem::path& folder, const Wanted& wanted,
                    const Composed& composed) {
  Json manifest = manifest_of(folder);
  if (!manifest.is_object()) return false;
  Json kept = others_of(manifest, wanted.name);
  kept.push_back({{"name", wanted.name},
                  {"settings", wanted.settings},
                  {"duration_ms", recorder::to_ms(composed.length)},
                  {"size_bytes", composed.size_bytes},
                  {"sha256", composed.sha256},
                  {"extras", json_of(composed.extras)}});
  manifest["composites"] = std::move(kept);
  return write_manifest(folder, manifest);
}

std::string done_line(const Composed& composed) {
  Json line{{"stage", "done"},
            {"file", composed.file.filename().string()},
            {"length_ms", recorder::to_ms(composed.length)},
            {"size_bytes", composed.size_bytes},
            {"sha256", composed.sha256},
            {"extras", json_of(composed.extras)}};
  for (const Extra& extra : composed.extras) {
    if (extra.kind != "chapters" || extra.size_bytes > kMostChapters) continue;
    line["chapters"] = text_of(composed.file.parent_path() / extra.name);
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace parley::compose
