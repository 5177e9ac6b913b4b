#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/packet_builder.h"
#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

using server::Drop;

// What a worker reads at once goes to one subscriber after the other.
struct Burst : ::testing::Test {
  void SetUp() override {
    publisher = &sim.add_peer({});
    viewer = &sim.add_peer({.audio = false, .video = false, .audio_slots = 1, .video_slots = 1});
    sim.assign_all(*viewer);
    ASSERT_TRUE(sim.connect_all());
    publisher->media = false;
    sim.run_for(seconds(1));
    sim.turn = milliseconds(20);
    video_before = viewer->video_slot(0).packets;
    audio_before = viewer->audio_slot(0).packets;
  }
  void send(rtp::HeaderFields fields, rtp::ConstBytes payload, std::string_view mid) {
    std::array<std::uint8_t, 1'500> bytes{};
    rtp::PacketBuilder builder(bytes, fields);
    builder.extensions().add(4, mid);
    builder.payload(payload);
    publisher->client.send_rtp(rtp::ConstBytes(bytes).first(builder.finish()));
  }
  // VP8 (RFC 7741, section 4.2): the first packet of a key frame, or one behind it.
  void send_video(int seq, bool head) {
    rtp::HeaderFields fields;
    fields.payload_type = rtp::PayloadType{96};
    fields.seq = rtp::Seq{static_cast<std::uint16_t>(seq)};
    fields.timestamp = rtp::RtpTimestamp{90'000};
    fields.ssrc = rtp::Ssrc{777};
    const std::array<std::uint8_t, 12> key{0x10, 0x00, 0x00, 0x00, 0x9d, 0x01,
                                           0x2a, 0x80, 0x02, 0xe0, 0x01, 0x00};
    const std::array<std::uint8_t, 12> rest{0x00, 1, 2, 3};
    send(fields, head ? key : rest, "1");
  }
  void send_audio(std::uint32_t ssrc, std::uint16_t seq) {
    rtp::HeaderFields fields;
    fields.payload_type = rtp::PayloadType{111};
    fields.seq = rtp::Seq{seq};
    fields.timestamp = rtp::RtpTimestamp{seq * 960U};
    fields.ssrc = rtp::Ssrc{ssrc};
    send(fields, std::array<std::uint8_t, 40>{}, "0");
  }
  [[nodiscard]] std::uint64_t new_video() { return viewer->video_slot(0).packets - video_before; }
  [[nodiscard]] std::uint64_t new_audio() { return viewer->audio_slot(0).packets - audio_before; }
  void expect_whole() {
    for (Receiver* slot : {&viewer->video_slot(0), &viewer->audio_slot(0)}) {
      EXPECT_EQ(slot->missing(), 0U);
      EXPECT_EQ(slot->duplicates, 0U);
    }
    EXPECT_EQ(sim.counters.dropped(Drop::SealFailed), 0U) << "no number was used twice";
  }
  Sim sim{91};
  SimPeer* publisher = nullptr;
  SimPeer* viewer = nullptr;
  std::uint64_t video_before = 0;
  std::uint64_t audio_before = 0;
};

TEST_F(Burst, AKeyFrameWhoseHeadCameLastPassesWhole) {
  for (const int seq : {2, 3, 1, 4}) send_video(seq, seq == 1);
  sim.run_for(milliseconds(200));
  EXPECT_EQ(new_video(), 4U);
  expect_whole();
}

TEST_F(Burst, AKeyFrameWhoseHeadCameWithTheNextBurstPassesWhole) {
  for (const int seq : {2, 3}) send_video(seq, false);
  sim.run_for(milliseconds(100));
  EXPECT_EQ(new_video(), 0U);
  for (const int seq : {4, 1, 5}) send_video(seq, seq == 1);
  sim.run_for(milliseconds(100));
  EXPECT_EQ(new_video(), 5U);
  expect_whole();
}

// The packets before it belong to a history that is gone.
TEST_F(Burst, AnEncodingThatBeginsAnewTakesWhatWaitedWithIt) {
  for (std::uint16_t seq = 1; seq <= 3; ++seq) send_audio(5'000, seq);
  for (std::uint16_t seq = 500; seq <= 503; ++seq) send_audio(6'000, seq);
  sim.run_for(milliseconds(100));
  EXPECT_EQ(new_audio(), 4U);
  EXPECT_EQ(sim.counters.dropped(Drop::HistoryGone), 3U);
  expect_whole();
}

TEST_F(Burst, APublisherThatGoesTakesWhatWaitedWithHim) {
  for (std::uint16_t seq = 1; seq <= 3; ++seq) send_audio(5'000, seq);
  sim.run_for(milliseconds(5));
  sim.command(server::RemovePeer{publisher->id()});
  publisher->silent = true;
  sim.run_for(milliseconds(100));
  expect_whole();
}

// More than is sealed and sent at once: the rest of the viewers comes after a flush.
TEST(Bursts, ManyViewersGetAllOfItInOrder) {
  constexpr std::size_t kViewers = 150;
  Sim sim(92);
  sim.add_peer({.audio = false});
  std::vector<SimPeer*> viewers;
  for (std::size_t i = 0; i < kViewers; ++i) {
    viewers.push_back(&sim.add_peer({.audio = false, .video = false, .video_slots = 1}));
    sim.assign_all(*viewers.back());
  }
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(milliseconds(500));
  sim.turn = milliseconds(50);
  std::size_t joined = 0;
  std::size_t sent = 0;
  sim.on_sent = [&](const server::Datagram& datagram) {
    ++sent;
    joined += datagram.joins ? 1U : 0U;
  };
  sim.run_for(seconds(1));
  for (SimPeer* viewer : viewers) {
    Receiver& slot = viewer->video_slot(0);
    EXPECT_EQ(slot.missing(), 0U);
    EXPECT_EQ(slot.duplicates, 0U);
    EXPECT_EQ(slot.timestamp_faults(), 0U);
    EXPECT_EQ(slot.picture_id_faults(), 0U);
    EXPECT_GT(slot.frames.size(), 20U);
  }
  EXPECT_GT(joined * 2, sent) << "a flush does not cut up what goes to one viewer";
  EXPECT_EQ(sim.counters.dropped(Drop::EgressFull), 0U);
}

}  // namespace
}  // namespace parley::sim
