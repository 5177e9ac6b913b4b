#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include "rtp/packet.h"
#include "rtp/tap.h"
#include "tests/sim/sim.h"

// A publisher changes his codec in mid-call, as control asks for it (track.codec_wanted): nobody
// joins again, no SDP changes, and whoever decodes the new one sees a picture at once.
namespace parley::sim {
namespace {

using rtp::Codec;

class CodecChange : public ::testing::Test {
 protected:
  SimPeer& publish(PeerOptions options = {}) {
    options.h264 = true;
    return sim.add_peer(options);
  }
  static constexpr bool kNoVp8 = false;
  SimPeer& watch(bool vp8 = true, Link link = {}) {
    return sim.add_peer({.audio = false,
                         .video = false,
                         .vp8 = vp8,
                         .h264 = true,
                         .video_slots = 1,
                         .up = link,
                         .down = link});
  }
  void show(SimPeer& viewer, const SimPeer& publisher) {
    sim.assign(viewer, viewer.video_mid(0), publisher.video_track());
  }
  // How long it took from `since` to the first picture of that codec, and that it is a key frame.
  // It may come behind later ones, when it was lost and sent again.
  static rtp::Duration first_picture(SimPeer& viewer, Codec codec, rtp::Time since) {
    const Receiver::Frame* first = nullptr;
    for (const Receiver::Frame& frame : viewer.video_slot(0).frames) {
      if (frame.codec != codec || frame.at < since) continue;
      const bool earlier =
          first != nullptr &&
          static_cast<std::int32_t>(frame.timestamp.value - first->timestamp.value) < 0;
      if (first == nullptr || earlier) first = &frame;
    }
    if (first == nullptr) return rtp::Duration::max();
    EXPECT_TRUE(first->frame.key_frame);
    return first->at - since;
  }
  static void expect_one_stream(SimPeer& viewer) {
    EXPECT_EQ(viewer.video_slot(0).missing(), 0U);
    EXPECT_EQ(viewer.video_slot(0).timestamp_faults(), 0U);
  }
  [[nodiscard]] std::size_t shown_events(const SimPeer& viewer) const {
    const auto all = sim.events_of<server::SlotSwitched>();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& e) { return e.peer == viewer.id() && e.track; }));
  }
  Sim sim{31};
};

TEST_F(CodecChange, WhoDecodesBothSeesNoGap) {
  SimPeer& publisher = publish();
  SimPeer& viewer = watch();
  ASSERT_TRUE(sim.connect_all());
  show(viewer, publisher);
  sim.run_for(seconds(2));
  for (const Codec codec : {Codec::H264, Codec::Vp8, Codec::H264}) {
    const rtp::Time since = sim.now;
    publisher.switch_codec(codec);
    sim.run_for(seconds(1));
    EXPECT_LE(first_picture(viewer, codec, since), milliseconds(100));
    EXPECT_LE(viewer.video_slot(0).longest_pause(since), milliseconds(100));
  }
  expect_one_stream(viewer);
  EXPECT_EQ(shown_events(viewer), 1U) << "it is the same picture";
}

// What was matched before is gone with the old offer, though no packet comes to match anew.
TEST_F(CodecChange, WhoOffersAgainWhileNothingComesIsServedByWhatHeOffersNow) {
  SimPeer& publisher = publish();
  SimPeer& viewer = watch();
  ASSERT_TRUE(sim.connect_all());
  show(viewer, publisher);
  sim.run_for(seconds(2));
  publisher.silent = true;
  sim.run_for(milliseconds(500));
  for (int i = 0; i < 5; ++i) {
    sim.command(server::SetPeer{server::RoomId{1}, viewer.id(), viewer.params()});
    sim.run_for(milliseconds(200));
  }
  publisher.silent = false;
  const rtp::Time since = sim.now;
  sim.run_for(seconds(1));
  EXPECT_LE(viewer.video_slot(0).longest_pause(since), milliseconds(500));
  expect_one_stream(viewer);
}

TEST_F(CodecChange, WhoCouldNotDecodeBeforeSeesThePictureAndIsToldSo) {
  SimPeer& publisher = publish();
  SimPeer& viewer = watch(kNoVp8);
  ASSERT_TRUE(sim.connect_all());
  show(viewer, publisher);
  sim.run_for(seconds(2));
  EXPECT_EQ(viewer.video_slot(0).packets, 0U) << "never what he cannot decode";
  EXPECT_EQ(shown_events(viewer), 0U);
  const rtp::Time since = sim.now;
  publisher.switch_codec(Codec::H264);
  sim.run_for(seconds(1));
  EXPECT_LE(first_picture(viewer, Codec::H264, since), milliseconds(100));
  EXPECT_EQ(shown_events(viewer), 1U);
  const auto plis = publisher.plis;
  publisher.switch_codec(Codec::Vp8);
  sim.run_for(seconds(3));
  EXPECT_LE(publisher.plis, plis + 1) << "no key frame is of use to him";
  publisher.switch_codec(Codec::H264);
  sim.run_for(seconds(1));
  EXPECT_EQ(shown_events(viewer), 2U) << "again, for control hid it meanwhile";
  expect_one_stream(viewer);
}

TEST_F(CodecChange, EveryLayerOfASimulcastFollows) {
  SimPeer& publisher = publish({.layers = 3});
  SimPeer& viewer = watch(kNoVp8);
  SimPeer& both = watch();
  ASSERT_TRUE(sim.connect_all());
  show(viewer, publisher);
  show(both, publisher);
  sim.run_for(seconds(3));
  const rtp::Time since = sim.now;
  publisher.switch_codec(Codec::H264);
  sim.run_for(seconds(2));
  EXPECT_LE(first_picture(viewer, Codec::H264, since), milliseconds(500));
  EXPECT_LE(both.video_slot(0).longest_pause(since), milliseconds(500));
  EXPECT_EQ(viewer.video_slot(0).frames.back().frame.layer, 2U);
  expect_one_stream(viewer);
  expect_one_stream(both);
}

TEST_F(CodecChange, LossDoesNotKeepThePictureAway) {
  const Link bad{.loss = 0.05, .delay = milliseconds(30), .jitter = milliseconds(5)};
  PeerOptions options;
  options.up = options.down = bad;
  SimPeer& publisher = publish(options);
  SimPeer& viewer = watch(true, bad);
  SimPeer& new_one = watch(kNoVp8);
  ASSERT_TRUE(sim.connect_all());
  show(viewer, publisher);
  show(new_one, publisher);
  sim.run_for(seconds(2));
  for (int i = 0; i < 6; ++i) {
    const Codec codec = i % 2 == 0 ? Codec::H264 : Codec::Vp8;
    const rtp::Time since = sim.now;
    publisher.lose_first_packet_of_next_key_frame();
    publisher.switch_codec(codec);
    sim.run_for(seconds(2));
    EXPECT_LE(first_picture(viewer, codec, since), seconds(1));
    if (codec == Codec::Vp8) continue;
    // What of VP8 comes late, for it was lost, does not stop what he decodes.
    const rtp::Duration first = first_picture(new_one, codec, since);
    EXPECT_LE(first, seconds(1));
    EXPECT_LE(new_one.video_slot(0).longest_pause(since + first), milliseconds(300));
  }
  EXPECT_EQ(viewer.video_slot(0).timestamp_faults(), 0U);
  EXPECT_EQ(new_one.video_slot(0).timestamp_faults(), 0U);
}

TEST_F(CodecChange, ARecorderGoesOnWithAKeyFrameAndTheNextNumber) {
  SimPeer& publisher = publish();
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(1));
  const auto ring = std::make_shared<rtp::Tap>(4'000'000);
  sim.command(server::OpenTap{server::TapId{1}, publisher.video_track(), ring});
  sim.run_for(seconds(1));
  publisher.switch_codec(Codec::H264);
  sim.run_for(seconds(1));
  std::optional<std::uint16_t> before;
  std::optional<client::SyntheticFrame> first;
  for (; const auto record = ring->front(); ring->pop()) {
    if (record->kind != rtp::Tap::Kind::Rtp) continue;
    std::vector<std::uint8_t> copy(record->bytes.begin(), record->bytes.end());
    const auto packet = rtp::Packet::parse(copy);
    ASSERT_TRUE(packet);
    if (before) {
      EXPECT_EQ(packet->seq().value, static_cast<std::uint16_t>(*before + 1));
    }
    before = packet->seq().value;
    if (record->codec == Codec::H264 && !first) {
      first = client::read_synthetic_h264(packet->payload());
      ASSERT_TRUE(first) << "not in the middle of a frame";
    }
  }
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->key_frame);
}

TEST(CodecChangeOverARelay, ReachesViewersOnAnotherWorker) {
  constexpr std::size_t kFar = 1;
  Sim sim{32, {}, 2};
  SimPeer& publisher = sim.add_peer({.h264 = true});
  sim.mirror(publisher, kFar);
  SimPeer& viewer = sim.add_peer({.audio = false,
                                  .video = false,
                                  .vp8 = false,
                                  .h264 = true,
                                  .video_slots = 1,
                                  .worker = kFar});
  ASSERT_TRUE(sim.connect_all());
  sim.assign(viewer, viewer.video_mid(0), publisher.video_track());
  sim.run_for(seconds(1));
  EXPECT_EQ(viewer.video_slot(0).packets, 0U);
  publisher.switch_codec(Codec::H264);
  ASSERT_TRUE(sim.run_until([&] { return !viewer.video_slot(0).frames.empty(); }, seconds(1)));
  EXPECT_TRUE(viewer.video_slot(0).frames.front().frame.key_frame);
  EXPECT_EQ(viewer.video_slot(0).missing(), 0U);
  EXPECT_EQ(sim.events_of<server::TrackStarted>().size(), 3U) << "told at home alone";
}

TEST_F(CodecChange, ControlIsToldOfEachChangeAndNotFlooded) {
  SimPeer& publisher = publish({.audio = false});
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(1));
  publisher.switch_codec(Codec::H264);
  sim.run_for(seconds(1));
  auto told = sim.events_of<server::TrackStarted>();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].codec.codec, Codec::Vp8);
  EXPECT_EQ(told[1].codec.codec, Codec::H264);
  EXPECT_EQ(told[1].codec.h264_profile, 0x42e01fU);
  for (int i = 0; i < 30; ++i) {  // a frame of each
    publisher.switch_codec(i % 2 == 0 ? Codec::Vp8 : Codec::H264);
    sim.run_for(milliseconds(33));
  }
  sim.run_for(milliseconds(200));
  told = sim.events_of<server::TrackStarted>();
  EXPECT_LE(told.size(), 2U + 11U);
  EXPECT_EQ(told.back().codec.codec, Codec::H264) << "the last one is what it is";
}

}  // namespace
}  // namespace parley::sim
