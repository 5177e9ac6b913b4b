#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

using server::PeerConnected;
using server::SlotSwitched;
using server::TrackStarted;

constexpr PeerOptions kFull{.audio_slots = 3, .video_slots = 3};

TEST(Call, ThreePeersHearAndSeeEachOther) {
  Sim sim(1);
  SimPeer& a = sim.add_peer(kFull);
  SimPeer& b = sim.add_peer(kFull);
  SimPeer& c = sim.add_peer(kFull);
  for (SimPeer* peer : {&a, &b, &c}) sim.assign_all(*peer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(5));

  EXPECT_EQ(sim.events_of<PeerConnected>().size(), 3U);
  EXPECT_EQ(sim.events_of<TrackStarted>().size(), 6U);
  EXPECT_EQ(sim.events_of<SlotSwitched>().size(), 12U);
  for (SimPeer* peer : {&a, &b, &c}) {
    EXPECT_EQ(peer->unknown_ssrcs, 0U);
    for (std::size_t i = 0; i < 2; ++i) {
      Receiver& audio = peer->audio_slot(i);
      Receiver& video = peer->video_slot(i);
      EXPECT_GT(audio.packets, 230U);
      EXPECT_GT(video.frames.size(), 140U);
      EXPECT_EQ(audio.missing() + video.missing(), 0U);
      EXPECT_EQ(audio.packets_of_track.size(), 1U);
      EXPECT_EQ(video.timestamp_faults() + video.picture_id_faults(), 0U);
      EXPECT_GE(video.sender_reports, 4U);
      EXPECT_TRUE(video.frames.front().frame.key_frame);
    }
    EXPECT_EQ(peer->audio_slot(2).packets + peer->video_slot(2).packets, 0U);
  }
  // Who is in which slot is told by the CSRC and, here, by the picture itself.
  EXPECT_EQ(a.video_slot(0).last_track, b.video_track().value);
  EXPECT_EQ(a.video_slot(0).frames.back().frame.stream, 1U);
  EXPECT_EQ(a.video_slot(1).frames.back().frame.stream, 2U);
  EXPECT_EQ(c.video_slot(0).frames.back().frame.stream, 0U);
}

TEST(Call, TheFirstPictureComesWithinARoundTripOfTheAssignment) {
  Sim sim(2);
  SimPeer& a = sim.add_peer({});
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(3));
  SimPeer& b = sim.add_peer({.audio = false, .video = false, .video_slots = 1});
  sim.assign_all(b);
  ASSERT_TRUE(sim.connect_all());
  const rtp::Time connected = sim.now;
  ASSERT_TRUE(sim.run_until([&] { return !b.video_slot(0).frames.empty(); }, seconds(1)));
  // Two one-way delays, one frame interval, one more way to B.
  EXPECT_LE(sim.now - connected, milliseconds(80));
  EXPECT_TRUE(b.video_slot(0).frames.front().frame.key_frame);
  EXPECT_EQ(a.plis, 1U);
}

TEST(Call, AKeyFrameIsShownThoughItsFirstPacketHadToBeSentAgain) {
  Sim sim(4);
  SimPeer& a = sim.add_peer({});
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(3));
  SimPeer& b = sim.add_peer({.audio = false, .video = false, .video_slots = 1});
  a.lose_first_packet_of_next_key_frame();
  sim.assign_all(b);
  ASSERT_TRUE(sim.connect_all());
  const rtp::Time connected = sim.now;
  ASSERT_TRUE(sim.run_until([&] { return !b.video_slot(0).frames.empty(); }, seconds(2)));
  // As without loss, and 10 ms until it is asked for again, and the way there and back.
  EXPECT_LE(sim.now - connected, milliseconds(130));
  EXPECT_EQ(a.video.key_frames(0), 2U) << "of the start and this one; no third was needed";
  sim.run_for(seconds(1));
  EXPECT_EQ(b.video_slot(0).missing(), 0U);
  EXPECT_EQ(b.video_slot(0).duplicates, 0U);
}

TEST(Call, ReportsAndTransportFeedbackReachThePublisherSoon) {
  Sim sim(3);
  SimPeer& a = sim.add_peer({});
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  ASSERT_TRUE(a.first_report.has_value());
  EXPECT_LE(*a.first_report - *a.connected_at, milliseconds(320));
  EXPECT_GE(a.feedbacks, 15U);
  EXPECT_LE(a.feedbacks, 42U);
}

struct LossyRun {
  std::uint64_t seed;
  rtp::Duration turn;
  double burst = 1;
};
class LossyCall : public ::testing::TestWithParam<LossyRun> {};

TEST_P(LossyCall, FivePercentLossBothWaysIsRepaired) {
  Sim sim(GetParam().seed);
  sim.turn = GetParam().turn;
  const Link bad{.loss = 0.05,
                 .reorder = 0.02,
                 .delay = milliseconds(20),
                 .jitter = milliseconds(5),
                 .duplicate = 0.01,
                 .burst = GetParam().burst};
  PeerOptions options{.audio_slots = 2, .video_slots = 2};
  options.up = options.down = bad;
  std::array<SimPeer*, 3> peers{};
  for (SimPeer*& peer : peers) peer = &sim.add_peer(options);
  for (SimPeer* peer : peers) sim.assign_all(*peer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(20));
  for (SimPeer* peer : peers) peer->media = false;
  sim.run_for(seconds(2));

  std::size_t missing = 0;
  std::size_t expected = 0;
  for (SimPeer* peer : peers) {
    for (std::size_t i = 0; i < 2; ++i) {
      Receiver& video = peer->video_slot(i);
      missing += video.missing();
      expected += video.expected();
      EXPECT_GT(video.recovered, 50U);
      EXPECT_EQ(video.timestamp_faults(), 0U);
    }
    EXPECT_GT(peer->nacked, 50U);
  }
  EXPECT_GT(expected, 10'000U);
  EXPECT_LT(static_cast<double>(missing), 0.001 * static_cast<double>(expected))
      << missing << " of " << expected;
}

INSTANTIATE_TEST_SUITE_P(
    Seeds, LossyCall,
    ::testing::Values(LossyRun{11, milliseconds(0)}, LossyRun{12, milliseconds(0)},
                      LossyRun{13, milliseconds(0)}, LossyRun{14, milliseconds(5)},
                      LossyRun{15, milliseconds(20)}, LossyRun{16, milliseconds(0), 4},
                      LossyRun{17, milliseconds(0), 8}));

// Transport feedback tells of losses, too.
TEST(Call, WhatIsLostIsSentAgainThoughNobodyAsksForIt) {
  Sim sim(16);
  SimPeer& a = sim.add_peer({});
  SimPeer& b = sim.add_peer({.audio = false, .video = false, .video_slots = 1});
  b.options.down = {.loss = 0.05, .delay = milliseconds(20)};
  b.asks = false;
  sim.assign_all(b);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(20));
  a.media = false;
  sim.run_for(seconds(1));
  Receiver& slot = b.video_slot(0);
  EXPECT_EQ(sim.counters.nacks_in.value(), 0U);
  EXPECT_GT(slot.recovered, slot.expected() / 25);
  EXPECT_LE(slot.missing() * 1'000, slot.expected());
  EXPECT_LE(slot.duplicates * 100, slot.expected());
}

TEST(Call, ALeaversSlotsAreEmptied) {
  Sim sim(4);
  SimPeer& a = sim.add_peer(kFull);
  SimPeer& b = sim.add_peer(kFull);
  sim.assign_all(a);
  sim.assign_all(b);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  sim.events.clear();
  sim.command(server::RemovePeer{b.id()});
  const auto switched = sim.events_of<SlotSwitched>();
  ASSERT_EQ(switched.size(), 2U);
  for (const SlotSwitched& event : switched) {
    EXPECT_EQ(event.peer, a.id());
    EXPECT_FALSE(event.track.has_value());
  }
  sim.run_for(milliseconds(100));
  const std::uint64_t packets = a.video_slot(0).packets;
  sim.run_for(seconds(1));
  EXPECT_EQ(a.video_slot(0).packets, packets);
  EXPECT_EQ(sim.counters.peers.value(), 1U);
  EXPECT_EQ(sim.counters.tracks.value(), 2U);
}

TEST(Call, MuteStopsWithinTheTurnAndUnmuteStartsOnAKeyFrame) {
  Sim sim(5);
  SimPeer& a = sim.add_peer({});
  SimPeer& b = sim.add_peer({.audio = false, .video = false, .audio_slots = 1, .video_slots = 1});
  sim.assign_all(b);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  sim.command(server::MuteTrack{a.video_track(), true});
  sim.command(server::MuteTrack{a.audio_track(), true});
  const std::uint64_t forwarded = sim.counters.media_out.value();
  sim.run_for(seconds(2));
  EXPECT_EQ(sim.counters.media_out.value(), forwarded);

  const std::size_t frames = b.video_slot(0).frames.size();
  sim.command(server::MuteTrack{a.video_track(), false});
  sim.command(server::MuteTrack{a.audio_track(), false});
  sim.run_for(seconds(2));
  ASSERT_GT(b.video_slot(0).frames.size(), frames + 50);
  EXPECT_TRUE(b.video_slot(0).frames[frames].frame.key_frame);
  EXPECT_EQ(b.video_slot(0).missing() + b.audio_slot(0).missing(), 0U);
  EXPECT_EQ(b.video_slot(0).timestamp_faults() + b.video_slot(0).picture_id_faults(), 0U);
}

TEST(Call, TheSourceOfASlotChangesWithoutAFault) {
  Sim sim(6);
  SimPeer& a = sim.add_peer({});
  SimPeer& b = sim.add_peer({});
  SimPeer& w = sim.add_peer({.audio = false, .video = false, .audio_slots = 1, .video_slots = 1});
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(1));
  for (int i = 0; i < 10; ++i) {
    SimPeer& shown = i % 2 == 0 ? a : b;
    sim.assign(w, w.video_mid(0), shown.video_track());
    sim.assign(w, w.audio_mid(0), shown.audio_track());
    sim.run_for(milliseconds(700));
    EXPECT_EQ(w.video_slot(0).last_track, shown.video_track().value);
    EXPECT_EQ(w.audio_slot(0).last_track, shown.audio_track().value);
  }
  EXPECT_EQ(w.video_slot(0).missing() + w.audio_slot(0).missing(), 0U);
  EXPECT_EQ(w.video_slot(0).timestamp_faults() + w.video_slot(0).picture_id_faults(), 0U);
  EXPECT_EQ(w.audio_slot(0).timestamp_faults(), 0U);
  EXPECT_LE(w.video_slot(0).longest_pause(w.video_slot(0).frames.front().at), milliseconds(150));
  // Each source began with a key frame.
  std::uint32_t before = 0;
  for (const Receiver::Frame& frame : w.video_slot(0).frames) {
    EXPECT_TRUE(frame.track == before || frame.frame.key_frame);
    before = frame.track;
  }
}

TEST(Call, ManyImpatientViewersCostThePublisherOneKeyFrameAnInterval) {
  Sim sim(7);
  SimPeer& a = sim.add_peer({});
  std::vector<SimPeer*> viewers;
  for (int i = 0; i < 8; ++i) {
    viewers.push_back(&sim.add_peer({.audio = false, .video = false, .video_slots = 1}));
    sim.assign_all(*viewers.back());
  }
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  const std::uint64_t before = a.plis;
  for (int i = 0; i < 200; ++i) {
    for (SimPeer* viewer : viewers) viewer->send_pli(0);
    sim.run_for(milliseconds(25));
  }
  EXPECT_GE(sim.counters.plis_in.value(), 1'600U);
  EXPECT_LE(a.plis - before, 11U);
}

// An encoder that says nothing in silence: a packet in 400 ms. The pauses stay as long as they
// were, and nobody takes them for an end.
TEST(Call, ASilentMicrophoneKeepsItsPausesAndItsSlot) {
  Sim sim(12);
  SimPeer& a = sim.add_peer({.video = false});
  SimPeer& b = sim.add_peer({.audio = false, .video = false, .audio_slots = 1});
  sim.assign_all(b);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  const std::uint32_t first = a.audio.frame();
  a.audio.set_left_out(19);
  sim.run_for(seconds(20));
  a.audio.set_left_out(0);
  const std::uint32_t again = a.audio.frame();
  sim.run_for(seconds(2));

  const Receiver& slot = b.audio_slot(0);
  ASSERT_GE(again - first, 49U);
  for (std::uint32_t frame = first + 2; frame < again; ++frame) {
    const auto before = slot.sounds.find({0, frame - 1});
    const auto now = slot.sounds.find({0, frame});
    ASSERT_TRUE(before != slot.sounds.end() && now != slot.sounds.end()) << frame;
    EXPECT_EQ(now->second.value - before->second.value, 20U * 960) << frame;
  }
  EXPECT_EQ(slot.missing() + slot.timestamp_faults(), 0U);
  EXPECT_EQ(sim.events_of<server::SlotSwitched>().size(), 1U);
  EXPECT_TRUE(sim.events_of<server::PeerAway>().empty());
}

TEST(Call, SpeakersAreToldLoudestFirst) {
  Sim sim(8);
  SimPeer& a = sim.add_peer({.video = false});
  SimPeer& b = sim.add_peer({.video = false});
  a.audio.set_level(127, false);
  b.audio.set_level(20, true);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  auto speakers = sim.events_of<server::Speakers>();
  ASSERT_FALSE(speakers.empty());
  EXPECT_EQ(speakers.back().tracks, (std::vector{b.audio_track()}));
  a.audio.set_level(10, true);
  sim.run_for(seconds(2));
  speakers = sim.events_of<server::Speakers>();
  EXPECT_EQ(speakers.back().tracks, (std::vector{a.audio_track(), b.audio_track()}));
  EXPECT_EQ(speakers.back().talkers, (std::vector{a.audio_track(), b.audio_track()}));
  a.audio.set_level(127, false);
  b.audio.set_level(127, false);
  sim.run_for(seconds(4));
  EXPECT_TRUE(sim.events_of<server::Speakers>().back().tracks.empty());
  EXPECT_LE(sim.events_of<server::Speakers>().size(), 8U);
}

}  // namespace
}  // namespace parley::sim
