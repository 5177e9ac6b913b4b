#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

struct Simulcast : ::testing::Test {
  void start() {
    publisher = &sim.add_peer({.layers = 3});
    viewer = &sim.add_peer({.audio = false, .video = false, .video_slots = 1});
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(3));
  }
  void want(std::uint32_t height) {
    sim.assign(*viewer, viewer->video_mid(0), publisher->video_track(), height);
  }
  [[nodiscard]] std::uint32_t shown() {
    const auto& frames = viewer->video_slot(0).frames;
    return frames.empty() ? 99 : frames.back().frame.layer;
  }
  void expect_no_fault() {
    Receiver& slot = viewer->video_slot(0);
    EXPECT_EQ(slot.missing(), 0U);
    EXPECT_EQ(slot.timestamp_faults(), 0U);
    EXPECT_EQ(slot.picture_id_faults(), 0U);
  }
  Sim sim{21};
  SimPeer* publisher = nullptr;
  SimPeer* viewer = nullptr;
};

TEST_F(Simulcast, TheWantedHeightDecidesTheLayer) {
  start();
  for (const auto& [height, layer] : {std::pair{720U, 2U},
                                      {180U, 0U},
                                      {360U, 1U},
                                      {0U, 0U},
                                      {5'000U, 2U},
                                      {200U, 1U},
                                      {181U, 1U}}) {
    want(height);
    sim.run_for(seconds(2));
    EXPECT_EQ(shown(), layer) << "for height " << height;
  }
  expect_no_fault();
}

TEST_F(Simulcast, ChangingTheLayerNeverFreezes) {
  start();
  want(720);
  sim.run_for(seconds(2));
  const rtp::Time since = sim.now;
  for (int i = 0; i < 20; ++i) {
    want(i % 2 == 0 ? 180 : 720);
    sim.run_for(milliseconds(900));
  }
  EXPECT_LE(viewer->video_slot(0).longest_pause(since), milliseconds(120));
  expect_no_fault();
}

TEST_F(Simulcast, ALayerThatVanishesIsLeftWithinASecond) {
  start();
  want(720);
  sim.run_for(seconds(2));
  ASSERT_EQ(shown(), 2U);
  publisher->video.set_active(2, false);
  const rtp::Time since = sim.now;
  sim.run_for(seconds(3));
  EXPECT_EQ(shown(), 1U);
  EXPECT_LE(viewer->video_slot(0).longest_pause(since), milliseconds(1'100));
  publisher->video.set_active(2, true);
  sim.run_for(seconds(4));
  EXPECT_EQ(shown(), 2U);
  expect_no_fault();
}

TEST_F(Simulcast, ALayerThatSaysGoodbyeIsLeftAtOnce) {
  start();
  want(720);
  sim.run_for(seconds(2));
  ASSERT_EQ(shown(), 2U);
  publisher->video.set_active(2, false);
  publisher->send_bye(publisher->video_ssrc(2));
  const rtp::Time since = sim.now;
  sim.run_for(seconds(3));
  EXPECT_EQ(shown(), 1U);
  EXPECT_LE(viewer->video_slot(0).longest_pause(since), milliseconds(150));
  // Of a stream that is not his, a goodbye means nothing.
  publisher->send_bye(viewer->params().slots.front().ssrc);
  publisher->send_bye(rtp::Ssrc{1});
  sim.run_for(seconds(1));
  EXPECT_LE(viewer->video_slot(0).longest_pause(since), milliseconds(150));
  expect_no_fault();
}

TEST_F(Simulcast, TwoViewersMaySeeDifferentLayers) {
  start();
  SimPeer& other = sim.add_peer({.audio = false, .video = false, .video_slots = 1});
  ASSERT_TRUE(sim.connect_all());
  want(180);
  sim.assign(other, other.video_mid(0), publisher->video_track(), 720);
  sim.run_for(seconds(3));
  EXPECT_EQ(shown(), 0U);
  EXPECT_EQ(other.video_slot(0).frames.back().frame.layer, 2U);
  expect_no_fault();
}

TEST_F(Simulcast, WorksWithLossOnBothSides) {
  const Link bad{.loss = 0.03, .delay = milliseconds(20), .jitter = milliseconds(4)};
  PeerOptions up{.layers = 3};
  up.up = up.down = bad;
  PeerOptions down{.audio = false, .video = false, .video_slots = 1};
  down.up = down.down = bad;
  publisher = &sim.add_peer(up);
  viewer = &sim.add_peer(down);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(3));
  for (int i = 0; i < 8; ++i) {
    want(i % 2 == 0 ? 720 : 180);
    sim.run_for(seconds(2));
    EXPECT_EQ(shown(), i % 2 == 0 ? 2U : 0U);
  }
  publisher->media = false;
  sim.run_for(seconds(2));
  Receiver& slot = viewer->video_slot(0);
  EXPECT_LE(slot.missing() * 1'000, slot.expected()) << slot.missing() << " of " << slot.expected();
  EXPECT_EQ(slot.timestamp_faults(), 0U);
}

}  // namespace
}  // namespace parley::sim
