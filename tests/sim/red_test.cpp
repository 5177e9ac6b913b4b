#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

struct RedTest : ::testing::Test {
  SimPeer& listener(double loss, bool red = true, double rate_bps = 0,
                    std::size_t video_slots = 0) {
    return sim.add_peer({.audio = false,
                         .video = false,
                         .audio_slots = 1,
                         .red = red,
                         .video_slots = video_slots,
                         .down = {.loss = loss, .rate_bps = rate_bps}});
  }
  // The share of the frames [from, to) of a speaker that a listener can play.
  static double heard(const SimPeer& speaker, const Receiver& slot, std::uint32_t from,
                      std::uint32_t to) {
    std::size_t count = 0;
    for (std::uint32_t frame = from; frame < to; ++frame) {
      count += slot.sounds.count({static_cast<std::uint32_t>(speaker.id().value - 1), frame});
    }
    return static_cast<double>(count) / (to - from);
  }

  Sim sim{91};
  SimPeer& speaker = sim.add_peer({.video = false});
};

TEST_F(RedTest, AListenerWhoLosesATenthHearsNearlyAll) {
  SimPeer& lossy = listener(0.10);
  SimPeer& without = listener(0.10, false);
  SimPeer& good = listener(0);
  for (SimPeer* peer : {&lossy, &without, &good}) sim.assign_all(*peer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(5));  // until it is known
  const std::uint32_t from = speaker.audio.frame();
  sim.run_for(seconds(60));
  const std::uint32_t to = speaker.audio.frame() - 5;
  ASSERT_GT(to - from, 2'900U);
  const double with_red = heard(speaker, lossy.audio_slot(0), from, to);
  const double plain = heard(speaker, without.audio_slot(0), from, to);
  RecordProperty("heard_with_red", std::to_string(with_red));
  RecordProperty("heard_plain", std::to_string(plain));
  EXPECT_GT(with_red, 0.985);
  EXPECT_NEAR(plain, 0.90, 0.02);
  EXPECT_EQ(heard(speaker, good.audio_slot(0), from, to), 1);
  EXPECT_EQ(lossy.audio_slot(0).red_faults, 0U);
  EXPECT_EQ(without.audio_slot(0).red_packets, 0U);
  EXPECT_EQ(good.audio_slot(0).red_packets, 0U);
  EXPECT_GE(sim.counters.red_out.value(), lossy.audio_slot(0).red_packets);
  EXPECT_GT(lossy.audio_slot(0).red_packets, 2'500U);
}

TEST_F(RedTest, HeavyLossIsWorthTwoFrames) {
  SimPeer& lossy = listener(0.25);
  sim.assign_all(lossy);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(10));
  const std::uint32_t from = speaker.audio.frame();
  sim.run_for(seconds(60));
  EXPECT_GT(heard(speaker, lossy.audio_slot(0), from, speaker.audio.frame() - 5), 0.97);
  EXPECT_GT(lossy.audio_slot(0).red_blocks, lossy.audio_slot(0).red_packets * 18 / 10);
}

TEST_F(RedTest, EndsWhenTheLineIsGoodAgainAndKeepsNothingMore) {
  SimPeer& lossy = listener(0.10);
  sim.assign_all(lossy);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(10));
  ASSERT_GT(lossy.audio_slot(0).red_packets, 100U);
  lossy.options.down.loss = 0;
  sim.run_for(seconds(40));
  const std::uint64_t red = sim.counters.red_out.value();
  sim.run_for(seconds(5));
  EXPECT_EQ(sim.counters.red_out.value(), red);
  EXPECT_EQ(sim.counters.pool_in_use.value(), 0U);
}

TEST_F(RedTest, NothingOfBeforeAMuteIsHeardAfterIt) {
  SimPeer& lossy = listener(0.12);
  sim.assign_all(lossy);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(10));
  for (int i = 0; i < 20; ++i) {
    sim.command(server::MuteTrack{speaker.audio_track(), true});
    const std::uint32_t first_secret = speaker.audio.frame();
    sim.run_for(milliseconds(30 + 20 * i));
    const std::uint32_t end = speaker.audio.frame();
    sim.command(server::MuteTrack{speaker.audio_track(), false});
    sim.run_for(milliseconds(500));
    // One that was on its way when the mute came, and one when it went, may be either.
    if (end < first_secret + 3) continue;
    EXPECT_EQ(heard(speaker, lossy.audio_slot(0), first_secret + 1, end - 1), 0) << i;
  }
  EXPECT_GT(lossy.audio_slot(0).red_packets, 300U);
  EXPECT_EQ(lossy.audio_slot(0).red_faults, 0U);
}

TEST_F(RedTest, ASwitchOfTheSourceBringsNothingOfTheOtherAlong) {
  SimPeer& other = sim.add_peer({.video = false});
  SimPeer& lossy = listener(0.12);
  sim.assign(lossy, lossy.audio_mid(0), speaker.audio_track());
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(10));
  std::map<std::uint32_t, std::uint32_t> left_at;  // by stream: the first frame not to be heard
  for (int i = 0; i < 30; ++i) {
    SimPeer& next = i % 2 == 0 ? other : speaker;
    const auto stream = static_cast<std::uint32_t>(next.id().value - 1);
    const std::uint32_t back_at = next.audio.frame();
    sim.assign(lossy, lossy.audio_mid(0), next.audio_track());
    sim.run_for(milliseconds(410));
    if (left_at.count(stream) != 0) {
      EXPECT_EQ(heard(next, lossy.audio_slot(0), left_at[stream] + 2, back_at - 2), 0) << i;
    }
    left_at[stream] = next.audio.frame();
  }
  EXPECT_GT(lossy.audio_slot(0).red_packets, 300U);
  EXPECT_EQ(lossy.audio_slot(0).red_faults, 0U);
}

TEST_F(RedTest, APauseOfTheSpeakerIsNotBridged) {
  SimPeer& lossy = listener(0.10);
  sim.assign_all(lossy);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(10));
  speaker.audio.set_left_out(19);  // one packet in 400 ms
  sim.run_for(seconds(1));
  const std::uint64_t red = sim.counters.red_out.value();
  sim.run_for(seconds(8));
  EXPECT_EQ(sim.counters.red_out.value(), red);
  EXPECT_EQ(lossy.audio_slot(0).timestamp_faults(), 0U);
}

TEST_F(RedTest, FramesTooLargeToGoTogetherGoAlone) {
  Sim large(92);
  SimPeer& loud = large.add_peer({.video = false, .audio_payload = 700});
  SimPeer& lossy = large.add_peer(
      {.audio = false, .video = false, .audio_slots = 1, .red = true, .down = {.loss = 0.1}});
  large.assign_all(lossy);
  ASSERT_TRUE(large.connect_all());
  large.run_for(seconds(20));
  EXPECT_EQ(large.counters.red_out.value(), 0U);
  EXPECT_NEAR(heard(loud, lossy.audio_slot(0), 0, loud.audio.frame() - 5), 0.9, 0.03);
}

// Fifty packets of 80 bytes are 64 kbit/s with all headers, with redundancy a hundred. Whether the
// way is measured (who watches) or not, it is found out that it makes things worse.
TEST_F(RedTest, AWayTooNarrowForItGetsPlainAudio) {
  SimPeer& watches = listener(0, true, 60'000, 1);
  SimPeer& listens = listener(0, true, 60'000);
  for (SimPeer* peer : {&watches, &listens}) sim.assign_all(*peer);
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(120));
  for (SimPeer* peer : {&watches, &listens}) {
    const Receiver& slot = peer->audio_slot(0);
    EXPECT_GT(slot.missing(), 100U) << "loss there is";
    EXPECT_LT(slot.red_packets * 5, slot.packets);
    EXPECT_GT(heard(speaker, slot, 0, speaker.audio.frame() - 50), 0.8);
  }
}

TEST_F(RedTest, AListenerOnAnotherWorkerGetsItToo) {
  Sim two(93, {}, 2);
  SimPeer& publisher = two.add_peer({.video = false});
  two.mirror(publisher, 1);
  SimPeer& lossy = two.add_peer({.audio = false,
                                 .video = false,
                                 .audio_slots = 1,
                                 .red = true,
                                 .worker = 1,
                                 .down = {.loss = 0.1}});
  two.assign_all(lossy);
  ASSERT_TRUE(two.connect_all());
  two.run_for(seconds(5));
  const std::uint32_t from = publisher.audio.frame();
  two.run_for(seconds(30));
  EXPECT_GT(heard(publisher, lossy.audio_slot(0), from, publisher.audio.frame() - 5), 0.985);
  EXPECT_EQ(lossy.audio_slot(0).red_faults, 0U);
}

// Nobody is asked for RED; who sends it all the same is not understood.
TEST_F(RedTest, RedFromAPublisherIsDropped) {
  SimPeer& good = listener(0);
  sim.assign_all(good);
  speaker.loses = [&](rtp::ConstBytes bytes) {
    std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    copy[1] = static_cast<std::uint8_t>((copy[1] & 0x80) | Receiver::kRed.value);
    speaker.client.send_rtp(copy);
    return true;
  };
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(2));
  EXPECT_EQ(good.audio_slot(0).packets, 0U);
  EXPECT_GT(sim.counters.dropped(server::Drop::UnknownPayloadType), 90U);
}

}  // namespace
}  // namespace parley::sim
