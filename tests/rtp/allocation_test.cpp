#include "rtp/allocation.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using Layer = LayerActivity::Layer;
using Layers = std::vector<std::optional<std::size_t>>;
using std::chrono::milliseconds;
using testing::ElementsAre;

constexpr auto kNone = std::nullopt;
constexpr double kCost = 1.06;  // of a layer on the wire, by its bitrate
constexpr double kSpare = 1 / 0.92;

Layer living(std::int64_t bitrate, std::uint32_t height) {
  return {true, true, Duration{0}, 30, Bitrate{bitrate}, height};
}

// On the wire 106, 318 and 1,060 kbit/s.
std::vector<Layer> ladder() {
  return {living(100'000, 180), living(300'000, 360), living(1'000'000, 720)};
}

constexpr Bitrate kHeld{0};  // until its time is over

struct Scene {
  std::deque<std::vector<Layer>> kept;  // the wishes look at them
  std::vector<LayerWish> wishes;
  std::vector<LayerChoice> choices;
  Allocation sum;
  bool congested = true;  // so that the target alone decides
  bool measured = true;
  bool known = false;
  double resent = 0;
  std::int64_t carries = 0;

  LayerWish& add(int priority, std::optional<std::size_t> current = kNone,
                 std::vector<Layer> layers = ladder()) {
    kept.push_back(std::move(layers));
    return wishes.emplace_back(LayerWish{kept.back(), 720, priority, current});
  }
  Layers run(std::int64_t target, std::int64_t fixed = 0) {
    choices.assign(wishes.size(), {});
    sum = allocate({Bitrate{target}, congested, measured, known, resent, Bitrate{carries}},
                   Bitrate{fixed}, wishes, choices);
    Layers layers;
    for (const LayerChoice& choice : choices) layers.push_back(choice.layer);
    return layers;
  }
  [[nodiscard]] std::vector<std::string_view> reasons() const {
    std::vector<std::string_view> all;
    for (const LayerChoice& choice : choices) all.push_back(name(choice.reason));
    return all;
  }
};

TEST(Allocate, GivesEverybodyHisSmallestLayerFirst) {
  Scene scene;
  for (const int priority : {9, 0, 0}) scene.add(priority);
  EXPECT_THAT(scene.run(460'000), ElementsAre(0, 0, 0));
  EXPECT_EQ(scene.sum.spent.value, 318'000);
}

TEST(Allocate, ServesTheHigherPriorityFirst) {
  Scene scene;
  for (const int priority : {1, 5, 1, 3}) scene.add(priority);
  EXPECT_THAT(scene.run(100'000), ElementsAre(kNone, kNone, kNone, kNone));
  EXPECT_THAT(scene.run(120'000), ElementsAre(kNone, 0, kNone, kNone));
  EXPECT_THAT(scene.run(240'000), ElementsAre(kNone, 0, kNone, 0));
  EXPECT_THAT(scene.run(350'000), ElementsAre(0, 0, kNone, 0)) << "among equals the first";
}

// Else the target is no more than what was tried so far.
TEST(Allocate, GivesUpWhatDoesNotFitOnceItIsKnownWhatTheWayCarries) {
  Scene scene;
  scene.congested = false;
  scene.add(0, 2);
  EXPECT_THAT(scene.run(500'000), ElementsAre(2));
  scene.known = true;
  EXPECT_THAT(scene.run(1'116'000), ElementsAre(2));
  EXPECT_THAT(scene.run(1'110'000), ElementsAre(1)) << "with a little to spare";
  EXPECT_THAT(scene.run(90'000), ElementsAre(kNone)) << "nothing is tried";
  scene.congested = true;
  EXPECT_THAT(scene.run(1'065'000), ElementsAre(2)) << "less would not drain it any sooner";
}

// A slot that goes up asks for one, and it is in the measured rate for a second.
TEST(Allocate, GivesNothingUpForAKeyFrame) {
  Scene scene;
  scene.known = true;
  scene.congested = false;
  auto layers = ladder();
  layers[2].bitrate = Bitrate{1'300'000};
  scene.add(0, 2U, layers);
  EXPECT_THAT(scene.run(1'200'000), ElementsAre(1U));
  layers[2].key_frames = Bitrate{300'000};
  Scene other;
  other.known = true;
  other.congested = false;
  other.add(0, 2U, layers);
  EXPECT_THAT(other.run(1'200'000), ElementsAre(2U));
  Scene below;
  below.known = true;
  below.congested = false;
  below.add(0, 1U, layers);
  EXPECT_THAT(below.run(1'200'000), ElementsAre(1U)) << "to go up, all of it must fit";
}

// A layer's average goes on for seconds after it has become still.
TEST(Allocate, GivesAwayWhatALayerLeavesThatHasBecomeStill) {
  for (const std::int64_t rate : {800'000, 50'000}) {
    SCOPED_TRACE(rate);
    Scene scene;
    scene.known = true;
    scene.congested = false;
    auto still = ladder();
    still[2].average = Bitrate{1'000'000};
    still[2].bitrate = Bitrate{rate};
    scene.add(1, 2U, still);
    scene.add(0, 0U);
    EXPECT_THAT(scene.run(1'500'000), ElementsAre(2U, rate == 50'000 ? 2U : 1U));
  }
}

TEST(Allocate, RaisesTheSmallestStepByStep) {
  Scene scene;
  scene.add(0);
  scene.add(0);
  EXPECT_THAT(scene.run(470'000), ElementsAre(1, 0));
  EXPECT_THAT(scene.run(700'000), ElementsAre(1, 1));
  EXPECT_THAT(scene.run(1'490'000), ElementsAre(1, 1)) << "rather than 0 and 2";
  EXPECT_THAT(scene.run(1'500'000), ElementsAre(2, 1));
  EXPECT_THAT(scene.run(2'400'000), ElementsAre(2, 2));
}

TEST(Allocate, RaisesTheHigherPriorityAsFarAsItWillBeforeTheNext) {
  Scene scene;
  for (const int priority : {0, 1, 0}) scene.add(priority);
  EXPECT_THAT(scene.run(600'000), ElementsAre(0, 1, 0));
  EXPECT_THAT(scene.run(1'380'000), ElementsAre(1, 1, 1));
  EXPECT_THAT(scene.run(1'400'000), ElementsAre(0, 2, 0)) << "rather than three of the middle";
  EXPECT_THAT(scene.run(1'630'000), ElementsAre(1, 2, 0));
}

// The screen that begins to be shared takes the place of cameras, which keep their smallest layer.
TEST(Allocate, TakesFromALowerPriorityWhatAHigherNeeds) {
  Scene scene;
  scene.congested = false;
  scene.add(0, 1);
  scene.add(0, 1);
  scene.add(1, 0);
  EXPECT_THAT(scene.run(820'000), ElementsAre(1, 0, 1)) << "no more than it needs";
  EXPECT_THAT(scene.reasons(), ElementsAre("bandwidth", "bandwidth", "bandwidth"));
  EXPECT_THAT(scene.run(570'000), ElementsAre(1, 1, 0)) << "nothing, if it would not be enough";
  scene.wishes[2].priority = 0;
  EXPECT_THAT(scene.run(800'000), ElementsAre(1, 1, 0)) << "not from its like";
}

TEST(Allocate, StaysAtWhatJustFitsAndTakesMoreOnlyWithATenthToSpare) {
  Scene scene;
  LayerWish& wish = scene.add(0, 1);
  EXPECT_THAT(scene.run(318'001), ElementsAre(1));
  EXPECT_THAT(scene.run(317'999), ElementsAre(0));
  wish.current = 0;
  EXPECT_THAT(scene.run(345'000), ElementsAre(0));
  EXPECT_THAT(scene.run(346'000), ElementsAre(1));
  EXPECT_THAT(scene.run(106'001), ElementsAre(0));
  EXPECT_THAT(scene.run(105'999), ElementsAre(kNone));
  wish.current = kNone;
  EXPECT_THAT(scene.run(115'000), ElementsAre(kNone)) << "also for the smallest";
  EXPECT_THAT(scene.run(116'000), ElementsAre(0));
}

TEST(Allocate, CountsWhatIsSentAnyhow) {
  Scene scene;
  scene.add(0, 1);
  EXPECT_THAT(scene.run(368'001, 50'000), ElementsAre(1));
  EXPECT_THAT(scene.run(367'999, 50'000), ElementsAre(0));
  EXPECT_EQ(scene.sum.spent.value, 156'000);
  EXPECT_THAT(scene.run(40'000, 50'000), ElementsAre(kNone));
  EXPECT_EQ(scene.sum.spent.value, 50'000);
}

TEST(Allocate, DoesNotRaiseAHeldSlotButOthers) {
  Scene scene;
  scene.add(5, 1).held = kHeld;
  scene.add(0, 0);
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(1, 2));
  EXPECT_THAT(scene.reasons(), ElementsAre("hold", "wanted"));
  EXPECT_EQ(scene.sum.next.value, 0) << "it is not to be proven";
  EXPECT_THAT(scene.run(300'000), ElementsAre(0, 0)) << "it can fall";
}

TEST(Allocate, DoesNotShowAPausedSlotWhileItIsHeld) {
  Scene scene;
  LayerWish& wish = scene.add(0);
  wish.held = kHeld;
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(kNone));
  scene.run(50'000);
  EXPECT_EQ(scene.sum.next.value, 0) << "nor is it to be proven";
  EXPECT_THAT(scene.reasons(), ElementsAre("paused"));
  wish.held.reset();
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(2));
}

// Or a way that has grown would not be used before its time is over.
TEST(Allocate, TellsWhatEndsAHold) {
  Scene scene;
  LayerWish& wish = scene.add(0, 0);
  wish.held = Bitrate{200'000};
  scene.run(250'000);
  EXPECT_EQ(scene.sum.next.value, scene.choices[0].needed.value) << "more than what ends it";
  scene.run(400'000);
  EXPECT_EQ(scene.sum.next.value, scene.choices[0].needed.value) << "also where it would fit";
  wish.held = Bitrate{480'000};
  scene.run(400'000);
  EXPECT_EQ(scene.sum.next.value, 480'000);
}

// A target is no more than what was tried so far.
TEST(Allocate, GivesNothingUpUnlessTheWayIsCongested) {
  Scene scene;
  scene.add(1, 1);
  scene.add(0, 2);
  scene.congested = false;
  EXPECT_THAT(scene.run(20'000), ElementsAre(1, 2));
  EXPECT_EQ(scene.sum.spent.value, 1'378'000);
  EXPECT_THAT(scene.reasons(), ElementsAre("bandwidth", "wanted"));
  scene.congested = true;
  EXPECT_THAT(scene.run(700'000), ElementsAre(1, 1));
  EXPECT_THAT(scene.run(20'000), ElementsAre(kNone, kNone));
}

// The ladder with a middle layer that takes so much now, 300 kbit/s on average.
std::vector<Layer> ladder_with(std::int64_t bitrate) {
  std::vector<Layer> layers = ladder();
  layers[1].bitrate = Bitrate{bitrate};
  layers[1].average = Bitrate{300'000};
  return layers;
}

TEST(Allocate, GivesNothingUpForASecondThatIsLargerThanOthers) {
  Scene scene;
  scene.add(0, 1, ladder_with(350'000));
  scene.known = true;
  scene.congested = false;
  EXPECT_THAT(scene.run(340'000), ElementsAre(1)) << "300 kbit/s, their headers and a little more";
  scene.congested = true;
  EXPECT_THAT(scene.run(340'000), ElementsAre(0));
  scene.congested = false;
  scene.wishes.clear();
  scene.add(0, 1, ladder_with(500'000));
  EXPECT_THAT(scene.run(340'000), ElementsAre(0)) << "it is something else now";
}

TEST(Allocate, TakesNoMoreBecauseASecondIsSmallerThanOthers) {
  Scene scene;
  scene.add(0, 0, ladder_with(200'000));
  scene.known = true;
  scene.congested = false;
  EXPECT_THAT(scene.run(300'000), ElementsAre(0));
  EXPECT_THAT(scene.run(360'000), ElementsAre(1));
}

TEST(Allocate, PausesNobodyBecauseAQueueDrains) {
  Scene scene;
  scene.add(2, 2);
  scene.add(1, 0);
  scene.add(0);
  scene.carries = 350'000;
  EXPECT_THAT(scene.run(50'000), ElementsAre(0, 0, kNone)) << "nobody begins now, or gets more";
  EXPECT_THAT(scene.run(0), ElementsAre(0, 0, kNone));
  scene.carries = 200'000;
  EXPECT_THAT(scene.run(50'000), ElementsAre(0, kNone, kNone)) << "both do not fit at all";
}

TEST(Allocate, TriesTheSmallestOnAWayOfWhichNothingIsKnown) {
  Scene scene;
  scene.add(0);
  scene.add(1);
  scene.congested = scene.measured = false;
  EXPECT_THAT(scene.run(20'000), ElementsAre(0, 0));
  scene.measured = true;
  EXPECT_THAT(scene.run(20'000), ElementsAre(kNone, kNone));
  scene.congested = true;
  scene.measured = false;
  EXPECT_THAT(scene.run(20'000), ElementsAre(kNone, kNone));
}

TEST(Allocate, SkipsDeadLayers) {
  Scene scene;
  scene.add(0, 0, {living(100'000, 180), Layer{}, living(1'000'000, 720)});
  EXPECT_THAT(scene.run(1'150'000), ElementsAre(0));
  EXPECT_EQ(scene.sum.next.value, static_cast<std::int64_t>(1'060'000 * kSpare));
  EXPECT_THAT(scene.run(1'160'000), ElementsAre(2));
  Scene other;
  other.add(0, 1, {Layer{}, living(300'000, 360), living(1'000'000, 720)});
  EXPECT_THAT(other.run(320'000), ElementsAre(1));
  EXPECT_THAT(other.run(310'000), ElementsAre(kNone)) << "the dead one is no way out";
}

TEST(Allocate, TellsWhatTheNextStepNeeds) {
  Scene scene;
  scene.add(0, 0);
  scene.add(1, 0);
  const auto next = [&] { return static_cast<double>(scene.sum.next.value); };
  scene.run(240'000, 10'000);
  EXPECT_NEAR(next(), (10'000 + 106'000 + 318'000) * kSpare, 1);
  scene.run(10'000'000);
  EXPECT_EQ(scene.sum.next.value, 0) << "nobody wants more";
  scene.run(50'000);
  EXPECT_NEAR(next(), 106'000 * kSpare, 1) << "also the first";
}

TEST(Allocate, CountsWhatIsSentAgain) {
  Scene scene;
  scene.add(0);
  EXPECT_THAT(scene.run(370'000), ElementsAre(1));
  scene.resent = 0.1;
  EXPECT_THAT(scene.run(370'000), ElementsAre(0));
  EXPECT_THAT(scene.run(390'000), ElementsAre(1));
  EXPECT_EQ(scene.sum.spent.value, 349'800);
}

TEST(Allocate, SaysWhetherAnybodyWantsMore) {
  Scene scene;
  scene.add(0, 2);
  scene.add(0, 1, {living(100'000, 180), living(300'000, 360)});
  scene.run(2'000'000);
  EXPECT_TRUE(scene.sum.complete);
  scene.run(1'000'000);
  EXPECT_FALSE(scene.sum.complete);
  scene.wishes[0].current = 1;
  scene.wishes[0].held = kHeld;
  scene.run(2'000'000);
  EXPECT_FALSE(scene.sum.complete) << "he must wait, but he wants it";
  EXPECT_EQ(scene.sum.next.value, 0);
}

// Whoever proves what is asked for gets it.
TEST(Allocate, RaisesSomebodyWhenTheNextStepIsProven) {
  Scene scene;
  for (const int priority : {0, 1, 2}) scene.add(priority);
  scene.congested = false;
  Layers before = scene.run(0);
  for (int steps = 0; scene.sum.next.value != 0; ++steps) {
    ASSERT_LT(steps, 9);
    for (std::size_t i = 0; i < 3; ++i) scene.wishes[i].current = before[i];
    const std::int64_t spent = scene.sum.spent.value;
    const Layers after = scene.run(scene.sum.next.value + 1);
    EXPECT_NE(after, before);
    EXPECT_GT(scene.sum.spent.value, spent);
    before = after;
  }
  EXPECT_THAT(before, ElementsAre(2, 2, 2));
}

TEST(Allocate, SaysWhy) {
  Scene scene;
  scene.add(9).max_height = 180;
  scene.add(8).max_height = 1'080;
  scene.add(7, kNone, {});
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(0, 2, kNone));
  EXPECT_THAT(scene.reasons(), ElementsAre("wanted", "source", "source"));
  EXPECT_THAT(scene.run(240'000), ElementsAre(0, 0, kNone));
  EXPECT_THAT(scene.reasons(), ElementsAre("wanted", "bandwidth", "source"));
  EXPECT_THAT(scene.run(120'000), ElementsAre(0, kNone, kNone));
  EXPECT_THAT(scene.reasons(), ElementsAre("wanted", "paused", "source"));
}

TEST(Allocate, LooksAtNoMoreThanItsLimit) {
  Scene scene;
  for (std::size_t i = 0; i < kMaxWishes + 6; ++i) scene.add(0);
  const Layers layers = scene.run(1'000'000'000);
  EXPECT_EQ(std::count(layers.begin(), layers.end(), 2U), 64);
  EXPECT_EQ(std::count(layers.end() - 6, layers.end(), kNone), 6);
}

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
      ASSERT_FALSE(wish.held && up);
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

TEST(Allocate, TakesAStepUpOnlyIfItFitsBesideWhatIsKept) {
  const auto layer = [](std::int64_t rate, std::uint32_t height) {
    return LayerActivity::Layer{true, true, Duration{0}, 30, Bitrate{rate}, height};
  };
  const std::vector<LayerActivity::Layer> ladder{layer(100'000, 180), layer(300'000, 360),
                                                 layer(1'000'000, 720)};
  const std::vector<LayerWish> wishes{{ladder, 720, 0, 0}, {ladder, 720, 0, 2}};
  std::vector<LayerChoice> choices(2);
  const Allocation sum = allocate({Bitrate{1'200'000}, false, true}, Bitrate{0}, wishes, choices);
  EXPECT_EQ(choices[0].layer, 0U);
  EXPECT_LE(sum.spent.value, 1'200'000);
  // What is to be proven next is the smallest step that somebody waits for.
  const std::vector<LayerWish> paused{{ladder, 720, 1, 1}, {ladder, 720, 0, {}}};
  const Allocation next = allocate({Bitrate{200'000}, false, true}, Bitrate{0}, paused, choices);
  EXPECT_FALSE(choices[1].layer);
  EXPECT_LE(next.next.value, 461'000);
}

// The smallest picture with half of the pictures and with a quarter, then whole sizes: on the wire
// 26.5, 53, 106, 318 and 1,060 kbit/s.
std::vector<Layer> ladder_with_reduced() {
  std::vector<Layer> layers = ladder();
  layers.insert(layers.begin(), {living(25'000, 180), living(50'000, 180)});
  layers[0].reduced = layers[1].reduced = true;
  layers[0].fps = 7.5;
  layers[1].fps = 15;
  return layers;
}

TEST(Allocate, MakesPicturesSmallBeforeItMakesThemFew) {
  for (const auto& [target, layer] :
       {std::pair{1'200'000, 4U}, {1'000'000, 3U}, {300'000, 2U}, {100'000, 1U}, {50'000, 0U}}) {
    Scene scene;
    scene.add(0, 4, ladder_with_reduced());
    EXPECT_THAT(scene.run(target), ElementsAre(layer)) << target;
  }
  Scene scene;
  scene.add(0, 4, ladder_with_reduced());
  EXPECT_THAT(scene.run(20'000), ElementsAre(kNone));
}

TEST(Allocate, GivesEverybodyFewPicturesBeforeItPausesAnybody) {
  Scene scene;
  for (int i = 0; i < 3; ++i) scene.add(i, 2, ladder_with_reduced());
  EXPECT_THAT(scene.run(110'000), ElementsAre(0U, 0U, 1U));
}

TEST(Allocate, TriesAllPicturesOfTheSmallestOnAWayOfWhichNothingIsKnown) {
  Scene scene;
  scene.congested = scene.measured = false;
  scene.add(0, kNone, ladder_with_reduced());
  EXPECT_THAT(scene.run(0), ElementsAre(2U));
  scene.wishes[0].max_height = 0;
  EXPECT_THAT(scene.run(1'000'000), ElementsAre(2U)) << "a small height does not want few pictures";
}

}  // namespace
}  // namespace parley::rtp
