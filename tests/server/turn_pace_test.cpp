#include "server/turn_pace.h"

#include <gtest/gtest.h>

namespace parley::server {
namespace {

using std::chrono::milliseconds;

// The wait after turns of `took` that begin every `interval`, for half a second.
rtp::Duration wait_at(rtp::Duration took, rtp::Duration interval) {
  TurnPace pace(milliseconds(4));
  rtp::Duration wait{};
  for (rtp::Time now{}; now < rtp::Time{milliseconds(500)}; now += interval) {
    wait = pace.after_turn(took, now);
  }
  return wait;
}

TEST(TurnPace, WaitsOnlyWhenTheCoreIsMoreThanHalfBusy) {
  EXPECT_EQ(wait_at(milliseconds(1), milliseconds(10)).count(), 0);
  EXPECT_EQ(wait_at(milliseconds(4), milliseconds(10)).count(), 0);
  const rtp::Duration at_three_quarters = wait_at(rtp::Duration(7'500), milliseconds(10));
  EXPECT_NEAR(static_cast<double>(at_three_quarters.count()), 2'000, 250);
  EXPECT_EQ(wait_at(milliseconds(12), milliseconds(10)), rtp::Duration(milliseconds(4)));
}

TEST(TurnPace, WithoutALimitItNeverWaits) {
  TurnPace pace(rtp::Duration(0));
  for (int i = 1; i < 100; ++i) {
    EXPECT_EQ(pace.after_turn(milliseconds(50), rtp::Time{milliseconds(50 * i)}).count(), 0);
  }
}

}  // namespace
}  // namespace parley::server
