#include "rtp/bandwidth.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/rtp/feedback_line.h"

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(BandwidthEstimator, NeitherRisesNorFallsWhenLittleIsSent) {
  Line line(5e6);
  line.pictures(seconds(20), 60e3);
  EXPECT_EQ(line.least, BandwidthEstimator::kStart.value);
  EXPECT_EQ(line.most, BandwidthEstimator::kStart.value);
  EXPECT_FALSE(line.estimator.measured());
}

TEST(BandwidthEstimator, LearnsFromAProbeWhatPassedAndNoMore) {
  Line line(5e6);
  line.pictures(seconds(2), 100e3);
  line.evenly(milliseconds(70), 1.5e6);
  line.pictures(milliseconds(300), 100e3);
  EXPECT_GE(line.estimate(), 1.2e6);
  EXPECT_LE(line.estimate(), 1.65e6);
  const Bitrate shown = line.estimator.estimate();
  line.pictures(seconds(10), 100e3);
  EXPECT_EQ(line.estimator.estimate(), shown) << "it is not forgotten";
}

TEST(BandwidthEstimator, FallsToTheLinkWithin300MsOfADrop) {
  struct Drop {
    double from, to, sending;
  };
  for (const Drop drop : {Drop{2e6, 0.5e6, 1e6}, {5e6, 0.6e6, 1.5e6}, {3e6, 0.3e6, 1.5e6}}) {
    // The second one falls shortly before the least delay is looked for anew.
    for (const Duration before : {milliseconds(5'000), milliseconds(2'850)}) {
      SCOPED_TRACE(testing::Message() << drop.to << " " << before.count());
      Line line(drop.from);
      line.pictures(before, drop.sending);
      ASSERT_GT(line.estimate(), drop.from * 0.9);
      line.rate = drop.to;
      line.pictures(milliseconds(300), drop.sending);
      EXPECT_TRUE(line.estimator.overused());
      EXPECT_LE(line.estimate(), drop.to);
      EXPECT_GE(line.estimate(), drop.to * 0.85);
    }
  }
}

TEST(BandwidthEstimator, AsksForLessUntilTheQueueIsGone) {
  Line line(2e6);
  line.pictures(seconds(3), 1.2e6);
  line.rate = 500e3;
  line.pictures(milliseconds(500), 1.2e6);
  EXPECT_GT(line.estimator.queue(), milliseconds(150));
  EXPECT_LT(static_cast<double>(line.estimator.target().value), line.estimate() * 0.9);
  for (int i = 0; i < 45; ++i) {
    line.pictures(milliseconds(33), static_cast<double>(line.estimator.target().value) * 0.9);
    EXPECT_LE(line.estimator.target().value, line.estimator.estimate().value);
  }
  EXPECT_LT(line.estimator.queue(), milliseconds(30));
  EXPECT_FALSE(line.estimator.overused());
  EXPECT_EQ(line.estimator.target(), line.estimator.estimate());
  EXPECT_GE(line.estimate(), 450e3);
}

TEST(BandwidthEstimator, TakesAKeyFrameForNoOveruse) {
  Line line(1e6);
  line.pictures(seconds(3), 450e3);
  for (int i = 0; i < 5; ++i) {
    line.pictures(milliseconds(33), 2.7e6);  // six times as large: 90 ms
    for (int ms = 0; ms < 990; ms += 33) {
      line.pictures(milliseconds(33), 450e3);
      EXPECT_FALSE(line.estimator.overused());
    }
  }
  EXPECT_GE(line.estimate(), 0.95e6);
  EXPECT_LE(line.estimate(), 1e6);
}

// Between pictures the link is idle; that time says nothing of what it carries.
TEST(BandwidthEstimator, SeesWithinHalfASecondThatALinkHasGrown) {
  Line line(1e6);
  line.pictures(seconds(3), 0.9e6);
  line.rate = 2e6;
  line.pictures(milliseconds(450), 0.9e6);
  EXPECT_GE(line.estimate(), 1.9e6);
  EXPECT_LE(line.estimate(), 2e6);
}

// What came through a full queue is less already by what it has lost.
TEST(BandwidthEstimator, CountsTheLossOfAFullQueueOnce) {
  BandwidthEstimator estimator;
  Time now{seconds(100)};
  const auto hear = [&](Duration delay, bool every_second_is_lost) {
    std::vector<PacketResult> results;
    for (int i = 0; i < 6; ++i, now += milliseconds(10)) {
      PacketResult one{now, std::nullopt, 1'200};
      if (!every_second_is_lost || i % 2 == 0) one.arrived = (now + delay).time_since_epoch();
      results.push_back(one);
    }
    estimator.on_feedback(now, results);
  };
  for (int i = 0; i < 30; ++i) hear(milliseconds(30), false);
  for (int i = 0; i < 10; ++i) hear(milliseconds(50 + 30 * i), true);
  ASSERT_TRUE(estimator.overused());
  while (estimator.overused()) hear(milliseconds(30), false);
  const Bitrate came_through = estimator.estimate();
  for (int i = 0; i < 5; ++i) {
    hear(milliseconds(30), false);
    EXPECT_FALSE(estimator.overused());
    EXPECT_GT(estimator.loss(), 0.25);
    EXPECT_GE(estimator.estimate().value, came_through.value);
  }
}

TEST(BandwidthEstimator, LeavesRandomLossAlone) {
  for (const double loss : {0.02, 0.05, 0.1}) {
    SCOPED_TRACE(loss);
    Line line(1e6, loss);
    line.pictures(seconds(3), 450e3);
    line.forget_extremes();
    line.pictures(minutes(1), 450e3);
    EXPECT_GE(line.least, 0.9e6);
    EXPECT_LE(line.most, 1.15e6);
  }
}

TEST(BandwidthEstimator, TellsWhatIsLostByChanceFromWhatAFullLinkLoses) {
  Line line(2e6, 0.1);
  line.pictures(seconds(10), 0.8e6);
  EXPECT_NEAR(line.estimator.lost_by_chance(), 0.1, 0.05);
  // Here it is lost behind the link, where it has taken its time.
  line.pictures(seconds(5), 1.5e6);
  EXPECT_TRUE(line.estimator.known());
  EXPECT_GT(line.estimate(), 1.7e6);
  EXPECT_LT(line.estimate(), 2.1e6);

  Line full(1e6);
  full.pictures(seconds(3), 0.5e6);
  full.loss = 0.3;  // as a queue without room does
  full.pictures(seconds(3), 1.3e6);
  EXPECT_GT(full.estimator.loss(), 0.2);
  EXPECT_LT(full.estimator.lost_by_chance(), 0.02);
}

TEST(BandwidthEstimator, FallsWithHeavyLossAndComesBackAfterIt) {
  Line line(1e6, 0.45);
  line.pictures(seconds(5), 900e3);
  EXPECT_NEAR(line.estimator.loss(), 0.45, 0.2);
  EXPECT_LT(line.estimate(), 0.4e6);
  EXPECT_TRUE(line.estimator.congested());
  line.loss = 0.8;
  line.pictures(seconds(20), 900e3);
  EXPECT_EQ(line.estimator.estimate(), BandwidthEstimator::kMin);
  line.loss = 0;
  line.pictures(seconds(3), 450e3);
  EXPECT_EQ(line.estimator.loss(), 0);
  EXPECT_GE(line.estimate(), 0.9e6);
  EXPECT_FALSE(line.estimator.congested());
  EXPECT_TRUE(line.estimator.measured());
}

// It tells of what was lost only when something else comes.
TEST(BandwidthEstimator, CountsNothingThatWasLostLongBefore) {
  Line line(1e6);
  line.pictures(seconds(5), 450e3);
  line.loss = 1;
  line.pictures(milliseconds(700), 450e3);
  line.pictures(seconds(5), 0);
  line.pictures(milliseconds(30), 100e3);  // and the first one after it
  line.loss = 0;
  line.pictures(milliseconds(600), 450e3);
  EXPECT_LE(line.estimator.loss(), 0.05);
  EXPECT_FALSE(line.estimator.congested());
  line.loss = 1;
  line.pictures(milliseconds(700), 450e3);
  line.loss = 0;
  line.pictures(milliseconds(200), 450e3);
  EXPECT_GT(line.estimator.loss(), 0.25) << "but what was lost just now";
}

// Nobody's clock is ours, and none runs as fast.
TEST(BandwidthEstimator, CaresNeitherForTheReceiversClockNorForItsDrift) {
  for (const double drift : {0.0, 100e-6, -100e-6}) {
    for (const Duration offset : {seconds(0), seconds(77'000)}) {
      SCOPED_TRACE(testing::Message() << drift << " " << offset.count());
      Line line(1e6);
      line.offset = offset;
      line.drift = drift;
      line.pictures(seconds(3), 450e3);
      line.forget_extremes();
      line.pictures(minutes(10), 450e3);
      EXPECT_GE(line.least, 0.94e6);
      EXPECT_LE(line.most, 1e6);
      EXPECT_FALSE(line.estimator.overused());
    }
  }
}

TEST(BandwidthEstimator, AcceptsALongerWayInTimeWhereNothingWaits) {
  Line line(1e9);
  line.pictures(seconds(3), 1e6);
  line.delay += milliseconds(150);
  line.pictures(milliseconds(1'000), 1e6);
  EXPECT_TRUE(line.estimator.overused()) << "it cannot be known at first";
  line.pictures(milliseconds(1'000), 1e6);
  EXPECT_FALSE(line.estimator.overused());
  EXPECT_EQ(line.estimator.queue(), Duration(0));
}

// Nothing grows, so nothing is to be given up.
TEST(BandwidthEstimator, IsNotStarvedByALongerWay) {
  Line line(3e6);
  line.pictures(seconds(7), 1e6);
  line.delay += milliseconds(60);
  line.forget_extremes();
  for (int i = 0; i < 200; ++i) {
    line.pictures(milliseconds(60),
                  std::min(1e6, static_cast<double>(line.estimator.target().value)));
  }
  EXPECT_GE(line.least, 2.5e6);
  EXPECT_LE(line.most, 3e6);
}

TEST(BandwidthEstimator, TakesAShorterWayAtOnceAndASlightlyLongerOneForNoOveruse) {
  Line line(3e6);
  line.pictures(seconds(3), 1e6);
  line.forget_extremes();
  line.delay += milliseconds(20);
  line.pictures(seconds(5), 1e6);
  EXPECT_EQ(line.estimator.queue(), milliseconds(20));
  line.delay -= milliseconds(40);
  line.pictures(seconds(1), 1e6);
  EXPECT_EQ(line.estimator.queue(), Duration(0));
  EXPECT_GE(line.least, 3e6 * 0.95);
  EXPECT_LE(line.most, 3e6);
}

TEST(BandwidthEstimator, HalvesWhenNoFeedbackComes) {
  BandwidthEstimator estimator;
  const Time sent{seconds(10)};
  const std::int64_t start = BandwidthEstimator::kStart.value;
  estimator.on_silence(sent + milliseconds(1'499), sent);
  EXPECT_EQ(estimator.estimate().value, start);
  estimator.on_silence(sent + milliseconds(1'500), sent);
  EXPECT_EQ(estimator.estimate().value, start / 2);
  EXPECT_TRUE(estimator.congested());
  estimator.on_silence(sent + milliseconds(2'199), sent);
  EXPECT_EQ(estimator.estimate().value, start / 2) << "only one time in 700 ms";
  estimator.on_silence(sent + milliseconds(2'200), sent);
  EXPECT_EQ(estimator.estimate().value, start / 4);
  for (int i = 2; i < 50; ++i) estimator.on_silence(sent + i * milliseconds(1'000), sent);
  EXPECT_EQ(estimator.estimate(), BandwidthEstimator::kMin);
}

TEST(BandwidthEstimator, BeginsAgainWithWhomItHearsAfterALongSilence) {
  Line line(3e6);
  line.pictures(seconds(3), 1e6);
  line.loss = 1;
  line.pictures(seconds(4), 1e6);
  line.estimator.on_silence(line.now, line.now - milliseconds(3'900));
  line.loss = 0;
  line.rate = 1e6;
  line.delay += milliseconds(150);
  line.forget_extremes();
  line.pictures(seconds(3), 450e3);
  EXPECT_FALSE(line.estimator.measured()) << "a longer way, and no queue";
  EXPECT_GE(line.estimate(), 0.95e6);
  EXPECT_LE(line.most, 1e6);
}

TEST(BandwidthEstimator, NeverExceedsWhatTheReceiverAllows) {
  Line line(1e6);
  line.estimator.on_remb(line.now, Bitrate{600'000});
  line.pictures(seconds(3), 450e3);
  EXPECT_EQ(line.estimator.estimate(), Bitrate{600'000});
  line.estimator.on_remb(line.now, Bitrate{5'000'000});
  line.pictures(seconds(3), 450e3);
  EXPECT_GE(line.estimate(), 0.94e6);
  EXPECT_LE(line.estimate(), 1e6) << "it is a bound, no measurement";
}

TEST(BandwidthEstimator, ForgetsWhatTheReceiverAllowedOnceHeSaysItNoMore) {
  Line line(1e6);
  line.estimator.on_remb(line.now, Bitrate{200'000});
  line.pictures(BandwidthEstimator::kRembHolds - milliseconds(500), 150e3);
  EXPECT_EQ(line.estimator.estimate(), Bitrate{200'000});
  line.pictures(seconds(3), 450e3);
  EXPECT_GE(line.estimate(), 0.94e6);
}

TEST(BandwidthEstimator, LearnsNothingFromLossesAlone) {
  BandwidthEstimator estimator;
  estimator.on_feedback(Time{seconds(1)}, {});
  const std::vector<PacketResult> lost(20, {Time{seconds(1)}, std::nullopt, 1'000});
  estimator.on_feedback(Time{seconds(2)}, lost);
  EXPECT_EQ(estimator.estimate(), BandwidthEstimator::kStart);
  EXPECT_FALSE(estimator.overused());
}

// A way that swaps neighbours by up to 10 ms and tells of some packets a second time.
TEST(BandwidthEstimator, BearsPacketsThatOvertakeAndThatAreToldTwice) {
  std::mt19937 dice(3);
  BandwidthEstimator estimator;
  Time now{seconds(1)};
  for (int i = 0; i < 500; ++i) {
    std::vector<PacketResult> told;
    for (int n = 0; n < 8; ++n) {
      now += milliseconds(8);
      told.push_back({now, (now + milliseconds(20)).time_since_epoch(), 1'000});
      if (dice() % 4 == 0) *told.back().arrived += milliseconds(10);
      if (dice() % 10 == 0) told.push_back(told.back());
    }
    if (i % 50 == 10) told.push_back(told.front());
    if (i % 50 == 20) *told.back().arrived -= seconds(1);  // before the first of all, long ago
    if (i % 50 == 20) told.back().sent -= seconds(1);
    estimator.on_feedback(now + milliseconds(40), told);
    EXPECT_GE(estimator.queue(), Duration(0));
    EXPECT_LE(estimator.queue(), milliseconds(10));
    EXPECT_FALSE(estimator.overused());
    EXPECT_GE(estimator.estimate().value, 500'000);
    EXPECT_LE(estimator.estimate().value, 2'000'000);
  }
}

// What no receiver tells.
TEST(BandwidthEstimator, StaysWithinItsBoundsWhateverIsTold) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 dice(seed);
    const auto below = [&](std::int64_t end) {
      return static_cast<std::int64_t>(dice() % static_cast<std::uint64_t>(end));
    };
    BandwidthEstimator estimator;
    Time now{seconds(below(1'000'000))};
    std::int64_t arrived = below(1LL << 45) - (1LL << 44);
    for (int i = 0; i < 60; ++i) {
      now += Duration(below(200'000));
      std::vector<PacketResult> told;
      for (std::int64_t n = below(30); n > 0; --n) {
        PacketResult one{now - Duration(below(1'000'000)), std::nullopt,
                         static_cast<std::uint32_t>(below(70'000))};
        arrived += below(20'000) - 2'000;
        if (below(200) == 0) arrived += below(1LL << 42) - (1LL << 41);
        if (below(10) != 0) one.arrived = Duration(arrived);
        told.push_back(one);
      }
      if (below(20) == 0) estimator.on_silence(now, now - Duration(below(2'000'000)));
      estimator.on_feedback(now, told);
      ASSERT_GE(estimator.estimate().value, BandwidthEstimator::kMin.value) << "seed " << seed;
      ASSERT_LE(estimator.estimate().value, BandwidthEstimator::kMax.value) << "seed " << seed;
      ASSERT_GE(estimator.target().value, 0) << "seed " << seed;
      ASSERT_LE(estimator.target().value, estimator.estimate().value) << "seed " << seed;
      ASSERT_GE(estimator.queue().count(), 0) << "seed " << seed;
      ASSERT_GE(estimator.loss(), 0) << "seed " << seed;
      ASSERT_LE(estimator.loss(), 1) << "seed " << seed;
    }
  }
}

// Its reference time has 24 bits and a sign.
TEST(BandwidthEstimator, MeasuresAlsoByAReceiversClockBelowZero) {
  Line line(1e6);
  line.offset = -seconds(1'000);
  line.pictures(seconds(5), 450e3);
  EXPECT_GE(line.estimate(), 0.95e6);
  line.rate = 300e3;
  line.pictures(milliseconds(500), 450e3);
  EXPECT_TRUE(line.estimator.overused());
  EXPECT_LE(line.estimate(), 300e3);
}

TEST(BandwidthEstimator, StaysWithinItsBoundsWhateverRembSays) {
  Line line(1e6);
  line.estimator.on_remb(line.now, Bitrate{1'000'000'000'000});
  EXPECT_LE(line.estimator.estimate().value, BandwidthEstimator::kMax.value);
  line.estimator.on_remb(line.now, Bitrate{1'000});
  line.pictures(seconds(1), 450e3);
  EXPECT_GE(line.estimator.estimate().value, BandwidthEstimator::kMin.value);
}

}  // namespace
}  // namespace parley::rtp
