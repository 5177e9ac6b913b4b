#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rtp/allocation_scene.h"

namespace parley::rtp {
namespace {

using Layer = LayerActivity::Layer;
using testing::ElementsAre;

// Layers that do not take the same all the time, and queues that come of it.

// The ladder with a middle layer that takes so much now, 300 kbit/s on average.
std::vector<Layer> ladder_with(std::int64_t bitrate) {
  std::vector<Layer> layers = ladder();
  layers[1].bitrate = Bitrate{bitrate};
  layers[1].average = Bitrate{300'000};
  return layers;
}

// A screen at its largest that stands still after a slide of 1.5 Mbit/s.
std::vector<Layer> between_slides() {
  std::vector<Layer> layers = ladder();
  layers[2].average = Bitrate{500'000};
  layers[2].bitrate = Bitrate{50'000};
  layers[2].most = Bitrate{1'500'000};
  return layers;
}

// Nothing stands before the way, and what it carries is known.
Scene calm() {
  Scene scene;
  scene.known = true;
  scene.congested = false;
  return scene;
}

// A slot that goes up asks for one, and it is in the measured rate for a second.
TEST(Allocate, GivesNothingUpForAKeyFrame) {
  Scene scene = calm();
  auto layers = ladder();
  layers[2].bitrate = Bitrate{1'300'000};
  scene.add(0, 2U, layers);
  EXPECT_THAT(scene.run(1'200'000), ElementsAre(1U));
  layers[2].key_frames = Bitrate{300'000};
  Scene other = calm();
  other.add(0, 2U, layers);
  EXPECT_THAT(other.run(1'200'000), ElementsAre(2U));
  Scene below = calm();
  below.add(0, 1U, layers);
  EXPECT_THAT(below.run(1'200'000), ElementsAre(1U)) << "to go up, all of it must fit";
}

// A layer's average goes on for seconds after it has become still.
TEST(Allocate, GivesAwayWhatALayerLeavesThatHasBecomeStill) {
  for (const std::int64_t rate : {800'000, 50'000}) {
    SCOPED_TRACE(rate);
    Scene scene = calm();
    auto still = ladder();
    still[2].average = Bitrate{1'000'000};
    still[2].bitrate = Bitrate{rate};
    scene.add(1, 2U, still);
    scene.add(0, 0U);
    EXPECT_THAT(scene.run(1'500'000), ElementsAre(2U, rate == 50'000 ? 2U : 1U));
  }
}

// A screen between two slides is still, and takes what it took with the last one.
TEST(Allocate, LeavesToOthersWhatTheyTakeAtTimes) {
  Scene scene = calm();
  const auto still = between_slides();
  scene.add(1, 2U, still);
  scene.add(0, 0U);
  EXPECT_THAT(scene.run(2'000'000), ElementsAre(2U, 1U)) << "0.8 of it, and 0.3";
  EXPECT_EQ(scene.choices[1].others.value, static_cast<std::int64_t>(1'200'000 * kCost));
  EXPECT_EQ(scene.choices[1].needed.value, static_cast<std::int64_t>(2'200'000 * kCost * kSpare));
  EXPECT_THAT(scene.run(2'600'000), ElementsAre(2U, 2U));
}

// In whatever order: a step up is looked at before all of the others are given what they show.
TEST(Allocate, LeavesToEqualsWhatTheyTakeAtTimes) {
  const auto still = between_slides();
  for (const bool first : {true, false}) {
    SCOPED_TRACE(first);
    Scene scene = calm();
    if (first) scene.add(0, 2U, still);
    scene.add(0, 1U);
    if (!first) scene.add(0, 2U, still);
    EXPECT_THAT(scene.run(2'000'000), first ? ElementsAre(2U, 1U) : ElementsAre(1U, 2U));
    EXPECT_THAT(scene.run(2'600'000), ElementsAre(2U, 2U));
  }
}

TEST(Allocate, TakesFewPicturesOfSlowOnesForNoBurst) {
  for (const double fps : {5.0, 15.0}) {
    SCOPED_TRACE(fps);
    Scene scene;
    auto slow = ladder();
    slow[2].average = Bitrate{300'000};
    slow[2].bitrate = Bitrate{300'000};
    slow[2].lately = Bitrate{1'500'000};
    slow[2].fps = fps;
    scene.add(1, 2U, slow);
    scene.add(0, 0U);
    EXPECT_THAT(scene.run(1'600'000), ElementsAre(2U, fps < 12 ? 2U : 0U));
  }
}

TEST(Allocate, SaysWhatAFallGivesUp) {
  Scene scene;
  scene.add(1, 2U);
  scene.add(0, 2U);
  EXPECT_THAT(scene.run(1'400'000), ElementsAre(2U, 1U));
  EXPECT_THAT(scene.reasons(), ElementsAre("wanted", "bandwidth"));
  EXPECT_EQ(scene.choices[1].given_up.value, static_cast<std::int64_t>(700'000 * kCost));
  EXPECT_EQ(scene.choices[0].given_up.value, 0);
}

// The average of a second does not know yet that a slide has begun.
TEST(Allocate, GoesAsFarDownAtOnceAsTheOthersWillNeed) {
  for (const std::int64_t lately : {0, 1'500'000}) {
    SCOPED_TRACE(lately);
    Scene scene;
    auto slide = ladder();
    slide[2].average = Bitrate{300'000};
    slide[2].bitrate = Bitrate{700'000};
    slide[2].lately = Bitrate{lately};
    scene.add(1, 2U, slide);
    scene.add(0, 2U);
    EXPECT_THAT(scene.run(1'600'000), ElementsAre(2U, lately == 0 ? 1U : 0U));
  }
}

// As long as what lasts leaves the queue a fifth of the way.
TEST(Allocate, GivesNothingUpForABurstThatASoonDrainedQueueTakes) {
  for (const std::int64_t average : {400'000, 1'100'000}) {
    SCOPED_TRACE(average);
    Scene scene;
    auto slide = ladder();
    slide[2].average = Bitrate{average};
    slide[2].bitrate = Bitrate{1'500'000};
    scene.add(1, 2U, slide);
    scene.add(0, 1U);
    EXPECT_THAT(scene.run(1'700'000), ElementsAre(2U, average == 400'000 ? 1U : 0U));
  }
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

}  // namespace
}  // namespace parley::rtp
