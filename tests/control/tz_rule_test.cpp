#include "control/tz_rule.h"

#include <gtest/gtest.h>

namespace parley::control {
namespace {

constexpr std::int32_t kHour = 3'600;
constexpr std::int64_t kMarch29 = 1'774'746'000;    // 2026-03-29T01:00:00Z
constexpr std::int64_t kOctober25 = 1'792'890'000;  // 2026-10-25T01:00:00Z

TEST(TzRule, APlaceWithoutSummerTimeNeverChanges) {
  const auto rule = TzRule::parse("<+0545>-5:45");
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->offset_at(kMarch29), 5 * kHour + 45 * 60);
  EXPECT_FALSE(rule->next_change(kMarch29));
}

TEST(TzRule, ChangesAtTheSecondTheRuleSays) {
  const auto rule = TzRule::parse("CET-1CEST,M3.5.0,M10.5.0/3");
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->offset_at(kMarch29 - 1), kHour);
  EXPECT_EQ(rule->offset_at(kMarch29), 2 * kHour);
  EXPECT_EQ(rule->offset_at(kOctober25 - 1), 2 * kHour);
  EXPECT_EQ(rule->offset_at(kOctober25), kHour);
  EXPECT_EQ(rule->next_change(kMarch29 - 1), kMarch29);
  EXPECT_EQ(rule->next_change(kMarch29), kOctober25);
}

TEST(TzRule, SouthOfTheEquatorSummerCrossesTheNewYear) {
  const auto rule = TzRule::parse("AEST-10AEDT,M10.1.0,M4.1.0/3");  // Sydney
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->offset_at(1'767'222'000), 11 * kHour);  // 2025-12-31T23:00:00Z
  EXPECT_EQ(rule->offset_at(1'782'864'000), 10 * kHour);  // 2026-07-01T00:00:00Z
}

TEST(TzRule, TakesHoursOutsideOfTheDay) {
  const auto nuuk = TzRule::parse("<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
  ASSERT_TRUE(nuuk);
  EXPECT_EQ(nuuk->next_change(kMarch29 - 1), kMarch29);
  const auto gaza = TzRule::parse("EET-2EEST,M3.4.4/50,M10.4.4/50");
  ASSERT_TRUE(gaza);
  EXPECT_EQ(gaza->next_change(1'772'323'200), 1'774'656'000);  // 2026-03-28T02:00:00+02:00
}

TEST(TzRule, CountsDaysWithAndWithoutTheLeapDay) {
  const auto without = TzRule::parse("AAA0BBB,J60/0,J300/0");
  const auto with = TzRule::parse("AAA0BBB,60/0,300/0");
  ASSERT_TRUE(without && with);
  EXPECT_EQ(without->next_change(1'830'297'600), 1'835'481'600);  // 2028-03-01
  EXPECT_EQ(with->next_change(1'830'297'600), 1'835'481'600);     // the 61st day of a leap year
  EXPECT_EQ(with->next_change(1'767'225'600), 1'772'409'600);     // 2026-03-02
}

TEST(TzRule, SummerTimeMayLastTheWholeYear) {
  const auto rule = TzRule::parse("XXX3EDT4,0/0,J365/23");
  ASSERT_TRUE(rule);
  for (const std::int64_t at : {kMarch29, kOctober25, std::int64_t{1'798'776'000}}) {
    EXPECT_EQ(rule->offset_at(at), -4 * kHour) << at;
  }
}

TEST(TzRule, RefusesEachTruncationThatLosesSomething) {
  const std::string_view whole = "CET-1CEST,M3.5.0,M10.5.0/3";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    // Only these are rules by themselves.
    const bool complete = length == 5 || length == 24;
    EXPECT_EQ(TzRule::parse(whole.substr(0, length)).has_value(), complete) << length;
  }
}

TEST(TzRule, RefusesWhatIsNone) {
  for (const char* text :
       {"CE-1", "CET", "CET25", "CET-1:60", "CET-1CEST", "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M1.1.1", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5", "CET-1CEST,366,5", "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0 ", "<CET-1", "<CE\n>-1", "CET-1CEST,M3.5.0,M10.5.0,"}) {
    EXPECT_FALSE(TzRule::parse(text)) << text;
  }
}

}  // namespace
}  // namespace parley::control
