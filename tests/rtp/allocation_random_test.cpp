#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/rtp/allocation_scene.h"

namespace parley::rtp {
namespace {

using Layer = LayerActivity::Layer;

class Wishes {
 public:
  explicit Wishes(std::uint32_t seed) : dice_(seed) {}
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(dice_() % end); }
  bool chance(std::uint32_t percent) { return below(100) < percent; }

  // `steady`: nothing but bandwidth decides.
  Scene random(bool steady) {
    Scene scene;
    for (std::uint32_t n = below(12); n > 0; --n) {
      std::vector<Layer> layers;
      std::int64_t bitrate = 20'000 + below(200'000);
      for (std::uint32_t i = 0, count = below(5); i < count; ++i) {
        Layer layer = living(bitrate, chance(80) ? 90U << i : 0);
        layer.steady = steady || chance(80);
        layers.push_back(steady || chance(80) ? layer : Layer{});
        bitrate += bitrate * (50 + below(300)) / 100;
      }
      LayerWish& wish = scene.add(static_cast<int>(below(4)), kNone, layers);
      if (!layers.empty() && chance(70)) {
        wish.current = below(static_cast<std::uint32_t>(layers.size()));
      }
      wish.max_height = below(1'000);
      if (chance(20)) wish.held = kHeld;
      wish.stays_paused = chance(20);
    }
    return scene;
  }

 private:
  std::mt19937 dice_;
};

// What is shown, if it is wanted still.
bool keeps(const LayerWish& wish, std::optional<std::size_t> layer) {
  const auto wanted = select_layer(wish.layers, wish.max_height, wish.current);
  if (!wish.current || wish.current > wanted) return true;
  if (!wish.layers[*wish.current].alive && wish.current != wanted) return true;
  return layer && *layer >= *wish.current;
}

bool is_alive(const Layer& layer) { return layer.alive; }

std::int32_t highest(const Scene& scene) {
  std::int32_t highest = 0;
  for (const LayerWish& wish : scene.wishes) highest = std::max(highest, wish.priority);
  return highest;
}

TEST(Allocate, HoldsItsBoundsForWhateverIsWished) {
  for (std::uint32_t seed = 1; seed <= 1'000; ++seed) {
    SCOPED_TRACE(seed);
    Wishes dice(seed);
    Scene scene = dice.random(false);
    const std::int64_t target = dice.below(6'000'000);
    const std::int64_t fixed = dice.below(200'000);
    scene.congested = dice.chance(50);
    const Layers layers = scene.run(target, fixed);
    double spent = static_cast<double>(fixed);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const LayerWish& wish = scene.wishes[i];
      ASSERT_TRUE(scene.congested || keeps(wish, layers[i]) || wish.priority < highest(scene));
      if (!layers[i]) continue;
      ASSERT_LE(layers[i], select_layer(wish.layers, wish.max_height, wish.current));
      spent += static_cast<double>(wish.layers[*layers[i]].bitrate.value) * kCost;
      const bool up =
          !wish.current || (*layers[i] > *wish.current && wish.layers[*wish.current].alive);
      const auto below = wish.layers.first(*layers[i]);
      const bool first = !wish.current && std::none_of(below.begin(), below.end(), is_alive);
      ASSERT_FALSE(first ? wish.stays_paused : wish.held && up);
    }
    ASSERT_NEAR(static_cast<double>(scene.sum.spent.value), spent, 1);
    ASSERT_TRUE(!scene.congested || scene.sum.spent.value <= std::max(target, fixed));
    ASSERT_TRUE(scene.sum.next.value == 0 || scene.sum.next.value >= target);
    const auto choices = scene.choices;
    scene.run(target, fixed);
    ASSERT_EQ(scene.choices, choices);
  }
}

TEST(Allocate, StaysWhereItIsWhileNothingChanges) {
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    Wishes dice(seed);
    Scene scene = dice.random(true);
    scene.congested = dice.chance(50);
    const std::int64_t target = dice.below(6'000'000);
    for (LayerWish& wish : scene.wishes) wish.held.reset();
    const Layers first = scene.run(target, 30'000);
    for (std::size_t i = 0; i < first.size(); ++i) scene.wishes[i].current = first[i];
    ASSERT_EQ(scene.run(target, 30'000), first) << "seed " << seed;
  }
}

// Everybody sends the same ladder, each step of which is larger than the one before.
TEST(Allocate, TakesNothingAwayWhenMoreCanBeSent) {
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Wishes dice(seed);
    Scene scene;
    for (int n = 0; n < 8; ++n) scene.add(0);
    Layers before = scene.run(0);
    for (std::int64_t target = 0; target < 10'000'000; target += 1 + dice.below(400'000)) {
      const Layers after = scene.run(target);
      for (std::size_t i = 0; i < after.size(); ++i) ASSERT_GE(after[i], before[i]) << target;
      before = after;
    }
  }
}

}  // namespace
}  // namespace parley::rtp
