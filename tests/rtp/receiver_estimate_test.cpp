#include "rtp/receiver_estimate.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A browser that tells its own estimate as Chromium does: up by 8 % a second and to no more than
// half as much again as comes, down at once to a part of what came when more is sent than passes.
struct Receiver {
  ReceiverEstimate estimate;
  Time now{seconds(100)};
  double link = 0;
  double word = 300e3;
  Time next_word = now;
  std::int64_t highest = 0;

  explicit Receiver(double rate) : link(rate) {}

  void run(Duration length, double sent) {
    for (const Time end = now + length; now < end; now += milliseconds(20)) {
      estimate.on_sent(now, static_cast<std::size_t>(sent * 0.02 / 8));
      const double came = std::min(sent, link);
      const bool queues = sent > link;
      if (queues && came * 0.85 < word * 0.97) {
        word = came * 0.85;
        next_word = now;
      }
      if (now >= next_word && sent > 0) {
        if (!queues) word = std::max(word, std::min(word * 1.08, came * 1.5 + 10e3));
        estimate.on_word(now, Bitrate{static_cast<std::int64_t>(word)});
        next_word = now + seconds(1);
      }
      estimate.tick(now);
      highest = std::max(highest, estimate.target().value);
    }
  }
};

TEST(ReceiverEstimate, IsTheWordWhereItIsNearWhatIsSent) {
  ReceiverEstimate estimate;
  Time now{seconds(100)};
  for (int i = 0; i < 500; ++i, now += milliseconds(20)) {
    estimate.on_sent(now, 500);  // 200 kbit/s
    if (i % 50 == 0) estimate.on_word(now, Bitrate{215'000 + i});
    estimate.tick(now);
    ASSERT_LE(estimate.target().value, i == 0 ? 500'000 : 215'500);
    ASSERT_FALSE(estimate.way().congested);
  }
}

TEST(ReceiverEstimate, KnowsNothingBeforeTheFirstWord) {
  const ReceiverEstimate estimate;
  EXPECT_EQ(estimate.target(), ReceiverEstimate::kStart);
  EXPECT_FALSE(estimate.way().measured);
}

TEST(ReceiverEstimate, FallsWithTheWordAtOnce) {
  Receiver receiver(1e6);
  receiver.run(seconds(3), 600e3);
  receiver.link = 300e3;
  receiver.run(milliseconds(100), 600e3);
  EXPECT_TRUE(receiver.estimate.way().congested);
  EXPECT_LE(receiver.estimate.target().value, 300'000);
}

TEST(ReceiverEstimate, TriesMoreWhereTheWordStaysWellAboveWhatIsSent) {
  Receiver receiver(2e6);
  receiver.run(seconds(6), 150e3);
  EXPECT_GE(receiver.highest, 600'000) << "the word alone would stay at 300";
}

TEST(ReceiverEstimate, KeepsWhatWasTriedWhileTheWordGrowsTowardsIt) {
  Receiver receiver(2e6);
  receiver.run(seconds(3), 150e3);
  ASSERT_GE(receiver.estimate.target().value, 600'000);
  for (int i = 0; i < 12; ++i) {
    receiver.run(seconds(1), 560e3);
    EXPECT_FALSE(receiver.estimate.way().congested) << i;
    EXPECT_GE(receiver.estimate.target().value, 560'000) << i;
  }
}

TEST(ReceiverEstimate, GivesUpATryAsSoonAsTheWordFalls) {
  Receiver receiver(250e3);
  receiver.run(seconds(3), 150e3);
  ASSERT_GE(receiver.estimate.target().value, 560'000);
  receiver.run(milliseconds(100), 560e3);
  EXPECT_TRUE(receiver.estimate.way().congested);
  EXPECT_LE(receiver.estimate.target().value, 250'000);
}

// The word was so low already that a queue need not lower it.
TEST(ReceiverEstimate, GivesUpATryAfterWhichTheWordDoesNotGrow) {
  Receiver receiver(400e3);
  receiver.run(seconds(3), 150e3);
  ASSERT_GE(receiver.estimate.target().value, 560'000);
  receiver.run(seconds(3), 560e3);
  EXPECT_TRUE(receiver.estimate.way().congested);
  EXPECT_LE(receiver.estimate.target().value, 400'000);
}

TEST(ReceiverEstimate, TriesLessOftenWhatFailedBefore) {
  Receiver receiver(250e3);
  int tries = 0;
  for (int second = 0; second < 300; ++second) {
    const bool high = receiver.estimate.target().value >= 560'000;
    tries += high ? 1 : 0;
    receiver.run(seconds(1), high ? 560e3 : 150e3);
  }
  EXPECT_GE(tries, 4);
  EXPECT_LE(tries, 13);
}

// What was paused sends nothing, so nothing is told, and the last word was a low one.
TEST(ReceiverEstimate, DoesNotHoldAnybodyToAnOldWord) {
  Receiver receiver(100e3);
  receiver.run(seconds(2), 400e3);
  ASSERT_TRUE(receiver.estimate.way().congested);
  receiver.run(seconds(4), 0);
  receiver.estimate.on_word(receiver.now, receiver.estimate.target(), Bitrate{5'000});
  EXPECT_FALSE(receiver.estimate.way().congested) << "the last word said again";
  EXPECT_FALSE(receiver.estimate.way().measured) << "so the smallest picture may be tried";
}

TEST(ReceiverEstimate, TakesAnotherWordAfterAnOldOne) {
  Receiver receiver(100e3);
  receiver.run(seconds(2), 400e3);
  receiver.run(seconds(4), 0);
  receiver.run(seconds(2), 90e3);
  receiver.estimate.on_word(receiver.now, Bitrate{60'000});
  EXPECT_EQ(receiver.estimate.target().value, 60'000);
  EXPECT_TRUE(receiver.estimate.way().congested);
}

TEST(ReceiverEstimate, CountsWhatTheWordSaysNothingOf) {
  ReceiverEstimate estimate;
  estimate.on_word(Time{seconds(1)}, Bitrate{200'000}, Bitrate{50'000});
  EXPECT_EQ(estimate.target().value, 250'000);
}

TEST(ReceiverEstimate, StaysWithinItsBoundsWhateverIsSaid) {
  ReceiverEstimate estimate;
  estimate.on_word(Time{seconds(1)}, Bitrate{0});
  EXPECT_EQ(estimate.target(), ReceiverEstimate::kMin);
  estimate.on_word(Time{seconds(2)}, Bitrate{1'000'000'000'000});
  EXPECT_EQ(estimate.target(), ReceiverEstimate::kMax);
}

}  // namespace
}  // namespace parley::rtp
