#include "rtp/depacketizer.h"

#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using Data = std::vector<std::uint8_t>;

TEST(Depacketizer, LeavesTheVp8DescriptorOut) {
  Depacketizer depacketizer;
  Data out;
  const auto part = depacketizer.append(
      Codec::Vp8, Data{0x90, 0x80, 0x81, 0x23, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1},
      out);
  EXPECT_TRUE(part.ok);
  EXPECT_TRUE(part.key_frame);
  EXPECT_EQ(part.resolution, (Resolution{640, 360}));
  EXPECT_TRUE(depacketizer.append(Codec::Vp8, Data{0x80, 0x80, 0x81, 0x23, 7, 8}, out).ok);
  EXPECT_EQ(out, (Data{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1, 7, 8}));
  EXPECT_TRUE(depacketizer.complete());
}

TEST(Depacketizer, WritesH264InAnnexBWithItsParameterSets) {
  Depacketizer depacketizer;
  Data out;
  const auto sets =
      depacketizer.append(Codec::H264, Data{0x78, 0, 2, 0x67, 1, 0, 3, 0x68, 2, 3}, out);
  EXPECT_TRUE(sets.ok);
  EXPECT_TRUE(sets.key_frame);
  const auto begin = depacketizer.append(Codec::H264, Data{0x7c, 0x85, 0x88, 8}, out);
  EXPECT_TRUE(begin.ok);
  EXPECT_FALSE(begin.key_frame) << "a picture alone starts no decoder";
  EXPECT_TRUE(begin.idr);
  EXPECT_FALSE(depacketizer.complete());
  EXPECT_TRUE(depacketizer.append(Codec::H264, Data{0x7c, 0x05, 7}, out).ok);
  EXPECT_TRUE(depacketizer.append(Codec::H264, Data{0x7c, 0x45, 6}, out).ok);
  EXPECT_TRUE(depacketizer.complete());
  EXPECT_EQ(out,
            (Data{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 3, 0, 0, 0, 1, 0x65, 0x88, 8, 7, 6}));
}

TEST(Depacketizer, NoticesAFragmentWithoutItsBeginningAndOneWithoutItsEnd) {
  Depacketizer depacketizer;
  Data out;
  EXPECT_FALSE(depacketizer.append(Codec::H264, Data{0x7c, 0x05, 7}, out).ok);
  depacketizer.reset();
  EXPECT_TRUE(depacketizer.append(Codec::H264, Data{0x7c, 0x85, 9}, out).ok);
  EXPECT_FALSE(depacketizer.append(Codec::H264, Data{0x61, 1, 2}, out).ok);
}

// Aggregation header Z|Y|W(2)|N; W = 2: one element with a length, the last without.
TEST(Depacketizer, GivesAv1ObusTheirSizes) {
  Depacketizer depacketizer;
  Data out;
  // A temporal delimiter (left out), then the beginning of a frame OBU.
  EXPECT_TRUE(depacketizer.append(Codec::Av1, Data{0x60, 1, 0x10, 0x30, 1, 2}, out).ok);
  EXPECT_FALSE(depacketizer.complete());
  // Its end, then a metadata OBU with an extension byte.
  EXPECT_TRUE(depacketizer.append(Codec::Av1, Data{0xa0, 2, 3, 4, 0x2c, 0x08, 5}, out).ok);
  EXPECT_TRUE(depacketizer.complete());
  EXPECT_EQ(out, (Data{0x32, 4, 1, 2, 3, 4, 0x2e, 0x08, 1, 5}));
}

TEST(Depacketizer, WritesAv1SizesOfTwoBytes) {
  Depacketizer depacketizer;
  Data out;
  Data payload{0x10, 0x30};
  payload.resize(2 + 300, 0xaa);
  EXPECT_TRUE(depacketizer.append(Codec::Av1, payload, out).ok);
  ASSERT_EQ(out.size(), 1U + 2U + 300U);
  EXPECT_EQ(out[1], 0xac);
  EXPECT_EQ(out[2], 0x02);
}

TEST(Depacketizer, KeepsAnAv1SizeThatTheSenderWrote) {
  Depacketizer depacketizer;
  Data out;
  EXPECT_TRUE(depacketizer.append(Codec::Av1, Data{0x10, 0x32, 2, 8, 9}, out).ok);
  EXPECT_EQ(out, (Data{0x32, 2, 8, 9}));
}

TEST(Depacketizer, NoticesAnAv1PieceWithoutItsBeginning) {
  Depacketizer depacketizer;
  Data out;
  EXPECT_FALSE(depacketizer.append(Codec::Av1, Data{0x90, 1, 2, 3}, out).ok);
}

TEST(Depacketizer, RefusesWhatIsNoVideo) {
  Depacketizer depacketizer;
  Data out;
  EXPECT_FALSE(depacketizer.append(Codec::Opus, Data{1, 2, 3}, out).ok);
  EXPECT_FALSE(depacketizer.append(Codec::Vp9, Data{}, out).ok);
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace parley::rtp
