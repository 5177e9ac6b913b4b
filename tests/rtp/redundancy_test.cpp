#include "rtp/redundancy.h"

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using namespace std::chrono_literals;

struct RedundancyTest : ::testing::Test {
  // The same share in each report, one every `interval`.
  void report(double share, Duration span, Duration interval = 100ms) {
    for (const Time end = now + span; now < end;) {
      now += interval;
      control.on_loss(now, share);
    }
  }
  RedundancyControl control;
  Time now{100s};
};

TEST_F(RedundancyTest, AGoodLineGetsNone) {
  report(0.01, 60s);
  EXPECT_EQ(control.frames(), 0U);
}

TEST_F(RedundancyTest, OneFrameFromTwoPercentTwoFromTen) {
  report(0.03, 10s);
  EXPECT_EQ(control.frames(), 1U);
  report(0.13, 10s);
  EXPECT_EQ(control.frames(), 2U);
}

TEST_F(RedundancyTest, BeginsWithTheFirstReportOfAHeavyLoss) {
  control.on_loss(now, 0.10);
  EXPECT_EQ(control.frames(), 1U);
}

TEST_F(RedundancyTest, OneLostPacketInOneSecondIsNoReason) {
  report(0, 5s);
  report(0.02, 1s);  // of fifty
  report(0, 5s);
  EXPECT_EQ(control.frames(), 0U);
}

TEST_F(RedundancyTest, RareReportsAreWorthMore) {
  report(0, 5s, 5s);
  report(0.12, 5s, 5s);
  EXPECT_EQ(control.frames(), 1U);
  report(0.12, 10s, 5s);
  EXPECT_EQ(control.frames(), 2U);
}

TEST_F(RedundancyTest, EndsOnlyWhenTheLossStaysLow) {
  report(0.03, 10s);
  report(0, 9s);
  EXPECT_EQ(control.frames(), 1U);
  report(0.04, 2s);  // the next fit
  report(0, 9s);
  EXPECT_EQ(control.frames(), 1U);
  report(0, 10s);
  EXPECT_EQ(control.frames(), 0U);
}

TEST_F(RedundancyTest, DoesNotFlapAroundItsBounds) {
  report(0.13, 10s);
  std::size_t changes = 0;
  std::size_t before = control.frames();
  for (int i = 0; i < 60; ++i) {
    report(i % 2 == 0 ? 0.08 : 0.12, 1s);
    if (control.frames() != before) ++changes;
    before = control.frames();
  }
  EXPECT_EQ(before, 2U);
  EXPECT_EQ(changes, 0U);
}

TEST_F(RedundancyTest, FallsToWhatIsStillNeeded) {
  report(0.20, 10s);
  report(0.03, 30s);
  EXPECT_EQ(control.frames(), 1U);
}

// A line that is too narrow: a tenth is lost of plain audio, half of it with redundancy.
TEST_F(RedundancyTest, StaysAwayForLongerEachTimeWhereItMakesThingsWorse) {
  Duration with{0};
  for (const Time end = now + 300s; now < end; now += 100ms) {
    control.on_loss(now, control.frames() > 0 ? 0.5 : 0.1);
    if (control.frames() > 0) with += 100ms;
  }
  EXPECT_LT(with, 15s);
  EXPECT_GT(with, 3s) << "it is tried again";
}

TEST_F(RedundancyTest, ALossThatGrowsByItselfIsToldFromThat) {
  report(0.03, 60s);
  report(0.15, 8s);
  EXPECT_EQ(control.frames(), 2U);
  report(0.30, 20s);
  EXPECT_EQ(control.frames(), 2U);
  report(0.30, 60s);
  EXPECT_EQ(control.frames(), 2U);
}

TEST_F(RedundancyTest, TakesNonsenseForItsNearestSense) {
  control.on_loss(now, -3);
  EXPECT_EQ(control.loss(), 0);
  report(7, 60s);
  EXPECT_LE(control.loss(), 1);
  control.on_loss(now - 5s, 0.5);  // time does not run back here
  EXPECT_LE(control.loss(), 1);
}

}  // namespace
}  // namespace parley::rtp
