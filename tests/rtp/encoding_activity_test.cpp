#include "rtp/encoding_activity.h"

#include <array>
#include <chrono>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Layer = LayerActivity::Layer;

// Thirty pictures a second; the temporal layers are 0 2 1 2.
struct Publisher {
  EncodingActivity activity;
  Time now{seconds(100)};
  std::uint32_t picture = 0;

  void run(Duration duration, std::uint8_t spatial, bool temporal) {
    for (const Time end = now + duration; now < end; now += milliseconds(33), ++picture) {
      constexpr std::array<std::uint8_t, 4> kPattern{0, 2, 1, 2};
      for (std::uint8_t s = 0; s < spatial; ++s) {
        PacketInfo info;
        info.timestamp = RtpTimestamp{picture * 3'000};
        info.payload_size = static_cast<std::uint16_t>(300U << s);
        info.layers.known = true;
        info.layers.spatial = s;
        info.layers.temporal = temporal ? kPattern[picture % 4] : std::uint8_t{0};
        activity.on_packet(info, s == 0, now);
      }
    }
  }
  // Of 20,000 bytes, of which only the first packet says what it is.
  void send_key_frame() {
    PacketInfo info;
    info.timestamp = RtpTimestamp{picture++ * 3'000};
    info.payload_size = 1'000;
    for (int i = 0; i < 20; ++i) {
      info.key_frame = i == 0;
      activity.on_packet(info, i == 0, now);
    }
    now += milliseconds(33);
  }
  std::vector<Layer> rungs() {
    std::array<Layer, EncodingActivity::kMaxSpatial + EncodingActivity::kMaxReduced> into;
    std::size_t count = activity.reduced_rungs(now, into);
    count += activity.whole_rungs(now, std::span(into).subspan(count));
    return {into.begin(), into.begin() + static_cast<std::ptrdiff_t>(count)};
  }
};

TEST(EncodingActivity, HasOneRungWithoutLayersInside) {
  Publisher publisher;
  publisher.run(seconds(2), 1, false);
  const auto rungs = publisher.rungs();
  ASSERT_EQ(rungs.size(), 1U);
  EXPECT_EQ(rungs[0].limit, LayerLimit{});
  EXPECT_TRUE(rungs[0].steady);
  EXPECT_NEAR(rungs[0].fps, 30, 2);
}

TEST(EncodingActivity, TellsWhatOfItsRateKeyFramesTook) {
  Publisher publisher;
  publisher.run(seconds(2), 1, false);
  const std::int64_t plain = publisher.rungs()[0].bitrate.value;
  EXPECT_EQ(publisher.rungs()[0].key_frames, Bitrate{0});
  publisher.send_key_frame();
  publisher.run(milliseconds(500), 1, false);
  const Layer with = publisher.rungs()[0];
  EXPECT_NEAR(static_cast<double>(with.bitrate.value - with.key_frames.value),
              static_cast<double>(plain), 0.1 * static_cast<double>(plain));
  EXPECT_NEAR(static_cast<double>(with.key_frames.value), 160e3, 8e3);
  publisher.run(milliseconds(400), 1, false);
  publisher.send_key_frame();
  publisher.run(milliseconds(300), 1, false);
  EXPECT_NEAR(static_cast<double>(publisher.rungs()[0].key_frames.value), 160e3, 8e3)
      << "of the second one";
  publisher.run(seconds(1), 1, false);
  EXPECT_EQ(publisher.rungs()[0].key_frames, Bitrate{0});
  EXPECT_NEAR(static_cast<double>(publisher.rungs()[0].bitrate.value), static_cast<double>(plain),
              0.1 * static_cast<double>(plain));
}

TEST(EncodingActivity, HasFewerPicturesBelowTheSmallestAndEachSizeAboveIt) {
  Publisher publisher;
  publisher.run(seconds(2), 3, true);
  const std::array sizes{Resolution{320, 180}, Resolution{640, 360}, Resolution{1'280, 720}};
  publisher.activity.set_heights(sizes);
  const auto rungs = publisher.rungs();
  ASSERT_EQ(rungs.size(), 5U);
  const std::array<LayerLimit, 5> limits{
      {{0, 0}, {0, 1}, {0, LayerLimit::kAll}, {1, LayerLimit::kAll}, {2, LayerLimit::kAll}}};
  const std::array<std::uint32_t, 5> heights{180, 180, 180, 360, 720};
  const std::array<double, 5> fps{7.5, 15, 30, 30, 30};
  // 300, 600 and 1,200 bytes a picture, and all below.
  const std::array<double, 5> bitrates{18'000, 36'000, 72'000, 216'000, 504'000};
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(rungs[i].limit, limits[i]);
    EXPECT_EQ(rungs[i].height, heights[i]);
    EXPECT_EQ(rungs[i].reduced, i < 2);
    EXPECT_TRUE(rungs[i].alive && rungs[i].steady);
    EXPECT_NEAR(rungs[i].fps, fps[i], 2);
    EXPECT_NEAR(static_cast<double>(rungs[i].bitrate.value), bitrates[i], bitrates[i] * 0.15);
  }
  EXPECT_EQ(publisher.activity.height(1), 360U);
  EXPECT_EQ(publisher.activity.height(LayerLimit::kAll), 720U);
}

TEST(EncodingActivity, BelievesWhatArrivesOnly) {
  Publisher publisher;
  publisher.run(seconds(2), 3, true);
  publisher.run(milliseconds(800), 2, false);
  const auto rungs = publisher.rungs();
  ASSERT_EQ(rungs.size(), 3U);  // no layers of fewer pictures any more
  EXPECT_TRUE(rungs[1].alive);
  EXPECT_FALSE(rungs[2].alive);
  publisher.activity.on_end();
  for (const Layer& rung : publisher.rungs()) EXPECT_FALSE(rung.alive);
  publisher.activity.forget_layers();
  EXPECT_EQ(publisher.rungs().size(), 1U);
}

TEST(EncodingActivity, FindsTheRungOfALimit) {
  Publisher publisher;
  publisher.run(seconds(2), 3, true);
  const auto rungs = publisher.rungs();
  for (std::size_t i = 0; i < rungs.size(); ++i) EXPECT_EQ(rung_of(rungs, 0, rungs[i].limit), i);
  EXPECT_EQ(rung_of(rungs, 0, {}), rungs.size() - 1);
  EXPECT_EQ(rung_of(rungs, 1, {}), std::nullopt);
  EXPECT_EQ(rung_of(std::span(rungs).subspan(2), 0, {0, 0}), 0U);
}

}  // namespace
}  // namespace parley::rtp
