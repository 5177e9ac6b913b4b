#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/sim/sim.h"

// Layers inside one encoding: a real worker between a publisher of SVC and viewers who want less,
// or have no room for more. What they get must decode.
namespace parley::sim {
namespace {

constexpr rtp::SvcMode kVp9{rtp::Codec::Vp9, 3, 3, true};
constexpr rtp::SvcMode kAv1{rtp::Codec::Av1, 3, 3};

struct Scene {
  explicit Scene(const rtp::SvcMode& mode, PeerOptions watching = {}) {
    publisher = &sim.add_peer({.svc = mode});
    watching.audio = watching.video = false;
    watching.audio_slots = watching.video_slots = 1;
    watching.h264 = true;
    viewer = &sim.add_peer(watching);
    EXPECT_TRUE(sim.connect_all());
    sim.assign(*viewer, viewer->audio_mid(0), publisher->audio_track());
    sim.run_for(seconds(2));
    want(720);
    sim.run_for(seconds(2));
  }
  void want(std::uint32_t height) {
    sim.assign(*viewer, viewer->video_mid(0), publisher->video_track(), height);
  }
  [[nodiscard]] Receiver& slot() { return viewer->video_slot(0); }
  // The highest spatial layer of each picture since then.
  [[nodiscard]] std::map<std::uint32_t, int> sizes_since(rtp::Time since) {
    std::map<std::uint32_t, int> sizes;
    for (const Receiver::LayerPacket& packet : slot().layer_packets) {
      if (packet.at < since) continue;
      int& size = sizes[packet.stamp.picture];
      size = std::max<int>(size, packet.stamp.spatial);
    }
    return sizes;
  }
  // Of the last picture, without those of which some may still be `on_the_way`.
  [[nodiscard]] int shown(rtp::Duration on_the_way = {}) {
    auto sizes = sizes_since(sim.now - milliseconds(200));
    for (const auto& [picture, size] : sizes_since(sim.now - on_the_way)) sizes.erase(picture);
    return sizes.empty() ? -1 : sizes.rbegin()->second;
  }
  [[nodiscard]] double pictures_a_second(rtp::Time since) {
    const double time = std::chrono::duration<double>(sim.now - since).count();
    return static_cast<double>(sizes_since(since).size()) / time;
  }
  void expect_no_fault() {
    EXPECT_EQ(slot().missing(), 0U);
    EXPECT_EQ(slot().timestamp_faults(), 0U);
    EXPECT_EQ(slot().decoder.undecodable(), 0U);
    EXPECT_EQ(slot().unread_descriptors, 0U);
    // A picture ends with its marker, or the receiver waits for more of it.
    std::map<std::uint32_t, std::size_t> markers;
    std::set<std::uint32_t> pictures;
    for (const Receiver::LayerPacket& packet : slot().layer_packets) {
      pictures.insert(packet.stamp.picture);
      if (packet.marker) ++markers[packet.stamp.picture];
    }
    for (const std::uint32_t picture : pictures) EXPECT_EQ(markers[picture], 1U) << picture;
  }
  Sim sim{51};
  SimPeer* publisher = nullptr;
  SimPeer* viewer = nullptr;
};

TEST(Svc, TheWantedHeightDecidesTheSpatialLayer) {
  for (const rtp::SvcMode& mode : {kVp9, kAv1, rtp::SvcMode{rtp::Codec::Vp9, 3, 1}}) {
    SCOPED_TRACE(mode.name());
    Scene s(mode);
    for (const auto& [height, layer] :
         {std::pair{720U, 2}, {180U, 0}, {360U, 1}, {0U, 0}, {721U, 2}}) {
      s.want(height);
      s.sim.run_for(seconds(1));
      EXPECT_EQ(s.shown(), layer) << "for height " << height;
    }
    s.expect_no_fault();
  }
}

TEST(Svc, GoingDownNeedsNoKeyFrameAndNeverFreezes) {
  Scene s(kVp9);
  ASSERT_EQ(s.shown(), 2);
  const std::uint64_t keys = s.publisher->svc->key_pictures;
  const rtp::Time since = s.sim.now;
  s.want(180);
  s.sim.run_for(milliseconds(100));
  EXPECT_EQ(s.shown(), 0);
  s.sim.run_for(seconds(2));
  EXPECT_EQ(s.publisher->svc->key_pictures, keys);
  EXPECT_NEAR(s.pictures_a_second(since), 30, 1);
  s.want(720);
  s.sim.run_for(milliseconds(600));
  EXPECT_EQ(s.shown(), 2);
  EXPECT_EQ(s.publisher->svc->key_pictures, keys + 1);
  s.expect_no_fault();
}

TEST(Svc, TellsTheHeightOfWhatTheSlotShows) {
  Scene s(kAv1);
  s.want(180);
  s.sim.run_for(seconds(1));
  s.want(720);
  s.sim.run_for(seconds(1));
  std::vector<std::uint32_t> heights;
  for (const auto& event : s.sim.events_of<server::SlotSwitched>()) heights.push_back(event.height);
  ASSERT_GE(heights.size(), 3U);
  EXPECT_EQ(std::vector(heights.end() - 2, heights.end()), (std::vector<std::uint32_t>{180, 720}));
}

TEST(Svc, ALayerThatEndsIsLeftWithinASecondAndComesBack) {
  for (const rtp::SvcMode& mode : {kVp9, kAv1}) {
    SCOPED_TRACE(mode.name());
    Scene s(mode);
    ASSERT_EQ(s.shown(), 2);
    const rtp::Time since = s.sim.now;
    s.publisher->svc->spatial = 2;
    ASSERT_TRUE(s.sim.run_until(
        [&] {
          const auto told = s.sim.events_of<server::SlotSwitched>();
          return !told.empty() && told.back().height == 360;
        },
        seconds(1)));
    s.sim.run_for(seconds(2));
    EXPECT_EQ(s.shown(), 1);
    EXPECT_NEAR(s.pictures_a_second(since), 30, 1);
    s.publisher->svc->spatial = 3;
    s.sim.run_for(seconds(3));
    EXPECT_EQ(s.shown(), 2);
    s.expect_no_fault();
  }
}

TEST(Svc, ASlotWithoutTheDescriptorGetsTheSmallestOfAv1Only) {
  Scene s(kAv1, {.descriptors = false});
  s.want(720);
  s.sim.run_for(seconds(2));
  std::set<int> layers;
  for (const auto& packet : s.slot().layer_packets) layers.insert(packet.stamp.spatial);
  EXPECT_EQ(layers, std::set<int>{0});
  EXPECT_GT(s.slot().layer_packets.size(), 50U);
  s.expect_no_fault();
}

TEST(Svc, ASlotWithoutTheDescriptorGetsAllOfVp9) {
  Scene s(kVp9, {.descriptors = false});
  EXPECT_EQ(s.shown(), 2);
  s.expect_no_fault();
}

TEST(Svc, TheDescriptorTellsTheTargetsThatAreLeft) {
  Scene s(kAv1);
  s.want(180);
  s.sim.run_for(seconds(1));
  EXPECT_EQ(s.slot().descriptors.active_targets(), 0b0'0000'0111U);
  s.want(720);
  s.sim.run_for(seconds(1));
  EXPECT_EQ(s.slot().descriptors.active_targets(), 0b1'1111'1111U);
}

// The sound takes 56 kbit/s of each.
TEST(Svc, ANarrowLinkGetsSmallPicturesThenFewOfThem) {
  for (const auto& [rate, size, fps] :
       {std::tuple{2'600e3, 2, 30.0}, {560e3, 1, 30.0}, {190e3, 0, 30.0}, {120e3, 0, 15.0}}) {
    for (const rtp::SvcMode& mode : {kVp9, kAv1}) {
      SCOPED_TRACE(mode.name() + " over " + std::to_string(rate));
      Scene s(mode, {.up = {.delay = milliseconds(20)},
                     .down = {.delay = milliseconds(20), .rate_bps = rate}});
      s.sim.run_for(seconds(8));
      const rtp::Time since = s.sim.now;
      s.sim.run_for(seconds(20));
      std::map<int, std::size_t> count;
      for (const auto& [picture, layer] : s.sizes_since(since)) ++count[layer];
      const std::size_t all = s.sizes_since(since).size();
      EXPECT_GE(static_cast<double>(count[size]), 0.9 * static_cast<double>(all));
      EXPECT_NEAR(s.pictures_a_second(since), fps, fps * 0.25);
      // What the link dropped until its rate was known.
      EXPECT_LE(s.slot().decoder.undecodable() * 50, all);
    }
  }
}

TEST(Svc, Vp8AndH264LoseHalfTheirPicturesBeforeTheyArePaused) {
  for (const rtp::Codec codec : {rtp::Codec::Vp8, rtp::Codec::H264}) {
    const rtp::SvcMode mode{codec, 1, 3};
    SCOPED_TRACE(mode.name());
    Scene s(mode, {.up = {.delay = milliseconds(20)},
                   .down = {.delay = milliseconds(20), .rate_bps = 120e3}});
    s.sim.run_for(seconds(8));
    const rtp::Time since = s.sim.now;
    s.sim.run_for(seconds(20));
    EXPECT_NEAR(s.pictures_a_second(since), 15, 4);
    EXPECT_EQ(s.slot().decoder.undecodable(), 0U);
    EXPECT_EQ(s.slot().timestamp_faults(), 0U);
  }
}

TEST(Svc, DecodesOverLossOnBothSides) {
  for (const rtp::SvcMode& mode : {kVp9, kAv1}) {
    SCOPED_TRACE(mode.name());
    const Link bad{.loss = 0.03, .delay = milliseconds(20), .jitter = milliseconds(4)};
    Scene s(mode, {.up = bad, .down = bad});
    s.publisher->options.up = s.publisher->options.down = bad;
    for (int i = 0; i < 8; ++i) {
      s.want(i % 2 == 0 ? 720 : 180);
      s.sim.run_for(seconds(2));
      EXPECT_EQ(s.shown(milliseconds(100)), i % 2 == 0 ? 2 : 0);
    }
    s.publisher->media = false;
    s.sim.run_for(seconds(2));
    EXPECT_LE(s.slot().missing() * 1'000, s.slot().expected());
    const std::size_t pictures = s.slot().decoder.decoded().size();
    EXPECT_LE(s.slot().decoder.undecodable() * 100, pictures);
    EXPECT_GE(pictures, 450U);
    EXPECT_EQ(s.slot().timestamp_faults(), 0U);
  }
}

}  // namespace
}  // namespace parley::sim
