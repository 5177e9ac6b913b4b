#pragma once

#include <filesystem>

#include "recorder/compose/plan.h"

namespace parley::compose {

// What can be composed of a recording that may still go on.
struct Growing {
  // Its end is where all is on the disk, whatever was late. Asked for again it has the same tiles
  // and files in the same places, and others behind them.
  Plan plan;
  bool over = false;  // then it is the whole, from manifest.json
};

// Media that comes later than this behind the rest is not waited for.
inline constexpr rtp::Duration kLateness = std::chrono::seconds(3);

// Of the folder's journal, or of its manifest.json once that is there. A plan without files, and of
// no length, while nothing can be said; an error when nothing will come of it any more.
[[nodiscard]] Result<Growing> growing_plan(const std::filesystem::path& folder);
// Of what a journal says.
[[nodiscard]] Result<Plan> plan_of(const recorder::journal::Contents& journal,
                                   const std::filesystem::path& folder);

}  // namespace parley::compose
