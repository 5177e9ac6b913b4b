#include "rtp/tap.h"

#include <memory>

#include <gtest/gtest.h>

#include "rtp/packet.h"
#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

struct Taps : ::testing::Test {
  void start(std::size_t layers, std::size_t bytes) {
    publisher = &sim.add_peer({.layers = layers});
    ASSERT_TRUE(sim.connect_all());
    sim.run_for(seconds(2));
    video = std::make_shared<rtp::Tap>(bytes);
    audio = std::make_shared<rtp::Tap>(bytes);
    sim.command(server::OpenTap{server::TapId{1}, publisher->video_track(), video});
    sim.command(server::OpenTap{server::TapId{2}, publisher->audio_track(), audio});
  }
  struct Seen {
    std::vector<rtp::Seq> seqs;
    std::vector<client::SyntheticFrame> frames;
    std::vector<rtp::Tap::Kind> others;
  };
  static Seen drain(rtp::Tap& tap) {
    Seen seen;
    while (const auto record = tap.front()) {
      if (record->kind == rtp::Tap::Kind::Rtp) {
        std::vector<std::uint8_t> copy(record->bytes.begin(), record->bytes.end());
        const auto packet = rtp::Packet::parse(copy);
        EXPECT_TRUE(packet.has_value());
        seen.seqs.push_back(packet->seq());
        if (const auto frame = client::read_synthetic_vp8(packet->payload())) {
          seen.frames.push_back(*frame);
        }
      } else {
        seen.others.push_back(record->kind);
      }
      tap.pop();
    }
    return seen;
  }
  static void expect_gapless(const Seen& seen) {
    for (std::size_t i = 1; i < seen.seqs.size(); ++i) {
      ASSERT_EQ(seen.seqs[i].value, static_cast<std::uint16_t>(seen.seqs[i - 1].value + 1));
    }
  }
  Sim sim{51};
  SimPeer* publisher = nullptr;
  std::shared_ptr<rtp::Tap> video;
  std::shared_ptr<rtp::Tap> audio;
};

TEST_F(Taps, GetOneGaplessStreamThatBeginsWithAKeyFrame) {
  start(1, 4'000'000);
  sim.run_for(seconds(5));
  const Seen v = drain(*video);
  const Seen a = drain(*audio);
  expect_gapless(v);
  expect_gapless(a);
  ASSERT_GT(v.frames.size(), 140U);
  EXPECT_TRUE(v.frames.front().key_frame);
  EXPECT_GT(a.seqs.size(), 240U);
  EXPECT_GE(std::count(v.others.begin(), v.others.end(), rtp::Tap::Kind::SenderReport), 5);
  EXPECT_GE(std::count(a.others.begin(), a.others.end(), rtp::Tap::Kind::SenderReport), 5);
}

TEST_F(Taps, BeginAtAKeyFrameThoughItsFirstPacketHadToBeSentAgain) {
  start(1, 4'000'000);
  publisher->lose_first_packet_of_next_key_frame();
  sim.run_for(seconds(1));
  const Seen v = drain(*video);
  ASSERT_FALSE(v.frames.empty());
  EXPECT_TRUE(v.frames.front().key_frame);
  expect_gapless(v);
  EXPECT_EQ(publisher->video.key_frames(0), 2U) << "of the start and this one; no third was needed";
}

TEST_F(Taps, TakeTheHighestLivingLayer) {
  start(3, 4'000'000);
  sim.run_for(seconds(3));
  EXPECT_EQ(drain(*video).frames.back().layer, 2U);
  publisher->video.set_active(2, false);
  sim.run_for(seconds(3));
  const Seen seen = drain(*video);
  EXPECT_EQ(seen.frames.back().layer, 1U);
  expect_gapless(seen);
}

TEST_F(Taps, AreToldOfMutingAndOfTheEnd) {
  start(1, 4'000'000);
  sim.run_for(seconds(1));
  drain(*video);
  sim.command(server::MuteTrack{publisher->video_track(), true});
  sim.run_for(seconds(1));
  Seen seen = drain(*video);
  EXPECT_EQ(seen.others.front(), rtp::Tap::Kind::Muted);
  EXPECT_TRUE(seen.seqs.empty());
  sim.command(server::MuteTrack{publisher->video_track(), false});
  sim.run_for(seconds(1));
  seen = drain(*video);
  EXPECT_EQ(seen.others.front(), rtp::Tap::Kind::Unmuted);
  ASSERT_FALSE(seen.frames.empty());
  EXPECT_TRUE(seen.frames.front().key_frame);
  sim.command(server::RemovePeer{publisher->id()});
  seen = drain(*video);
  EXPECT_EQ(seen.others.back(), rtp::Tap::Kind::Ended);
  EXPECT_EQ(drain(*audio).others.back(), rtp::Tap::Kind::Ended);
}

TEST_F(Taps, AfterAnOverflowGoOnWithAKeyFrame) {
  start(1, 100'000);
  sim.run_for(seconds(3));  // nobody reads: it overflows
  EXPECT_GT(sim.counters.dropped(server::Drop::TapFull), 0U);
  EXPECT_GT(video->overflows(), 0U);
  EXPECT_LT(video->overflows(), 20U);  // not once per packet: it waits for a key frame
  drain(*video);
  sim.run_for(seconds(1));
  const Seen seen = drain(*video);
  ASSERT_FALSE(seen.frames.empty());
  EXPECT_TRUE(seen.frames.front().key_frame);
}

TEST_F(Taps, OfUnknownTracksAndTwiceAreRefused) {
  start(1, 100'000);
  sim.command(server::OpenTap{server::TapId{1}, publisher->audio_track(), audio});
  sim.command(server::OpenTap{server::TapId{9}, server::TrackNo{77}, audio});
  sim.command(server::CloseTap{server::TapId{9}});
  EXPECT_EQ(sim.counters.bad_commands.value(), 3U);
  sim.command(server::CloseTap{server::TapId{1}});
  sim.command(server::CloseTap{server::TapId{1}});
  EXPECT_EQ(sim.counters.bad_commands.value(), 4U);
  EXPECT_EQ(video.use_count(), 1);
}

}  // namespace
}  // namespace parley::sim
