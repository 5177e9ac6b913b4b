#include <cstddef>
#include <optional>

#include <gtest/gtest.h>

#include "tests/rtp/feedback_line.h"

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Where packets wait for one another, so that the link is known though it is not full.

TEST(BandwidthEstimator, MeasuresALinkFromTheBurstsOfPicturesAlone) {
  for (const double link : {1e6, 2e6, 5e6, 10e6}) {
    SCOPED_TRACE(link);
    Line line(link);
    line.pictures(seconds(2), link * 0.45);
    line.forget_extremes();
    line.pictures(seconds(10), link * 0.45);
    EXPECT_GE(line.least, link * 0.95);
    EXPECT_LE(line.most, link);
    EXPECT_FALSE(line.estimator.overused());
  }
}

TEST(BandwidthEstimator, AcceptsALongerWayAsSoonAsItKnowsThatTheLinkIsNotFull) {
  for (const int after : {3, 8, 13}) {
    SCOPED_TRACE(after);
    Line line(3e6);
    line.pictures(seconds(after), 1e6);
    line.delay += milliseconds(150);
    bool overused = false;
    for (int i = 0; i < 15; ++i) {
      line.pictures(milliseconds(50), 1e6);
      overused = overused || line.estimator.overused();
    }
    EXPECT_TRUE(overused) << "it cannot be known at first";
    EXPECT_FALSE(line.estimator.overused());
    EXPECT_EQ(line.estimator.queue(), Duration(0));
    EXPECT_GE(line.estimate(), 3e6 * 0.9);
  }
}

// Neither too high nor too low, in either direction, and without a probe.
TEST(BandwidthEstimator, FollowsALinkThatIsNotFull) {
  Line line(2e6);
  line.pictures(seconds(2), 800e3);
  for (const double link : {1.2e6, 1.7e6, 2.4e6, 1.1e6, 2.2e6}) {
    SCOPED_TRACE(link);
    line.rate = link;
    line.pictures(milliseconds(1'500), 800e3);
    EXPECT_TRUE(line.estimator.known());
    EXPECT_FALSE(line.estimator.overused());
    EXPECT_GE(line.estimate(), link * 0.95);
    EXPECT_LE(line.estimate(), link);
  }
  line.rate = 40e6;
  line.pictures(seconds(1), 800e3);
  EXPECT_FALSE(line.estimator.known()) << "it is too far away";
}

TEST(BandwidthEstimator, LooksOnceASecondAtALinkThatCarriesSeveralTimesWhatIsWanted) {
  Line line(5e6);
  line.pictures(seconds(2), 2.2e6);
  EXPECT_TRUE(line.estimator.known());
  line.estimator.set_demand(Bitrate{1'000'000});
  std::size_t known = 0;
  for (int i = 0; i < 50; ++i) {
    line.pictures(milliseconds(60), 1.8e6);
    known += line.estimator.known() ? 1U : 0U;
  }
  EXPECT_GE(known, 2U);
  EXPECT_LE(known, 5U);
  EXPECT_NEAR(line.estimate(), 5e6, 0.4e6);

  line.rate = 2.4e6;  // nothing grows
  line.pictures(milliseconds(3'500), 1e6);
  EXPECT_LT(line.estimate(), 2.6e6);

  line.rate = 0.7e6;
  line.pictures(milliseconds(400), 1e6);
  EXPECT_TRUE(line.estimator.congested()) << "a queue stands";
  EXPECT_LT(line.estimate(), 0.7e6);
}

TEST(BandwidthEstimator, TakesNothingForPlentyThatWasNeverShown) {
  Line line(900e3);
  line.estimator.set_demand(Bitrate{200'000});  // less than half of what it begins with
  line.pictures(milliseconds(900), 720e3);
  EXPECT_GT(line.estimate(), 600e3);
}

TEST(BandwidthEstimator, LooksCloserAgainWhenMoreIsWanted) {
  for (const std::optional<Bitrate> wanted : {std::optional(Bitrate{3'000'000}), {}}) {
    Line line(5e6);
    line.pictures(seconds(2), 2.2e6);
    line.estimator.set_demand(Bitrate{1'000'000});
    line.pictures(seconds(1), 1e6);
    line.estimator.set_demand(wanted);
    line.pictures(seconds(1), 2.2e6);
    EXPECT_TRUE(line.estimator.known());
  }
}

TEST(BandwidthEstimator, IsNotLedAstrayByWhatGoesToAndFro) {
  Line line(2e6);
  line.jitter = milliseconds(20);
  line.pictures(seconds(5), 1.5e6);
  line.forget_extremes();
  line.pictures(seconds(120), 1.5e6);
  EXPECT_GE(line.least, 1'500'000);
  EXPECT_LE(line.most, 2'060'000);
}

// A link of plenty is looked at so seldom that its changes are no jitter.
TEST(BandwidthEstimator, FollowsALinkAsSoonThatHasChangedBetweenItsLooks) {
  const auto fall_after = [](double wave) {
    Line line(5e6);
    line.pictures(seconds(2), 2.2e6);
    line.estimator.set_demand(Bitrate{1'000'000});
    for (int i = 0; i < 12; ++i) {
      line.rate = 5e6 * (i % 2 == 0 ? 1 + wave : 1 - wave);
      line.pictures(milliseconds(1'020), 1.8e6);
    }
    line.rate = 3e6;
    const Time since = line.now;
    line.estimator.set_demand({});
    while (line.estimate() > 3.2e6 && line.now - since < seconds(5)) {
      line.pictures(Line::kFeedbackEvery, 1.8e6);
    }
    return line.now - since;
  };
  EXPECT_LE(fall_after(0.1), fall_after(0) + Line::kFeedbackEvery);
}

}  // namespace
}  // namespace parley::rtp
