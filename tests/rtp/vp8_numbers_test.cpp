#include "rtp/vp8_numbers.h"

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

Vp8Descriptor frame(std::uint16_t picture_id, std::uint8_t tl0, std::uint8_t key,
                    bool long_id = true) {
  Vp8Descriptor d;
  d.picture_id = picture_id;
  d.picture_id_long = long_id;
  d.picture_id_at = 2;
  d.tl0_picture_index = tl0;
  d.tl0_picture_index_at = 4;
  d.has_key_index = true;
  d.key_index = key;
  return d;
}

TEST(Vp8Renumberer, KeepsTheStepsOfOneSource) {
  Vp8Renumberer numbers;
  const auto first = numbers.map(frame(32'766, 254, 30));
  const auto next = numbers.map(frame(32'767, 255, 30));
  const auto wrapped = numbers.map(frame(0, 0, 31));
  EXPECT_EQ(next.picture_id, first.picture_id + 1);
  EXPECT_EQ(wrapped.picture_id, first.picture_id + 2);
  EXPECT_EQ(wrapped.tl0_picture_index, first.tl0_picture_index + 2);
  EXPECT_EQ(wrapped.key_index, first.key_index + 1);
}

TEST(Vp8Renumberer, ContinuesByOneAtAnotherSource) {
  Vp8Renumberer numbers;
  (void)numbers.map(frame(100, 10, 3));
  const auto last = numbers.map(frame(105, 12, 4));
  numbers.restart();
  const auto first = numbers.map(frame(20'000, 200, 31));
  EXPECT_EQ(first.picture_id, last.picture_id + 1);
  EXPECT_EQ(first.tl0_picture_index, last.tl0_picture_index + 1);
  EXPECT_EQ(first.key_index, last.key_index + 1);
}

TEST(Vp8Renumberer, MapsLateFramesToTheirPlace) {
  Vp8Renumberer numbers;
  const auto first = numbers.map(frame(7, 7, 1));
  (void)numbers.map(frame(10, 9, 1));
  const auto late = numbers.map(frame(8, 8, 1));
  EXPECT_EQ(late.picture_id, first.picture_id + 1);
  numbers.restart();
  EXPECT_EQ(numbers.map(frame(1, 1, 1)).picture_id, first.picture_id + 4) << "beyond the highest";
}

TEST(Vp8Renumberer, UnwrapsShortPictureIds) {
  Vp8Renumberer numbers;
  const auto first = numbers.map(frame(126, 0, 0, false));
  (void)numbers.map(frame(127, 0, 0, false));
  EXPECT_EQ(numbers.map(frame(0, 0, 0, false)).picture_id, first.picture_id + 2);
  numbers.restart();
  EXPECT_EQ(numbers.map(frame(30'000, 0, 0)).picture_id, first.picture_id + 3);
}

TEST(Vp8Renumberer, RunsThroughAllWrapsOverManySources) {
  Vp8Renumberer numbers;
  Vp8Numbers last = numbers.map(frame(0, 0, 0));
  for (int source = 0; source < 300; ++source) {
    if (source > 0) numbers.restart();
    for (int i = source == 0 ? 1 : 0; i < 200; ++i) {
      const auto id = static_cast<std::uint16_t>((source * 7'919 + i) & 0x7fff);
      const auto now = numbers.map(frame(id, static_cast<std::uint8_t>(source * 31 + i),
                                         static_cast<std::uint8_t>((source * 5 + i) & 0x1f)));
      ASSERT_EQ(now.picture_id, (last.picture_id + 1) & 0x7fff);
      ASSERT_EQ(now.tl0_picture_index, (last.tl0_picture_index + 1) & 0xff);
      ASSERT_EQ(now.key_index, (last.key_index + 1) & 0x1f);
      last = now;
    }
  }
}

TEST(Vp8Renumberer, PassesDescriptorsWithoutNumbers) {
  Vp8Renumberer numbers;
  EXPECT_EQ(numbers.map(Vp8Descriptor{}), Vp8Numbers{});
  const auto first = numbers.map(frame(500, 1, 1));
  EXPECT_EQ(numbers.map(frame(501, 1, 1)).picture_id, first.picture_id + 1);
}

}  // namespace
}  // namespace parley::rtp
