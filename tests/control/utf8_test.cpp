#include "control/utf8.h"

#include <string>

#include <gtest/gtest.h>

#include "control/json.h"

namespace parley::control {
namespace {

TEST(Utf8, AgreesWithTheJsonReaderOnEveryThreeBytes) {
  // The reader of JSON is another implementation; three bytes reach every branch but the ends of
  // characters of four, which the next test has.
  for (unsigned lead = 0x80; lead < 0x100; ++lead) {
    for (unsigned second = 0x70; second < 0x100; second += 3) {
      for (const unsigned third : {0x41U, 0x7FU, 0x80U, 0xBFU, 0xC0U}) {
        const std::string bytes{static_cast<char>(lead), static_cast<char>(second),
                                static_cast<char>(third)};
        const bool json = Json::parse("\"" + bytes + "\"").has_value();
        ASSERT_EQ(is_utf8(bytes), json) << lead << " " << second << " " << third;
      }
    }
  }
}

TEST(Utf8, KnowsTheBounds) {
  for (const std::string_view good :
       {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
    for (std::size_t size = 1; size < good.size(); ++size) {
      EXPECT_FALSE(is_utf8(good.substr(0, size))) << good;
    }
  }
  for (const std::string_view bad :
       {"\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFE", "\xFF", "a\xC3", "\xC3\x28", "\xF1\x80\x80\xC0"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace parley::control
