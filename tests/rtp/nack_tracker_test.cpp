#include "rtp/nack_tracker.h"

#include <array>
#include <chrono>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

std::vector<std::uint16_t> ask(NackTracker& tracker, std::int64_t ms, std::int64_t rtt_ms = 50) {
  std::array<Seq, 300> out;
  const std::size_t count = tracker.collect(at(ms), milliseconds(rtt_ms), out);
  std::vector<std::uint16_t> numbers;
  for (std::size_t i = 0; i < count; ++i) numbers.push_back(out[i].value);
  return numbers;
}

using Numbers = std::vector<std::uint16_t>;

TEST(NackTracker, AsksForAHoleOnlyAfterTheReorderWait) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{10}, at(0));
  EXPECT_FALSE(tracker.next_deadline());
  tracker.on_packet(ExtSeq{13}, at(100));
  EXPECT_EQ(tracker.next_deadline(), at(110));
  EXPECT_EQ(ask(tracker, 109), Numbers{});
  EXPECT_EQ(ask(tracker, 110), (Numbers{11, 12}));
}

TEST(NackTracker, LearnsTheRoundTripFromWhatCameAgain) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{4}, at(10));
  EXPECT_EQ(ask(tracker, 20, 100), (Numbers{2, 3}));
  EXPECT_FALSE(tracker.rtt());
  EXPECT_EQ(ask(tracker, 120, 100), (Numbers{2, 3})) << "it is longer than was thought";
  EXPECT_EQ(ask(tracker, 220, 100), (Numbers{2, 3}));
  tracker.on_packet(ExtSeq{2}, at(320), true);
  EXPECT_EQ(tracker.rtt(), milliseconds(300));
  tracker.on_packet(ExtSeq{3}, at(322));
  EXPECT_EQ(tracker.rtt(), milliseconds(300)) << "that was only late";
  tracker.on_packet(ExtSeq{6}, at(600));
  EXPECT_EQ(ask(tracker, 610), Numbers{5});
  tracker.on_packet(ExtSeq{5}, at(750), true);
  EXPECT_EQ(tracker.rtt(), milliseconds(280)) << "smoothed";
}

TEST(NackTracker, DoesNotAskForWhatWasOnlyReordered) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{3}, at(1));
  tracker.on_packet(ExtSeq{2}, at(5));
  EXPECT_FALSE(tracker.next_deadline());
  EXPECT_EQ(ask(tracker, 50), Numbers{});
  EXPECT_EQ(tracker.recovered(), 0U);
}

TEST(NackTracker, RepeatsEveryRoundTripButNotFasterThanTwentyMilliseconds) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{3}, at(0));
  EXPECT_EQ(ask(tracker, 10, 80), Numbers{2});
  EXPECT_EQ(tracker.next_deadline(), at(90));
  EXPECT_EQ(ask(tracker, 89, 80), Numbers{});
  EXPECT_EQ(ask(tracker, 90, 1), Numbers{2});
  EXPECT_EQ(tracker.next_deadline(), at(110));
}

TEST(NackTracker, GivesUpAfterTenTries) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{3}, at(0));
  int asked = 0;
  for (std::int64_t ms = 0; ms < 2'000; ++ms) asked += static_cast<int>(ask(tracker, ms, 5).size());
  EXPECT_EQ(asked, 10);
  EXPECT_EQ(tracker.missing(), 0U);
  EXPECT_EQ(tracker.given_up(), 1U);
  EXPECT_FALSE(tracker.next_deadline());
}

TEST(NackTracker, GivesUpAfterASecond) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{3}, at(0));
  std::vector<std::int64_t> times;
  for (std::int64_t ms = 0; ms < 3'000; ++ms) {
    if (!ask(tracker, ms, 300).empty()) times.push_back(ms);
  }
  EXPECT_EQ(times, (std::vector<std::int64_t>{10, 310, 610, 910}));
  EXPECT_EQ(tracker.given_up(), 1U);
}

TEST(NackTracker, StopsAskingWhenTheHoleIsFilled) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{4}, at(0));
  EXPECT_EQ(ask(tracker, 10), (Numbers{2, 3}));
  tracker.on_packet(ExtSeq{2}, at(40));
  EXPECT_EQ(tracker.recovered(), 1U);
  EXPECT_EQ(ask(tracker, 60), Numbers{3});
}

TEST(NackTracker, WantsAKeyFrameInsteadOfTooManyHoles) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{1}, at(0));
  tracker.on_packet(ExtSeq{252}, at(0));
  EXPECT_EQ(tracker.missing(), NackTracker::kMaxMissing);
  EXPECT_FALSE(tracker.take_key_frame_wanted());
  tracker.on_packet(ExtSeq{254}, at(1));
  EXPECT_EQ(tracker.missing(), 0U);
  EXPECT_TRUE(tracker.take_key_frame_wanted());
  EXPECT_FALSE(tracker.take_key_frame_wanted());
  EXPECT_EQ(tracker.given_up(), 251U);
  tracker.on_packet(ExtSeq{256}, at(2));
  EXPECT_EQ(ask(tracker, 100), Numbers{255});
}

TEST(NackTracker, KeepsDueWhatDoesNotFitIntoTheList) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{0}, at(0));
  tracker.on_packet(ExtSeq{6}, at(0));
  std::array<Seq, 3> out;
  EXPECT_EQ(tracker.collect(at(10), milliseconds(50), out), 3U);
  EXPECT_EQ(out[0], Seq{1});
  EXPECT_LE(*tracker.next_deadline(), at(10));
  EXPECT_EQ(tracker.collect(at(10), milliseconds(50), out), 2U);
  EXPECT_EQ(out[0], Seq{4});
}

TEST(NackTracker, WritesWrappedNumbers) {
  NackTracker tracker;
  tracker.on_packet(ExtSeq{65'534}, at(0));
  tracker.on_packet(ExtSeq{65'538}, at(0));
  EXPECT_EQ(ask(tracker, 10), (Numbers{65'535, 0, 1}));
}

// A lossy link both ways: every hole is filled or given up, and none is asked for too often.
TEST(NackTracker, FillsEveryHoleOfALossyLink) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    NackTracker tracker;
    std::multimap<std::int64_t, std::int64_t> arriving;  // ms -> seq
    std::map<std::int64_t, int> asked;
    std::vector<bool> got(5'000);
    for (std::int64_t ms = 0; ms < 8'000; ++ms) {
      if (ms < 5'000 && (random() % 10 != 0 || ms == 0 || ms > 4'990)) {
        arriving.emplace(ms + 20 + static_cast<std::int64_t>(random() % 5), ms);
      }
      for (auto it = arriving.begin(); it != arriving.end() && it->first <= ms;) {
        tracker.on_packet(ExtSeq{it->second}, at(ms));
        got[static_cast<std::size_t>(it->second)] = true;
        it = arriving.erase(it);
      }
      for (const std::uint16_t seq : ask(tracker, ms, 40)) {
        ASSERT_FALSE(got[seq]);
        ASSERT_LE(++asked[seq], 10);
        if (random() % 10 != 0) arriving.emplace(ms + 40, seq);
      }
    }
    EXPECT_EQ(tracker.missing(), 0U);
    const auto missing = std::count(got.begin(), got.end(), false);
    EXPECT_LE(missing, 2);
  }
}

}  // namespace
}  // namespace parley::rtp
