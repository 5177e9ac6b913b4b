#include <array>

#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

constexpr std::size_t kHome = 0;
constexpr std::size_t kFar = 1;
constexpr PeerOptions kViewer{
    .audio = false, .video = false, .audio_slots = 1, .video_slots = 1, .worker = kFar};

// A publisher on one worker, viewers on another.
struct RelayTest : ::testing::Test {
  SimPeer& publish(PeerOptions options = {}) {
    SimPeer& publisher = sim.add_peer(options);
    sim.mirror(publisher, kFar);
    return publisher;
  }
  static void expect_no_fault(SimPeer& viewer) {
    Receiver& video = viewer.video_slot(0);
    EXPECT_EQ(viewer.audio_slot(0).missing() + video.missing(), 0U);
    EXPECT_EQ(video.timestamp_faults() + video.picture_id_faults(), 0U);
    EXPECT_EQ(viewer.unknown_ssrcs, 0U);
  }
  Sim sim{61, {}, 2};
};

TEST_F(RelayTest, ViewersOnAnotherWorkerSeeTheSameStreamInOrder) {
  SimPeer& a = publish();
  SimPeer& near = sim.add_peer(
      {.audio = false, .video = false, .audio_slots = 1, .video_slots = 1, .worker = kHome});
  SimPeer& far = sim.add_peer(kViewer);
  for (SimPeer* viewer : {&near, &far}) sim.assign_all(*viewer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(5));
  EXPECT_TRUE(far.video_slot(0).frames.front().frame.key_frame);
  for (SimPeer* viewer : {&near, &far}) {
    expect_no_fault(*viewer);
    EXPECT_GT(viewer->audio_slot(0).packets, 230U);
    EXPECT_GT(viewer->video_slot(0).frames.size(), 140U);
    EXPECT_EQ(viewer->video_slot(0).last_track, a.video_track().value);
    EXPECT_GE(viewer->video_slot(0).sender_reports, 4U);
  }
  // Each packet crossed once, and is counted as received once.
  EXPECT_EQ(sim.counters.relayed_out.value(), sim.counters_of(kFar).relayed_in.value());
  EXPECT_LE(sim.counters.relayed_out.value(), sim.counters.media_in.value());
  EXPECT_EQ(sim.counters_of(kFar).media_in.value(), 0U);
  EXPECT_EQ(sim.events_of<server::TrackStarted>().size(), 2U);
}

TEST_F(RelayTest, NothingCrossesWhileNobodyWatches) {
  SimPeer& a = publish();
  SimPeer& far = sim.add_peer(kViewer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(1));
  EXPECT_EQ(sim.counters.relayed_out.value(), 0U);
  sim.assign(far, far.video_mid(0), a.video_track());
  sim.run_for(seconds(1));
  const std::uint64_t crossed = sim.counters.relayed_out.value();
  EXPECT_GT(crossed, 50U);
  sim.assign(far, far.video_mid(0), std::nullopt);
  sim.run_for(seconds(1));
  EXPECT_EQ(sim.counters.relayed_out.value(), crossed);
}

TEST_F(RelayTest, KeyFrameRequestsOfManyViewersReachThePublisherCoalesced) {
  SimPeer& a = publish();
  std::array<SimPeer*, 8> viewers{};
  for (SimPeer*& viewer : viewers) {
    viewer = &sim.add_peer(kViewer);
    sim.assign_all(*viewer);
  }
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  const std::uint64_t before = a.plis;
  for (int i = 0; i < 200; ++i) {
    for (SimPeer* viewer : viewers) viewer->send_pli(0);
    sim.run_for(milliseconds(25));
  }
  EXPECT_GE(a.plis - before, 8U);
  EXPECT_LE(a.plis - before, 11U) << "one in half a second";
  for (SimPeer* viewer : viewers) expect_no_fault(*viewer);
}

TEST_F(RelayTest, ALateViewersFirstPictureComesWithinARoundTrip) {
  SimPeer& a = publish();
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(3));
  SimPeer& far = sim.add_peer(kViewer);
  sim.assign_all(far);
  ASSERT_TRUE(sim.connect_all());
  const rtp::Time connected = sim.now;
  ASSERT_TRUE(sim.run_until([&] { return !far.video_slot(0).frames.empty(); }, seconds(1)));
  EXPECT_LE(sim.now - connected, milliseconds(80));
  EXPECT_EQ(a.plis, 1U);
}

TEST_F(RelayTest, LossOnEitherSideIsRepairedThere) {
  const Link bad{
      .loss = 0.05, .reorder = 0.02, .delay = milliseconds(20), .jitter = milliseconds(5)};
  PeerOptions sends;
  sends.up = bad;
  SimPeer& a = publish(sends);
  PeerOptions watches = kViewer;
  watches.down = bad;
  std::array<SimPeer*, 3> viewers{};
  for (SimPeer*& viewer : viewers) {
    viewer = &sim.add_peer(watches);
    sim.assign_all(*viewer);
  }
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(20));
  a.media = false;
  sim.run_for(seconds(2));
  std::size_t missing = 0;
  std::size_t expected = 0;
  for (SimPeer* viewer : viewers) {
    missing += viewer->video_slot(0).missing();
    expected += viewer->video_slot(0).expected();
    EXPECT_GT(viewer->video_slot(0).recovered, 50U);
    EXPECT_EQ(viewer->video_slot(0).timestamp_faults(), 0U);
  }
  EXPECT_GT(a.nacked, 50U) << "what was lost on the way in is asked for at home";
  EXPECT_GT(sim.counters_of(kFar).rtx_out.value(), 150U) << "and on the way out over there";
  EXPECT_LT(static_cast<double>(missing), 0.001 * static_cast<double>(expected))
      << missing << " of " << expected;
}

TEST_F(RelayTest, LayersAreChosenOverThereToo) {
  SimPeer& a = publish({.layers = 3});
  SimPeer& far = sim.add_peer(kViewer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(3));
  for (const auto& [height, layer] : {std::pair{720U, 2U}, {180U, 0U}, {360U, 1U}}) {
    sim.assign(far, far.video_mid(0), a.video_track(), height);
    sim.run_for(seconds(3));
    EXPECT_EQ(far.video_slot(0).frames.back().frame.layer, layer) << "for height " << height;
  }
  expect_no_fault(far);
}

TEST_F(RelayTest, BothWaysBetweenTwoWorkers) {
  SimPeer& a = publish({.audio_slots = 1, .video_slots = 1, .worker = kHome});
  SimPeer& b = sim.add_peer({.audio_slots = 1, .video_slots = 1, .worker = kFar});
  sim.mirror(b, kHome);
  for (SimPeer* peer : {&a, &b}) sim.assign_all(*peer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(5));
  for (SimPeer* peer : {&a, &b}) {
    expect_no_fault(*peer);
    EXPECT_GT(peer->video_slot(0).frames.size(), 140U);
  }
}

TEST_F(RelayTest, MutingStopsItOverThere) {
  SimPeer& a = publish();
  SimPeer& far = sim.add_peer(kViewer);
  sim.assign_all(far);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  const auto mute = [&](bool muted) {
    for (const std::size_t worker : {kHome, kFar}) {
      sim.command(server::MuteTrack{a.video_track(), muted}, worker);
    }
  };
  mute(true);
  sim.run_for(milliseconds(100));
  const std::size_t frames = far.video_slot(0).frames.size();
  sim.run_for(seconds(1));
  EXPECT_EQ(far.video_slot(0).frames.size(), frames);
  mute(false);
  sim.run_for(seconds(1));
  ASSERT_GT(far.video_slot(0).frames.size(), frames + 20);
  EXPECT_TRUE(far.video_slot(0).frames[frames].frame.key_frame);
  expect_no_fault(far);
}

TEST_F(RelayTest, EndsInAnyOrder) {
  SimPeer& a = publish();
  SimPeer& far = sim.add_peer(kViewer);
  sim.assign_all(far);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(1));
  sim.events.clear();
  sim.command(server::CloseMirror{a.video_track()}, kFar);  // before its track
  EXPECT_EQ(sim.events_of<server::SlotSwitched>().size(), 1U);
  sim.run_for(seconds(1));
  sim.command(server::RemovePeer{a.id()}, kHome);  // before the mirror of its audio
  sim.run_for(seconds(1));
  sim.command(server::CloseRoom{server::RoomId{1}}, kFar);
  sim.run_for(seconds(1));
  EXPECT_EQ(sim.counters_of(kFar).tracks.value(), 0U);
  EXPECT_EQ(sim.counters_of(kFar).bad_commands.value(), 0U);
}

TEST_F(RelayTest, CommandsThatNameNothingChangeNothing) {
  SimPeer& a = publish();
  const auto section = a.params().publishes.front();
  sim.command(server::OpenRelay{server::TrackNo{77}, server::make_relay(0, 1, section.kind)},
              kHome);
  sim.command(server::OpenRelay{section.track, nullptr}, kHome);
  sim.command(
      server::OpenMirror{server::RoomId{9}, section, server::make_relay(0, 1, section.kind)}, kFar);
  sim.command(
      server::OpenMirror{server::RoomId{1}, section, server::make_relay(0, 1, section.kind)}, kFar);
  sim.command(server::CloseMirror{server::TrackNo{77}}, kFar);
  EXPECT_EQ(sim.counters.bad_commands.value(), 2U);
  EXPECT_EQ(sim.counters_of(kFar).bad_commands.value(), 3U);
  EXPECT_EQ(sim.counters_of(kFar).tracks.value(), 2U);
}

}  // namespace
}  // namespace parley::sim
