#include "control/url.h"

#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace parley::control {
namespace {

TEST(Url, SplitsAndDecodesTheTarget) {
  const std::array<std::array<std::string_view, 3>, 9> cases = {{
      {"/", "/", ""},
      {"/a/b", "/a/b", ""},
      {"/a?x=1", "/a", "x=1"},
      {"/a?", "/a", ""},
      {"/%41%c3%a9", "/A\xC3\xA9", ""},
      {"http://example.org/a?b", "/a", "b"},
      {"https://example.org", "/", ""},
      {"//a///b/", "/a/b/", ""},
      {"/a?x=/../%00", "/a", "x=/../%00"},
  }};
  for (const auto& [target, path, query] : cases) {
    const auto parsed = parse_target(target);
    ASSERT_TRUE(parsed.has_value()) << target;
    EXPECT_EQ(parsed->path, path) << target;
    EXPECT_EQ(parsed->query, query) << target;
  }
}

TEST(Url, RefusesWhateverLeavesADirectory) {
  for (const std::string_view target :
       {"",        "a",       "*",         "/..",       "/../a",       "/a/..",
        "/a/../b", "/.",      "/a/./b",    "/%2e%2e",   "/%2E.",       "/.%2e/a",
        "/a%2f..", "/a%2Fb",  "/a%5c..",   "/a\\..\\b", "/a%00",       "/a%0a",
        "/a%7f",   "/%",      "/%4",       "/%4g",      "/%zz",        "/a#b",
        "/a b\n",  "http://", "http:///a", "ftp://a/b", "example.org", "/a\x01",
        "/\x7f"}) {
    EXPECT_FALSE(parse_target(target)) << target;
  }
  EXPECT_FALSE(parse_target(std::string_view("/a\0b", 4)));
}

TEST(Url, FindsTheFirstParameterOfAName) {
  EXPECT_EQ(query_parameter("a=1&b=2&a=3", "a"), "1");
  EXPECT_EQ(query_parameter("a=1&b=2", "b"), "2");
  EXPECT_EQ(query_parameter("a", "a"), "");
  EXPECT_EQ(query_parameter("a=", "a"), "");
  EXPECT_EQ(query_parameter("a=b=c", "a"), "b=c");
  EXPECT_EQ(query_parameter("x+y=1%2B+2", "x y"), "1+ 2");
  EXPECT_EQ(query_parameter("", "a"), std::nullopt);
  EXPECT_EQ(query_parameter("&&b=1", "a"), std::nullopt);
  EXPECT_EQ(query_parameter("a=%4", "a"), std::nullopt);
  EXPECT_EQ(query_parameter("%zz=1&a=2", "a"), "2");
}

TEST(Url, EncodesWhatItDecodes) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("a b/\xC3\xA9~"), "a%20b%2F%C3%A9~");
}

}  // namespace
}  // namespace parley::control
