#include "control/data_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using testing::ElementsAre;

std::vector<std::uint8_t> bytes(std::string_view text) { return {text.begin(), text.end()}; }

TEST(DataAddress, NamesNobodyOrSome) {
  const auto all = read_data_address(bytes(std::string_view("\0hello", 6)));
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->to);
  EXPECT_EQ(all->size, 1U);
  const auto two = read_data_address(bytes("\x02\x04pa_a\x04pa_bhello"));
  ASSERT_TRUE(two);
  EXPECT_THAT(*two->to, ElementsAre("pa_a", "pa_b"));
  EXPECT_EQ(two->size, 11U);
}

TEST(DataAddress, WhatIsCutIsNone) {
  const auto whole = bytes("\x02\x04pa_a\x04pa_b");
  ASSERT_TRUE(read_data_address(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_data_address(std::span(whole).first(size))) << size;
  }
}

TEST(DataAddress, NamesSixtyFourAtMost) {
  std::vector<std::uint8_t> many{64};
  many.resize(1 + 64);  // ids of no length
  EXPECT_TRUE(read_data_address(many));
  many[0] = 65;
  many.push_back(0);
  EXPECT_FALSE(read_data_address(many));
}

}  // namespace
}  // namespace parley::control
