#include "rtp/keyframe_gate.h"

#include <chrono>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

TEST(KeyFrameGate, AsksNothingThatNobodyWants) {
  KeyFrameGate gate;
  EXPECT_FALSE(gate.poll(at(0)));
  EXPECT_FALSE(gate.next_deadline());
}

TEST(KeyFrameGate, JoinsManyWishesIntoOneRequest) {
  KeyFrameGate gate;
  int sent = 0;
  for (std::int64_t ms = 1'000; ms < 1'500; ++ms) {
    gate.want();
    sent += gate.poll(at(ms)) ? 1 : 0;
  }
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(gate.next_deadline(), at(1'500));
}

TEST(KeyFrameGate, RepeatsWhileNoKeyFrameComes) {
  KeyFrameGate gate(milliseconds(300));
  gate.want();
  int sent = 0;
  for (std::int64_t ms = 0; ms < 3'000; ++ms) sent += gate.poll(at(ms)) ? 1 : 0;
  EXPECT_EQ(sent, 10);
  EXPECT_EQ(gate.requests(), 10U);
  gate.on_key_frame();
  EXPECT_FALSE(gate.poll(at(4'000)));
}

TEST(KeyFrameGate, HoldsBackANewWishUntilTheIntervalIsOver) {
  KeyFrameGate gate;
  gate.want();
  EXPECT_TRUE(gate.poll(at(1'000)));
  gate.on_key_frame();
  gate.want();
  EXPECT_FALSE(gate.poll(at(1'499)));
  EXPECT_TRUE(gate.poll(at(1'500)));
}

TEST(KeyFrameGate, ForgetsAWishThatIsTakenBack) {
  KeyFrameGate gate;
  gate.want();
  gate.cancel();
  EXPECT_FALSE(gate.poll(at(0)));
}

}  // namespace
}  // namespace parley::rtp
