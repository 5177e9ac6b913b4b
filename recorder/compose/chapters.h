#pragma once

#include <span>
#include <string>
#include <vector>

#include "recorder/compose/plan.h"
#include "recorder/compose/sound.h"

namespace parley::compose {

// Something that begins in a recording: who comes, goes, shares a screen, speaks for long.
struct Chapter {
  Offset at{};
  std::string title;
  friend bool operator==(const Chapter&, const Chapter&) = default;
};

// In order, the first at 0, what happens within a second in one. Who is away for less than three
// seconds has not left.
[[nodiscard]] std::vector<Chapter> chapters_of(const Plan& plan, const Speakers& speakers);

// Each until the next one, the last until `length` (W3C WebVTT, section 4.1).
[[nodiscard]] std::string web_vtt(std::span<const Chapter> chapters, rtp::Duration length);
// A time as WebVTT writes it: 01:02:03.004.
[[nodiscard]] std::string vtt_time(Offset time);

}  // namespace parley::compose
