#include "control/json.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "tests/control/json_cases.h"

namespace parley::control {
namespace {

TEST(Json, TakesEveryValidText) {
  for (const std::string_view text : test::kValid) {
    const auto value = Json::parse(text);
    EXPECT_TRUE(value.has_value()) << text << ": " << value.error();
  }
}

TEST(Json, WritesWhatItReadSoThatItReadsTheSame) {
  for (const std::string_view text : test::kValid) {
    const auto value = Json::parse(text);
    ASSERT_TRUE(value.has_value()) << text;
    const auto again = Json::parse(value->dump());
    ASSERT_TRUE(again.has_value()) << text << " -> " << value->dump();
    EXPECT_EQ(*value, *again) << text;
  }
}

TEST(Json, RefusesEveryInvalidTextWithAReason) {
  for (const std::string_view text : test::kInvalid) {
    const auto value = Json::parse(text);
    ASSERT_FALSE(value.has_value()) << text;
    EXPECT_FALSE(value.error().empty()) << text;
    EXPECT_LE(value.error().size(), 200U);
  }
}

TEST(Json, RefusesEveryTruncation) {
  const std::string text =
      R"({"a":[1,2.5,-3,"x\u00e9\ud83d\ude00"],"b":{"c":null,"d":[true,false]}})";
  ASSERT_TRUE(Json::parse(text));
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(Json::parse(std::string_view(text).substr(0, size))) << size;
  }
}

TEST(Json, NamesTheDuplicateKey) {
  EXPECT_EQ(Json::parse(R"({"id":1,"x":2,"id":3})").error(), R"(duplicate key "id")");
}

TEST(Json, FindsADuplicateAmongManyKeysQuickly) {
  std::string text = "{\"k0\":0";
  for (int i = 1; i < 20'000; ++i) text += ",\"k" + std::to_string(i) + "\":0";
  EXPECT_TRUE(Json::parse(text + "}"));
  EXPECT_FALSE(Json::parse(text + ",\"k0\":0}"));
}

TEST(Json, RefusesAMillionLevelsWithoutRecursion) {
  Json::Limits limits;
  limits.max_bytes = 10'000'000;
  EXPECT_EQ(Json::parse(std::string(1'000'000, '['), limits).error(), "nested deeper than 32");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(Json::parse(objects, limits).error(), "nested deeper than 32");
}

TEST(Json, TakesExactlyTheDepthItIsAllowed) {
  EXPECT_TRUE(Json::parse(std::string(32, '[') + std::string(32, ']')));
  EXPECT_FALSE(Json::parse(std::string(33, '[') + std::string(33, ']')));
}

TEST(Json, CountsBytesAndValues) {
  Json::Limits limits;
  limits.max_bytes = 4;
  EXPECT_TRUE(Json::parse("[1 ]", limits));
  EXPECT_EQ(Json::parse("[1  ]", limits).error(), "longer than 4 bytes");
  limits = {};
  limits.max_values = 3;
  EXPECT_TRUE(Json::parse("[1,2]", limits));
  EXPECT_EQ(Json::parse("[1,2,3]", limits).error(), "more than 3 values");
}

TEST(Json, KeepsIntegersWhole) {
  EXPECT_EQ(Json::parse("9007199254740993")->as_int(), 9007199254740993);
  EXPECT_EQ(Json::parse("-9223372036854775808")->as_int(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Json::parse("1.0")->as_int(), 1);
  EXPECT_EQ(Json::parse("1e3")->as_int(), 1000);
  EXPECT_EQ(Json::parse("1.5")->as_int(), std::nullopt);
  EXPECT_EQ(Json::parse("1.5")->as_number(), 1.5);
  EXPECT_EQ(Json::parse("7")->as_number(), 7.0);
  EXPECT_EQ(Json::parse("9223372036854775808").error(), "integer out of range");
  EXPECT_EQ(Json::parse("18446744073709551616").error(), "integer out of range");
}

TEST(Json, KeepsTheOrderOfMembers) {
  EXPECT_EQ(Json::parse(R"({"z":1,"a":{"y":2,"b":3}})")->dump(), R"({"z":1,"a":{"y":2,"b":3}})");
}

TEST(Json, DecodesEscapesAndSurrogatePairs) {
  EXPECT_EQ(*Json::parse(R"("\u00e9\ud83d\ude00\n\u0000")")->as_string(),
            std::string("\xC3\xA9\xF0\x9F\x98\x80\n\0", 8));
}

TEST(Json, WritesBrokenUtf8AsReplacementCharacters) {
  EXPECT_EQ(Json(std::string("a\xFFz")).dump(), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(Json(std::string("\xE2\x82")).dump(), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(Json(std::string("\xED\xA0\x80")).dump().substr(0, 4), "\"\xEF\xBF\xBD");
  const Json keyed = Json::object({{std::string("\x80"), 1}});
  EXPECT_TRUE(Json::parse(keyed.dump()));
}

TEST(Json, WritesEveryByteSequenceOfTwoAsValidJson) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b)};
      ASSERT_TRUE(Json::parse(Json(text).dump())) << a << " " << b;
    }
  }
}

TEST(Json, WritesInfinityAsNull) {
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()).dump(), "null");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(922300000382336200.0).dump(), "922300000382336256.0")
      << "not an integer when read again";
}

TEST(Json, AnswersQuestionsOfTheWrongKindWithNothing) {
  const Json text("x");
  EXPECT_EQ(text.as_int(), std::nullopt);
  EXPECT_EQ(text.as_bool(), std::nullopt);
  EXPECT_EQ(text.as_array(), nullptr);
  EXPECT_EQ(text.find("a"), nullptr);
  EXPECT_EQ(Json().as_string(), nullptr);
}

TEST(Json, SetsReplacesAndAppends) {
  Json value;
  value.set("a", 1).set("b", Json().push("x").push(true)).set("a", 2);
  EXPECT_EQ(value.dump(), R"({"a":2,"b":["x",true]})");
  EXPECT_EQ(value.find("a")->as_int(), 2);
  EXPECT_EQ(value.find("c"), nullptr);
}

}  // namespace
}  // namespace parley::control
