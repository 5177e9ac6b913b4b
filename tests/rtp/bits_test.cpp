#include "rtp/bits.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

TEST(BitReader, ReadsMostSignificantFirst) {
  const WireBytes wire{0b1010'0101, 0xff};
  BitReader bits(wire);
  EXPECT_TRUE(bits.flag());
  EXPECT_EQ(bits.bits(3), 0b010U);
  EXPECT_EQ(bits.bits(8), 0b0101'1111U);
  EXPECT_EQ(bits.remaining(), 4U);
  EXPECT_TRUE(bits.ok());
}

TEST(BitReader, RemembersAReadPastTheEnd) {
  const WireBytes wire{0xff};
  BitReader bits(wire);
  bits.skip(5);
  EXPECT_EQ(bits.bits(4), 0U);
  EXPECT_FALSE(bits.ok());
  EXPECT_EQ(bits.bits(1), 0U);
}

TEST(BitReader, ReadsExpGolombCodes) {
  BitWriter w;
  for (const std::uint32_t value : {0U, 1U, 2U, 7U, 254U, 65535U, 0xffff'fffeU}) w.ue(value);
  for (const std::int32_t value : {0, 1, -1, 2, -300, 2147483647}) w.se(value);
  BitReader bits(w.bytes());
  for (const std::uint32_t value : {0U, 1U, 2U, 7U, 254U, 65535U, 0xffff'fffeU}) {
    EXPECT_EQ(bits.ue(), value);
  }
  for (const std::int32_t value : {0, 1, -1, 2, -300, 2147483647}) EXPECT_EQ(bits.se(), value);
  EXPECT_TRUE(bits.ok());
}

TEST(BitReader, RefusesAnExpGolombCodeOver32Bits) {
  const WireBytes wire{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};
  BitReader bits(wire);
  EXPECT_EQ(bits.ue(), 0U);
  EXPECT_FALSE(bits.ok());
}

TEST(BitReader, ReadsNonSymmetricCodes) {
  // ns(5): 0, 1, 2 in two bits, 3 and 4 in three (AV1 specification, section 4.10.7).
  BitWriter w;
  w.bits(0b00, 2).bits(0b01, 2).bits(0b10, 2).bits(0b110, 3).bits(0b111, 3);
  BitReader bits(w.bytes());
  for (std::uint32_t value = 0; value < 5; ++value) EXPECT_EQ(bits.ns(5), value);
  EXPECT_EQ(bits.ns(1), 0U);
  EXPECT_TRUE(bits.ok());
}

}  // namespace
}  // namespace parley::rtp
