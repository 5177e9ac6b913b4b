#include "rtp/renumberer.h"

#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

TEST(Renumberer, KnowsNothingBeforeTheFirstStart) {
  Renumberer numbers(ExtSeq{5});
  EXPECT_FALSE(numbers.map(ExtSeq{1}));
  EXPECT_TRUE(numbers.drop(ExtSeq{1}));
}

TEST(Renumberer, IsGaplessOverWhatIsDropped) {
  Renumberer numbers(ExtSeq{1'000});
  numbers.restart(ExtSeq{10});
  EXPECT_EQ(numbers.map(ExtSeq{10}), ExtSeq{1'000});
  EXPECT_TRUE(numbers.drop(ExtSeq{11}));
  EXPECT_TRUE(numbers.drop(ExtSeq{12}));
  EXPECT_EQ(numbers.map(ExtSeq{13}), ExtSeq{1'001});
  EXPECT_FALSE(numbers.map(ExtSeq{11})) << "dropped is dropped";
}

TEST(Renumberer, LeavesRealLossesOpenForLatePackets) {
  Renumberer numbers(ExtSeq{0});
  numbers.restart(ExtSeq{0});
  EXPECT_EQ(numbers.map(ExtSeq{0}), ExtSeq{0});
  EXPECT_EQ(numbers.map(ExtSeq{3}), ExtSeq{3});
  EXPECT_TRUE(numbers.drop(ExtSeq{5}));
  EXPECT_EQ(numbers.map(ExtSeq{6}), ExtSeq{5});
  EXPECT_EQ(numbers.map(ExtSeq{1}), ExtSeq{1});
  EXPECT_EQ(numbers.map(ExtSeq{4}), ExtSeq{4});
}

TEST(Renumberer, CannotCloseAHoleThatWasLeftOpen) {
  Renumberer numbers(ExtSeq{0});
  numbers.restart(ExtSeq{0});
  (void)numbers.map(ExtSeq{2});
  EXPECT_FALSE(numbers.drop(ExtSeq{1}));
  EXPECT_EQ(numbers.map(ExtSeq{1}), ExtSeq{1});
}

TEST(Renumberer, ContinuesBehindAllThatWasGivenOutAtAnotherSource) {
  Renumberer numbers(ExtSeq{65'530});
  numbers.restart(ExtSeq{400});
  for (std::int64_t i = 400; i < 410; ++i) (void)numbers.map(ExtSeq{i});
  numbers.restart(ExtSeq{70'000});
  EXPECT_EQ(numbers.map(ExtSeq{70'000}), ExtSeq{65'540});
  EXPECT_FALSE(numbers.map(ExtSeq{69'999}));
  EXPECT_EQ(numbers.next(), ExtSeq{65'541});
}

TEST(Renumberer, RefusesLatePacketsOfBeforeTheRunsRemembered) {
  Renumberer numbers(ExtSeq{0});
  numbers.restart(ExtSeq{0});
  std::int64_t in = 0;
  for (std::size_t i = 0; i < Renumberer::kMaxRuns + 1; ++i, in += 4) {
    (void)numbers.map(ExtSeq{in});
    EXPECT_TRUE(numbers.drop(ExtSeq{in + 2}));
  }
  EXPECT_FALSE(numbers.map(ExtSeq{1}));
  EXPECT_EQ(numbers.map(ExtSeq{3}), ExtSeq{2});
  EXPECT_EQ(numbers.map(ExtSeq{in - 1}),
            ExtSeq{in - 1 - static_cast<std::int64_t>(Renumberer::kMaxRuns) - 1});
}

// Against a model that knows all: which number each packet would have, had the dropped ones never
// been sent. Random loss, reordering, runs of drops; numbers wrap on the wire but not here.
TEST(Renumberer, AgreesWithASimpleModelUnderLossReorderAndDrops) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::int64_t base = static_cast<std::int64_t>(random() % 70'000);
    std::vector<std::int64_t> arriving;
    for (std::int64_t i = 0; i < 600; ++i) {
      if (i == 0 || random() % 20 != 0) arriving.push_back(base + i);
    }
    for (std::size_t i = 1; i + 1 < arriving.size(); ++i) {
      if (random() % 8 == 0) {
        std::swap(arriving[i], arriving[std::min(i + random() % 12, arriving.size() - 1)]);
      }
    }
    Renumberer numbers(ExtSeq{100});
    numbers.restart(ExtSeq{base});
    std::set<std::int64_t> dropped;  // with success
    std::int64_t highest = base - 1;
    std::set<std::int64_t> given;
    const auto expected = [&](std::int64_t in) {
      return in - base + 100 - std::distance(dropped.begin(), dropped.lower_bound(in));
    };
    bool dropping = false;
    for (const std::int64_t in : arriving) {
      if (random() % 10 == 0) dropping = !dropping && in != base;
      if (dropping) {
        const bool late = in < highest;
        ASSERT_EQ(numbers.drop(ExtSeq{in}), !late);
        if (!late) dropped.insert(in);
      } else {
        const auto out = numbers.map(ExtSeq{in});
        if (out) {
          ASSERT_EQ(out->value, expected(in));
          ASSERT_TRUE(given.insert(out->value).second) << "given out twice";
        } else {
          ASSERT_GT(dropped.size(), Renumberer::kMaxRuns);
        }
      }
      highest = std::max(highest, in);
    }
    EXPECT_EQ(numbers.highest_in(), ExtSeq{highest});
  }
}

}  // namespace
}  // namespace parley::rtp
