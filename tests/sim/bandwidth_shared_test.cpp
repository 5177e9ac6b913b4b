#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/layer_changes.h"
#include "tests/sim/sim.h"

// A camera beside a screen of a higher priority, on a link that carries the camera's largest layer
// of 1,200 kbit/s, or a slide of 1,500, and never both.
namespace parley::sim {
namespace {

class BesideAScreen {
 public:
  explicit BesideAScreen(double rate_bps, std::uint64_t seed = 33) : sim_(seed), dice_(seed) {
    camera_ = &sim_.add_peer({.layers = 3});
    screen_ = &sim_.add_peer({.audio = false});
    PeerOptions options{.audio = false, .video = false, .audio_slots = 1, .video_slots = 2};
    options.down = {.delay = milliseconds(30), .rate_bps = rate_bps};
    options.up = {.delay = milliseconds(30)};
    viewer_ = &sim_.add_peer(options);
    EXPECT_TRUE(sim_.connect_all());
    screen_->video.set_bitrate(0, kStill);
    run_for(seconds(2));
    show(0, camera_->video_track(), 0);
    show(1, screen_->video_track(), 1);
  }
  void run_for(rtp::Duration length) {
    for (const rtp::Time end = sim_.now + length; sim_.now < end;) {
      sim_.run_for(std::min(kStep, end - sim_.now));
      changes_.note(sim_, camera_->video_track());
    }
  }
  void show_slide() {
    screen_->video.set_bitrate(0, kSlide);
    run_for(seconds(1));
    screen_->video.set_bitrate(0, kStill);
  }
  // With pauses of so many seconds, more or less.
  void show_slides(double pause_s, rtp::Duration length) {
    for (const rtp::Time end = sim_.now + length; sim_.now < end;) {
      show_slide();
      const auto any = static_cast<double>(dice_.below(1'000)) / 1'000;
      run_for(rtp::Duration(static_cast<std::int64_t>(pause_s * (0.7 + 0.6 * any) * 1e6)));
    }
  }
  void leave_screen() { show(1, std::nullopt, 0); }
  void mute_screen() { sim_.command(server::MuteTrack{screen_->video_track(), true}, 0); }
  [[nodiscard]] bool comes_to(std::uint8_t layer, rtp::Duration limit) {
    for (const rtp::Time end = sim_.now + limit; changes_.layer() != layer; run_for(kStep)) {
      if (sim_.now >= end) return false;
    }
    return true;
  }
  [[nodiscard]] const LayerChanges& camera() const { return changes_; }

 private:
  static constexpr rtp::Duration kStep{50'000};
  static constexpr std::uint32_t kStill = 30'000;
  static constexpr std::uint32_t kSlide = 1'500'000;

  void show(std::size_t slot, std::optional<server::TrackNo> track, std::int32_t priority) {
    sim_.command(server::Assign{viewer_->id(), viewer_->video_mid(slot), track, 720, priority}, 0);
  }
  Sim sim_;
  Dice dice_;
  SimPeer* camera_ = nullptr;
  SimPeer* screen_ = nullptr;
  SimPeer* viewer_ = nullptr;
  LayerChanges changes_;  // of the camera
};

struct Case {
  double rate_bps;
  double pause_s;
};

// The camera may be small while there are slides; it must not go to and fro with them.
TEST(BandwidthBesideAScreen, SlidesChangeTheCameraTwiceInTenSecondsAtMost) {
  std::size_t changes = 0;
  for (const auto& [rate, pause] : {Case{1.7e6, 4}, {1.7e6, 8}, {2e6, 2}, {2e6, 6}, {2.3e6, 3}}) {
    SCOPED_TRACE(std::to_string(rate) + ", a slide every " + std::to_string(pause) + " s");
    BesideAScreen scene(rate);
    EXPECT_TRUE(scene.comes_to(2, seconds(5)));
    scene.show_slides(pause, seconds(60));
    EXPECT_LE(scene.camera().most_within(seconds(10)), 2U);
    changes += scene.camera().count();
    scene.leave_screen();
    EXPECT_TRUE(scene.comes_to(2, seconds(3))) << "nothing comes back that was taken away";
  }
  EXPECT_GT(changes, 10U) << "both do not fit";
}

// A whole range of lines that carry a slide, if nothing else; now and then there is one change
// more.
TEST(BandwidthBesideAScreen, SlidesOnAllKindsOfLines) {
  if (std::getenv("PARLEY_LONG") == nullptr) GTEST_SKIP() << "a minute";
  std::size_t lines = 0;
  std::size_t thrice = 0;
  for (double rate = 1.7e6; rate < 2.75e6; rate += 0.1e6) {
    for (const double pause : {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0}) {
      for (const std::uint64_t seed : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(rate) + ", a slide every " + std::to_string(pause) + " s");
        BesideAScreen scene(rate, seed);
        scene.show_slides(pause, seconds(60));
        EXPECT_LE(scene.camera().most_within(seconds(10)), 3U);
        ++lines;
        thrice += scene.camera().most_within(seconds(10)) > 2 ? 1U : 0U;
        scene.leave_screen();
        EXPECT_TRUE(scene.comes_to(2, seconds(3)));
      }
    }
  }
  std::printf("three changes in ten seconds on %zu of %zu lines\n", thrice, lines);
  EXPECT_LE(thrice, lines / 10);
}

TEST(BandwidthBesideAScreen, WhatAMutedOneLeavesIsUsedSoon) {
  BesideAScreen scene(2e6);
  scene.show_slides(3, seconds(30));
  scene.show_slide();
  EXPECT_FALSE(scene.comes_to(2, seconds(1)));
  scene.mute_screen();
  EXPECT_TRUE(scene.comes_to(2, seconds(6)));
}

TEST(BandwidthBesideAScreen, WhatAStillScreenLeavesIsUsedAfterAMinuteAtMost) {
  BesideAScreen scene(2e6);
  scene.show_slides(4, seconds(60));
  EXPECT_TRUE(scene.comes_to(2, seconds(60)));
  scene.run_for(seconds(30));
  EXPECT_LE(scene.camera().most_within(seconds(10)), 2U);
}

}  // namespace
}  // namespace parley::sim
