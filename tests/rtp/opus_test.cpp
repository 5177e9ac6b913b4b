#include "rtp/opus.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

constexpr std::uint8_t toc(unsigned config, bool stereo, unsigned code) {
  return static_cast<std::uint8_t>(config << 3 | (stereo ? 4U : 0U) | code);
}

TEST(Opus, KnowsTheFrameDurationOfEveryConfiguration) {
  // RFC 6716, table 2, in samples.
  const std::vector<std::uint16_t> expected{
      480, 960, 1920, 2880, 480, 960, 1920, 2880, 480, 960, 1920, 2880, 480, 960, 480, 960,
      120, 240, 480,  960,  120, 240, 480,  960,  120, 240, 480,  960,  120, 240, 480, 960};
  for (unsigned config = 0; config < 32; ++config) {
    const auto packet = OpusPacket::parse(WireBytes{toc(config, true, 0), 1, 2, 3});
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->frame_samples, expected[config]) << config;
    EXPECT_EQ(packet->samples(), expected[config]);
    EXPECT_EQ(packet->channels, 2);
    EXPECT_FALSE(packet->dtx);
  }
}

TEST(Opus, CountsFrames) {
  EXPECT_EQ(OpusPacket::parse(WireBytes{toc(1, false, 1), 0, 0, 0})->samples(), 1920U);
  EXPECT_EQ(OpusPacket::parse(WireBytes{toc(1, false, 2), 0, 0, 0})->samples(), 1920U);
  EXPECT_EQ(OpusPacket::parse(WireBytes{toc(1, false, 3), 6, 0, 0})->samples(), 5760U);
  EXPECT_EQ(OpusPacket::parse(WireBytes{toc(16, false, 3), 0x80 | 48, 0, 0})->samples(), 5760U);
}

TEST(Opus, RefusesNoFramesAndMoreThan120Milliseconds) {
  EXPECT_FALSE(OpusPacket::parse(WireBytes{toc(1, false, 3), 0, 0}));
  EXPECT_FALSE(OpusPacket::parse(WireBytes{toc(1, false, 3), 7, 0}));
}

TEST(Opus, RefusesTruncation) {
  EXPECT_FALSE(OpusPacket::parse({}));
  EXPECT_FALSE(OpusPacket::parse(WireBytes{toc(1, false, 3)}));
}

TEST(Opus, SeesAPause) {
  EXPECT_TRUE(OpusPacket::parse(WireBytes{toc(15, false, 0)})->dtx);
  EXPECT_TRUE(OpusPacket::parse(WireBytes{toc(15, false, 0), 0xff})->dtx);
}

}  // namespace
}  // namespace parley::rtp
