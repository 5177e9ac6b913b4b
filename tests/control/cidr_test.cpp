#include "control/cidr.h"

#include <gtest/gtest.h>

namespace parley::control {
namespace {

TEST(Cidr, HoldsTheAddressesOfItsPrefix) {
  const auto range = Cidr::parse("10.1.16.0/20");
  ASSERT_TRUE(range);
  EXPECT_TRUE(range->contains("10.1.16.0"));
  EXPECT_TRUE(range->contains("10.1.31.255"));
  EXPECT_FALSE(range->contains("10.1.32.0"));
  EXPECT_FALSE(range->contains("::ffff:10.1.16.1"));
  EXPECT_FALSE(range->contains("nonsense"));
}

TEST(Cidr, AnAddressAloneIsOneAndNothingIsAll) {
  EXPECT_TRUE(Cidr::parse("192.0.2.7")->contains("192.0.2.7"));
  EXPECT_FALSE(Cidr::parse("192.0.2.7")->contains("192.0.2.6"));
  EXPECT_TRUE(Cidr::parse("::/0")->contains("2001:db8::1"));
  EXPECT_TRUE(Cidr::parse("2001:db8::/33")->contains("2001:db8:7fff::1"));
  EXPECT_FALSE(Cidr::parse("2001:db8::/33")->contains("2001:db8:8000::1"));
}

TEST(Cidr, RefusesWhatIsNone) {
  for (const char* text : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/8x", "::/129",
                           "10.0.0.0/-1", "host/8"}) {
    EXPECT_FALSE(Cidr::parse(text)) << text;
  }
}

TEST(Cidr, RefusesEachTruncationThatIsNoRangeByItself) {
  const std::string_view whole = "10.1.16.10/20";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const bool complete = length == 9 || length == 10 || length == 12;
    EXPECT_EQ(Cidr::parse(whole.substr(0, length)).has_value(), complete) << length;
  }
}

TEST(Cidr, AZeroByteDoesNotEndTheText) {
  using namespace std::string_view_literals;
  EXPECT_FALSE(Cidr::parse("10.0.0.0\0.example.org/8"sv));
  EXPECT_FALSE(Cidr::parse("10.0.0.0/8")->contains("10.0.0.1\0x"sv));
}

}  // namespace
}  // namespace parley::control
