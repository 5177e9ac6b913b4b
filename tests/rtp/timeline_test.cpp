#include "rtp/timeline.h"

#include <chrono>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

Timeline::Moment by_arrival(std::uint32_t timestamp, std::int64_t ms) {
  return {RtpTimestamp{timestamp}, at(ms), std::nullopt};
}
Timeline::Moment by_capture(std::uint32_t timestamp, std::int64_t arrival, std::int64_t capture) {
  return {RtpTimestamp{timestamp}, at(arrival), at(capture)};
}

RtpTimestamp start(Timeline& line, const Timeline::Moment& moment) {
  line.restart(moment);
  return line.map(moment);
}

TEST(Timeline, BeginsWhereItIsToldAndKeepsTheStepsOfTheSource) {
  Timeline line(90'000, RtpTimestamp{1'000});
  EXPECT_FALSE(line.at(at(0)));
  EXPECT_EQ(start(line, by_arrival(0xffff'ff00, 0)), RtpTimestamp{1'000});
  EXPECT_EQ(line.map(by_arrival(0xffff'ff00U + 3'000U, 90)), RtpTimestamp{4'000});
  EXPECT_EQ(line.map(by_arrival(0xffff'ff00U + 1'500U, 95)), RtpTimestamp{2'500}) << "late";
}

TEST(Timeline, ContinuesByArrivalAtAnotherSource) {
  Timeline line(90'000, RtpTimestamp{0});
  (void)start(line, by_arrival(5'000, 1'000));
  EXPECT_EQ(start(line, by_arrival(777'777, 1'100)), RtpTimestamp{9'000});
  EXPECT_EQ(line.map(by_arrival(777'777 + 3'000, 1'133)), RtpTimestamp{12'000});
}

TEST(Timeline, PrefersCaptureTimeWhereBothAreKnown) {
  Timeline line(90'000, RtpTimestamp{0});
  (void)start(line, by_capture(5'000, 1'030, 1'000));
  EXPECT_EQ(start(line, by_capture(9, 1'250, 1'100)), RtpTimestamp{9'000});
}

TEST(Timeline, NeverGoesBackwardsAtAChange) {
  Timeline line(90'000, RtpTimestamp{0});
  (void)start(line, by_capture(0, 1'000, 1'000));
  (void)line.map(by_capture(90'000, 2'000, 2'000));
  EXPECT_EQ(start(line, by_capture(4, 2'010, 1'980)), RtpTimestamp{90'001});
}

TEST(Timeline, TellsWhatWouldBeCapturedNow) {
  Timeline line(48'000, RtpTimestamp{100});
  (void)start(line, by_capture(7, 1'050, 1'000));
  EXPECT_EQ(line.at(at(1'500)), RtpTimestamp{100 + 24'000});
}

TEST(Timeline, JudgesByTheFastestPacketWithoutCaptureTimes) {
  Timeline line(90'000, RtpTimestamp{0});
  (void)start(line, by_arrival(0, 1'040));
  (void)line.map(by_arrival(9'000, 1'105));   // 35 ms faster than the first
  (void)line.map(by_arrival(18'000, 1'290));  // slow again
  EXPECT_EQ(line.at(at(1'305)), RtpTimestamp{9'000 + 18'000});
}

TEST(Timeline, ForgetsAFastPacketOfLongAgo) {
  Timeline line(90'000, RtpTimestamp{0});
  (void)start(line, by_arrival(0, 0));
  for (std::uint32_t i = 1; i <= 600; ++i) {  // a clock 1 % slow for a minute
    (void)line.map(by_arrival(i * 9'000, std::int64_t{i} * 101));
  }
  const auto now = line.at(at(60'600));
  ASSERT_TRUE(now);
  EXPECT_NEAR(now->value, 600 * 9'000, 90 * 110);
}

}  // namespace
}  // namespace parley::rtp
