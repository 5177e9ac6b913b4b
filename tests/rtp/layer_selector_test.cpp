#include "rtp/layer_selector.h"

#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using Layer = LayerActivity::Layer;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

Layer living(std::uint32_t height, double fps = 30) {
  Layer layer;
  layer.alive = true;
  layer.steady = true;
  layer.silent = Duration{0};
  layer.fps = fps;
  layer.height = height;
  return layer;
}

TEST(SelectLayer, TakesTheSmallestThatIsHighEnough) {
  const std::array layers{living(180), living(360), living(720)};
  EXPECT_EQ(select_layer(layers, 720, {}), 2U);
  EXPECT_EQ(select_layer(layers, 361, {}), 2U);
  EXPECT_EQ(select_layer(layers, 360, {}), 1U);
  EXPECT_EQ(select_layer(layers, 100, {}), 0U);
  EXPECT_EQ(select_layer(layers, 0, {}), 0U);
}

TEST(SelectLayer, TakesTheHighestLivingOneIfNoneIsHighEnough) {
  std::array layers{living(180), living(360), living(720)};
  EXPECT_EQ(select_layer(layers, 2'000, {}), 2U);
  layers[2] = Layer{};
  EXPECT_EQ(select_layer(layers, 2'000, {}), 1U);
}

TEST(SelectLayer, GuessesUnknownHeights) {
  std::array layers{living(0), living(0), living(0)};
  EXPECT_EQ(select_layer(layers, 720, {}), 2U);
  EXPECT_EQ(select_layer(layers, 360, {}), 1U);
  EXPECT_EQ(select_layer(layers, 180, {}), 0U);
  layers[0].height = 270;
  EXPECT_EQ(select_layer(layers, 540, {}), 1U);
  EXPECT_EQ(select_layer(layers, 541, {}), 2U);
}

TEST(SelectLayer, HasNothingToChooseAmongNothing) { EXPECT_FALSE(select_layer({}, 720, 1)); }

TEST(SelectLayer, WaitsUntilAHigherLayerIsSteady) {
  std::array layers{living(180), living(360)};
  layers[1].steady = false;
  EXPECT_EQ(select_layer(layers, 360, 0), 0U);
  layers[1].steady = true;
  EXPECT_EQ(select_layer(layers, 360, 0), 1U);
}

TEST(SelectLayer, StartsWithWhatLivesEvenIfNothingIsSteadyYet) {
  std::array layers{living(180), living(360), Layer{}};
  layers[0].steady = false;
  layers[1].steady = false;
  EXPECT_EQ(select_layer(layers, 720, {}), 1U);
}

TEST(SelectLayer, DoesNotChooseACrawlingLayerAndLeavesOne) {
  const std::array layers{living(180, 30), living(360, 29), living(720, 2)};
  EXPECT_EQ(select_layer(layers, 720, 1), 1U);
  EXPECT_EQ(select_layer(layers, 720, 2), 1U);
}

TEST(SelectLayer, ShowsASlowScreenAtItsFullSize) {
  const std::array layers{living(270, 3), living(1'080, 3)};
  EXPECT_EQ(select_layer(layers, 1'080, {}), 1U);
}

TEST(SelectLayer, StaysWhenAllAreDead) {
  const std::array<Layer, 2> layers{};
  EXPECT_EQ(select_layer(layers, 720, 1), 1U);
  EXPECT_EQ(select_layer(layers, 720, {}), 0U);
}

// One slot over time, looked at every 100 ms, with layers that send packets as `fps_of` says.
template <class FpsOf>
std::vector<std::size_t> watch(std::int64_t until_ms, std::uint32_t height, const FpsOf& fps_of) {
  std::array<LayerActivity, 3> activity;
  for (std::size_t i = 0; i < 3; ++i) activity[i].set_height(180U << i);
  std::array<std::int64_t, 3> next{};
  std::optional<std::size_t> current;
  std::vector<std::size_t> shown;
  for (std::int64_t ms = 0; ms < until_ms; ++ms) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t fps = fps_of(i, ms);
      if (fps == 0 || ms < next[i]) continue;
      activity[i].on_packet(1'000, true, false, at(ms));
      next[i] = ms + 1'000 / fps;
    }
    if (ms % 100 != 99) continue;
    std::array<Layer, 3> layers;
    for (std::size_t i = 0; i < 3; ++i) layers[i] = activity[i].at(at(ms));
    current = select_layer(layers, height, current);
    shown.push_back(*current);
  }
  return shown;
}

TEST(LayerActivity, AveragesOverSecondsWithoutKeyFrames) {
  LayerActivity activity;
  const auto play = [&](std::int64_t from_ms, std::int64_t until_ms, std::size_t bytes) {
    Layer layer;
    for (std::int64_t ms = from_ms; ms < until_ms; ms += 20) {
      activity.on_packet(bytes, true, false, at(ms));
      if (ms % 1'000 == 0) activity.on_packet(5'000, true, true, at(ms));
      layer = activity.at(at(ms));
    }
    return static_cast<double>(layer.average.value);
  };
  EXPECT_NEAR(play(0, 6'000, 1'000), 400e3, 20e3);
  EXPECT_NEAR(play(6'000, 7'000, 1'500), 430e3, 20e3) << "a second of half as much again";
  EXPECT_NEAR(play(7'000, 20'000, 1'500), 600e3, 20e3);
}

// A screen: slides of a second with pauses between them.
TEST(LayerActivity, RemembersTheLargestOfTheLastSecondsAndSeesTheNextOneBegin) {
  LayerActivity activity;
  const auto play = [&](std::int64_t from_ms, std::int64_t until_ms, std::size_t bytes) {
    Layer layer;
    for (std::int64_t ms = from_ms; ms < until_ms; ms += 20) {
      activity.on_packet(bytes, true, false, at(ms));
      if (ms % 1'000 == 0) activity.on_packet(50'000, true, true, at(ms));
      layer = activity.at(at(ms));
    }
    return layer;
  };
  play(0, 5'000, 100);
  play(5'000, 6'000, 4'000);
  Layer layer = play(6'000, 8'900, 100);
  EXPECT_NEAR(static_cast<double>(layer.most.value), 1.6e6, 0.1e6);
  EXPECT_NEAR(static_cast<double>(layer.lately.value), 40e3, 10e3);
  layer = play(8'900, 11'000, 100);
  EXPECT_LT(layer.most.value, 100'000);
  layer = play(11'000, 11'200, 4'000);
  EXPECT_NEAR(static_cast<double>(layer.lately.value), 1.6e6, 0.2e6);
  EXPECT_LT(layer.bitrate.value - layer.key_frames.value, 500'000) << "of a second";
}

TEST(SelectLayer, FallsToALivingLayerWithinASecond) {
  const auto shown = watch(
      5'000, 720, [](std::size_t i, std::int64_t ms) { return i == 2 && ms >= 3'000 ? 0 : 30; });
  EXPECT_EQ(shown[28], 2U);
  EXPECT_EQ(shown[39], 1U) << "at 4,000 ms";
}

TEST(SelectLayer, ComesBackOnlyAfterASteadySecond) {
  const auto shown = watch(7'000, 720, [](std::size_t i, std::int64_t ms) {
    return i == 2 && ms >= 2'000 && ms < 4'000 ? 0 : 30;
  });
  EXPECT_EQ(shown[39], 1U);
  EXPECT_EQ(shown[48], 1U) << "at 4,900 ms";
  EXPECT_EQ(shown[52], 2U) << "at 5,300 ms";
}

TEST(SelectLayer, IsNotTakenInByAFlickeringLayer) {
  const auto shown = watch(20'000, 720, [](std::size_t i, std::int64_t ms) {
    return i == 2 && ms > 1'500 && ms % 1'600 < 800 ? 0 : 30;
  });
  int changes = 0;
  for (std::size_t i = 30; i < shown.size(); ++i) changes += shown[i] != shown[i - 1] ? 1 : 0;
  EXPECT_EQ(changes, 0);
  EXPECT_EQ(shown.back(), 1U);
}

TEST(SelectLayer, LeavesALayerThatBeginsToCrawl) {
  const auto shown = watch(
      8'000, 720, [](std::size_t i, std::int64_t ms) { return i == 2 && ms >= 3'000 ? 2 : 30; });
  EXPECT_EQ(shown[25], 2U);
  EXPECT_EQ(shown.back(), 1U);
}

TEST(SelectLayer, StaysWithAStaticScreenOfOneFrameASecond) {
  const auto shown =
      watch(20'000, 720, [](std::size_t, std::int64_t ms) { return ms < 3'000 ? 30 : 1; });
  int changes = 0;
  for (std::size_t i = 30; i < shown.size(); ++i) changes += shown[i] != shown[i - 1] ? 1 : 0;
  EXPECT_EQ(changes, 0);
  EXPECT_EQ(shown.back(), 2U);
}

}  // namespace
}  // namespace parley::rtp
