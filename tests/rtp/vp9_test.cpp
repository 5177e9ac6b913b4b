#include "rtp/vp9.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

// I, L, B, E, V: long picture id 0x0102; TID 0, SID 0; tl0 7; two spatial layers with sizes, two
// pictures in the group, the second with one reference; then one byte of VP9.
WireBytes key_frame() {
  return {0xae, 0x81, 0x02, 0x00, 0x07, 0x38, 0x01, 0x40, 0x00, 0xb4,
          0x02, 0x80, 0x01, 0x68, 0x02, 0x00, 0x24, 0x01, 0xff};
}

TEST(Vp9, ReadsAKeyFrameWithItsScalabilityStructure) {
  const auto wire = key_frame();
  const auto d = Vp9Descriptor::parse(wire);
  ASSERT_TRUE(d);
  EXPECT_EQ(d->size, wire.size() - 1);
  EXPECT_TRUE(d->key_frame());
  EXPECT_TRUE(d->frame_start);
  EXPECT_TRUE(d->frame_end);
  EXPECT_FALSE(d->flexible);
  EXPECT_EQ(d->picture_id, 0x0102);
  EXPECT_EQ(d->tl0_picture_index, 7);
  EXPECT_EQ(d->spatial_layer_count, 2);
  EXPECT_EQ(d->resolutions[0], (Resolution{320, 180}));
  EXPECT_EQ(d->resolution(), (Resolution{640, 360}));
}

TEST(Vp9, ReadsTheFlexibleModeWithItsReferences) {
  // I, P, L, F, B: short picture id 5; TID 2, U, SID 1, D; two references.
  const WireBytes wire{0xf8, 0x05, 0x53, 0x03, 0x04, 0xff};
  const auto d = Vp9Descriptor::parse(wire);
  ASSERT_TRUE(d);
  EXPECT_EQ(d->size, 5);
  EXPECT_TRUE(d->flexible);
  EXPECT_FALSE(d->key_frame());
  EXPECT_FALSE(d->frame_end);
  EXPECT_EQ(d->picture_id, 5);
  EXPECT_EQ(d->temporal_id, 2);
  EXPECT_TRUE(d->switching_up_point);
  EXPECT_EQ(d->spatial_id, 1);
  EXPECT_TRUE(d->inter_layer_predicted);
  EXPECT_EQ(d->resolution(), Resolution{});
}

TEST(Vp9, TakesUpperLayersOfAKeyPictureForNoKeyFrame) {
  const WireBytes wire{0xa8, 0x05, 0x03, 0x00, 0xff};  // SID 1, D, predicted from below only
  EXPECT_FALSE(Vp9Descriptor::parse(wire)->key_frame());
}

TEST(Vp9, RefusesAFourthReference) {
  EXPECT_TRUE(Vp9Descriptor::parse(WireBytes{0x50, 0x03, 0x03, 0x02, 0xff}));
  EXPECT_FALSE(Vp9Descriptor::parse(WireBytes{0x50, 0x03, 0x03, 0x03, 0x02, 0xff}));
}

TEST(Vp9, RefusesEveryTruncation) {
  for_each_truncation(key_frame(), [](const WireBytes& cut) {
    EXPECT_FALSE(Vp9Descriptor::parse(cut)) << cut.size();
  });
  for_each_truncation({0xf8, 0x05, 0x53, 0x03, 0x04, 0xff}, [](const WireBytes& cut) {
    EXPECT_FALSE(Vp9Descriptor::parse(cut)) << cut.size();
  });
}

}  // namespace
}  // namespace parley::rtp
