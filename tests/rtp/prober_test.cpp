#include "rtp/prober.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Bitrate kEstimate{500'000};
constexpr Bitrate kNeeded{800'000};  // 960,000 is asked for
constexpr Bitrate kSending{400'000};
constexpr Duration kAnswer = milliseconds(200);

class ProberTest : public testing::Test {
 protected:
  Prober prober_;
  Time now_{seconds(100)};

  bool starts(bool overused = false, Bitrate estimate = kEstimate) {
    prober_.consider(now_, estimate, kNeeded, kSending, overused, kAnswer);
    return prober_.active(now_);
  }
  // All padding of a probe, asked for in steps.
  std::size_t pad(Duration step) {
    std::size_t total = 0;
    for (; prober_.active(now_); now_ += step) total += take();
    return total + take();
  }
  std::size_t take() {
    const std::size_t due = prober_.due(now_);
    prober_.on_padding(due);
    return due;
  }
  // The probe that goes on, to its end. How it went is read from the estimate.
  void finish(Bitrate estimate) {
    pad(milliseconds(5));
    now_ += kAnswer;
    prober_.on_media(100'000);
    prober_.on_estimate(now_, estimate);
  }
  // So many feedbacks that change nothing.
  void told(int count) {
    for (; count > 0; --count) prober_.on_estimate(now_, kEstimate);
  }
  // How long nothing is started. Then something is.
  Duration waits() {
    const Time before = now_;
    while (!starts() && now_ < before + seconds(60)) now_ += milliseconds(10);
    return now_ - before;
  }
};

TEST_F(ProberTest, WaitsForWhatAStepUpShows) {
  prober_.on_step_up(now_);
  EXPECT_EQ(waits(), Prober::kAfterStep);
}

// A gallery fills slot by slot.
TEST_F(ProberTest, IsQuietHalfOfTheTimeWhereSomebodyGoesUpAllTheTime) {
  const Time since = now_;
  prober_.on_step_up(now_);
  while (!starts() && now_ < since + seconds(10)) prober_.on_step_up(now_ += milliseconds(100));
  EXPECT_EQ(now_ - since, Prober::kAfterStep);
}

TEST_F(ProberTest, LeavesTheRestOfAProbeToAStepUp) {
  ASSERT_TRUE(starts());
  now_ += Prober::kLength / 2;
  take();
  prober_.on_step_up(now_);
  EXPECT_FALSE(prober_.active(now_));
  EXPECT_EQ(take(), 0U);
  EXPECT_EQ(waits(), Prober::kAfterStep) << "half a probe is no failure";
}

TEST_F(ProberTest, TriesAtOnceWhenAWayThatWasKnownIsNotAnyMore) {
  for (const Duration known : {Prober::kKnown - milliseconds(50), Prober::kKnown}) {
    for (int i = 0; i < 3; ++i) {
      waits();
      finish(kEstimate);
    }
    const Time since = now_;
    for (; now_ <= since + known; now_ += milliseconds(50)) prober_.on_known(now_);
    now_ = since + known;
    if (known < Prober::kKnown) {
      EXPECT_GT(waits(), seconds(1)) << "it was not known for long";
      continue;
    }
    told(Prober::kLooks);
    EXPECT_EQ(waits(), Prober::kUnknown);
    finish(kEstimate);
    EXPECT_NEAR(static_cast<double>(waits().count()), 1e6, 0.2e6) << "as after a first failure";
  }
}

// Who tells seldom is not taken for one of whom nothing is known any more.
TEST_F(ProberTest, NeedsSomeLooksToTellThatAWayIsNotKnownAnyMore) {
  for (int i = 0; i < 3; ++i) {
    waits();
    finish(kEstimate);
  }
  for (const Time end = now_ + seconds(1); now_ <= end; now_ += milliseconds(50)) {
    prober_.on_known(now_);
  }
  now_ += milliseconds(400);
  told(Prober::kLooks - 1);
  EXPECT_FALSE(starts());
  told(1);
  EXPECT_TRUE(starts());
}

TEST_F(ProberTest, SendsPaddingUpToTheRateThatIsNeededWithAMargin) {
  ASSERT_TRUE(starts());
  // 960,000 less what is sent anyhow, for 80 ms.
  EXPECT_NEAR(static_cast<double>(pad(milliseconds(5))), 560'000 * 0.08 / 8, 2);
  EXPECT_EQ(prober_.due(now_ + seconds(1)), 0U);
}

TEST_F(ProberTest, OwesTheSameHoweverOftenItIsAsked) {
  for (const Duration step :
       {Duration(130), Duration(1'000), Duration(17'000), Duration(500'000)}) {
    SCOPED_TRACE(step.count());
    Prober prober;
    prober.consider(now_, kEstimate, kNeeded, kSending, false, kAnswer);
    std::size_t total = 0;
    for (Time t = now_; t < now_ + seconds(1); t += step) {
      const std::size_t due = prober.due(t);
      total += due;
      prober.on_padding(due);
    }
    const std::size_t late = prober.due(now_ + seconds(2));
    EXPECT_NEAR(static_cast<double>(total + late), 560'000 * 0.08 / 8, 2);
  }
}

TEST_F(ProberTest, SpreadsItsPaddingEvenly) {
  ASSERT_TRUE(starts());
  EXPECT_EQ(take(), 0U);
  for (int i = 0; i < 8; ++i) {
    now_ += milliseconds(10);
    EXPECT_NEAR(static_cast<double>(take()), 700, 1);
  }
  EXPECT_FALSE(prober_.active(now_));
}

TEST_F(ProberTest, KeepsWhatCouldNotBeSentYet) {
  ASSERT_TRUE(starts());
  now_ += milliseconds(10);
  EXPECT_EQ(prober_.due(now_), 700U);
  prober_.on_padding(255);
  EXPECT_EQ(prober_.due(now_), 445U);
  now_ += milliseconds(10);
  EXPECT_EQ(prober_.due(now_), 1'145U);
}

// The last packet is larger than what is due.
TEST_F(ProberTest, OwesNothingAfterTooMuchUntilItIsMadeUpFor) {
  ASSERT_TRUE(starts());
  now_ += milliseconds(10);
  prober_.on_padding(1'500);
  EXPECT_EQ(prober_.due(now_), 0U);
  now_ += milliseconds(10);
  EXPECT_EQ(prober_.due(now_), 0U);
  now_ += milliseconds(10);
  EXPECT_EQ(prober_.due(now_), 600U);
}

TEST_F(ProberTest, ForgetsWhatTheLastProbeStillOwed) {
  ASSERT_TRUE(starts());
  now_ += Prober::kLength;
  EXPECT_GE(prober_.due(now_), 5'599U);  // never sent
  prober_.on_estimate(now_ + kAnswer, kEstimate);
  EXPECT_GE(waits(), Prober::kFirst);
  EXPECT_EQ(prober_.due(now_), 0U);
}

TEST_F(ProberTest, AsksForNoMoreThanThriceTheEstimate) {
  prober_.consider(now_, Bitrate{100'000}, Bitrate{5'000'000}, Bitrate{50'000}, false, kAnswer);
  EXPECT_NEAR(static_cast<double>(pad(milliseconds(5))), 250'000 * 0.08 / 8, 2);
}

TEST_F(ProberTest, DoesNotTryWhatIsKnownToPass) {
  prober_.consider(now_, kEstimate, kEstimate, kSending, false, kAnswer);
  EXPECT_FALSE(prober_.active(now_));
  prober_.consider(now_, kEstimate, Bitrate{0}, kSending, false, kAnswer);
  EXPECT_FALSE(prober_.active(now_)) << "nobody wants more";
  EXPECT_EQ(prober_.due(now_ + seconds(1)), 0U);
}

TEST_F(ProberTest, DoesNotTryWhileTheWayIsOverused) {
  for (int i = 0; i < 1'000; ++i, now_ += milliseconds(10)) ASSERT_FALSE(starts(true));
  EXPECT_TRUE(starts(false));
}

TEST_F(ProberTest, NeedsNoPaddingWhenEnoughIsSentAnyhow) {
  prober_.consider(now_, kEstimate, kNeeded, Bitrate{2'000'000}, false, kAnswer);
  EXPECT_EQ(pad(milliseconds(5)), 0U);
}

TEST_F(ProberTest, WaitsLongerAfterEachFailureAndSoonTriesAgainAfterASuccess) {
  ASSERT_TRUE(starts());
  for (const int ms : {1'000, 2'000, 3'000, 3'000}) {
    finish(kEstimate);
    EXPECT_EQ(waits(), milliseconds(ms));
  }
  for (int i = 0; i < 3; ++i) {
    finish(Bitrate{960'000});
    EXPECT_EQ(waits(), milliseconds(200));
  }
  finish(kEstimate);
  EXPECT_EQ(waits(), milliseconds(1'000)) << "what failed before the success is forgotten";
}

// As pictures show it when a link has become free.
TEST_F(ProberTest, TriesAgainAtOnceWhenTheEstimateHasGrownSinceAFailure) {
  ASSERT_TRUE(starts());
  finish(kEstimate);
  EXPECT_FALSE(starts(false, Bitrate{574'000}));
  EXPECT_TRUE(starts(false, Bitrate{575'000}));
  finish(Bitrate{600'000});
  EXPECT_FALSE(starts(false, Bitrate{689'000})) << "it has not grown since";
}

TEST_F(ProberTest, TakesWhatComesBackAfterAProbeForNoGrowth) {
  ASSERT_TRUE(starts());
  finish(Bitrate{400'000});
  EXPECT_FALSE(starts());
  EXPECT_FALSE(starts(false, Bitrate{574'000}));
}

TEST_F(ProberTest, TakesMostOfWhatWasAskedForForASuccessAndClearProgressToo) {
  ASSERT_TRUE(starts());
  finish(Bitrate{816'001});
  EXPECT_EQ(waits(), Prober::kSoon);
  finish(Bitrate{600'001});
  EXPECT_EQ(waits(), Prober::kSoon);
  finish(Bitrate{599'000});
  EXPECT_EQ(waits(), Prober::kFirst);
}

TEST_F(ProberTest, WaitsForTheAnswer) {
  ASSERT_TRUE(starts());
  pad(milliseconds(5));
  now_ += kAnswer - milliseconds(10);
  prober_.on_estimate(now_, kEstimate);  // too early to be judged by
  for (int i = 0; i < 1'000; ++i, now_ += milliseconds(10)) ASSERT_FALSE(starts());
  prober_.on_estimate(now_, Bitrate{960'000});
  EXPECT_EQ(waits(), Prober::kSoon);
}

TEST_F(ProberTest, TriesNothingThatItsBudgetDoesNotCover) {
  const Bitrate large{6'000'000};  // 69,600 bytes, and then half of it
  prober_.consider(now_, Bitrate{5'000'000}, large, Bitrate{240'000}, false, kAnswer);
  EXPECT_FALSE(prober_.active(now_));
  prober_.on_media(100'000'000);
  prober_.consider(now_, Bitrate{5'000'000}, large, Bitrate{240'000}, false, kAnswer);
  EXPECT_FALSE(prober_.active(now_)) << "nothing is saved up without end";
  prober_.consider(now_, Bitrate{5'000'000}, large, Bitrate{3'720'000}, false, kAnswer);
  EXPECT_TRUE(prober_.active(now_));
  EXPECT_NEAR(static_cast<double>(pad(milliseconds(5))), 34'800, 2);
}

TEST_F(ProberTest, StaysBelowItsShareOfTheMedia) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 dice(seed);
    const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(dice() % end); };
    Prober prober;
    Time now{seconds(1)};
    double media = 0;
    double padding = 0;
    std::int64_t estimate = 200'000;
    std::int64_t probes = 0;
    for (int i = 0; i < 60'000; ++i) {
      now += Duration(1'000 + below(8'000));
      const std::size_t bytes = below(5) == 0 ? below(2'400) : 0;
      prober.on_media(bytes);
      media += static_cast<double>(bytes);
      if (below(1'000) == 0) estimate = 50'000 + below(4'000'000);
      if (below(10) == 0) prober.on_estimate(now, Bitrate{estimate});
      const bool before = prober.active(now);
      prober.consider(now, Bitrate{estimate}, Bitrate{estimate + below(2'000'000)},
                      Bitrate{below(500'000)}, below(10) == 0, Duration(below(300'000)));
      if (!before && prober.active(now)) ++probes;
      const std::size_t due = prober.due(now);
      if (below(3) != 0) {
        prober.on_padding(due);
        padding += static_cast<double>(due);
      }
      ASSERT_LE(padding, Prober::kStartBudget + Prober::kCredit + Prober::kShare * media)
          << "seed " << seed;
    }
    EXPECT_GT(probes, 50) << "seed " << seed;
    EXPECT_GT(padding, Prober::kShare * media * 0.5) << "it makes use of what it may";
  }
}

}  // namespace
}  // namespace parley::rtp
