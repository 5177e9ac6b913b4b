#include "rtp/bytes.h"

#include <array>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

constexpr std::array<std::uint8_t, 8> kBytes{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

TEST(Bytes, LoadsNetworkOrder) {
  EXPECT_EQ(load16(kBytes, 1), 0x0203);
  EXPECT_EQ(load24(kBytes, 1), 0x020304U);
  EXPECT_EQ(load32(kBytes, 1), 0x02030405U);
  EXPECT_EQ(load64(kBytes, 0), 0x0102030405060708U);
}

TEST(Bytes, StoresWhatItLoads) {
  std::array<std::uint8_t, 8> b{};
  store64(b, 0, 0x0102030405060708U);
  EXPECT_EQ(b, kBytes);
  store24(b, 5, 0xaabbcc);
  EXPECT_EQ(load24(b, 5), 0xaabbccU);
  EXPECT_EQ(b[4], 0x05);
}

TEST(Reader, ReadsFrontToBack) {
  Reader reader(kBytes);
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u24(), 0x040506U);
  EXPECT_EQ(reader.rest().size(), 2U);
  EXPECT_EQ(reader.take(2)[1], 8);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(Reader, RemembersAReadPastTheEndAndTakesNothing) {
  Reader reader{std::span(kBytes).first(3)};
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.position(), 0U);
  EXPECT_EQ(reader.u8(), 0) << "once failed, nothing more comes";
  EXPECT_TRUE(reader.take(0).empty());
  reader.skip(1);
  EXPECT_EQ(reader.position(), 0U);
}

TEST(Writer, WritesACleanBeginningOnly) {
  std::array<std::uint8_t, 8> b{};
  Writer writer(b);
  writer.u8(0x01);
  writer.u24(0x020304);
  writer.u16(0x0506);
  writer.u32(0xffffffff);  // does not fit
  writer.u8(0xff);         // would, but nothing follows a failure
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 6U);
  EXPECT_EQ(load64(b, 0), 0x0102030405060000U);
}

TEST(Writer, CopiesBytesAndZeros) {
  std::array<std::uint8_t, 8> b{};
  b.fill(0xee);
  Writer writer(b);
  writer.bytes(std::span(kBytes).first(3));
  writer.zeros(2);
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(load64(b, 0), 0x0102030000eeeeeeU);
  EXPECT_EQ(writer.written().size(), 5U);
}

}  // namespace
}  // namespace parley::rtp
