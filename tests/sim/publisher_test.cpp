#include <array>
#include <string_view>

#include <gtest/gtest.h>

#include "rtp/packet_builder.h"
#include "rtp/rtcp_writer.h"
#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

using server::Drop;

// A peer with valid keys that sends what no browser would.
struct Publisher : ::testing::Test {
  void SetUp() override {
    bad = &sim.add_peer({});
    good = &sim.add_peer({});
    watcher = &sim.add_peer({.audio = false, .video = false, .audio_slots = 2, .video_slots = 2});
    sim.assign_all(*watcher);
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(1));
  }
  void send(std::uint8_t type, std::uint32_t ssrc, std::string_view mid, std::string_view rid,
            std::size_t payload) {
    std::array<std::uint8_t, 1'500> bytes{};
    rtp::HeaderFields fields;
    fields.payload_type = rtp::PayloadType{type};
    fields.seq = rtp::Seq{seq++};
    fields.ssrc = rtp::Ssrc{ssrc};
    rtp::PacketBuilder builder(bytes, fields);
    if (!mid.empty()) builder.extensions().add(4, mid);
    if (!rid.empty()) builder.extensions().add(10, rid);
    builder.payload(std::vector<std::uint8_t>(payload, 0x10));
    const std::size_t size = builder.finish();
    bad->client.send_rtp(rtp::ConstBytes(bytes).first(size));
    sim.run_for(milliseconds(1));
  }
  // The others notice nothing.
  void expect_no_harm() {
    sim.run_for(seconds(1));
    EXPECT_EQ(watcher->video_slot(1).missing() + watcher->audio_slot(1).missing(), 0U);
    EXPECT_GT(watcher->video_slot(1).frames.back().at, sim.now - milliseconds(100));
    EXPECT_EQ(watcher->video_slot(1).packets_of_track.size(), 1U);
    EXPECT_TRUE(sim.events_of<server::PeerClosed>().empty());
  }
  Sim sim{61};
  SimPeer* bad = nullptr;
  SimPeer* good = nullptr;
  SimPeer* watcher = nullptr;
  std::uint16_t seq = 1;
};

TEST_F(Publisher, EndlessSsrcsAreBounded) {
  for (std::uint32_t i = 0; i < 1'000; ++i) send(96, 900'000 + i, "1", "", 100);
  EXPECT_GT(sim.counters.dropped(Drop::TooManySsrcs), 700U);
  expect_no_harm();
}

TEST_F(Publisher, UnknownLabelsAndTypesAreDropped) {
  send(96, 700, "nobody", "", 100);
  send(35, 702, "", "", 100);
  send(111, 703, "0", "", 100);  // takes its place on the audio line,
  send(35, 703, "", "", 100);    // then says another payload type
  sim.run_for(milliseconds(20));
  EXPECT_EQ(sim.counters.dropped(Drop::UnknownSsrc), 2U);
  EXPECT_EQ(sim.counters.dropped(Drop::UnknownPayloadType), 1U);
  expect_no_harm();
}

TEST_F(Publisher, RetransmissionsOfNothingAreDropped) {
  const std::uint64_t out = sim.counters.media_out.value();
  bad->media = good->media = false;
  sim.run_for(milliseconds(50));
  const std::uint64_t before = sim.counters.media_out.value();
  for (std::size_t payload = 0; payload < 3; ++payload) send(97, 10'020, "", "", payload);
  sim.run_for(milliseconds(20));
  EXPECT_EQ(sim.counters.dropped(Drop::PaddingOnly), 3U);
  EXPECT_EQ(sim.counters.media_out.value(), before);
  EXPECT_GT(before, out - 1);
  bad->media = good->media = true;
}

TEST_F(Publisher, ANewSsrcOnTheSameLineContinuesTheSlot) {
  // As after a change of the sending track: MID tells where it belongs.
  sim.run_for(seconds(1));
  const std::uint64_t packets = watcher->audio_slot(0).packets;
  bad->media = false;
  sim.run_for(milliseconds(100));
  for (int i = 0; i < 50; ++i) {
    send(111, 123'456, "0", "", 50);
    sim.run_for(milliseconds(19));
  }
  sim.run_for(milliseconds(100));
  EXPECT_GE(watcher->audio_slot(0).packets, packets + 50);
  EXPECT_EQ(watcher->audio_slot(0).missing(), 0U);
  EXPECT_EQ(watcher->audio_slot(0).timestamp_faults(), 0U);
  EXPECT_EQ(watcher->audio_slot(0).last_track, bad->audio_track().value);
}

TEST_F(Publisher, ReportsAndRequestsForStrangersDoNothing) {
  const std::uint64_t plis = good->plis;
  for (int i = 0; i < 100; ++i) {
    std::array<std::uint8_t, 256> bytes{};
    rtp::RtcpWriter out(bytes);
    const rtp::Ssrc theirs{10'110};  // the other publisher's video
    out.pli(rtp::Ssrc{1}, theirs);
    out.nack(rtp::Ssrc{1}, theirs, std::array{rtp::Seq{1}, rtp::Seq{2}});
    out.bye(std::array{theirs});
    bad->client.send_rtcp(out.written());
    sim.run_for(milliseconds(10));
  }
  EXPECT_EQ(good->plis, plis);
  EXPECT_EQ(sim.counters.rtx_out.value(), 0U);
  expect_no_harm();
}

// Steps of a handshake wait for media, a bounded number of them.
TEST_F(Publisher, AFloodOfHandshakeRecordsHoldsNothingBack) {
  std::vector<std::uint8_t> record(60, 0);
  record[0] = 22;
  record[1] = 0xfe;
  record[2] = 0xfd;
  record[12] = 60 - 13;
  const std::uint64_t media = sim.counters.media_out.value();
  sim.turn = milliseconds(20);
  for (int i = 0; i < 1'500; ++i) sim.inject(bad->address, record);
  ASSERT_TRUE(sim.run_until([&] { return sim.counters.dropped(Drop::Dtls) > 0; }));
  const std::uint64_t refused = sim.counters.dropped(Drop::Dtls);
  EXPECT_GE(refused, 1'500 - server::Worker::kMaxHandshakes);
  EXPECT_LE(refused, 1'500 - server::Worker::kMaxHandshakes + server::Worker::kHandshakesPerTurn);
  sim.run_for(milliseconds(200));
  EXPECT_GT(sim.counters.media_out.value(), media);
  EXPECT_EQ(sim.counters.dropped(Drop::Dtls), 1'500U) << "its handshake is over";
  sim.turn = milliseconds(0);
  expect_no_harm();
}

TEST_F(Publisher, ANackFloodIsAnsweredWithinItsBudget) {
  // The watcher asks for everything again, all the time.
  const std::uint64_t sent = sim.counters.media_out.value();
  std::uint16_t first = 0;
  for (int i = 0; i < 1'000; ++i) {
    std::array<std::uint8_t, 256> bytes{};
    rtp::RtcpWriter out(bytes);
    std::array<rtp::Seq, 17> all;
    for (rtp::Seq& one : all) one = rtp::Seq{first++};
    out.nack(rtp::Ssrc{1}, watcher->video_slot(0).ssrc, all);
    watcher->client.send_rtcp(out.written());
    sim.run_for(milliseconds(5));
  }
  const std::uint64_t media = sim.counters.media_out.value() - sent;
  EXPECT_LE(sim.counters.rtx_out.value() * 4, media);
  EXPECT_GE(sim.counters.nacks_in.value(), 16'000U);
  expect_no_harm();
}

}  // namespace
}  // namespace parley::sim
