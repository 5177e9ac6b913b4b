#include "control/rpc.h"

#include <gtest/gtest.h>

#include "control/params.h"

namespace parley::control {
namespace {

std::string reason_of(const std::string& text) {
  const auto request = parse_request(text);
  return request ? "accepted" : request.error().error.reason;
}

TEST(Rpc, ReadsARequest) {
  const auto request =
      parse_request(R"({"jsonrpc":"2.0","id":"a","method":"ping","params":{"x":1}})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, Json("a"));
  EXPECT_EQ(request->method, "ping");
  EXPECT_EQ(*request->params.find("x"), Json(1));
}

TEST(Rpc, RefusesEverythingElseByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "parse_error"},
      {"{", "parse_error"},
      {R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})", "parse_error"},
      {"[]", "batch"},
      {R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", "batch"},
      {"3", "invalid_request"},
      {R"({"jsonrpc":"2.0","method":"ping"})", "invalid_id"},
      {R"({"jsonrpc":"2.0","id":null,"method":"ping"})", "invalid_id"},
      {R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", "invalid_id"},
      {R"({"jsonrpc":"2.0","id":9007199254740992,"method":"ping"})", "invalid_id"},
      {R"({"jsonrpc":"2.0","id":"","method":"ping"})", "invalid_id"},
      {R"({"jsonrpc":"1.0","id":1,"method":"ping"})", "invalid_version"},
      {R"({"id":1,"method":"ping"})", "invalid_version"},
      {R"({"jsonrpc":"2.0","id":1})", "invalid_method"},
      {R"({"jsonrpc":"2.0","id":1,"method":7})", "invalid_method"},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[1]})", "invalid_params"},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","auth":"x"})", "unknown_field"},
  };
  for (const auto& [text, reason] : cases) EXPECT_EQ(reason_of(text), reason) << text;
}

TEST(Rpc, EveryTruncationIsAParseError) {
  const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[1,"x"]}})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(reason_of(text.substr(0, size)), "parse_error") << size;
  }
  EXPECT_EQ(reason_of(text), "accepted");
}

TEST(Rpc, AnswersUnderTheIdEvenWhenTheRestIsWrong) {
  const auto request = parse_request(R"({"jsonrpc":"2.0","id":5,"method":"ping","params":1})");
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().id, Json(5));
}

TEST(Rpc, AnErrorCarriesNumberStatusReasonAndField) {
  RpcError error = rpc_error(Status::ResourceExhausted, "rate_limited", "slower", "limit");
  error.retry_after_ms = 100;
  EXPECT_EQ(rpc_error_answer(Json(1), error, "err_1"),
            R"({"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slower","data":{)"
            R"("status":"resource_exhausted","reason":"rate_limited","retryable":true,)"
            R"("retry_after_ms":100,"field":"limit","trace_id":"err_1"}}})");
}

TEST(Params, ReadsTypedMembersAndRefusesUnknownOnes) {
  const Json json = *Json::parse(R"({"name":"x","count":3,"on":true,"kind":"a"})");
  Params params(json);
  EXPECT_EQ(params.text("name"), "x");
  EXPECT_EQ(params.integer("count", 0, 5), 3);
  EXPECT_TRUE(params.flag("on"));
  const auto unfinished = params.finish();
  ASSERT_FALSE(unfinished);
  EXPECT_EQ(unfinished.error().reason, "unknown_field");
  EXPECT_EQ(unfinished.error().field, "kind");
}

TEST(Params, NamesTheFirstMistakeOnly) {
  const Json json = *Json::parse(R"({"name":7,"count":9})");
  Params params(json);
  static_cast<void>(params.text("name"));
  static_cast<void>(params.integer("count", 0, 5));
  static_cast<void>(params.flag("missing"));
  const auto result = params.finish();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().field, "name");
  EXPECT_EQ(result.error().message, "name must be a string of 1..128 bytes");
}

TEST(Params, TellsARangeAndWhatIsMissing) {
  const Json json = *Json::parse(R"({"count":9,"other":1.5})");
  Params range(json);
  static_cast<void>(range.integer("count", 0, 5));
  EXPECT_EQ(range.finish().error().message, "count must be a whole number, 0..5");
  Params fraction(json);
  static_cast<void>(fraction.optional_integer("other", 0));
  EXPECT_EQ(fraction.finish().error().field, "other");
  Params missing(json);
  static_cast<void>(missing.text("name"));
  EXPECT_EQ(missing.finish().error().message, "name is missing");
}

TEST(Params, NamesForPeopleHaveNoControlsAndNoTricks) {
  EXPECT_TRUE(is_printable_text("Zoë 你好 👋"));
  for (const char* bad : {"a\nb", "a\x7f", "\xc2\x85",
                          "\xe2\x80\xae"
                          "evil",
                          "\xe2\x80\xa8", "\xe2\x81\xa6"}) {
    EXPECT_FALSE(is_printable_text(bad)) << bad;
  }
  EXPECT_TRUE(is_plain_name("seller-1.eu_west"));
  EXPECT_FALSE(is_plain_name("a/b"));
  EXPECT_FALSE(is_plain_name(""));
}

}  // namespace
}  // namespace parley::control
