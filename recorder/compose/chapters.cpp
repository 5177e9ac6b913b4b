#include "recorder/compose/chapters.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

namespace parley::compose {
namespace {

constexpr rtp::Duration kAway = std::chrono::seconds(3);
constexpr rtp::Duration kTogether = std::chrono::seconds(1);
constexpr rtp::Duration kLongSpeech = std::chrono::seconds(15);
constexpr std::size_t kMostChapters = 2'000;

struct Stretch {
  Offset begin{};
  Offset end{};
};

// When each tile is there, in order.
std::map<std::size_t, std::vector<Stretch>> presence_of(const Plan& plan) {
  std::map<std::size_t, std::vector<Stretch>> there;
  for (const PlannedFile& file : plan.files) {  // by offset
    auto& stretches = there[file.tile];
    if (!stretches.empty() && file.offset - stretches.back().end < kAway) {
      stretches.back().end = std::max(stretches.back().end, file.end());
    } else {
      stretches.push_back({file.offset, file.end()});
    }
  }
  return there;
}

// Who speaks for long after somebody else did.
void add_speeches(const Plan& plan, const Speakers& speakers, std::vector<Chapter>& events) {
  std::optional<std::size_t> told;
  std::optional<std::size_t> now;
  Offset since{};
  for (Offset at{}; at < plan.length; at += Speakers::kWindow) {
    const auto who = speakers.at(at);
    if (who != now) {
      now = who;
      since = at;
    }
    if (!now || now == told || at - since < kLongSpeech || *now >= plan.tiles.size()) continue;
    if (told) events.push_back({since, plan.tiles[*now].name + " speaks"});
    told = now;
  }
}

// Cue text: "&", "<" and ">" mean something there, a line break would end it.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

std::vector<Chapter> chapters_of(const Plan& plan, const Speakers& speakers) {
  std::vector<Chapter> events;
  for (const auto& [number, stretches] : presence_of(plan)) {
    const PlannedTile& tile = plan.tiles[number];
    const std::string name = tile.name.empty() ? "Somebody" : tile.name;
    for (const Stretch& stretch : stretches) {
      events.push_back({stretch.begin, name + (tile.screen ? " shares a screen" : " joins")});
      if (plan.length - stretch.end < kAway) continue;
      events.push_back({stretch.end, name + (tile.screen ? " stops sharing" : " leaves")});
    }
  }
  add_speeches(plan, speakers, events);
  std::stable_sort(events.begin(), events.end(),
                   [](const Chapter& a, const Chapter& b) { return a.at < b.at; });
  std::vector<Chapter> chapters{{Offset(0), ""}};
  for (Chapter& event : events) {
    Chapter& last = chapters.back();
    if (event.at - last.at < kTogether) {
      last.title += (last.title.empty() ? "" : ", ") + event.title;
    } else if (chapters.size() < kMostChapters) {
      chapters.push_back(std::move(event));
    }
  }
  if (chapters.front().title.empty()) chapters.front().title = "Start";
  return chapters;
}

std::string vtt_time(Offset time) {
  const auto ms = std::max<std::int64_t>(0, recorder::to_ms(time));
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02lld:%02lld:%02lld.%03lld",
                static_cast<long long>(ms / 3'600'000), static_cast<long long>(ms / 60'000 % 60),
                static_cast<long long>(ms / 1'000 % 60), static_cast<long long>(ms % 1'000));
  return text.data();
}

std::string web_vtt(std::span<const Chapter> chapters, rtp::Duration length) {
  std::string text = "WEBVTT\n";
  for (std::size_t i = 0; i < chapters.size(); ++i) {
    const Offset end = i + 1 < chapters.size() ? chapters[i + 1].at : length;
    if (end <= chapters[i].at) continue;
    text += "\n" + vtt_time(chapters[i].at) + " --> " + vtt_time(end) + "\n" +
            escaped(chapters[i].title) + "\n";
  }
  return text;
}

}  // namespace parley::compose
