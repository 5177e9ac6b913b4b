#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/layer_changes.h"
#include "tests/sim/sim.h"

// What a viewer behind a narrow link gets: a real worker on virtual time, with feedback as browsers
// send it. The publisher's layers are of 75, 300 and 1,200 kbit/s.
namespace parley::sim {
namespace {

struct Bandwidth : ::testing::Test {
  void start(double rate_bps, double loss = 0) {
    publisher = &sim.add_peer({.layers = 3});
    PeerOptions options{.audio = false, .video = false, .audio_slots = 1, .video_slots = 1};
    options.down = {.loss = loss, .delay = milliseconds(30), .rate_bps = rate_bps};
    options.up = {.delay = milliseconds(30)};
    viewer = &sim.add_peer(options);
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(2));
    sim.assign_all(*viewer);
  }
  // Two publishers, and a slot for each; the first one's largest layer is shown, and fills the
  // link.
  void start_with_two() {
    publisher = &sim.add_peer({.layers = 3});
    other = &sim.add_peer({.layers = 3});
    PeerOptions options{.audio = false, .video = false, .audio_slots = 1, .video_slots = 2};
    options.down = {.delay = milliseconds(30), .rate_bps = 1'650e3};
    options.up = {.delay = milliseconds(30)};
    viewer = &sim.add_peer(options);
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(2));
    sim.assign(*viewer, viewer->video_mid(0), publisher->video_track(), 720);
    ASSERT_TRUE(comes_to(2, seconds(10)));
  }
  void show_other(std::uint32_t height, std::int32_t priority) {
    sim.command(
        server::Assign{viewer->id(), viewer->video_mid(1), other->video_track(), height, priority},
        0);
  }
  void set_rate(double rate_bps) { viewer->options.down.rate_bps = rate_bps; }
  // Of the frames since then, how many are of this layer.
  [[nodiscard]] double share_of(std::uint32_t layer, rtp::Time since) const {
    std::size_t all = 0;
    std::size_t right = 0;
    for (const Receiver::Frame& frame : viewer->video_slot(0).frames) {
      if (frame.at < since) continue;
      ++all;
      if (frame.frame.layer == layer) ++right;
    }
    return all == 0 ? 0 : static_cast<double>(right) / static_cast<double>(all);
  }
  [[nodiscard]] std::uint32_t shown() const {
    const auto& frames = viewer->video_slot(0).frames;
    return frames.empty() ? 99 : frames.back().frame.layer;
  }
  [[nodiscard]] bool comes_to(std::uint32_t layer, rtp::Duration limit) {
    return sim.run_until([&] { return shown() == layer; }, limit);
  }
  void expect_no_fault() const {
    EXPECT_EQ(viewer->video_slot(0).timestamp_faults(), 0U);
    EXPECT_EQ(viewer->video_slot(0).picture_id_faults(), 0U);
  }

  Sim sim{33};
  SimPeer* publisher = nullptr;
  SimPeer* other = nullptr;
  SimPeer* viewer = nullptr;
};

TEST_F(Bandwidth, AWideLinkGetsTheLargestLayerSoon) {
  start(20e6);
  EXPECT_TRUE(comes_to(2, seconds(2)));
  const rtp::Time since = sim.now;
  sim.run_for(seconds(20));
  EXPECT_EQ(share_of(2, since), 1.0);
  EXPECT_LE(viewer->video_slot(0).longest_pause(since), milliseconds(120));
  EXPECT_EQ(viewer->video_slot(0).missing(), 0U);
  expect_no_fault();
}

TEST_F(Bandwidth, ANarrowLinkGetsWhatFits) {
  for (const auto& [rate, layer] : {std::pair{250e3, 0U}, {550e3, 1U}, {1'000e3, 1U}}) {
    SCOPED_TRACE(rate);
    sim.run_for(seconds(1));
    start(rate);
    sim.run_for(seconds(5));
    const rtp::Time since = sim.now;
    const Receiver& slot = viewer->video_slot(0);
    // Of the layer that was tried and given up first, not all is sent again.
    const std::size_t missing = slot.missing();
    const std::size_t faults = slot.picture_id_faults();
    sim.run_for(seconds(30));
    EXPECT_GE(share_of(layer, since), 0.95);
    EXPECT_LE(slot.pictures.longest_freeze(since, sim.now), milliseconds(500));
    EXPECT_EQ(slot.missing(), missing);
    EXPECT_EQ(slot.picture_id_faults(), faults);
    EXPECT_EQ(slot.timestamp_faults(), 0U);
  }
}

TEST_F(Bandwidth, ALinkThatShrinksAndGrowsAgainIsFollowed) {
  start(5e6);
  ASSERT_TRUE(comes_to(2, seconds(3)));
  sim.run_for(seconds(5));
  set_rate(250e3);
  EXPECT_TRUE(comes_to(0, seconds(2)));
  const rtp::Time narrow = sim.now;
  sim.run_for(seconds(10));
  EXPECT_EQ(share_of(0, narrow), 1.0);
  set_rate(3e6);
  EXPECT_TRUE(comes_to(2, seconds(6)));
  const rtp::Time wide = sim.now;
  sim.run_for(seconds(10));
  EXPECT_EQ(share_of(2, wide), 1.0);
  EXPECT_EQ(viewer->video_slot(0).timestamp_faults(), 0U);
}

// The queue before the link takes half a second. What stands in it by then, and what does not fit
// into it any more, is of a picture that is given up: none of it keeps the smaller one away.
TEST_F(Bandwidth, AStepDownStopsThePictureForASecondAtMost) {
  start(5e6);
  for (int step = 0; step < 30; ++step) {
    constexpr std::array kRates{450e3, 250e3, 350e3, 200e3, 500e3, 300e3};
    const double rate = kRates[static_cast<std::size_t>(step) % kRates.size()];
    SCOPED_TRACE(rate);
    ASSERT_TRUE(comes_to(2, seconds(10)));
    sim.run_for(seconds(6) +
                milliseconds(37 * step));  // at any time of a picture's or a feedback's
    set_rate(rate);
    const rtp::Time since = sim.now;
    sim.run_for(seconds(8));
    EXPECT_LE(viewer->video_slot(0).pictures.longest_freeze(since, sim.now), seconds(1));
    set_rate(5e6);
  }
}

// Without sound nothing is sent any more that could tell that there is room again.
TEST_F(Bandwidth, APictureThatIsAllThereIsComesBackWhenThereIsRoom) {
  publisher = &sim.add_peer({.audio = false, .layers = 3});
  PeerOptions options{.audio = false, .video = false, .video_slots = 1};
  options.down = {.delay = milliseconds(30), .rate_bps = 5e6};
  options.up = {.delay = milliseconds(30)};
  viewer = &sim.add_peer(options);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  sim.assign_all(*viewer);
  for (const double rate : {20e3, 40e3, 60e3}) {
    SCOPED_TRACE(rate);
    ASSERT_TRUE(comes_to(2, seconds(10)));
    sim.run_for(seconds(5));
    set_rate(rate);
    sim.run_for(seconds(20));
    set_rate(5e6);
    const rtp::Time since = sim.now;
    EXPECT_TRUE(sim.run_until([&] { return share_of(0, since) > 0; }, seconds(8)));
  }
}

TEST_F(Bandwidth, AfterAnOutageThePictureIsBackSoon) {
  start(20e6);
  ASSERT_TRUE(comes_to(2, seconds(10)));
  for (int outage_ms = 200; outage_ms <= 2'000; outage_ms += 150) {
    SCOPED_TRACE(outage_ms);
    sim.run_for(seconds(10));
    viewer->options.down.loss = viewer->options.up.loss = 1;
    sim.run_for(milliseconds(outage_ms));
    viewer->options.down.loss = viewer->options.up.loss = 0;
    const rtp::Time since = sim.now;
    sim.run_for(seconds(5));
    EXPECT_LE(viewer->video_slot(0).pictures.longest_freeze(since, sim.now), milliseconds(500));
  }
}

TEST_F(Bandwidth, ErrorsOnTheWayAreNoCongestion) {
  start(20e6, 0.05);
  EXPECT_TRUE(comes_to(2, seconds(4)));
  const rtp::Time since = sim.now;
  sim.run_for(seconds(20));
  EXPECT_GE(share_of(2, since), 0.98);
}

// A viewer on a link that takes about as much as the largest layer, 1,360 kbit/s with the sound.
class OfALayer {
 public:
  // `swing`: how much the layers grow and shrink within some seconds, as a share.
  OfALayer(double rate_bps, double loss, double swing = 0, std::uint64_t seed = 33)
      : sim_(seed), swing_(swing), dice_(seed) {
    publisher_ = &sim_.add_peer({.layers = 3});
    PeerOptions options{.audio = false, .video = false, .audio_slots = 1, .video_slots = 1};
    options.down = {.loss = loss, .delay = milliseconds(30), .rate_bps = rate_bps};
    options.up = {.delay = milliseconds(30)};
    viewer_ = &sim_.add_peer(options);
    EXPECT_TRUE(sim_.connect_all());
    run_for(seconds(2));
    sim_.assign_all(*viewer_);
  }
  void run_for(rtp::Duration length) {
    for (const rtp::Time end = sim_.now + length; sim_.now < end;) {
      if (swing_ > 0) vary();
      sim_.run_for(kFrame);
      changes_.note(sim_, publisher_->video_track());
    }
  }
  [[nodiscard]] bool comes_to(std::uint8_t layer, rtp::Duration limit) {
    for (const rtp::Time end = sim_.now + limit; changes_.layer() != layer; run_for(kFrame)) {
      if (sim_.now >= end) return false;
    }
    return true;
  }
  void set_rate(double rate_bps) { viewer_->options.down.rate_bps = rate_bps; }
  [[nodiscard]] const LayerChanges& changes() const { return changes_; }
  [[nodiscard]] rtp::Time now() const { return sim_.now; }

 private:
  static constexpr rtp::Duration kFrame{33'333};
  // No two frames of an encoder are the same, and no two seconds.
  void vary() {
    const auto any = [&] { return static_cast<double>(dice_.below(2'001)) / 1'000 - 1; };
    level_ = 0.98 * level_ + 0.2 * any();
    const double scale = (1 + swing_ * std::clamp(level_, -1.0, 1.0)) * (1 + 0.2 * any());
    for (std::size_t i = 0; i < 3; ++i) {
      const double rate = 1.2e6 / std::pow(4, 2 - static_cast<double>(i));
      publisher_->video.set_bitrate(i, static_cast<std::uint32_t>(rate * scale));
    }
  }

  Sim sim_;
  double swing_;
  Dice dice_;
  double level_ = 0;
  SimPeer* publisher_ = nullptr;
  SimPeer* viewer_ = nullptr;
  LayerChanges changes_;
};

// In 40 s, once the link is known.
std::size_t changes_on(double rate_bps, double loss) {
  OfALayer link(rate_bps, loss);
  link.run_for(seconds(10));
  const rtp::Time since = link.now();
  link.run_for(seconds(40));
  return link.changes().since(since);
}

// Its key frames would take more.
TEST(BandwidthOfALayer, IsNotThatOfTheKeyFrameItBeginsWith) {
  for (double rate = 1.34e6; rate < 1.7e6; rate += 0.06e6) {
    SCOPED_TRACE(rate);
    EXPECT_LE(changes_on(rate, 0), 1U);
  }
}

// What is sent again takes some of it, too: no more than two changes in ten seconds.
TEST(BandwidthOfALayer, IsTriedSeldomWherePacketsAreLostAndItHardlyFits) {
  for (double rate = 1.34e6; rate < 1.7e6; rate += 0.06e6) {
    SCOPED_TRACE(rate);
    EXPECT_LE(changes_on(rate, 0.05), 8U);
    EXPECT_LE(changes_on(rate, 0.1), 8U);
  }
}

// Also where the layer fits at one time and not at another; and what comes free is used soon,
// though the layer was given up.
TEST(BandwidthOfALayer, ThatGrowsAndShrinksChangesTwiceInTenSecondsAtMost) {
  std::size_t changes = 0;
  std::size_t given_up = 0;
  for (double rate = 1.3e6; rate < 1.75e6; rate += 0.1e6) {
    for (const std::uint64_t seed : {33U, 34U}) {
      SCOPED_TRACE(std::to_string(rate) + ", seed " + std::to_string(seed));
      OfALayer link(rate, 0, 0.3, seed);
      link.run_for(seconds(10));
      const rtp::Time since = link.now();
      link.run_for(seconds(50));
      EXPECT_LE(link.changes().most_within(seconds(10)), 2U);
      changes += link.changes().since(since);
      given_up += link.changes().layer() < 2 ? 1U : 0U;
      link.set_rate(5e6);
      EXPECT_TRUE(link.comes_to(2, seconds(5)));
    }
  }
  EXPECT_GT(changes, 20U) << "it fits at one time and not at another";
  EXPECT_GT(given_up, 2U) << "there is something to come back to";
}

// Two cameras for a link that carries the largest layer of one. What one of them leaves is for the
// other at once, whose larger layer was given up and would have to wait.
TEST_F(Bandwidth, WhatOneSlotLeavesIsForTheOtherSoon) {
  start_with_two();
  sim.run_for(seconds(2));
  for (const auto& [height, priority] : {std::pair{180U, 1}, {720U, 0}}) {
    SCOPED_TRACE(height);
    show_other(720, 1);
    ASSERT_TRUE(sim.run_until([&] { return shown() < 2; }, seconds(10)));
    sim.run_for(seconds(1));
    show_other(height, priority);
    if (height == 720) sim.assign(*viewer, viewer->video_mid(1), std::nullopt, 0);
    EXPECT_TRUE(comes_to(2, seconds(3)));
    sim.run_for(seconds(2));
  }
  // Without anybody's saying so: he sends less.
  show_other(720, 1);
  ASSERT_TRUE(sim.run_until([&] { return shown() < 2; }, seconds(10)));
  sim.run_for(seconds(1));
  for (const std::size_t layer : {0U, 1U, 2U}) other->video.set_bitrate(layer, 40'000);
  EXPECT_TRUE(comes_to(2, seconds(6)));
}

TEST_F(Bandwidth, WithNoRoomForAPictureTheSoundGoesOn) {
  start(90e3);
  sim.run_for(seconds(5));
  const rtp::Time since = sim.now;
  const std::uint64_t before = viewer->audio_slot(0).packets;
  const std::size_t lost = viewer->audio_slot(0).missing();
  sim.run_for(seconds(10));
  EXPECT_LE(viewer->audio_slot(0).packets, before + 510);
  EXPECT_GE(viewer->audio_slot(0).packets, before + 490);
  EXPECT_EQ(viewer->audio_slot(0).missing(), lost);
  EXPECT_LE(share_of(1, since) + share_of(2, since), 0.0);
  set_rate(1e6);
  EXPECT_TRUE(comes_to(1, seconds(6)));
}

TEST_F(Bandwidth, ProbesAreAFewOfThePackets) {
  start(90e3);  // of a link with nothing but sound on it nothing is known without them
  sim.run_for(seconds(60));
  const double probes = 300.0 * static_cast<double>(sim.counters.probes_out.value());
  EXPECT_GT(probes, 0);
  const double all = 60 * 50e3 / 8;
  EXPECT_LT(probes / all, 0.10);
}

TEST_F(Bandwidth, WhereTheLinkIsKnownNothingIsProbed) {
  start(700e3);
  sim.run_for(seconds(30));
  EXPECT_EQ(shown(), 1U);
  const double probes = 300.0 * static_cast<double>(sim.counters.probes_out.value());
  const double all = 30 * (300e3 + 50e3) / 8;
  EXPECT_LT(probes / all, 0.01);
}

TEST_F(Bandwidth, WhoTellsNothingIsNotHeldBack) {
  publisher = &sim.add_peer({.layers = 3});
  viewer = &sim.add_peer({.audio = false, .video = false, .video_slots = 1});
  viewer->tells = false;
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  sim.assign_all(*viewer);
  EXPECT_TRUE(comes_to(2, seconds(4)));
  const rtp::Time since = sim.now;
  sim.run_for(seconds(10));
  EXPECT_GE(share_of(2, since), 0.99);
  EXPECT_EQ(sim.counters.probes_out.value(), 0U);
}

// Whoever stops telling may have a way that is shut: it gets less, and is not cut off.
TEST_F(Bandwidth, WhoStopsTellingGetsLess) {
  start(20e6);
  ASSERT_TRUE(comes_to(2, seconds(3)));
  sim.run_for(seconds(3));
  viewer->tells = false;
  EXPECT_TRUE(comes_to(0, seconds(6)));
  viewer->tells = true;
  EXPECT_TRUE(comes_to(2, seconds(6)));
}

TEST_F(Bandwidth, SaysWhyThePictureIsSmall) {
  start(550e3);
  ASSERT_TRUE(comes_to(1, seconds(5)));
  sim.run_for(seconds(5));
  const server::SlotLayer told = sim.events_of<server::SlotLayer>().back();
  EXPECT_EQ(told.peer, viewer->id());
  EXPECT_EQ(told.track, publisher->video_track());
  EXPECT_EQ(told.layer, 1);
  EXPECT_EQ(told.layers, 3);
  EXPECT_EQ(told.reason, rtp::LayerReason::Bandwidth);
  EXPECT_GT(told.estimate.value, 400'000);
  EXPECT_LT(told.estimate.value, 650'000);
  EXPECT_GT(told.needed.value, 1'200'000) << "the layer above and its headers";
  const std::size_t count = sim.events_of<server::SlotLayer>().size();
  sim.run_for(seconds(20));
  EXPECT_LE(sim.events_of<server::SlotLayer>().size(), count + 4) << "nothing changes";
}

TEST_F(Bandwidth, APictureOfAHigherPriorityTakesTheLayersOfTheOthers) {
  start_with_two();
  show_other(720, 1);
  const auto layer_of_screen = [&]() -> std::uint32_t {
    const auto& frames = viewer->video_slot(1).frames;
    return frames.empty() ? 99 : frames.back().frame.layer;
  };
  EXPECT_TRUE(sim.run_until([&] { return layer_of_screen() == 2; }, seconds(10)));
  EXPECT_TRUE(sim.run_until([&] { return shown() == 0; }, seconds(1))) << "but it is not paused";
  sim.run_for(seconds(10));
  EXPECT_EQ(layer_of_screen(), 2U);
  EXPECT_EQ(shown(), 0U);
}

}  // namespace
}  // namespace parley::sim
