#include "rtp/vp8.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

// The first bytes of a key frame of 640x360 (RFC 6386, section 9.1).
const WireBytes kKeyFrame{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0xff};

// X, S; I, L, T, K; 15 bit picture id 0x1234; tl0 0x56; TID 2, Y, KEYIDX 17.
const WireBytes kFullDescriptor{0x90, 0xf0, 0x92, 0x34, 0x56, 0xb1};

TEST(Vp8, ReadsTheExampleOfTheRfc) {
  // RFC 7741, section 4.5.1: key frame in a single packet, picture id 17.
  const auto wire = joined({0x90, 0x80, 0x11}, kKeyFrame);
  const auto d = Vp8Descriptor::parse(wire);
  ASSERT_TRUE(d);
  EXPECT_EQ(d->size, 3);
  EXPECT_TRUE(d->frame_start());
  EXPECT_TRUE(d->key_frame);
  EXPECT_EQ(d->resolution, (Resolution{640, 360}));
  EXPECT_EQ(d->picture_id, 17);
  EXPECT_FALSE(d->picture_id_long);
  EXPECT_EQ(d->picture_id_at, 2);
  EXPECT_FALSE(d->has_tl0_picture_index());
  EXPECT_FALSE(d->has_temporal_id);
}

TEST(Vp8, ReadsEveryField) {
  const auto wire = joined(kFullDescriptor, kKeyFrame);
  const auto d = Vp8Descriptor::parse(wire);
  ASSERT_TRUE(d);
  EXPECT_EQ(d->size, 6);
  EXPECT_TRUE(d->picture_id_long);
  EXPECT_EQ(d->picture_id, 0x1234);
  EXPECT_EQ(d->tl0_picture_index, 0x56);
  EXPECT_EQ(d->temporal_id, 2);
  EXPECT_TRUE(d->layer_sync);
  EXPECT_EQ(d->key_index, 17);
  EXPECT_EQ(d->picture_id_at, 2);
  EXPECT_EQ(d->tl0_picture_index_at, 4);
  EXPECT_EQ(d->key_index_at, 5);
}

TEST(Vp8, ReadsTheShortestDescriptor) {
  // Chromium sends this when the dependency descriptor is negotiated.
  const WireBytes wire{0x30, 0x91, 0x26};
  const auto d = Vp8Descriptor::parse(wire);
  ASSERT_TRUE(d);
  EXPECT_EQ(d->size, 1);
  EXPECT_TRUE(d->non_reference);
  EXPECT_TRUE(d->frame_start());
  EXPECT_FALSE(d->key_frame);
  EXPECT_FALSE(d->has_picture_id());
}

TEST(Vp8, SeesAKeyFrameOnlyAtItsStart) {
  EXPECT_FALSE(Vp8Descriptor::parse(joined({0x00}, kKeyFrame))->key_frame) << "continuation";
  EXPECT_FALSE(Vp8Descriptor::parse(joined({0x11}, kKeyFrame))->key_frame) << "partition 1";
  auto inter = kKeyFrame;
  inter[0] |= 1;
  EXPECT_FALSE(Vp8Descriptor::parse(joined({0x10}, inter))->key_frame);
  auto forged = kKeyFrame;
  forged[4] = 0;
  EXPECT_FALSE(Vp8Descriptor::parse(joined({0x10}, forged))->key_frame) << "no start code";
}

TEST(Vp8, LeavesTheScalingBitsOutOfTheSize) {
  auto scaled = kKeyFrame;
  scaled[7] |= 0x40;
  scaled[9] |= 0x80;
  EXPECT_EQ(Vp8Descriptor::parse(joined({0x10}, scaled))->resolution, (Resolution{640, 360}));
}

TEST(Vp8, RefusesEveryTruncationOfTheDescriptor) {
  for_each_truncation(joined(kFullDescriptor, kKeyFrame), [](const WireBytes& cut) {
    const auto d = Vp8Descriptor::parse(cut);
    EXPECT_EQ(d.has_value(), cut.size() > kFullDescriptor.size()) << cut.size();
    const bool whole_header = cut.size() >= kFullDescriptor.size() + 10;
    EXPECT_EQ(d && d->key_frame, whole_header) << cut.size();
  });
}

TEST(Vp8, RewritesTheNumbersInPlace) {
  auto wire = joined(kFullDescriptor, kKeyFrame);
  const auto before = Vp8Descriptor::parse(wire);
  rewrite(*before, {0x7fff, 0xab, 3}, wire);
  auto expected = *before;
  expected.picture_id = 0x7fff;
  expected.tl0_picture_index = 0xab;
  expected.key_index = 3;
  EXPECT_EQ(Vp8Descriptor::parse(wire), expected) << "temporal id and sync bit stay";
}

TEST(Vp8, KeepsTheWidthOfAShortPictureId) {
  auto wire = joined({0x90, 0x80, 0x11}, kKeyFrame);
  rewrite(*Vp8Descriptor::parse(wire), {0x1ff, 1, 1}, wire);
  EXPECT_EQ(wire, joined({0x90, 0x80, 0x7f}, kKeyFrame));
}

TEST(Vp8, RewritesNothingThatIsNotThere) {
  auto wire = joined({0x10}, kKeyFrame);
  rewrite(*Vp8Descriptor::parse(wire), {1, 2, 3}, wire);
  EXPECT_EQ(wire, joined({0x10}, kKeyFrame));
  wire = joined({0x90, 0x20, 0x40}, kKeyFrame);  // T without K: the low bits are not ours
  rewrite(*Vp8Descriptor::parse(wire), {1, 2, 3}, wire);
  EXPECT_EQ(wire, joined({0x90, 0x20, 0x40}, kKeyFrame));
}

}  // namespace
}  // namespace parley::rtp
