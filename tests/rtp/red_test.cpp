#include "rtp/red.h"

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

}  // namespace
}  // namespace parley::rtp
