#include "rtp/audio_level.h"

#include <array>
#include <chrono>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

// Packets of one level every 20 ms in [from, to).
void play(AudioLevelMeter& meter, std::uint8_t level, std::int64_t from, std::int64_t to) {
  for (std::int64_t ms = from; ms < to; ms += 20) meter.on_packet(level, at(ms));
}

TEST(AudioLevelMeter, HearsSpeechWithinThreeHundredMilliseconds) {
  AudioLevelMeter meter;
  play(meter, 127, 0, 1'000);
  EXPECT_FALSE(meter.speaking(at(1'000)));
  play(meter, 25, 1'000, 1'300);
  EXPECT_TRUE(meter.speaking(at(1'300)));
}

TEST(AudioLevelMeter, IsNotFooledByAClick) {
  AudioLevelMeter meter;
  play(meter, 127, 0, 1'000);
  meter.on_packet(20, at(1'000));
  EXPECT_FALSE(meter.speaking(at(1'010)));
}

TEST(AudioLevelMeter, KeepsSpeakingOverAPauseBetweenWords) {
  AudioLevelMeter meter;
  play(meter, 25, 0, 1'000);
  play(meter, 90, 1'000, 1'800);
  EXPECT_TRUE(meter.speaking(at(1'800)));
  play(meter, 90, 1'800, 3'000);
  EXPECT_FALSE(meter.speaking(at(3'000)));
}

TEST(AudioLevelMeter, FallsSilentWhenPacketsStop) {
  AudioLevelMeter meter;
  play(meter, 20, 0, 1'000);
  const double before = meter.loudness(at(1'000));
  EXPECT_GT(before, 95);
  EXPECT_LT(meter.loudness(at(2'000)), before / 3);
  EXPECT_FALSE(meter.speaking(at(2'100)));
}

TEST(AudioLevelMeter, IsSilentAtOnceWhenMuted) {
  AudioLevelMeter meter;
  play(meter, 20, 0, 1'000);
  meter.on_muted();
  EXPECT_FALSE(meter.speaking(at(1'000)));
  EXPECT_EQ(meter.loudness(at(1'000)), 0.0);
}

TEST(AudioLevelMeter, NeverSpeaksInARoomThatHums) {
  AudioLevelMeter meter;
  play(meter, 62, 0, 10'000);
  EXPECT_FALSE(meter.speaking(at(10'000)));
}

TEST(RankSpeakers, ListsWhoSpeaksLoudestFirst) {
  std::array<AudioLevelMeter, 4> meters;
  play(meters[0], 40, 0, 1'000);
  play(meters[1], 120, 0, 1'000);
  play(meters[2], 15, 0, 1'000);
  play(meters[3], 30, 0, 1'000);
  const std::array<const AudioLevelMeter*, 4> all{&meters[0], &meters[1], &meters[2], &meters[3]};
  std::array<std::size_t, 4> out{};
  ASSERT_EQ(rank_speakers(all, at(1'000), out), 3U);
  EXPECT_EQ(out[0], 2U);
  EXPECT_EQ(out[1], 3U);
  EXPECT_EQ(out[2], 0U);
}

TEST(RankSpeakers, KeepsTheLoudestWhenTheListIsShort) {
  std::array<AudioLevelMeter, 3> meters;
  play(meters[0], 40, 0, 1'000);
  play(meters[1], 30, 0, 1'000);
  play(meters[2], 15, 0, 1'000);
  const std::array<const AudioLevelMeter*, 3> all{&meters[0], &meters[1], &meters[2]};
  std::array<std::size_t, 2> out{};
  ASSERT_EQ(rank_speakers(all, at(1'000), out), 2U);
  EXPECT_EQ(out[0], 2U);
  EXPECT_EQ(out[1], 1U);
  EXPECT_EQ(rank_speakers(all, at(1'000), {}), 0U);
}

}  // namespace
}  // namespace parley::rtp
