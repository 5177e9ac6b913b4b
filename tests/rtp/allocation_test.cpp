#include "rtp/allocation.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rtp/allocation_scene.h"

namespace parley::rtp {
namespace {

using Layer = LayerActivity::Layer;
using testing::ElementsAre;

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

TEST(Allocate, DoesNotShowAPausedSlotWhileItStaysPaused) {
  Scene scene;
  LayerWish& wish = scene.add(0);
  wish.stays_paused = true;
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(kNone));
  scene.run(50'000);
  EXPECT_EQ(scene.sum.next.value, 0) << "nor is it to be proven";
  EXPECT_THAT(scene.reasons(), ElementsAre("paused"));
  wish.stays_paused = false;
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(2));
}

TEST(Allocate, ShowsOnlyTheSmallestOfAPausedSlotThatIsHeld) {
  Scene scene;
  LayerWish& wish = scene.add(0);
  wish.held = kHeld;
  EXPECT_THAT(scene.run(10'000'000), ElementsAre(0));
  EXPECT_THAT(scene.reasons(), ElementsAre("hold"));
  scene.run(50'000);
  EXPECT_THAT(scene.reasons(), ElementsAre("paused"));
  EXPECT_EQ(scene.sum.next.value, scene.choices[0].needed.value) << "it is to be proven";
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
TEST(Allocate, SaysWhetherAnybodyGoesUp) {
  Scene scene;
  LayerWish& wish = scene.add(0);
  const auto goes_up = [&](std::optional<std::size_t> from, std::int64_t target) {
    wish.current = from;
    scene.run(target);
    return scene.sum.raised;
  };
  EXPECT_TRUE(goes_up(kNone, 200'000)) << "the first picture";
  EXPECT_TRUE(goes_up(0, 400'000));
  EXPECT_FALSE(goes_up(1, 400'000));
  EXPECT_FALSE(goes_up(2, 400'000));
  EXPECT_FALSE(goes_up(0, 90'000));
  scene.kept.back()[0].alive = false;
  EXPECT_FALSE(goes_up(0, 400'000)) << "it leaves what is dead";
}

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
