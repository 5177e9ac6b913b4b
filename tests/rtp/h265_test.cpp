#include "rtp/h265.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

constexpr std::uint8_t header(unsigned type) { return static_cast<std::uint8_t>(type << 1); }

TEST(H265, FindsKeyFramesAndStarts) {
  const auto idr = H265Info::parse(WireBytes{header(19), 1, 0x80});
  ASSERT_TRUE(idr);
  EXPECT_TRUE(idr->key_frame);
  EXPECT_TRUE(idr->frame_start);
  EXPECT_EQ(idr->temporal_id, 0);

  EXPECT_FALSE(H265Info::parse(WireBytes{header(19), 1, 0x40})->key_frame) << "a later slice";

  const auto inter = H265Info::parse(WireBytes{header(1), 3, 0x80});
  EXPECT_FALSE(inter->key_frame);
  EXPECT_TRUE(inter->frame_start);
  EXPECT_EQ(inter->temporal_id, 2);

  EXPECT_TRUE(H265Info::parse(WireBytes{header(33), 1, 0})->key_frame) << "SPS";
  EXPECT_FALSE(H265Info::parse(WireBytes{header(40), 1, 0x80})->frame_start) << "suffix SEI";
}

TEST(H265, LooksIntoAggregationsAndFragments) {
  const WireBytes aggregation{header(48), 1, 0, 3, header(32), 1, 0, 0, 3, header(34), 1, 0};
  EXPECT_TRUE(H265Info::parse(aggregation)->key_frame);
  EXPECT_TRUE(H265Info::parse(WireBytes{header(49), 1, 0x80 | 20, 0x80})->key_frame);
  EXPECT_FALSE(H265Info::parse(WireBytes{header(49), 1, 20, 0x80})->key_frame) << "a middle piece";
  EXPECT_FALSE(H265Info::parse(WireBytes{header(49), 1, 20, 0x80})->frame_start);
}

TEST(H265, RefusesEveryTruncation) {
  const WireBytes aggregation{header(48), 1, 0, 3, header(32), 1, 0, 0, 3, header(34), 1, 0};
  for_each_truncation(aggregation, [](const WireBytes& cut) {
    // Cut between the units it is a whole aggregation of one.
    EXPECT_EQ(H265Info::parse(cut).has_value(), cut.size() == 7) << cut.size();
  });
  for_each_truncation({header(49), 1, 0x93, 0x80}, [](const WireBytes& cut) {
    EXPECT_FALSE(H265Info::parse(cut)) << cut.size();
  });
}

// As x265 writes them for these sizes, without the NAL unit's header.
const WireBytes kSps1280x720{0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
                             0x00, 0x00, 0x03, 0x00, 0x5d, 0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16,
                             0x59, 0x59, 0xa4, 0x93, 0x2b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03,
                             0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x10};
const WireBytes kSps854x482{0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
                            0x00, 0x00, 0x03, 0x00, 0x5a, 0xa0, 0x06, 0xb2, 0x01, 0xe9, 0xd4,
                            0x99, 0x65, 0x66, 0x92, 0x4c, 0xaf, 0x01, 0x68, 0x08, 0x00, 0x00,
                            0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x40};

TEST(H265, ReadsThePictureSize) {
  EXPECT_EQ(h265_sps_resolution(kSps1280x720), (Resolution{1280, 720}));
  EXPECT_EQ(h265_sps_resolution(kSps854x482), (Resolution{854, 482})) << "cropped";
  const auto info = H265Info::parse(joined({header(33), 1}, kSps1280x720));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->resolution.height, 720);
}

TEST(H265, ReadsThePictureSizeBehindSubLayers) {
  BitWriter w;
  w.bits(0, 4).bits(2, 3).bits(1, 1).bits(1, 32).bits(0, 32).bits(0, 24).bits(93, 8);
  w.bits(0b11, 2).bits(0b01, 2).bits(0, 12);  // sub-layers 0 and 1, then reserved
  w.bits(0, 32).bits(0, 32).bits(0, 24).bits(63, 8).bits(90, 8);  // profile and level, level
  w.ue(0).ue(3).bits(0, 1).ue(640).ue(360).bits(1, 1).ue(1).ue(2).ue(3).ue(4).bits(1, 1);
  EXPECT_EQ(h265_sps_resolution(w.bytes()), (Resolution{637, 353})) << "4:4:4 crops by samples";
}

TEST(H265, RefusesImpossiblePictureSizes) {
  for_each_truncation(
      WireBytes(kSps1280x720.begin(), kSps1280x720.begin() + 21),
      [](const WireBytes& cut) { EXPECT_FALSE(h265_sps_resolution(cut)) << cut.size(); });
  BitWriter w;
  w.bits(0x01, 8).bits(0, 32).bits(0, 32).bits(0, 32);
  w.ue(0).ue(1).ue(640).ue(360).bits(1, 1).ue(320).ue(0).ue(0).ue(0).bits(1, 1);
  EXPECT_FALSE(h265_sps_resolution(w.bytes())) << "cropped to nothing";
  EXPECT_FALSE(h265_sps_resolution(WireBytes{0x0f, 0, 0, 0})) << "eight sub-layers";
}

// Without its parameter sets, which come first, a decoder cannot start with a key picture.
TEST(H265, SaysWhereADecoderCanStart) {
  EXPECT_TRUE(H265Info::parse(WireBytes{header(32), 1, 0x0c})->has_vps);
  EXPECT_FALSE(H265Info::parse(WireBytes{header(33), 1, 0x01})->has_vps);
  EXPECT_FALSE(H265Info::parse(WireBytes{header(19), 1, 0x80})->has_vps);
  const WireBytes aggregation{header(48), 1, 0, 3, header(32), 1, 0, 0, 3, header(34), 1, 0};
  EXPECT_TRUE(H265Info::parse(aggregation)->has_vps);
}

TEST(H265, RefusesOtherStructures) {
  EXPECT_FALSE(H265Info::parse(WireBytes{header(50), 1, 0, 0}));
  EXPECT_FALSE(H265Info::parse(WireBytes{header(1), 0, 0x80})) << "TID 0 is forbidden";
  EXPECT_FALSE(H265Info::parse(WireBytes{header(48), 1, 0, 3, header(48), 1, 0}));
}

}  // namespace
}  // namespace parley::rtp
