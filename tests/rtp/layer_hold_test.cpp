#include "rtp/layer_hold.h"

#include <chrono>
#include <cstdint>
#include <optional>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

constexpr auto kNone = std::nullopt;

class LayerHoldTest : public testing::Test {
 protected:
  using Basis = WayEstimate::Basis;

  LayerHold hold_;
  Time now_{milliseconds(100'000)};

  void moves(std::optional<std::size_t> from, std::optional<std::size_t> to,
             std::int64_t way = 1'000'000, Basis basis = Basis::Told, std::int64_t step = 600'000,
             std::int64_t others = 50'000) {
    LayerChoice choice{to, to ? LayerReason::Bandwidth : LayerReason::Paused};
    choice.step = Bitrate{step};
    choice.others = Bitrate{others};
    hold_.on_choice(now_, from, choice, {Bitrate{way}, basis});
  }
  [[nodiscard]] bool holds() const { return hold_.held_until(now_).has_value(); }
  [[nodiscard]] Duration held_for() const {
    Duration length{0};
    while (hold_.held_until(now_ + length)) length += milliseconds(100);
    return length;
  }
};

TEST_F(LayerHoldTest, HoldsAWhileAfterAStepDownForBandwidth) {
  moves(2, 1);
  EXPECT_EQ(held_for(), milliseconds(1'500));
  now_ += milliseconds(1'500);
  EXPECT_EQ(held_for(), Duration{0});
  moves(1, kNone);
  EXPECT_EQ(held_for(), milliseconds(1'500));
}

TEST_F(LayerHoldTest, HoldsAPauseForAShortWhileOnly) {
  moves(1, 0);
  EXPECT_FALSE(hold_.holds_pause(now_)) << "it is shown";
  moves(0, kNone);
  EXPECT_TRUE(hold_.holds_pause(now_ + milliseconds(299)));
  EXPECT_FALSE(hold_.holds_pause(now_ + milliseconds(300)));
  EXPECT_EQ(held_for(), milliseconds(1'500)) << "for more than the smallest";
}

TEST_F(LayerHoldTest, HoldsAPauseLongerWhenToShowItAgainWasAMistake) {
  moves(0, kNone);
  now_ += milliseconds(300);
  moves(kNone, 0);
  now_ += milliseconds(500);
  moves(0, kNone);
  EXPECT_TRUE(hold_.holds_pause(now_ + milliseconds(1'499)));
  EXPECT_FALSE(hold_.holds_pause(now_ + milliseconds(1'500)));
}

TEST_F(LayerHoldTest, DoesNotHoldForAnotherReason) {
  hold_.on_choice(now_, 2, {1, LayerReason::Wanted}, {Bitrate{1'000'000}});
  hold_.on_choice(now_, 2, {1, LayerReason::Source}, {Bitrate{1'000'000}});
  moves(1, 1);
  moves(1, 2);
  moves(kNone, 0);
  moves(kNone, kNone);
  EXPECT_EQ(held_for(), Duration{0});
}

TEST_F(LayerHoldTest, DoublesWithEachMistakeUpToItsLimit) {
  for (const int ms : {3'000, 6'000, 12'000, 24'000, 48'000, 60'000, 60'000}) {
    moves(1, 2);
    now_ += milliseconds(9'999);
    moves(2, 1);
    EXPECT_EQ(held_for(), milliseconds(ms));
    now_ += milliseconds(ms);
  }
  moves(1, 2);
  now_ += milliseconds(10'000);
  moves(2, 1);
  EXPECT_EQ(held_for(), LayerHold::kFirst) << "it was right for a while";
}

TEST_F(LayerHoldTest, DoesNotBlameTheStepUpWhenTheWayCollapses) {
  moves(1, 2);
  now_ += milliseconds(1'000);
  moves(2, 1, 690'000);
  EXPECT_EQ(held_for(), LayerHold::kFirst);
  now_ += milliseconds(10'000);
  moves(1, 2);
  now_ += milliseconds(1'000);
  moves(2, 1, 710'000);
  EXPECT_EQ(held_for(), 2 * LayerHold::kFirst);
}

TEST_F(LayerHoldTest, DoesNotBlameTheStepUpWhenItIsKnownThatTheWayCarriesLess) {
  moves(1, 2, 1'000'000, Basis::Known);
  now_ += milliseconds(1'000);
  moves(2, 1, 940'000, Basis::Known);
  EXPECT_EQ(held_for(), LayerHold::kFirst);
}

// So that there are two changes in ten seconds at most.
TEST_F(LayerHoldTest, WaitsTenSecondsWhenTheWayCarriesAsMuchAsBefore) {
  for (const Basis basis : {Basis::Known, Basis::Passed}) {
    moves(1, 2, 1'000'000, basis);
    now_ += milliseconds(60'000);
    moves(2, 1, 960'000, basis);
    EXPECT_EQ(held_for(), milliseconds(10'000));
    now_ += milliseconds(10'000);
    for (const int ms : {20'000, 40'000, 60'000, 60'000}) {
      moves(1, 2, 1'000'000, basis);
      now_ += milliseconds(600);
      moves(2, 1, 960'000, basis);
      EXPECT_EQ(held_for(), milliseconds(ms));
      now_ += milliseconds(ms);
    }
  }
}

TEST_F(LayerHoldTest, EndsOnceTheLayerTakesMuchLess) {
  moves(2, 1, 1'000'000, Basis::Known, 600'000);
  moves(1, 1, 1'000'000, Basis::Known, 310'000);
  EXPECT_TRUE(holds());
  moves(1, 1, 1'000'000, Basis::Known, 0);
  EXPECT_TRUE(holds()) << "nothing larger is there now";
  moves(1, 1, 1'000'000, Basis::Known, 290'000);
  EXPECT_FALSE(holds());
}

TEST_F(LayerHoldTest, EndsOnceTheOthersLeaveRoom) {
  moves(2, 1, 2'000'000, Basis::Known, 600'000, 1'000'000);
  moves(1, 1, 2'000'000, Basis::Known, 600'000, 701'000);
  EXPECT_TRUE(holds());
  moves(1, 1, 2'000'000, Basis::Known, 600'000, 700'000);
  EXPECT_FALSE(holds());
}

TEST_F(LayerHoldTest, BlamesNobodyWhomOthersHaveDisplacedThatWereAskedFor) {
  moves(1, 2, 2'000'000, Basis::Known, 600'000, 50'000);
  hold_.on_other_wishes();
  now_ += milliseconds(2'000);
  moves(2, 1, 2'000'000, Basis::Known, 600'000, 1'000'000);
  EXPECT_EQ(held_for(), LayerHold::kFirst);
}

TEST_F(LayerHoldTest, BlamesNobodyWhomOthersHaveDisplacedLongAfterwards) {
  moves(1, 2, 2'000'000, Basis::Known, 600'000, 50'000);
  now_ += LayerHold::kMistake;
  moves(2, 1, 2'000'000, Basis::Known, 600'000, 1'000'000);
  EXPECT_EQ(held_for(), LayerHold::kFirst);
}

// A screen with its slides: what it leaves between them is not for the camera.
TEST_F(LayerHoldTest, WaitsForOthersWhoComeBackByThemselves) {
  const auto displaced = [&] {
    moves(1, 2, 2'000'000, Basis::Known, 600'000, 50'000);
    now_ += milliseconds(3'000);
    moves(2, 1, 2'000'000, Basis::Known, 600'000, 350'000);
    now_ += milliseconds(100);
    moves(1, 0, 2'000'000, Basis::Known, 600'000, 1'000'000);
    now_ += milliseconds(1'000);
    moves(0, 0, 2'000'000, Basis::Known, 600'000, 50'000);
    return held_for() + milliseconds(1'000);
  };
  EXPECT_EQ(displaced(), LayerHold::kSameWay);
  now_ += LayerHold::kSameWay;
  EXPECT_FALSE(holds());
  EXPECT_EQ(displaced(), 2 * LayerHold::kSameWay);
  moves(0, 0, 2'170'000, Basis::Known, 600'000, 50'000);
  EXPECT_FALSE(holds()) << "the way has grown";
}

// What a receiver says of the way follows what is sent: it would not end anything.
TEST_F(LayerHoldTest, DoesNotWaitForOthersOnAWayThatIsOnlyTold) {
  moves(1, 2, 2'000'000, Basis::Told, 600'000, 50'000);
  now_ += milliseconds(2'000);
  moves(2, 1, 2'000'000, Basis::Told, 600'000, 1'000'000);
  EXPECT_EQ(held_for(), LayerHold::kFirst);
}

// After a fall by two layers the next step is a small one, and much less room would be too little.
TEST_F(LayerHoldTest, NeedsAsMuchRoomAsWasGivenUp) {
  const auto falls = [&](std::int64_t others) {
    LayerChoice choice{0, LayerReason::Bandwidth};
    choice.step = Bitrate{200'000};
    choice.given_up = Bitrate{1'000'000};
    choice.others = Bitrate{others};
    hold_.on_choice(now_, 2, choice, {Bitrate{2'000'000}, Basis::Known});
  };
  falls(1'000'000);
  moves(0, 0, 2'000'000, Basis::Known, 200'000, 600'000);
  EXPECT_TRUE(holds());
  moves(0, 0, 2'000'000, Basis::Known, 200'000, 500'000);
  EXPECT_FALSE(holds());
}

TEST_F(LayerHoldTest, RestsTenSecondsAfterGoingUpWhereOthersComeBack) {
  moves(1, 2, 2'000'000, Basis::Known, 600'000, 50'000);
  now_ += milliseconds(3'000);
  moves(2, 0, 2'000'000, Basis::Known, 600'000, 1'000'000);
  now_ += LayerHold::kSameWay;
  moves(0, 1, 2'000'000, Basis::Known, 600'000, 50'000);
  EXPECT_EQ(held_for(), LayerHold::kSameWay);
}

TEST_F(LayerHoldTest, BelievesInTheRoomThatOthersLeaveWhoWereAskedTo) {
  moves(1, 2, 2'000'000, Basis::Known, 600'000, 50'000);
  now_ += milliseconds(3'000);
  moves(2, 1, 2'000'000, Basis::Known, 600'000, 1'000'000);
  hold_.on_other_wishes();
  moves(1, 1, 2'000'000, Basis::Known, 600'000, 1'000'000);
  EXPECT_TRUE(holds()) << "there is none yet";
  moves(1, 1, 2'000'000, Basis::Known, 600'000, 50'000);
  EXPECT_FALSE(holds());
}

TEST_F(LayerHoldTest, BlamesNobodyWhoWentUpWhenNothingWasKnown) {
  moves(1, 2, 0);
  now_ += milliseconds(2'000);
  moves(2, 1, 500'000, Basis::Known);
  EXPECT_EQ(held_for(), LayerHold::kFirst);
}

TEST_F(LayerHoldTest, EndsWhenItIsToldToAndRemembersMistakes) {
  moves(1, 2, 1'000'000, Basis::Known);
  moves(2, kNone, 1'000'000, Basis::Known);
  EXPECT_TRUE(hold_.holds_pause(now_));
  hold_.end(now_);
  EXPECT_FALSE(holds());
  EXPECT_FALSE(hold_.holds_pause(now_));
  moves(kNone, 2, 1'000'000, Basis::Known);
  moves(2, 1, 1'000'000, Basis::Known);
  EXPECT_EQ(held_for(), 2 * LayerHold::kSameWay);
}

TEST_F(LayerHoldTest, EndsOnceClearlyMoreHasComeThrough) {
  const auto ends = [&](std::int64_t way, Basis basis) {
    hold_ = {};
    moves(2, 1, 1'000'000);
    EXPECT_EQ(hold_.held_until(now_), Bitrate{1'200'000});
    moves(1, 1, way, basis);
    return !holds();
  };
  EXPECT_FALSE(ends(1'070'000, Basis::Known));
  EXPECT_TRUE(ends(1'090'000, Basis::Known));
  EXPECT_FALSE(ends(1'199'999, Basis::Passed));
  EXPECT_TRUE(ends(1'200'000, Basis::Passed));
  EXPECT_FALSE(ends(3'000'000, Basis::Told)) << "he follows what is sent";
}

TEST_F(LayerHoldTest, CountsAFallOfSeveralStepsOnce) {
  moves(1, 2);
  now_ += milliseconds(500);
  moves(2, 1);
  now_ += milliseconds(400);
  moves(1, 0);
  EXPECT_EQ(held_for(), 2 * LayerHold::kFirst) << "from the last one on";
}

}  // namespace
}  // namespace parley::rtp
