#include "rtp/picture_numbers.h"

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

PictureFields frame(std::uint16_t picture_id, std::uint8_t tl0, std::uint8_t key,
                    bool long_id = true) {
  PictureFields d;
  d.picture_id = picture_id;
  d.picture_id_long = long_id;
  d.picture_id_at = 2;
  d.tl0_picture_index = tl0;
  d.tl0_picture_index_at = 4;
  d.has_key_index = true;
  d.key_index = key;
  return d;
}

// With what it left out beside it.
struct Numbers : PictureRenumberer {
  PictureNumbers map(const PictureFields& in) { return PictureRenumberer::map(in, skipped); }
  void skip(const PictureFields& in) { PictureRenumberer::skip(in, skipped); }
  SkippedPictures skipped;
};

TEST(PictureRenumberer, KeepsTheStepsOfOneSource) {
  Numbers numbers;
  const auto first = numbers.map(frame(32'766, 254, 30));
  const auto next = numbers.map(frame(32'767, 255, 30));
  const auto wrapped = numbers.map(frame(0, 0, 31));
  EXPECT_EQ(next.picture_id, first.picture_id + 1);
  EXPECT_EQ(wrapped.picture_id, first.picture_id + 2);
  EXPECT_EQ(wrapped.tl0_picture_index, first.tl0_picture_index + 2);
  EXPECT_EQ(wrapped.key_index, first.key_index + 1);
}

TEST(PictureRenumberer, ContinuesByOneAtAnotherSource) {
  Numbers numbers;
  (void)numbers.map(frame(100, 10, 3));
  const auto last = numbers.map(frame(105, 12, 4));
  numbers.restart();
  const auto first = numbers.map(frame(20'000, 200, 31));
  EXPECT_EQ(first.picture_id, last.picture_id + 1);
  EXPECT_EQ(first.tl0_picture_index, last.tl0_picture_index + 1);
  EXPECT_EQ(first.key_index, last.key_index + 1);
}

TEST(PictureRenumberer, MapsLateFramesToTheirPlace) {
  Numbers numbers;
  const auto first = numbers.map(frame(7, 7, 1));
  (void)numbers.map(frame(10, 9, 1));
  const auto late = numbers.map(frame(8, 8, 1));
  EXPECT_EQ(late.picture_id, first.picture_id + 1);
  numbers.restart();
  EXPECT_EQ(numbers.map(frame(1, 1, 1)).picture_id, first.picture_id + 4) << "beyond the highest";
}

TEST(PictureRenumberer, UnwrapsShortPictureIds) {
  Numbers numbers;
  const auto first = numbers.map(frame(126, 0, 0, false));
  (void)numbers.map(frame(127, 0, 0, false));
  EXPECT_EQ(numbers.map(frame(0, 0, 0, false)).picture_id, first.picture_id + 2);
  numbers.restart();
  EXPECT_EQ(numbers.map(frame(30'000, 0, 0)).picture_id, first.picture_id + 3);
}

TEST(PictureRenumberer, RunsThroughAllWrapsOverManySources) {
  Numbers numbers;
  PictureNumbers last = numbers.map(frame(0, 0, 0));
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

TEST(PictureRenumberer, PassesDescriptorsWithoutNumbers) {
  Numbers numbers;
  EXPECT_EQ(numbers.map({}), PictureNumbers{});
  const auto first = numbers.map(frame(500, 1, 1));
  EXPECT_EQ(numbers.map(frame(501, 1, 1)).picture_id, first.picture_id + 1);
}

TEST(PictureRenumberer, ClosesUpOverPicturesThatAreLeftOut) {
  Numbers numbers;
  const std::uint16_t first = numbers.map(frame(100, 1, 1)).picture_id;
  numbers.skip(frame(101, 1, 1));
  numbers.skip(frame(101, 1, 1));  // another packet of it
  EXPECT_EQ(numbers.map(frame(102, 1, 1)).picture_id, first + 1);
  numbers.skip(frame(103, 1, 1));
  EXPECT_EQ(numbers.map(frame(104, 1, 1)).picture_id, first + 2);
  // Late ones have the numbers they had.
  EXPECT_EQ(numbers.map(frame(102, 1, 1)).picture_id, first + 1);
  EXPECT_EQ(numbers.map(frame(100, 1, 1)).picture_id, first);
  numbers.restart();
  EXPECT_EQ(numbers.map(frame(9, 9, 9)).picture_id, first + 3);
}

TEST(PictureRenumberer, LeavesAHoleForAPictureThatCameTooLateToBeLeftOut) {
  Numbers numbers;
  const std::uint16_t first = numbers.map(frame(100, 1, 1)).picture_id;
  EXPECT_EQ(numbers.map(frame(102, 1, 1)).picture_id, first + 2);
  numbers.skip(frame(101, 1, 1));
  EXPECT_EQ(numbers.map(frame(103, 1, 1)).picture_id, first + 3);
}

TEST(PictureRenumberer, LeavesOutAcrossTheWrap) {
  Numbers numbers;
  const std::uint16_t first = numbers.map(frame(126, 0, 0, false)).picture_id;
  numbers.skip(frame(127, 0, 0, false));
  EXPECT_EQ(numbers.map(frame(0, 0, 0, false)).picture_id, first + 1);
}

}  // namespace
}  // namespace parley::rtp
