#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/classify.h"
#include "rtp/clock_map.h"
#include "rtp/rtcp.h"
#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

using server::CloseReason;
using server::Drop;

struct Paths : ::testing::Test {
  void start() {
    a = &sim.add_peer({.audio_slots = 1, .video_slots = 1});
    b = &sim.add_peer({.audio_slots = 1, .video_slots = 1});
    sim.assign_all(*a);
    sim.assign_all(*b);
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(2));
  }
  Sim sim{31};
  SimPeer* a = nullptr;
  SimPeer* b = nullptr;
};

TEST_F(Paths, ANatRebindResumesWithinASecond) {
  start();
  a->address = a->address.with_port(61'234);
  a->client.moved(sim.now);
  const rtp::Time since = sim.now;
  sim.run_for(seconds(3));
  EXPECT_LE(a->video_slot(0).longest_pause(since), seconds(1));
  EXPECT_LE(b->video_slot(0).longest_pause(since), seconds(1));
  EXPECT_GT(a->video_slot(0).frames.back().at, sim.now - milliseconds(100));
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
}

// Chromium checks its path every 2.5 s, and nothing tells it that it is another one now.
TEST_F(Paths, ANatRebindThatNobodyNoticesIsFoundByTheMediaItself) {
  start();
  a->address = a->address.with_port(61'234);
  const rtp::Time since = sim.now;
  sim.run_for(seconds(1));
  EXPECT_LE(a->video_slot(0).longest_pause(since), milliseconds(400));
  EXPECT_LE(b->video_slot(0).longest_pause(since), milliseconds(400));
  EXPECT_EQ(sim.counters.moved.value(), 1U);
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
}

TEST_F(Paths, MediaFromANewAddressMovesNothingBeforeThePeerAnswersThere) {
  start();
  const auto before = a->address;
  const auto elsewhere = before.with_port(61'234);
  std::size_t checks = 0;
  std::size_t others = 0;
  std::size_t to_him = 0;
  sim.on_sent = [&](const server::Datagram& d) {
    const bool check = rtp::classify(d.bytes) == rtp::DatagramKind::Stun;
    if (d.path->remote == elsewhere) ++(check ? checks : others);
    if (d.path->remote == before) ++to_him;
  };
  a->options.down.loss = 1.0;
  a->address = elsewhere;
  sim.run_for(seconds(2));
  EXPECT_EQ(sim.counters.moved.value(), 1U);
  EXPECT_GE(checks, 1U);
  EXPECT_LE(checks, 20U) << "they grow rarer";
  EXPECT_EQ(others, 0U);
  EXPECT_GT(to_him, 100U);
}

TEST_F(Paths, MediaFromAnotherIpIsTriedWithNobodysKeys) {
  start();
  a->address = server::TransportAddress::v4({203, 0, 113, 9}, 999);
  const std::uint64_t dropped = sim.counters.dropped(Drop::UnknownAddress);
  sim.run_for(seconds(1));
  EXPECT_EQ(sim.counters.moved.value(), 0U);
  EXPECT_GT(sim.counters.dropped(Drop::UnknownAddress), dropped + 50);
}

// Noise from the address of somebody who is silent costs him nothing.
TEST_F(Paths, NoiseThatMayBeASilentPeersIsTriedAndDropped) {
  start();
  a->silent = true;
  sim.run_for(milliseconds(300));
  std::vector<std::uint8_t> noise(200, 0x55);
  noise[0] = 0x80;
  noise[1] = 96;
  for (int i = 0; i < 300; ++i) {
    sim.inject(a->address.with_port(61'234), noise);
    sim.run_for(milliseconds(1));
  }
  EXPECT_EQ(sim.counters.moved.value(), 0U);
  a->silent = false;
  const rtp::Time since = sim.now;
  sim.run_for(seconds(1));
  EXPECT_LE(b->video_slot(0).longest_pause(since), milliseconds(200));
}

// As when a TCP connection is lost and the client makes another.
TEST_F(Paths, WhoComesOverAnotherPathAfterHisWasClosedResumesWithTheFirstCheck) {
  start();
  const server::Path closed{sim.server_address, a->address, 0};
  std::size_t sent = 0;
  sim.on_sent = [&](const server::Datagram& d) { sent += *d.path == closed ? 1U : 0U; };
  sim.worker.on_path_closed(closed);
  a->address = a->address.with_port(61'234);
  sim.run_for(milliseconds(500));
  EXPECT_EQ(sent, 0U) << "nothing goes where nobody is";
  const rtp::Time since = sim.now;
  a->client.moved(sim.now);
  sim.run_for(seconds(3));
  EXPECT_EQ(sent, 0U);
  EXPECT_LE(a->video_slot(0).longest_pause(since), milliseconds(300));
  EXPECT_LE(b->video_slot(0).longest_pause(since), milliseconds(300));
  EXPECT_EQ(a->video_slot(0).missing(), 0U) << "it goes on with a key frame, without a gap";
  EXPECT_TRUE(sim.events_of<server::PeerAway>().empty());
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
}

TEST_F(Paths, APathOfNobodyIsClosedWithoutHarm) {
  start();
  sim.worker.on_path_closed({sim.server_address, a->address.with_port(1), 0});
  const rtp::Time since = sim.now;
  sim.run_for(seconds(1));
  EXPECT_LE(a->video_slot(0).longest_pause(since), milliseconds(100));
}

TEST_F(Paths, AnIceRestartDoesNotInterrupt) {
  start();
  const rtp::Time since = sim.now;
  a->restart_ice(sim.now);
  sim.run_for(seconds(3));
  EXPECT_LE(a->video_slot(0).longest_pause(since), milliseconds(100));
  EXPECT_LE(b->video_slot(0).longest_pause(since), milliseconds(100));
  EXPECT_TRUE(a->client.ice().nominated());
  EXPECT_EQ(sim.counters.bad_commands.value(), 0U);
}

TEST_F(Paths, WhoIsSilentIsAwayThenGone) {
  start();
  a->silent = true;
  const rtp::Time since = sim.now;
  ASSERT_TRUE(
      sim.run_until([&] { return !sim.events_of<server::PeerAway>().empty(); }, seconds(9)));
  EXPECT_GE(sim.now - since, seconds(7));
  ASSERT_TRUE(
      sim.run_until([&] { return !sim.events_of<server::PeerClosed>().empty(); }, seconds(40)));
  EXPECT_GE(sim.now - since, seconds(29));
  EXPECT_LE(sim.now - since, seconds(31));
  const auto closed = sim.events_of<server::PeerClosed>().front();
  EXPECT_EQ(closed.peer, a->id());
  EXPECT_EQ(closed.reason, CloseReason::ConsentExpired);
  // Nothing more is sent to it (RFC 7675).
  std::size_t sent = 0;
  sim.on_sent = [&](const server::Datagram& d) { sent += d.path->remote == a->address ? 1U : 0U; };
  sim.run_for(seconds(2));
  EXPECT_EQ(sent, 0U);
}

TEST_F(Paths, WhoComesBackInTimeIsBack) {
  start();
  a->silent = true;
  sim.run_for(seconds(12));
  ASSERT_EQ(sim.events_of<server::PeerAway>().size(), 1U);
  a->silent = false;
  sim.run_for(seconds(3));
  EXPECT_EQ(sim.events_of<server::PeerBack>().size(), 1U);
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
  EXPECT_GT(a->video_slot(0).frames.back().at, sim.now - milliseconds(100));
}

TEST_F(Paths, WhoNeverComesTimesOut) {
  SimPeer& nobody = sim.add_peer({});
  nobody.silent = true;
  sim.run_for(seconds(16));
  const auto closed = sim.events_of<server::PeerClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed.front().reason, CloseReason::ConnectTimeout);
  EXPECT_EQ(sim.counters.peers.value(), 0U);
}

TEST_F(Paths, ACloseNotifyBeforeAnyMediaEndsThePeer) {
  SimPeer& peer = sim.add_peer({.audio = false, .video = false});
  // Not a packet of media or report is sent, so the handshake state is still there.
  ASSERT_TRUE(sim.connect_all());
  peer.client.close();
  sim.run_for(milliseconds(100));
  const auto closed = sim.events_of<server::PeerClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed.front().reason, CloseReason::DtlsClosed);
}

TEST_F(Paths, TheHandshakesMemoryGoesEvenIfThePeerSendsNothing) {
  SimPeer& peer = sim.add_peer({.audio = false, .video = false});
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(6));
  // Nobody is left who would understand it.
  peer.client.close();
  sim.run_for(seconds(1));
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
  EXPECT_GE(sim.counters.dropped(Drop::Dtls), 1U);
}

TEST_F(Paths, AnotherCertificateIsRefusedBeforeAnyKeyIsUsed) {
  SimPeer& peer = sim.add_peer({});
  server::PeerParams params = peer.params();
  sim.command(server::RemovePeer{peer.id()});
  params.fingerprints.front().digest[5] ^= 1;
  sim.command(server::SetPeer{server::RoomId{1}, peer.id(), params});
  sim.run_for(seconds(16));
  const auto closed = sim.events_of<server::PeerClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed.front().reason, CloseReason::FingerprintMismatch);
  EXPECT_TRUE(sim.events_of<server::PeerConnected>().empty());
  EXPECT_EQ(sim.counters.media_in.value(), 0U);
}

TEST_F(Paths, RandomDatagramsChangeNothing) {
  start();
  const std::uint64_t pli = a->plis + b->plis;
  std::size_t replies = 0;
  const auto stranger = server::TransportAddress::v4({203, 0, 113, 9}, 999);
  sim.on_sent = [&](const server::Datagram& d) { replies += d.path->remote == stranger ? 1U : 0U; };
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < 20'000; ++i) {
    bytes.resize(sim.dice.below(1'501));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(sim.dice.next());
    if (!bytes.empty() && sim.dice.chance(0.5)) {
      constexpr std::array<std::uint8_t, 6> kFirst{0x00, 0x01, 0x16, 0x17, 0x80, 0x90};
      bytes[0] = kFirst[sim.dice.below(kFirst.size())];
    }
    // From a stranger, and as if from A itself.
    sim.inject(stranger, bytes);
    sim.inject(a->address, bytes);
    if (i % 10 == 0) sim.run_for(milliseconds(1));
  }
  sim.run_for(seconds(1));
  EXPECT_EQ(replies, 0U);
  EXPECT_EQ(a->video_slot(0).missing() + b->video_slot(0).missing(), 0U);
  EXPECT_EQ(a->audio_slot(0).missing() + b->audio_slot(0).missing(), 0U);
  EXPECT_EQ(a->plis + b->plis, pli);
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
  EXPECT_GT(sim.counters.dropped(Drop::SrtpAuth), 1'000U);
  EXPECT_GT(sim.counters.dropped(Drop::UnknownAddress), 1'000U);
}

TEST_F(Paths, ReplayedMediaIsNotForwardedTwice) {
  start();
  std::vector<std::vector<std::uint8_t>> captured;
  // What A sends is sent again from A's address.
  sim.on_sent = {};
  PeerOptions& link = a->options;
  link.up.duplicate = 1.0;
  sim.run_for(seconds(2));
  EXPECT_GT(sim.counters.dropped(Drop::SrtpReplay), 100U);
  EXPECT_EQ(b->video_slot(0).duplicates + b->audio_slot(0).duplicates, 0U);
}

TEST_F(Paths, DtlsFromAnAddressWithoutACheckIsIgnored) {
  // A stranger's ClientHello, of the right form, before and while the real one comes.
  const std::vector<std::uint8_t> hello = {0x16, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13,
                                           1,    0,    0,    1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  const auto stranger = server::TransportAddress::v4({203, 0, 113, 9}, 999);
  std::size_t replies = 0;
  sim.on_sent = [&](const server::Datagram& d) { replies += d.path->remote == stranger ? 1U : 0U; };
  sim.add_peer({});
  for (int i = 0; i < 500; ++i) {
    sim.inject(stranger, hello);
    sim.run_for(milliseconds(1));
  }
  EXPECT_TRUE(sim.connect_all());
  EXPECT_EQ(replies, 0U);
  EXPECT_EQ(sim.counters.dropped(Drop::UnknownAddress), 500U);
}

TEST_F(Paths, TheSameSsrcOfTwoPublishersDoesNotCollide) {
  SimPeer& one = sim.add_peer({.first_ssrc = 4'242});
  SimPeer& two = sim.add_peer({.first_ssrc = 4'242});
  SimPeer& w = sim.add_peer({.audio = false, .video = false, .audio_slots = 2, .video_slots = 2});
  sim.assign_all(w);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(3));
  EXPECT_EQ(w.video_slot(0).packets_of_track.size(), 1U);
  EXPECT_EQ(w.video_slot(0).last_track, one.video_track().value);
  EXPECT_EQ(w.video_slot(1).last_track, two.video_track().value);
  for (const auto& frame : w.video_slot(0).frames) EXPECT_EQ(frame.frame.stream, 0U);
  for (const auto& frame : w.video_slot(1).frames) EXPECT_EQ(frame.frame.stream, 1U);
  EXPECT_EQ(w.video_slot(0).missing() + w.video_slot(1).missing(), 0U);
}

TEST_F(Paths, NothingCrossesFromOneRoomToAnother) {
  sim.command(server::OpenRoom{server::RoomId{2}});
  SimPeer& here = sim.add_peer({});
  SimPeer& there = sim.add_peer({.audio = false,
                                 .video = false,
                                 .audio_slots = 1,
                                 .video_slots = 1,
                                 .room = server::RoomId{2}});
  ASSERT_TRUE(sim.connect_all());
  sim.assign(there, there.video_mid(0), here.video_track());
  sim.assign(there, there.audio_mid(0), here.audio_track());
  sim.run_for(seconds(2));
  EXPECT_EQ(sim.counters.bad_commands.value(), 2U);
  EXPECT_EQ(there.video_slot(0).packets + there.audio_slot(0).packets, 0U);
  EXPECT_EQ(sim.counters.media_out.value(), 0U);
}

TEST_F(Paths, ACloseOfTheRoomForgetsAllOfIt) {
  start();
  sim.command(server::CloseRoom{server::RoomId{1}});
  EXPECT_EQ(sim.counters.peers.value(), 0U);
  EXPECT_EQ(sim.counters.rooms.value(), 0U);
  EXPECT_EQ(sim.counters.tracks.value(), 0U);
  sim.run_for(seconds(1));
  EXPECT_EQ(sim.worker.next_deadline(), rtp::Time::max());
  EXPECT_EQ(sim.worker.pool().available(), sim.worker.pool().capacity());
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
}

// RFC 3611: a viewer who sends nothing tells his clock, and it comes back with the time it lay
// here.
struct RoundTrip : ::testing::Test {
  void start(Link up, Link down) {
    sim.add_peer({});
    viewer =
        &sim.add_peer({.audio = false, .video = false, .video_slots = 1, .up = up, .down = down});
    sim.assign_all(*viewer);
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(1));
    viewer->hears = [this](rtp::Time now, rtp::ConstBytes bytes) { read_answers(now, bytes); };
  }
  void tell_clock(rtp::Ssrc receiver) {
    std::array<std::uint8_t, 20> told{0x80, rtp::kRtcpExtendedReport, 0, 4};
    rtp::store32(told, 4, receiver.value);
    rtp::store32(told, 8, 0x0400'0002);
    rtp::store64(told, 12, rtp::to_ntp(sim.now).value);
    viewer->client.send_rtcp(told);
  }
  struct Answer {
    rtp::Ssrc receiver;
    rtp::Duration round_trip;
  };
  std::vector<Answer> answers;
  Sim sim{32};
  SimPeer* viewer = nullptr;

 private:
  void read_answers(rtp::Time now, rtp::ConstBytes compound) {
    std::size_t size = 0;
    for (rtp::ConstBytes rest = compound; rest.size() >= 4; rest = rest.subspan(size)) {
      size = 4 * (rtp::load16(rest, 2) + std::size_t{1});
      if (rest[1] != rtp::kRtcpExtendedReport) continue;
      for (std::size_t at = 12; at < size; at += rtp::ReferenceDelay::kWireSize) {
        const std::uint32_t units = rtp::compact_ntp(rtp::to_ntp(now)) - rtp::load32(rest, at + 4) -
                                    rtp::load32(rest, at + 8);
        answers.push_back({rtp::Ssrc{rtp::load32(rest, at)},
                           rtp::Duration{std::int64_t{units} * 1'000'000 / 65'536}});
      }
    }
  }
};

TEST_F(RoundTrip, IsToldToWhoSendsNothing) {
  start({.delay = milliseconds(70)}, {.delay = milliseconds(50)});
  for (int i = 0; i < 5; ++i) {
    tell_clock(rtp::Ssrc{77});
    sim.run_for(milliseconds(700));
  }
  ASSERT_EQ(answers.size(), 5U) << "one answer to one question";
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.receiver, rtp::Ssrc{77});
    EXPECT_GE(answer.round_trip, milliseconds(119));
    EXPECT_LE(answer.round_trip, milliseconds(132)) << "120, and the turns in which both send";
  }
}

TEST_F(RoundTrip, OfMoreReceiversThanABrowserHasIsNotToldToAll) {
  start({}, {});
  constexpr std::uint32_t kMany = 60;  // as many as the sender's queue holds
  for (std::uint32_t i = 0; i < kMany; ++i) tell_clock(rtp::Ssrc{i});
  sim.run_for(seconds(1));
  EXPECT_GE(answers.size(), 4U);
  EXPECT_LE(answers.size(), 8U) << "four at each of the server's turns";
  EXPECT_EQ(sim.counters.dropped(Drop::TooManySsrcs) + answers.size(), kMany);
  EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
}

}  // namespace
}  // namespace parley::sim
