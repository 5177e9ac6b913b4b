#pragma once

#include <filesystem>

#include "recorder/compose/plan.h"

namespace parley::compose {

// What can be composed of a recording that may still go on.
struct Growing {
  Plan plan;          // its end is where all is on the disk, whatever was late
  bool over = false;  // then it is the whole, from manifest.json
};

// Media that comes later than this behind the rest is not waited for.
inline constexpr rtp::Duration kLateness = std::chrono::seconds(5);

// Of the folder's journal, or of its manifest.json once that is there. A plan without files, and of
// no length, while nothing can be said; an error when nothing will come of it any more.
[[nodiscard]] Result<Growing> growing_plan(const std::filesystem::path& folder);
// Whether the later plan has all that the earlier had, in the same places: what was made by the
// one goes with what is made by the other. A file that comes very late may stand before others.
[[nodiscard]] bool continues(const Plan& earlier, const Plan& later);
// Of what a journal says.
[[nodiscard]] Result<Plan> plan_of(const recorder::journal::Contents& journal,
                                   const std::filesystem::path& folder);

}  // namespace parley::compose
