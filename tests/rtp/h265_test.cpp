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

TEST(H265, RefusesOtherStructures) {
  EXPECT_FALSE(H265Info::parse(WireBytes{header(50), 1, 0, 0}));
  EXPECT_FALSE(H265Info::parse(WireBytes{header(1), 0, 0x80})) << "TID 0 is forbidden";
  EXPECT_FALSE(H265Info::parse(WireBytes{header(48), 1, 0, 3, header(48), 1, 0}));
}

}  // namespace
}  // namespace parley::rtp
