#include "control/rate_limit.h"

#include <string>

#include <gtest/gtest.h>

namespace parley::control {
namespace {

using std::chrono::milliseconds;
constexpr RateLimit::Rates kRates{200, 50};

int taken(RateLimit& limit, std::string_view who, bool write, rtp::Time now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += limit.take(who, kRates, write, now) ? 0 : 1;
  return count;
}

TEST(RateLimit, LetsABurstOfTwoSecondsPassThenTheSteadyRate) {
  RateLimit limit;
  rtp::Time now{};
  EXPECT_EQ(taken(limit, "key", true, now, 1'000), 100);
  EXPECT_EQ(taken(limit, "key", false, now, 1'000), 400) << "reads have a bucket of their own";
  int in_ten_seconds = 0;
  for (int i = 0; i < 1'000; ++i)
    in_ten_seconds += taken(limit, "key", true, now += milliseconds(10), 5);
  EXPECT_EQ(in_ten_seconds, 500);
  EXPECT_GT(limit.refused(), 0U);
}

TEST(RateLimit, SaysWhenTheNextOnePasses) {
  RateLimit limit;
  rtp::Time now{};
  EXPECT_EQ(taken(limit, "key", true, now, 100), 100);
  const auto wait = limit.take("key", kRates, true, now);
  ASSERT_TRUE(wait);
  EXPECT_EQ(*wait, 20);
  EXPECT_TRUE(limit.take("key", kRates, true, now + milliseconds(*wait - 1)));
  EXPECT_FALSE(limit.take("key", kRates, true, now + milliseconds(*wait)));
}

TEST(RateLimit, ZeroIsNoLimitAndNobodyPaysForAnother) {
  RateLimit limit;
  const rtp::Time now{};
  for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(limit.take("free", {0, 0}, true, now));
  EXPECT_EQ(taken(limit, "a", true, now, 200), 100);
  EXPECT_EQ(taken(limit, "b", true, now, 200), 100);
}

// Names are made up by whoever asks; memory must not grow with them, and nobody gains by it.
TEST(RateLimit, KeepsALimitedNumberOfBuckets) {
  RateLimit limit;
  rtp::Time now = rtp::Time{} + std::chrono::hours(1);
  int passed = 0;
  for (std::size_t i = 0; i < 3 * RateLimit::kMaxBuckets; ++i) {
    passed += taken(limit, "made-up-" + std::to_string(i), true, now, 1);
  }
  EXPECT_LE(passed, static_cast<int>(RateLimit::kMaxBuckets) + 100);
  now += std::chrono::seconds(3);
  EXPECT_EQ(taken(limit, "late", true, now, 1), 1);
}

}  // namespace
}  // namespace parley::control
