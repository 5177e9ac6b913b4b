#include "rtp/extension_writer.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

TEST(ExtensionWriter, TakesTheOneByteFormWhereItCan) {
  std::array<std::uint8_t, 64> out{};
  out.fill(0xee);
  ExtensionWriter writer(out);
  EXPECT_TRUE(writer.add(1, AudioLevel{30, true}));
  EXPECT_TRUE(writer.add_transport_cc(3, Seq{0x1234}));
  EXPECT_TRUE(writer.add(4, "mid"));
  EXPECT_TRUE(writer.add(14, AbsSendTime{0x010203}));
  const std::size_t size = writer.finish();
  EXPECT_EQ(WireBytes(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)),
            (WireBytes{0xbe, 0xde, 0,   4,    0x10, 0x9e, 0x31, 0x12, 0x34, 0x42,
                       'm',  'i',  'd', 0xe2, 1,    2,    3,    0,    0,    0}));
}

TEST(ExtensionWriter, TakesTheTwoByteFormForALargeIdOrSizeOrNothing) {
  const WireBytes long_data(17, 0xab);
  for (const auto& [id, data] :
       {std::pair<std::uint8_t, WireBytes>{15, {1}}, {1, long_data}, {1, {}}}) {
    std::array<std::uint8_t, 64> out{};
    ExtensionWriter writer(out);
    EXPECT_TRUE(writer.add(2, "m"));
    EXPECT_TRUE(writer.add(id, data));
    const std::size_t size = writer.finish();
    EXPECT_EQ(size % 4, 0U);
    EXPECT_EQ(out[0], 0x10);
    ExtensionWalk walk(0x1000, ConstBytes(out).subspan(4, size - 4));
    EXPECT_EQ(walk.next()->id, 2);
    const auto element = walk.next();
    ASSERT_TRUE(element);
    EXPECT_EQ(element->id, id);
    EXPECT_EQ(WireBytes(element->data.begin(), element->data.end()), data);
    EXPECT_FALSE(walk.next());
  }
}

TEST(ExtensionWriter, SaysZeroWhenNothingWasAdded) {
  std::array<std::uint8_t, 64> out{};
  ExtensionWriter writer(out);
  EXPECT_FALSE(writer.add(0, "not negotiated"));
  EXPECT_FALSE(writer.add(1, ConstBytes(WireBytes(256))));
  EXPECT_EQ(writer.finish(), 0U);
}

TEST(ExtensionWriter, NeverWritesPastItsRoom) {
  for (std::size_t room = 0; room < 32; ++room) {
    WireBytes out(room);
    ExtensionWriter writer(out);
    const bool first = writer.add(1, "abc");
    const bool second = writer.add(2, "0123456789");
    EXPECT_EQ(first, room >= 12) << room;
    EXPECT_EQ(second, room >= (first ? 24U : 16U)) << room;
    EXPECT_LE(writer.finish(), room);
  }
}

}  // namespace
}  // namespace parley::rtp
