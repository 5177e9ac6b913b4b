#include "rtp/clock_map.h"

#include <chrono>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }
// The publisher's clock, an arbitrary way ahead of ours.
NtpTime publisher(std::int64_t ms) {
  return to_ntp(Time{seconds(3'900'000'000)} + milliseconds(ms));
}

TEST(ToNtp, WritesSecondsAndFractions) {
  EXPECT_EQ(to_ntp(Time{milliseconds(2'500)}).value, 0x2'8000'0000U);
  EXPECT_EQ(compact_ntp(NtpTime{0x1234'5678'9abc'def0}), 0x5678'9abcU);
}

TEST(ClockMap, KnowsNothingBeforeTheFirstReport) {
  const ClockMap map;
  EXPECT_FALSE(map.to_time(publisher(0)));
  EXPECT_FALSE(EncodingClock(90'000).capture_time(RtpTimestamp{1}, map));
}

TEST(ClockMap, TakesTheSmallestDelayForNone) {
  ClockMap map;
  map.on_sender_report(publisher(0), at(80));
  map.on_sender_report(publisher(500), at(520));
  map.on_sender_report(publisher(1'000), at(1'100));
  const auto mapped = map.to_time(publisher(1'000));
  ASSERT_TRUE(mapped);
  EXPECT_NEAR(static_cast<double>((*mapped - at(1'020)).count()), 0, 1'000);
}

TEST(ClockMap, FollowsAClockThatDrifts) {
  ClockMap map;  // 100 ppm slow, delays 20..60 ms, an hour
  std::mt19937 random(7);
  for (std::int64_t ms = 0; ms < 3'600'000; ms += 600) {
    const std::int64_t delay = 20 + static_cast<std::int64_t>(random() % 40);
    map.on_sender_report(publisher(ms - ms / 10'000), at(ms + delay));
  }
  const auto mapped = map.to_time(publisher(3'600'000 - 360));
  EXPECT_NEAR(static_cast<double>((*mapped - at(3'600'020)).count()), 0, 10'000);
}

TEST(ClockMap, BelievesAClockSetAnewAfterThreeReports) {
  ClockMap map;
  map.on_sender_report(publisher(0), at(0));
  map.on_sender_report(publisher(500'000), at(500));
  map.on_sender_report(publisher(501'000), at(1'500));
  EXPECT_NEAR(static_cast<double>((*map.to_time(publisher(0)) - at(0)).count()), 0, 1'000);
  map.on_sender_report(publisher(502'000), at(2'500));
  EXPECT_EQ(map.to_time(publisher(502'000)), at(2'500));
}

TEST(EncodingClock, TellsWhenATimestampWasCaptured) {
  ClockMap map;
  EncodingClock clock(90'000);
  map.on_sender_report(publisher(1'000), at(1'000));
  clock.on_sender_report(publisher(1'000), RtpTimestamp{0xffff'fff0});
  EXPECT_EQ(clock.capture_time(RtpTimestamp{0xffff'fff0}, map), at(1'000));
  EXPECT_EQ(clock.capture_time(RtpTimestamp{0xffff'fff0U + 90'000U}, map), at(2'000));
  EXPECT_EQ(clock.capture_time(RtpTimestamp{0xffff'fff0U - 45'000U}, map), at(500));
}

TEST(EncodingClock, SaysNothingOfTimestampsFarAway) {
  ClockMap map;
  EncodingClock clock(48'000);
  map.on_sender_report(publisher(0), at(0));
  clock.on_sender_report(publisher(0), RtpTimestamp{0});
  EXPECT_TRUE(clock.capture_time(RtpTimestamp{29 * 48'000}, map));
  EXPECT_FALSE(clock.capture_time(RtpTimestamp{31 * 48'000}, map));
  EXPECT_FALSE(clock.capture_time(RtpTimestamp{0x8000'0000}, map));
}

// Audio and video of one publisher keep their distance whatever the network does to the reports.
TEST(EncodingClock, KeepsAudioAndVideoOfOnePublisherTogether) {
  std::mt19937 random(3);
  ClockMap map;
  EncodingClock audio(48'000);
  EncodingClock video(90'000);
  for (std::int64_t ms = 0; ms < 20'000; ms += 300) {
    const auto arrival = at(ms + 10 + static_cast<std::int64_t>(random() % 200));
    map.on_sender_report(publisher(ms), arrival);
    if (ms % 600 == 0) {
      audio.on_sender_report(publisher(ms), RtpTimestamp{static_cast<std::uint32_t>(ms * 48 + 77)});
    } else {
      video.on_sender_report(publisher(ms), RtpTimestamp{static_cast<std::uint32_t>(ms * 90 + 99)});
    }
    if (ms < 600) continue;
    const auto heard =
        audio.capture_time(RtpTimestamp{static_cast<std::uint32_t>(ms * 48 + 77)}, map);
    const auto seen =
        video.capture_time(RtpTimestamp{static_cast<std::uint32_t>(ms * 90 + 99)}, map);
    ASSERT_TRUE(heard && seen);
    EXPECT_LE(std::abs((*heard - *seen).count()), 2);
  }
}

}  // namespace
}  // namespace parley::rtp
