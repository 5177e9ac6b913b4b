#include "rtp/forwarder.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

constexpr Source kLow{1, 0};
constexpr Source kHigh{1, 2};
constexpr Source kOther{2, 0};

// A source that sends a frame of one packet every 30 ms from numbers of its own.
struct Sender {
  std::int64_t seq;
  std::uint32_t timestamp;
  std::uint16_t picture_id;
  std::int64_t ms = 0;

  PacketInfo next(bool key = false) {
    PacketInfo info;
    info.seq = ExtSeq{seq++};
    info.timestamp = RtpTimestamp{timestamp};
    info.arrival = at(ms);
    info.codec = Codec::Vp8;
    info.marker = true;
    info.key_frame = key;
    info.frame_start = true;
    info.payload_size = 100;
    info.picture.picture_id_at = 2;
    info.picture.picture_id_long = true;
    info.picture.picture_id = static_cast<std::uint16_t>(picture_id++ & 0x7fff);
    timestamp += 2'700;
    ms += 30;
    return info;
  }
};

class ForwarderTest : public ::testing::Test {
 protected:
  Forwarder video{MediaKind::Video, 90'000, Seq{65'530}, RtpTimestamp{0xffff'ff00}};
  Sender low{100, 5'000, 7};
  Sender high{40'000, 0xffff'f000, 0x7ffe};

  // Passed, with its number; or the reason.
  static std::string outcome(const tl::expected<Rewrite, Drop>& result) {
    return result ? std::to_string(result->seq.value) : std::string(name(result.error()));
  }
};

TEST_F(ForwarderTest, PassesNothingIntoAnEmptySlot) {
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "no_target");
  EXPECT_FALSE(video.wants_key_frame());
  EXPECT_FALSE(video.timestamp_at(at(0)));
}

TEST_F(ForwarderTest, WaitsForAKeyFrameOfItsTarget) {
  video.set_target(kLow);
  EXPECT_EQ(video.wants_key_frame(), kLow);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(high.next(true), kHigh)), "other_source");
  EXPECT_FALSE(video.take_switched());
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65530");
  EXPECT_EQ(video.take_switched(), kLow);
  EXPECT_FALSE(video.take_switched()) << "told once";
  EXPECT_FALSE(video.wants_key_frame());
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65531");
}

TEST_F(ForwarderTest, ForwardsTheOldLayerUntilTheKeyFrameOfTheNewOne) {
  video.set_target(kLow);
  const auto first = video.on_packet(low.next(true), kLow);
  (void)video.take_switched();
  video.set_target(kHigh);
  EXPECT_EQ(video.wants_key_frame(), kHigh);
  (void)high.next();
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65531");
  EXPECT_EQ(outcome(video.on_packet(high.next(), kHigh)), "waiting_for_key_frame");
  const auto switched = video.on_packet(high.next(true), kHigh);
  ASSERT_TRUE(switched);
  EXPECT_EQ(switched->seq, ExtSeq{65'532});
  EXPECT_EQ(switched->picture.picture_id, first->picture.picture_id + 2);
  EXPECT_EQ(switched->timestamp.value - first->timestamp.value, 90U * 60U);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "other_source");
  EXPECT_EQ(video.take_switched(), kHigh);
}

TEST_F(ForwarderTest, PassesNothingUntilTheTargetsKeyFrameWhereTheOldLayerIsTooMuch) {
  video.set_target(kHigh);
  (void)video.on_packet(high.next(true), kHigh);
  video.pause_until_target();
  EXPECT_EQ(outcome(video.on_packet(high.next(), kHigh)), "65531") << "it is the target";
  video.set_target(kLow);
  video.pause_until_target();
  EXPECT_EQ(outcome(video.on_packet(high.next(), kHigh)), "other_source");
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65532");
  video.set_target(kHigh);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65533");
}

// What was left out meanwhile is missing in it.
TEST_F(ForwarderTest, GoesOnWithAKeyFrameIfTheOldLayerIsTheTargetAgain) {
  video.set_target(kHigh);
  (void)video.on_packet(high.next(true), kHigh);
  video.set_target(kLow);
  video.pause_until_target();
  (void)video.on_packet(high.next(), kHigh);
  video.set_target(kHigh);
  EXPECT_EQ(video.wants_key_frame(), kHigh);
  EXPECT_EQ(outcome(video.on_packet(high.next(), kHigh)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(high.next(true), kHigh)), "65531");
}

TEST_F(ForwarderTest, StopsTheOldTrackAtOnceWhenTheTrackChanges) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  video.set_target(kOther);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "other_source");
  EXPECT_EQ(outcome(video.on_packet(high.next(true), kOther)), "65531");
}

// Found by fuzzing: it was left out, and what followed began the stream without a key frame.
TEST_F(ForwarderTest, DoesNotStartAtAKeyFrameAboveTheLimit) {
  video.set_target(kLow, {LayerLimit::kAll, 0});
  PacketInfo key = low.next(true);
  key.layers.known = true;
  key.layers.temporal = 3;
  EXPECT_EQ(outcome(video.on_packet(key, kLow)), "waiting_for_key_frame");
  EXPECT_FALSE(video.take_switched());
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65530");
}

TEST_F(ForwarderTest, DoesNotStartAtAKeyFrameWhoseRestHasPassedBy) {
  video.set_target(kLow);
  const PacketInfo key = low.next(true);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(key, kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65530");
}

TEST_F(ForwarderTest, StartsAtALateKeyFrameWhenItsRestIsGivenAgain) {
  video.set_target(kLow);
  const PacketInfo head = low.next(true);
  const PacketInfo rest = low.next();
  EXPECT_EQ(outcome(video.on_packet(rest, kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(head, kLow)), "waiting_for_key_frame");
  EXPECT_FALSE(video.rewind(kHigh)) << "another layer";
  EXPECT_TRUE(video.rewind(kLow));
  EXPECT_EQ(outcome(video.on_packet(head, kLow)), "65530");
  EXPECT_EQ(outcome(video.on_packet(rest, kLow)), "65531");
  EXPECT_FALSE(video.rewind(kLow)) << "it goes on: packets given again would go out twice";
  video.set_muted(true);
  EXPECT_FALSE(video.rewind(kLow));
}

TEST_F(ForwarderTest, RewindsToAnotherLayerWhileThisOneGoesOn) {
  video.set_target(kLow);
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65530");
  video.set_target(kHigh);
  const PacketInfo head = high.next(true);
  const PacketInfo rest = high.next();
  EXPECT_EQ(outcome(video.on_packet(rest, kHigh)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65531");
  ASSERT_TRUE(video.rewind(kHigh));
  EXPECT_EQ(outcome(video.on_packet(head, kHigh)), "65532");
  EXPECT_EQ(outcome(video.on_packet(rest, kHigh)), "65533");
  EXPECT_EQ(video.current(), kHigh);
}

TEST_F(ForwarderTest, DropsLatePacketsOfBeforeTheSwitch) {
  video.set_target(kLow);
  const PacketInfo late = low.next();
  (void)video.on_packet(low.next(true), kLow);
  EXPECT_EQ(outcome(video.on_packet(late, kLow)), "before_switch");
}

TEST_F(ForwarderTest, KeepsUpstreamLossesVisibleAndFillsThemLate) {
  video.set_target(kLow);
  const auto first = video.on_packet(low.next(true), kLow);
  const PacketInfo late = low.next();
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65532");
  const auto filled = video.on_packet(late, kLow);
  ASSERT_TRUE(filled);
  EXPECT_EQ(filled->seq, ExtSeq{65'531});
  EXPECT_EQ(filled->timestamp.value - first->timestamp.value, 2'700U);
  EXPECT_EQ(filled->picture.picture_id, first->picture.picture_id + 1);
}

TEST_F(ForwarderTest, LeavesPaddingOutWithoutAGap) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  PacketInfo padding = low.next();
  padding.padding_only = true;
  EXPECT_EQ(outcome(video.on_packet(padding, kLow)), "padding_only");
  EXPECT_EQ(outcome(video.on_packet(padding, kLow)), "padding_only");
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65531");
}

TEST_F(ForwarderTest, FillsAHoleThatWasPaddingWithAnEmptyPacket) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  PacketInfo padding = low.next();
  padding.padding_only = true;
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65532");
  EXPECT_EQ(outcome(video.on_packet(padding, kLow)), "65531");
}

TEST_F(ForwarderTest, StopsWhenMutedAndGoesOnAtAKeyFrame) {
  video.set_target(kLow);
  const auto before = video.on_packet(low.next(true), kLow);
  (void)video.take_switched();
  video.set_muted(true);
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "muted");
  EXPECT_FALSE(video.wants_key_frame());
  video.set_muted(false);
  EXPECT_EQ(video.wants_key_frame(), kLow);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  const auto after = video.on_packet(low.next(true), kLow);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->seq, ExtSeq{65'531});
  EXPECT_EQ(after->timestamp.value - before->timestamp.value, 3 * 2'700U);
  EXPECT_EQ(after->picture.picture_id, before->picture.picture_id + 1);
  EXPECT_FALSE(video.take_switched()) << "it shows what it showed before";
}

TEST_F(ForwarderTest, DoesNotGoBackToAKeyFrameOfBeforeThePause) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  const PacketInfo old_key = low.next(true);
  (void)video.on_packet(low.next(), kLow);
  video.set_muted(true);
  video.set_muted(false);
  EXPECT_EQ(outcome(video.on_packet(old_key, kLow)), "before_switch");
}

TEST_F(ForwarderTest, TellsTheSwitchAgainAfterTheSlotWasEmpty) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  EXPECT_EQ(video.take_switched(), kLow);
  video.set_target(std::nullopt);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "no_target");
  video.set_target(kLow);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65531");
  EXPECT_EQ(video.take_switched(), kLow);
}

TEST_F(ForwarderTest, StaysWhereItIsWhenTheSwitchIsTakenBack) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  video.set_target(kHigh);
  (void)video.on_packet(low.next(), kLow);
  video.set_target(kLow);
  EXPECT_FALSE(video.wants_key_frame());
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65532");
  EXPECT_EQ(outcome(video.on_packet(high.next(true), kHigh)), "other_source");
}

TEST_F(ForwarderTest, AsksForAKeyFrameForAReceiverThatLostItsState) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  video.request_key_frame();
  EXPECT_EQ(video.wants_key_frame(), kLow);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65531") << "goes on meanwhile";
  (void)video.on_packet(low.next(true), kLow);
  EXPECT_FALSE(video.wants_key_frame());
}

TEST_F(ForwarderTest, HoldsATapBackUntilTheKeyFrame) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  video.request_key_frame(true);
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65531");
}

TEST_F(ForwarderTest, GoesOnWithoutAGapAfterACodecThatTheReceiverLacks) {
  video.set_target(kLow);
  EXPECT_FALSE(video.pause_undecodable(low.next(true), kLow)) << "nothing is shown yet";
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65530");
  EXPECT_FALSE(video.pause_undecodable(high.next(true), kHigh)) << "a layer he does not see";
  const PacketInfo late = low.next();
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "65532");
  EXPECT_FALSE(video.pause_undecodable(late, kLow)) << "it is of before";
  EXPECT_TRUE(video.pause_undecodable(low.next(), kLow));
  EXPECT_FALSE(video.pause_undecodable(low.next(), kLow)) << "told once";
  EXPECT_EQ(outcome(video.on_packet(low.next(), kLow)), "waiting_for_key_frame");
  EXPECT_EQ(outcome(video.on_packet(low.next(true), kLow)), "65533");
}

TEST_F(ForwarderTest, StartsAnewWhenThePublisherChangesHisCodec) {
  video.set_target(kLow);
  (void)video.on_packet(low.next(true), kLow);
  const PacketInfo late = low.next();
  PacketInfo h264 = low.next();
  h264.codec = Codec::H264;
  EXPECT_EQ(outcome(video.on_packet(h264, kLow)), "waiting_for_key_frame");
  EXPECT_EQ(video.wants_key_frame(), kLow);
  h264 = low.next(true);
  h264.codec = Codec::H264;
  EXPECT_EQ(outcome(video.on_packet(h264, kLow)), "65531");
  EXPECT_EQ(outcome(video.on_packet(late, kLow)), "before_switch");
}

TEST_F(ForwarderTest, ContinuesWhenTheSourceBeginsItsNumbersAnew) {
  video.set_target(kLow);
  const auto before = video.on_packet(low.next(true), kLow);
  video.on_source_restarted(kLow);
  EXPECT_EQ(video.wants_key_frame(), kLow);
  Sender anew{3, 123, 9, 60};
  EXPECT_EQ(outcome(video.on_packet(anew.next(), kLow)), "waiting_for_key_frame");
  const auto after = video.on_packet(anew.next(true), kLow);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->seq, ExtSeq{65'531});
  EXPECT_EQ(after->timestamp.value - before->timestamp.value, 90U * 90U);
}

TEST_F(ForwarderTest, ContinuesFrameNumbersOfTheDependencyDescriptor) {
  video.set_target(kLow);
  PacketInfo packet = low.next(true);
  packet.frame_number = 65'535;
  const auto first = video.on_packet(packet, kLow);
  video.set_target(kHigh);
  packet = high.next(true);
  packet.frame_number = 77;
  const auto second = video.on_packet(packet, kHigh);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->frame_number, static_cast<std::uint16_t>(first->frame_number + 1));
}

TEST_F(ForwarderTest, ConvertsSenderReportsOfTheSourceShownOnly) {
  video.set_target(kLow);
  const auto first = video.on_packet(low.next(true), kLow);
  EXPECT_EQ(video.convert(RtpTimestamp{5'000 + 90}, kLow),
            RtpTimestamp{first->timestamp.value + 90});
  EXPECT_FALSE(video.convert(RtpTimestamp{5'000}, kHigh));
}

TEST(Forwarder, SwitchesAudioAtOnceAndMarksTheFirstPacket) {
  Forwarder audio(MediaKind::Audio, 48'000, Seq{0}, RtpTimestamp{0});
  Sender one{10, 1'000, 0};
  Sender two{20, 2'000, 0};
  const auto sound = [](Sender& sender) {
    PacketInfo info = sender.next(true);
    info.codec = Codec::Opus;
    info.marker = false;
    return info;
  };
  audio.set_target(kLow);
  EXPECT_FALSE(audio.wants_key_frame());
  const auto first = audio.on_packet(sound(one), kLow);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->marker);
  EXPECT_FALSE(audio.on_packet(sound(one), kLow)->marker);
  audio.set_target(kOther);
  (void)sound(two);
  (void)sound(two);
  const auto switched = audio.on_packet(sound(two), kOther);
  ASSERT_TRUE(switched);
  EXPECT_EQ(switched->seq, ExtSeq{2});
  EXPECT_TRUE(switched->marker);
  EXPECT_EQ(switched->timestamp.value, 60U * 48U);

  audio.set_muted(true);
  EXPECT_FALSE(audio.on_packet(sound(two), kOther));
  audio.set_muted(false);
  const auto after = audio.on_packet(sound(two), kOther);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->seq, ExtSeq{3});
  EXPECT_EQ(after->timestamp.value - switched->timestamp.value, 2U * 2'700U);
}

TEST(Forwarder, NamesEveryReasonDifferently) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropCount; ++i) names.insert(name(static_cast<Drop>(i)));
  EXPECT_EQ(names.size(), kDropCount);
  EXPECT_EQ(names.count("unknown"), 0U);
}

}  // namespace
}  // namespace parley::rtp
