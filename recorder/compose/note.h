#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "recorder/compose/composer.h"

namespace parley::compose {

// What the manifest says of what was composed: "composites", by file name, each with the settings
// it was made with.
struct Wanted {
  std::string name;
  std::string settings;
};
// Nothing when it is not noted, was made with other settings, or is not there in that size.
[[nodiscard]] std::optional<Composed> noted_composite(const std::filesystem::path& folder,
                                                      const Wanted& wanted);
// Before its file is replaced: until it is noted again the manifest names what is there.
[[nodiscard]] bool forget_composite(const std::filesystem::path& folder, const std::string& name);
[[nodiscard]] bool note_composite(const std::filesystem::path& folder, const Wanted& wanted,
                                  const Composed& composed);

// One line of JSON of what was made, for whoever asked for it; with its chapters as WebVTT, unless
// there are very many.
[[nodiscard]] std::string done_line(const Composed& composed);

// All of a small file; empty when it is not there or larger than a manifest may be.
[[nodiscard]] std::string text_of(const std::filesystem::path& path);

}  // namespace parley::compose
