#include "rtp/speaker_order.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rtp/audio_level.h"

namespace parley::rtp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A room: levels as in packets of 20 ms, through the meters, looked at five times a second.
class SpeakerOrderTest : public ::testing::Test {
 protected:
  static constexpr std::uint8_t kSpeech = 25;
  static constexpr std::uint8_t kQuiet = 95;

  // For so long, by track; who is not named is quiet.
  void play(const std::map<std::uint32_t, std::uint8_t>& levels, std::int64_t ms) {
    play_by(
        [&](std::uint32_t track, std::int64_t) {
          const auto found = levels.find(track);
          return found == levels.end() ? kQuiet : found->second;
        },
        ms);
  }
  void play_by(const std::function<std::uint8_t(std::uint32_t, std::int64_t)>& level,
               std::int64_t ms) {
    for (const Time end = now_ + std::chrono::milliseconds(ms); now_ < end;) {
      for (auto& [track, meter] : meters_)
        meter.on_packet(level(track, now_.time_since_epoch().count() / 1'000), now_);
      now_ += std::chrono::milliseconds(20);
      if (now_.time_since_epoch().count() % 200'000 == 0) look();
    }
  }
  void look() {
    std::vector<SpeakerOrder::Heard> heard;
    for (auto& [track, meter] : meters_) {
      if (meter.speaking(now_)) heard.push_back({track, meter.loudness(now_)});
    }
    std::sort(heard.begin(), heard.end(),
              [](const auto& a, const auto& b) { return a.loudness > b.loudness; });
    order_.update(heard);
    const std::vector<std::uint32_t> loudest(order_.loudest().begin(), order_.loudest().end());
    if (loudest != loudest_) ++changes_;
    loudest_ = loudest;
    const std::uint32_t floor = order_.talkers().empty() ? 0 : order_.talkers().front();
    if (floor != 0) had_the_floor_.insert(floor);
  }
  [[nodiscard]] std::uint32_t floor() const {
    return order_.talkers().empty() ? 0 : order_.talkers().front();
  }

  std::map<std::uint32_t, AudioLevelMeter> meters_{{1, {}}, {2, {}}, {3, {}}, {4, {}}};
  Time now_{};
  SpeakerOrder order_;
  std::vector<std::uint32_t> loudest_;
  int changes_ = 0;
  std::set<std::uint32_t> had_the_floor_;
};

TEST_F(SpeakerOrderTest, IsEmptyWhileNobodySpeaks) {
  play({}, 3'000);
  EXPECT_THAT(order_.loudest(), IsEmpty());
  EXPECT_THAT(order_.talkers(), IsEmpty());
}

TEST_F(SpeakerOrderTest, HearsWhoBeginsWithTheNextLookAndGivesTheFloorALittleLater) {
  play({}, 1'000);
  play({{2, kSpeech}}, 200);
  EXPECT_THAT(order_.loudest(), ElementsAre(2));
  EXPECT_THAT(order_.talkers(), IsEmpty());
  play({{2, kSpeech}}, 800);
  EXPECT_THAT(order_.talkers(), ElementsAre(2));
}

TEST_F(SpeakerOrderTest, ACoughIsHeardButTakesNothing) {
  play({{1, kSpeech}}, 3'000);
  for (int i = 0; i < 5; ++i) {
    play({{1, kSpeech}, {3, 5}}, 300);
    play({{1, kSpeech}}, 2'500);
  }
  EXPECT_THAT(had_the_floor_, ElementsAre(1));
  EXPECT_EQ(floor(), 1U);
}

TEST_F(SpeakerOrderTest, ACoughInSilenceIsNobodysFloor) {
  play({}, 1'000);
  play({{3, 5}}, 300);
  play({}, 3'000);
  EXPECT_THAT(had_the_floor_, IsEmpty());
}

TEST_F(SpeakerOrderTest, APauseOfASecondDoesNotTakeTheFloorAway) {
  play({{1, kSpeech}}, 3'000);
  for (int i = 0; i < 5; ++i) {
    play({}, 1'000);
    EXPECT_EQ(floor(), 1U);
    play({{1, kSpeech}}, 700);
  }
  EXPECT_THAT(had_the_floor_, ElementsAre(1));
}

TEST_F(SpeakerOrderTest, AYesInThePauseDoesNotTakeItEither) {
  play({{1, kSpeech}}, 3'000);
  for (int i = 0; i < 5; ++i) {
    play({}, 300);
    play({{2, kSpeech}}, 400);
    play({{1, kSpeech}}, 2'000);
  }
  EXPECT_THAT(had_the_floor_, ElementsAre(1));
}

TEST_F(SpeakerOrderTest, WhoAnswersHasTheFloorWithinASecond) {
  play({{1, kSpeech}}, 3'000);
  play({{2, kSpeech}}, 1'000);
  EXPECT_EQ(floor(), 2U);
  play({{2, kSpeech}}, 3'000);
  EXPECT_THAT(order_.talkers(), ElementsAre(2));
}

TEST_F(SpeakerOrderTest, WhoIsTalkedOverBySomebodyQuieterKeepsTheFloor) {
  play({{1, kSpeech}}, 3'000);
  play({{1, kSpeech}, {2, kSpeech + 10}}, 5'000);
  EXPECT_THAT(order_.talkers(), ElementsAre(1, 2));
  play({{1, kSpeech}, {2, kSpeech - 15}}, 2'000);
  EXPECT_THAT(order_.talkers(), ElementsAre(2, 1));
}

TEST_F(SpeakerOrderTest, TwoEqualVoicesDoNotChangePlacesAllTheTime) {
  // Syllables of a quarter second, now of one, now of the other, a few decibels up and down.
  play_by(
      [](std::uint32_t track, std::int64_t ms) -> std::uint8_t {
        if (track > 2) return kQuiet;
        return static_cast<std::uint8_t>(30 + ((ms / 240 + track) % 2 == 0 ? 4 : 0));
      },
      20'000);
  EXPECT_LE(changes_, 4);
  EXPECT_EQ(had_the_floor_.size(), 1U);
}

TEST_F(SpeakerOrderTest, WhoIsClearlyLouderComesFirstAtOnce) {
  play({{1, 45}, {2, 40}}, 3'000);
  play({{1, 45}, {2, 40}, {4, 15}}, 400);
  EXPECT_EQ(order_.loudest().front(), 4U);
}

TEST_F(SpeakerOrderTest, WhoIsGoneIsGoneFromBoth) {
  play({{1, kSpeech}, {2, kSpeech}}, 3'000);
  meters_.erase(1);
  play({{2, kSpeech}}, 200);
  EXPECT_THAT(order_.loudest(), ElementsAre(2));
  EXPECT_THAT(order_.talkers(), ElementsAre(2));
}

TEST_F(SpeakerOrderTest, NotesNoMoreThanItsLimit) {
  std::vector<SpeakerOrder::Heard> many;
  for (std::uint32_t i = 0; i < 500; ++i) many.push_back({i, 120.0 - i * 0.01});
  for (int i = 0; i < 10; ++i) order_.update(many);
  EXPECT_EQ(order_.loudest().size(), SpeakerOrder::kMaxSpeakers);
  EXPECT_EQ(order_.talkers().size(), SpeakerOrder::kMaxSpeakers);
}

}  // namespace
}  // namespace parley::rtp
