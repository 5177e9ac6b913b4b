#include "rtp/payload.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

TEST(Payload, DescribesVp8) {
  const WireBytes wire{0x90, 0xf0, 0x92, 0x34, 0x56, 0xb1, 0x10, 0x02,
                       0,    0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
  const auto info = describe(Codec::Vp8, wire);
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->key_frame);
  EXPECT_TRUE(info->frame_start);
  EXPECT_TRUE(info->layer_sync);
  EXPECT_TRUE(info->has_layers);
  EXPECT_EQ(info->temporal_id, 2);
  EXPECT_EQ(info->resolution, (Resolution{640, 360}));
  EXPECT_EQ(info->picture.picture_id, 0x1234);
}

TEST(Payload, DescribesVp9) {
  const auto info = describe(Codec::Vp9, WireBytes{0xae, 0x05, 0x54, 0x00, 0x00, 0xff});
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->frame_start);
  EXPECT_TRUE(info->frame_end);
  EXPECT_TRUE(info->layer_sync);
  EXPECT_EQ(info->temporal_id, 2);
  EXPECT_EQ(info->spatial_id, 2);
  EXPECT_FALSE(info->key_frame);
  EXPECT_TRUE(info->picture.has_picture_id());
}

TEST(Payload, DescribesTheOthers) {
  EXPECT_TRUE(describe(Codec::H264, WireBytes{0x65, 0x88})->key_frame);
  EXPECT_FALSE(describe(Codec::H264, WireBytes{0x61, 0x88})->key_frame);
  EXPECT_EQ(describe(Codec::H265, WireBytes{38, 2, 0x80})->temporal_id, 1);
  EXPECT_TRUE(describe(Codec::H265, WireBytes{38, 1, 0x80})->key_frame);
  EXPECT_TRUE(describe(Codec::Av1, WireBytes{0x10, 0x30, 1})->frame_start);
  EXPECT_FALSE(describe(Codec::Av1, WireBytes{0x10, 0x30, 1})->key_frame);
}

TEST(Payload, LetsAudioStartAnywhere) {
  for (const auto& [codec, wire] :
       {std::pair{Codec::Opus, WireBytes{0x78, 1}}, {Codec::Red, WireBytes{111, 0x78, 1}}}) {
    const auto info = describe(codec, wire);
    ASSERT_TRUE(info);
    EXPECT_TRUE(info->key_frame);
    EXPECT_TRUE(info->frame_start);
    EXPECT_TRUE(info->frame_end);
  }
}

TEST(Payload, RefusesNothingAtAllForEveryCodec) {
  for (const Codec codec :
       {Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1}) {
    EXPECT_FALSE(describe(codec, {}));
  }
  EXPECT_FALSE(describe(Codec::Red, WireBytes{111})) << "an empty primary block";
}

}  // namespace
}  // namespace parley::rtp
