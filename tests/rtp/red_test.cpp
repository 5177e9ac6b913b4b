#include "rtp/red.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

// As RFC 2198, section 4: a redundant block (PT 7) and a primary (PT 5), with small data.
WireBytes two_blocks() { return {0x87, 0x02, 0x80, 0x03, 0x05, 'o', 'l', 'd', 'n', 'e', 'w', '!'}; }

TEST(Red, GivesTheOldBlocksAndThenThePrimary) {
  const auto wire = two_blocks();
  auto reader = RedReader::parse(wire);
  ASSERT_TRUE(reader);
  const auto old = reader->next();
  ASSERT_TRUE(old);
  EXPECT_EQ(old->payload_type, PayloadType{7});
  EXPECT_EQ(old->timestamp_offset, 160);
  EXPECT_EQ(WireBytes(old->data.begin(), old->data.end()), bytes_of("old"));
  EXPECT_FALSE(old->primary);
  const auto primary = reader->next();
  ASSERT_TRUE(primary);
  EXPECT_EQ(primary->payload_type, PayloadType{5});
  EXPECT_EQ(WireBytes(primary->data.begin(), primary->data.end()), bytes_of("new!"));
  EXPECT_TRUE(primary->primary);
  EXPECT_FALSE(reader->next());
}

TEST(Red, FindsThePrimaryAlone) {
  const WireBytes wire{111, 1, 2};
  const auto reader = RedReader::parse(wire);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->primary().payload_type, PayloadType{111});
  EXPECT_EQ(reader->primary().data.size(), 2U);
}

TEST(Red, RefusesEveryTruncationOfHeadersAndOldBlocks) {
  for_each_truncation(two_blocks(), [](const WireBytes& cut) {
    EXPECT_EQ(RedReader::parse(cut).has_value(), cut.size() >= 8) << cut.size();
  });
}

TEST(Red, RefusesTooManyBlocks) {
  WireBytes wire;
  for (std::size_t i = 1; i < RedReader::kMaxBlocks; ++i) wire = joined(wire, {0x87, 0, 0, 0});
  EXPECT_TRUE(RedReader::parse(joined(wire, {5})));
  EXPECT_FALSE(RedReader::parse(joined(wire, {0x87, 0, 0, 0, 5})));
}

// RFC 2198, section 7: a primary of DVI4 (PT 5, 84 bytes) with 14 bytes of LPC (PT 7) from 20 ms
// before it, at 8 kHz.
TEST(Red, WritesTheExampleOfTheRfc) {
  const WireBytes lpc(14, 0xaa);
  const RedBlock old{PayloadType{7}, 160, lpc, false};
  WireBytes out(5);
  ASSERT_EQ(write_red_headers({&old, 1}, PayloadType{5}, out), 5U);
  EXPECT_EQ(out, (WireBytes{0x87, 0x02, 0x80, 0x0e, 0x05}));

  const WireBytes dvi4(84, 0xbb);
  auto reader = RedReader::parse(out = joined(joined(out, lpc), dvi4));
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next()->data.size(), 14U);
  EXPECT_EQ(reader->primary().data.size(), 84U);
}

TEST(Red, WritesTheLargestBlockAndTheOldest) {
  const WireBytes data(kMaxRedBlockSize);
  const std::array<RedBlock, 2> blocks{RedBlock{PayloadType{111}, kMaxRedOffset, data, false},
                                       RedBlock{PayloadType{111}, 1, {}, false}};
  WireBytes out(9);
  ASSERT_EQ(write_red_headers(blocks, PayloadType{111}, out), 9U);
  EXPECT_EQ(out, (WireBytes{0xef, 0xff, 0xff, 0xff, 0xef, 0x00, 0x04, 0x00, 0x6f}));
}

TEST(Red, WritesNothingThatItsHeadersCannotSay) {
  const WireBytes data(kMaxRedBlockSize + 1);
  WireBytes out(100);
  const RedBlock long_one{PayloadType{111}, 960, data, false};
  const RedBlock old_one{PayloadType{111}, kMaxRedOffset + 1, {}, false};
  EXPECT_EQ(write_red_headers({&long_one, 1}, PayloadType{111}, out), 0U);
  EXPECT_EQ(write_red_headers({&old_one, 1}, PayloadType{111}, out), 0U);
}

TEST(Red, WritesNothingWhereThereIsNoRoom) {
  const RedBlock old{PayloadType{7}, 160, {}, false};
  WireBytes out(5);
  for (std::size_t size = 0; size < out.size(); ++size) {
    EXPECT_EQ(write_red_headers({&old, 1}, PayloadType{5}, Bytes(out).first(size)), 0U);
  }
  EXPECT_EQ(write_red_headers({}, PayloadType{5}, Bytes(out).first(1)), 1U);
}

}  // namespace
}  // namespace parley::rtp
