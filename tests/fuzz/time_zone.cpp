// Time zones: the files (TZif) and the rules in their footers. Whatever is taken gives days that
// follow each other without gaps, and every moment lies in the day it is said to lie in.
#include "control/time_zone.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace parley::control;

// From 1836 on, further than any clock of ours is wrong.
constexpr std::int64_t kMomentsS[] = {
    -4'200'000'000, 0, 951'782'399, 1'774'746'000, 1'792'890'000, 1'795'000'000, 4'102'444'800};

void check(std::int64_t at, std::int32_t offset, std::optional<std::int64_t> next) {
  if (offset <= -TzRule::kMaxOffsetS || offset >= TzRule::kMaxOffsetS) std::abort();
  if (next && *next <= at) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto rule = TzRule::parse(text)) {
    for (const std::int64_t at : kMomentsS) check(at, rule->offset_at(at), rule->next_change(at));
  }
  const auto file = Tzif::parse({data, size});
  if (!file) return 0;
  const TimeZone zone("fuzzed", &*file);
  for (const std::int64_t at : kMomentsS) {
    check(at, file->offset_at(at), file->next_change(at));
    const auto day = zone.day_at(at);
    const std::int64_t begin = zone.begin_of(day);
    const std::int64_t end = zone.begin_of(day + std::chrono::days(1));
    if (at < begin || at >= end) std::abort();
    if (zone.day_at(begin) != day || zone.day_at(end - 1) != day) std::abort();
    if (zone.day_at(begin - 1) >= day) std::abort();
  }
  return 0;
}
