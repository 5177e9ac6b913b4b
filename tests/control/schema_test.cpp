#include "control/schema.h"

#include <algorithm>
#include <array>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/api.h"
#include "control/api_description.h"
#include "control/rtc_sockets.h"
#include "tests/control/schema_samples.h"

namespace parley::control {
namespace {

using ::testing::HasSubstr;

Json json(std::string_view text) {
  const auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Json());
}

// A set of one file with one shape, `it`.
tl::expected<SchemaSet, std::string> set_of(const std::string& schema) {
  const std::string text = R"({"$defs":{"name":{"type":"string"},"it":)" + schema + "}}";
  const std::array<EmbeddedFile, 1> files = {{{"one.json", text}}};
  return SchemaSet::parse(files);
}

struct Case {
  const char* schema;
  const char* value;
  const char* field;    // of the mistake; null: it fits
  const char* message;  // part of it
};

TEST(Schema, FindsTheFirstMistakeAndSaysWhatIsWanted) {
  const std::vector<Case> cases = {
      {R"({"type":"integer","minimum":1,"maximum":5})", "3", nullptr, ""},
      {R"({"type":"integer","minimum":1,"maximum":5})", "6", "", "a whole number, 1..5"},
      {R"({"type":"integer","minimum":1})", "0", "", "at least 1"},
      {R"({"type":"integer"})", "1.5", "", "a whole number"},
      {R"({"type":"number"})", "1.5", nullptr, ""},
      {R"({"type":["integer","null"],"minimum":1})", "null", nullptr, ""},
      {R"({"type":["integer","null"],"minimum":1})", "0", "", "or null"},
      {R"({"type":"string","minLength":2,"maxLength":3})", R"("äöü")", nullptr, ""},
      {R"({"type":"string","minLength":2,"maxLength":3})", R"("abcd")", "", "2..3 characters"},
      {R"({"type":"string","pattern":"^a+$"})", R"("aab")", "", "^a+$"},
      {R"({"enum":["a","b"]})", R"("c")", "", "one of a b"},
      {R"({"const":"a"})", R"("b")", "", "must be \"a\""},
      {R"({"type":"boolean"})", "0", "", "true or false"},
      {R"({"type":"array","items":{"type":"string"},"maxItems":2})", R"(["a","b"])", nullptr, ""},
      {R"({"type":"array","items":{"type":"string"},"maxItems":2})", R"(["a",2])", "[1]",
       "a string"},
      {R"({"type":"array","maxItems":2})", "[1,2,3]", "", "an array of 0..2"},
      {R"({"type":"object","properties":{"a":{"type":"boolean"}}})", R"({"b":1})", nullptr, ""},
      {R"({"type":"object","properties":{"a":{"type":"boolean"}},"additionalProperties":false})",
       R"({"b":1})", "b", "no parameter"},
      {R"({"type":"object","properties":{"a":{"properties":{"b":{"type":"string"}}}}})",
       R"({"a":{"b":1}})", "a.b", "a.b must be a string"},
      {R"({"type":"object","properties":{"a":{}},"required":["a"]})", "{}", "a", "a is missing"},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})", R"({"a":"x"})", "a",
       "a whole number"},
      {R"({"allOf":[{"required":["a"]},{"required":["b"]}]})", R"({"a":1})", "b", "b is missing"},
      {R"({"anyOf":[{"type":"string"},{"type":"integer"}]})", "7", nullptr, ""},
      {R"({"anyOf":[{"type":"string"},{"type":"integer"}]})", "true", "", "must be"},
      {R"({"$ref":"#/$defs/name"})", "7", "", "a string"},
  };
  for (const Case& one : cases) {
    const auto set = set_of(one.schema);
    ASSERT_TRUE(set) << set.error();
    const Json& schema = *set->file("one.json")->find("$defs")->find("it");
    const auto mistake = set->check(schema, json(one.value));
    ASSERT_EQ(mistake.has_value(), one.field != nullptr) << one.schema << " " << one.value;
    if (!mistake) continue;
    EXPECT_EQ(mistake->field, one.field) << one.schema << " " << one.value;
    EXPECT_THAT(mistake->message, HasSubstr(one.message));
  }
}

TEST(Schema, RefusesWhatItDoesNotServe) {
  for (const auto& [schema, flaw] : std::vector<std::pair<std::string, std::string>>{
           {R"({"oneOf":[{"type":"string"}]})", "oneOf is not served"},
           {R"({"properties":{"a":{"minimun":1}}})", "a: the keyword minimun"},
           {R"({"$ref":"#/$defs/nobody"})", "$ref to nothing"},
           {R"({"$ref":"other.json#/$defs/name"})", "$ref to nothing"},
           {R"({"pattern":"("})", "bad pattern"},
           {R"({"items":7})", "a schema is an object"}}) {
    const auto set = set_of(schema);
    ASSERT_FALSE(set) << schema;
    EXPECT_THAT(set.error(), HasSubstr(flaw));
  }
  const std::array<EmbeddedFile, 1> broken = {{{"one.json", "{"}}};
  EXPECT_FALSE(SchemaSet::parse(broken));
  const std::array<EmbeddedFile, 1> half = {
      {{"one.json", R"({"$defs":{"methods":{"a":{"params":{}}}}})"}}};
  EXPECT_THAT(SchemaSet::parse(half).error(), HasSubstr("half a method"));
}

TEST(Schema, TheFilesOfTheApiAreReadable) {
  const auto set = SchemaSet::parse(schema_files());
  ASSERT_TRUE(set) << set.error();
}

template <class Methods>
std::vector<std::string> names_of(const Methods& methods) {
  std::vector<std::string> names;
  for (const auto& [name, method] : methods) names.emplace_back(name);
  return names;
}

TEST(Schema, EveryMethodHasOneAndNoOther) {
  const SchemaSet& schemas = SchemaSet::of_api();
  EXPECT_EQ(names_of(schemas.backend_methods()), Api::method_names());
  EXPECT_EQ(names_of(schemas.participant_methods()), RtcSockets::method_names());
  for (const auto& [name, method] : schemas.backend_methods()) {
    EXPECT_FALSE(method.description.empty()) << name;
  }
}

// Each role of a key by each method: what an observer may, what only those who sell minutes may,
// what only those who run the server may, and everything else, which a seller's own key may too.
TEST(Rights, EachRoleOfAKeyMayCallWhatItMayAndNothingElse) {
  const std::set<std::string> reads = {
      "chat.list",        "consumer.list",  "events.list",      "hello",         "participant.get",
      "participant.list", "ping",           "quota.get",        "recording.get", "recording.list",
      "room.get",         "room.list",      "rpc.discover",     "server.info",   "session.get",
      "session.list",     "state.snapshot", "subscription.get", "tenant.get",    "tenant.list",
      "track.list",       "usage.list",     "webhook.list"};
  const std::set<std::string> sells = {"tenant.put", "tenant.delete", "quota.set", "quota.grant",
                                       "webhook.put"};
  const std::set<std::string> runs = {"server.drain", "server.reload", "server.stats", "log.set"};
  using config::KeyRole;
  for (const std::string& method : Api::method_names()) {
    for (const KeyRole role :
         {KeyRole::Admin, KeyRole::Operator, KeyRole::Tenant, KeyRole::Observer}) {
      for (const bool all : {true, false}) {
        const Principal key{"k", role, {all ? "*" : "seller-*"}, {}, {}};
        const bool ours = role == KeyRole::Admin || role == KeyRole::Operator;
        bool may = true;
        if (role == KeyRole::Observer) may = reads.contains(method);
        if (sells.contains(method)) may = ours;
        if (runs.contains(method)) may = ours && all;
        EXPECT_EQ(key.may_call(method, Api::is_mutating(method)), may)
            << method << " role " << static_cast<int>(role) << " all " << all;
      }
    }
  }
}

TEST(Schema, ANullParameterCountsAsAbsent) {
  const SchemaSet& schemas = SchemaSet::of_api();
  const auto check = [&](const char* method, const char* params) {
    return schemas.check_request(schemas.backend_methods(), {Json(1), method, json(params)});
  };
  EXPECT_TRUE(check("room.get", R"({"room_id":"rm_1","tenant":null})"));
  EXPECT_TRUE(check("room.update", R"({"room_id":"rm_1","expires_at_ms":null})"));
  EXPECT_EQ(check("room.create", R"({"tenant":null,"name":"x"})").error().field, "tenant");
  EXPECT_EQ(check("room.get", R"({"rom_id":null})").error().reason, "unknown_field");
}

// What is made by the rules fits them; what breaks one of them does not.
TEST(Schema, SamplesOfEveryMethodFitAndSpoiltOnesDoNot) {
  const SchemaSet& schemas = SchemaSet::of_api();
  for (const SchemaSet::Methods* methods :
       {&schemas.backend_methods(), &schemas.participant_methods()}) {
    for (const auto& [name, method] : *methods) {
      const Json sample = test::full_sample(schemas, *method.params);
      const auto mistake = schemas.check(*method.params, sample);
      EXPECT_FALSE(mistake) << name << ": " << mistake->message << " " << sample.dump();
      Json more = sample;
      more.set("surplus", 1);
      EXPECT_TRUE(schemas.check(*method.params, more)) << name;
      for (const auto& [member, value] : *sample.as_object()) {
        Json spoilt = sample;
        spoilt.set(member, Json::object({{"\u0007", Json::array()}}));
        const Json* rule = method.params->find("properties")->find(member);
        const Json* type = rule->find("type");
        const bool anything = type == nullptr && rule->find("$ref") == nullptr &&
                              rule->find("enum") == nullptr && rule->find("anyOf") == nullptr;
        if (anything || (type != nullptr && *type == Json("object"))) continue;
        EXPECT_TRUE(schemas.check(*method.params, spoilt)) << name << " " << member;
      }
    }
  }
}

// Every $ref of a document leads somewhere in it.
void expect_whole(const Json& value, const Json& document) {
  if (const Json::Array* items = value.as_array()) {
    for (const Json& item : *items) expect_whole(item, document);
    return;
  }
  if (!value.is_object()) return;
  for (const auto& [name, member] : *value.as_object()) {
    if (name != "$ref") {
      expect_whole(member, document);
      continue;
    }
    const std::string& target = *member.as_string();
    ASSERT_TRUE(target.starts_with("#/")) << target;
    const Json* at = &document;
    for (std::size_t from = 2; at != nullptr && from <= target.size();) {
      const std::size_t end = std::min(target.find('/', from), target.size());
      at = at->find(target.substr(from, end - from));
      from = end + 1;
    }
    EXPECT_NE(at, nullptr) << target;
  }
}

TEST(ApiDescription, BothDocumentsAreWhole) {
  const SchemaSet& schemas = SchemaSet::of_api();
  const auto all = [](std::string_view) { return std::optional(false); };
  const Json openrpc = openrpc_document(schemas, "1.1", all);
  expect_whole(openrpc, openrpc);
  EXPECT_EQ(openrpc.find("methods")->as_array()->size(), schemas.backend_methods().size());
  const Json asyncapi = asyncapi_document(schemas, "1.1");
  expect_whole(asyncapi, asyncapi);
  EXPECT_NE(asyncapi.find("components")->find("messages")->find("session.ended"), nullptr);
}

TEST(ApiDescription, LeavesOutWhatIsNotShown) {
  const Json openrpc = openrpc_document(SchemaSet::of_api(), "1.1",
                                        [](std::string_view name) -> std::optional<bool> {
                                          if (name != "room.get") return std::nullopt;
                                          return false;
                                        });
  ASSERT_EQ(openrpc.find("methods")->as_array()->size(), 1U);
  EXPECT_EQ(*openrpc.find("methods")->as_array()->front().find("name"), Json("room.get"));
}

}  // namespace
}  // namespace parley::control
