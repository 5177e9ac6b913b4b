#include "control/session_meter.h"

#include <algorithm>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kWall = 1'000'000;

Moment at(std::int64_t ms) { return {ms, kWall + ms}; }
MeteredPerson person(const std::string& id, bool host = false, bool sends = false) {
  return {id, id, host, sends};
}

TEST(SessionMeter, RunsWhileItsConditionHolds) {
  SessionMeter meter(StartCondition::HostAndParticipant);
  EXPECT_THAT(meter.come(at(0), person("a")).intervals, ElementsAre(0U));
  EXPECT_FALSE(meter.running());
  meter.come(at(100), person("b", true));
  EXPECT_TRUE(meter.running());
  EXPECT_EQ(meter.rate().participants, 2);
  EXPECT_THAT(meter.come(at(300), person("b")).intervals, IsEmpty()) << "he is there already";
  EXPECT_FALSE(meter.running()) << "and no host any more";
  meter.come(at(400), person("b", true));
  EXPECT_THAT(meter.go(at(900), "b", "client_left").intervals, ElementsAre(1U));
  EXPECT_FALSE(meter.running());
  EXPECT_EQ(meter.room_ms(), 200 + 500);
  EXPECT_THAT(meter.go(at(950), "b", "client_left").intervals, IsEmpty());
  EXPECT_EQ(meter.intervals()[1].ms, 700);
  EXPECT_EQ(meter.intervals()[1].end_reason, "client_left");
}

TEST(SessionMeter, GivesBackASilenceOfWhomItGoesOnWithoutAndOfAllElse) {
  SessionMeter meter(StartCondition::TwoParticipants);
  for (const char* id : {"a", "b", "c"}) meter.come(at(0), person(id));
  const auto goes_on = meter.go(at(1'000), "c", "connection_timeout", 400);
  EXPECT_EQ(goes_on.back_room_ms, 0);
  EXPECT_EQ(goes_on.back_participant_ms, 600);
  EXPECT_EQ(meter.intervals()[2].ms, 400);
  EXPECT_EQ(meter.intervals()[2].left_ms, kWall + 400);
  const auto ends = meter.go(at(2'000), "b", "connection_timeout", 500);  // before the last change
  EXPECT_EQ(ends.back_room_ms, 1'000);
  EXPECT_EQ(ends.back_participant_ms, 2'000);
  EXPECT_EQ(meter.room_ms(), 1'000);
}

TEST(SessionMeter, AllGoAtOnce) {
  SessionMeter meter(StartCondition::FirstMedia);
  meter.come(at(0), person("a"));
  meter.come(at(10), person("b", false, true));
  EXPECT_THAT(meter.all_go(at(110), "ended_by_host").intervals, ElementsAre(0U, 1U));
  EXPECT_FALSE(meter.running());
  EXPECT_EQ(meter.rate().participants, 0);
  EXPECT_EQ(meter.room_ms(), 100);
  for (const UsageInterval& one : meter.intervals()) {
    EXPECT_EQ(one.ms, 100);
    EXPECT_EQ(one.end_reason, "ended_by_host");
  }
}

// Against one that looks at everybody at each millisecond.
TEST(SessionMeter, CountsAsWhoeverLooksAtEverybodyAllTheTime) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int below) {
      return std::uniform_int_distribution<int>(0, below - 1)(random);
    };
    const auto condition = static_cast<StartCondition>(pick(4));
    SessionMeter meter(condition);
    std::map<std::string, MeteredPerson> there;
    std::map<std::string, std::int64_t> ms_of;
    std::int64_t room_ms = 0;
    const auto runs = [&] {
      const auto count = [&](auto what) {
        return std::count_if(there.begin(), there.end(),
                             [&](const auto& one) { return what(one.second); });
      };
      const auto hosts = count([](const MeteredPerson& p) { return p.host; });
      const auto senders = count([](const MeteredPerson& p) { return p.sends; });
      switch (condition) {
        case StartCondition::FirstParticipant:
          return !there.empty();
        case StartCondition::TwoParticipants:
          return there.size() >= 2;
        case StartCondition::HostAndParticipant:
          return hosts >= 1 && there.size() >= 2;
        case StartCondition::FirstMedia:
          return senders >= 1;
      }
      return false;
    };
    for (std::int64_t now = 0; now < 400; ++now) {
      if (pick(4) == 0) {
        const std::string id(1, static_cast<char>('a' + pick(6)));
        if (pick(3) == 0) {
          meter.go(at(now), id, "client_left");
          there.erase(id);
        } else {
          there[id] = person(id, pick(3) == 0, pick(2) == 0);
          meter.come(at(now), there[id]);
        }
      }
      EXPECT_EQ(meter.running(), runs());
      EXPECT_EQ(meter.rate().participants, runs() ? static_cast<std::int64_t>(there.size()) : 0);
      if (!runs()) continue;
      ++room_ms;
      for (const auto& [id, one] : there) ++ms_of[id];
    }
    meter.all_go(at(400), "ended");
    EXPECT_EQ(meter.room_ms(), room_ms) << seed;
    std::map<std::string, std::int64_t> metered;
    for (const UsageInterval& one : meter.intervals()) {
      if (one.ms > 0) metered[one.participant_id] += one.ms;
    }
    EXPECT_EQ(metered, ms_of) << seed;
  }
}

}  // namespace
}  // namespace parley::control
