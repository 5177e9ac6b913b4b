#include "recorder/interleaver.h"

#include <gtest/gtest.h>

namespace parley::recorder {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

MediaPacket packet_at(milliseconds time, std::size_t size = 1) {
  return {time, {}, true, GapReason::None, std::vector<std::uint8_t>(size)};
}

TEST(Interleaver, OrdersBothStreamsByTime) {
  Interleaver interleaver;
  for (const int t : {0, 20, 40, 60}) interleaver.push(Stream::Audio, packet_at(milliseconds{t}));
  for (const int t : {10, 43}) interleaver.push(Stream::Video, packet_at(milliseconds{t}));
  std::vector<std::int64_t> times;
  while (auto out = interleaver.pop(Offset::zero(), true, true)) {
    times.push_back(to_ms(out->packet.time));
  }
  EXPECT_EQ(times, (std::vector<std::int64_t>{0, 10, 20, 40, 43}));
}

TEST(Interleaver, WaitsForASilentStreamNoLongerThanItsHold) {
  Interleaver interleaver;
  interleaver.push(Stream::Video, packet_at(seconds{1}));
  EXPECT_FALSE(interleaver.pop(seconds{1}, true, true));
  EXPECT_FALSE(interleaver.pop(seconds{1} + Interleaver::kHold - milliseconds{1}, true, true));
  EXPECT_TRUE(interleaver.pop(seconds{1} + Interleaver::kHold, true, true));
}

TEST(Interleaver, DoesNotWaitForAStreamThatTheFileLacks) {
  Interleaver interleaver;
  interleaver.push(Stream::Video, packet_at(seconds{1}));
  EXPECT_TRUE(interleaver.pop(seconds{1}, false, true));
}

TEST(Interleaver, HoldsNoMoreThanItsLimitInBytes) {
  Interleaver interleaver;
  interleaver.push(Stream::Video, packet_at(seconds{1}, Interleaver::kMaxBytes));
  EXPECT_FALSE(interleaver.pop(seconds{1}, true, true));
  interleaver.push(Stream::Video, packet_at(seconds{1}));
  EXPECT_TRUE(interleaver.pop(seconds{1}, true, true));
  EXPECT_FALSE(interleaver.pop(seconds{1}, true, true));
}

TEST(Interleaver, GivesEverythingAtTheEnd) {
  Interleaver interleaver;
  EXPECT_TRUE(interleaver.empty());
  interleaver.push(Stream::Audio, packet_at(seconds{2}));
  interleaver.push(Stream::Video, packet_at(seconds{1}));
  EXPECT_EQ(interleaver.front_time(), Offset{seconds{1}});
  EXPECT_EQ(interleaver.pop_any()->stream, Stream::Video);
  EXPECT_EQ(interleaver.pop_any()->stream, Stream::Audio);
  EXPECT_FALSE(interleaver.pop_any());
}

}  // namespace
}  // namespace parley::recorder
