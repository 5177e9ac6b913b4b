#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recorder/compose/plan.h"

namespace parley::compose {

// Pictures of a film: `thumbnail.jpg`, 640 pixels wide, of a moment at which there is much to see;
// `sheet.jpg`, 25 moments in five rows; and `sheet.vtt`, which tells a player which part of the
// sheet to show for which time.
struct Still {
  std::string name;
  std::string kind;  // thumbnail, sheet, sheet_index
};
[[nodiscard]] Result<std::vector<Still>> make_stills(const std::filesystem::path& film,
                                                     rtp::Duration length,
                                                     const std::filesystem::path& folder);

}  // namespace parley::compose
