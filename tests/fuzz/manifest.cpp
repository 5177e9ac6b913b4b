// A recording's manifest.json as anybody may have changed it, and the note of who speaks.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "recorder/compose/plan.h"
#include "recorder/compose/sound.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto plan = parley::compose::plan_of(text, "folder")) {
    const parley::compose::Pause pause{std::chrono::seconds(1), std::chrono::seconds(9)};
    (void)without(std::span(&pause, 1), *std::move(plan));
  }
  if (const auto speakers = parley::compose::Speakers::from_text(text, 4)) {
    (void)speakers->at(std::chrono::seconds(3));
  }
  return 0;
}
