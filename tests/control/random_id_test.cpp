#include "control/random_id.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace parley::control {
namespace {

TEST(RandomId, Holds128BitsInLettersThatAreSafeEverywhere) {
  const std::string id = random_id("rm");
  EXPECT_EQ(id.size(), 3U + 26U);
  EXPECT_TRUE(id.starts_with("rm_"));
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567_"), std::string::npos);
}

TEST(RandomId, NeverComesTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(random_id("x")).second);
}

TEST(RandomId, FollowsTheSourceItIsGiven) {
  const RandomSource ones = [](std::span<std::uint8_t> into) {
    std::fill(into.begin(), into.end(), std::uint8_t{0xFF});
  };
  EXPECT_EQ(random_id("a", ones), "a_77777777777777777777777774");
  EXPECT_EQ(random_ice_ufrag(ones), "////////");
  EXPECT_EQ(random_ssrc(ones), 0x7fff'ffffU);
}

TEST(RandomId, MakesIceTextWithinRfc8839) {
  const std::string pwd = random_ice_pwd();
  EXPECT_GE(pwd.size(), 22U);
  EXPECT_GE(random_ice_ufrag().size(), 4U);
  EXPECT_EQ(
      pwd.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
      std::string::npos);
  EXPECT_EQ(random_ice_text(256).size(), 256U);
}

TEST(RandomId, SkipsTheSsrcZero) {
  int calls = 0;
  const RandomSource source = [&](std::span<std::uint8_t> into) {
    std::fill(into.begin(), into.end(), static_cast<std::uint8_t>(calls++));
  };
  EXPECT_EQ(random_ssrc(source), 0x0101'0101U);
}

}  // namespace
}  // namespace parley::control
