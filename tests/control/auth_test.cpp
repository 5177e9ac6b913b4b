#include "control/auth.h"

#include <gtest/gtest.h>

namespace parley::control {
namespace {

constexpr std::int64_t kNow = 1'795'000'000'000;
constexpr const char* kSecret = "a secret of more than thirty-two bytes";

config::Auth two_keys() {
  config::Auth auth;
  auth.api_keys.resize(2);
  auth.api_keys[0].id = "crm";
  auth.api_keys[0].secrets = {"the current secret, which is long enough", kSecret};
  auth.api_keys[0].tenants = {"seller-*"};
  auth.api_keys[0].role = config::KeyRole::Operator;
  auth.api_keys[1].id = "other";
  auth.api_keys[1].secrets = {"another secret of more than thirty-two bytes"};
  return auth;
}

Json join_claims() {
  return *Json::parse(
      R"({"iss":"crm","aud":"parley-join","sub":"buyer-9","jti":"j1","nbf":1795000000,)"
      R"("exp":1795000600,"parley":{"tenant":"seller-1","room":"car","role":"participant"}})");
}

std::string sign(const Json& claims, const std::string& secret = kSecret) {
  return *sign_jwt(claims, *JwtKey::hs256(secret));
}

class AuthTest : public testing::Test {
 protected:
  Keyring keyring_ = std::move(*Keyring::from_config(two_keys()));

  std::string join_reason(const std::string& token, std::int64_t now = kNow) {
    const auto claims = keyring_.verify_join_token(token, now);
    return claims ? "accepted" : claims.error().reason;
  }
  std::string with_grant(std::string_view name, Json value) {
    Json claims = join_claims();
    Json grants = *claims.find("parley");
    grants.set(name, std::move(value));
    claims.set("parley", grants);
    return join_reason(sign(claims));
  }
};

TEST_F(AuthTest, ReadsAJoinTokenOfTheNextSecretToo) {
  const auto claims = keyring_.verify_join_token(sign(join_claims()), kNow);
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->identity, "buyer-9");
  EXPECT_EQ(claims->name, "buyer-9");
  EXPECT_EQ(claims->role, Role::Participant);
  EXPECT_EQ(claims->key_id, "crm");
  EXPECT_EQ(claims->expires_ms, 1'795'000'600'000);
  EXPECT_EQ(claims->issued_ms, 0) << "it does not say when it was made";
}

TEST_F(AuthTest, RefusesForgedAndForeignTokens) {
  const std::string good = sign(join_claims());
  EXPECT_EQ(join_reason(good), "accepted");
  EXPECT_EQ(join_reason(sign(join_claims(), "another secret of more than thirty-two bytes")),
            "token_invalid");
  // alg "none": {"alg":"none","typ":"JWT"} with the same claims and an empty signature.
  const std::string body = good.substr(good.find('.'), good.rfind('.') - good.find('.') + 1);
  EXPECT_EQ(join_reason("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" + body), "token_invalid");
  Json unknown = join_claims();
  unknown.set("iss", "nobody");
  EXPECT_EQ(join_reason(sign(unknown)), "token_invalid");
  Json api = join_claims();
  api.set("aud", "parley-control");
  EXPECT_EQ(join_reason(sign(api)), "token_invalid");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(join_reason(good.substr(0, size)), "token_invalid") << size;
  }
}

TEST_F(AuthTest, RefusesTokensOutOfTheirTimeWithLeeway) {
  const std::string token = sign(join_claims());
  EXPECT_EQ(join_reason(token, 1'795'000'604'000), "accepted");
  EXPECT_EQ(join_reason(token, 1'795'000'606'000), "token_expired");
  EXPECT_EQ(join_reason(token, 1'794'999'996'000), "accepted");
  EXPECT_EQ(join_reason(token, 1'794'999'994'000), "token_not_yet_valid");
}

TEST_F(AuthTest, SomeClaimsAreMandatory) {
  for (const char* name : {"sub", "jti", "nbf", "exp", "aud", "parley"}) {
    Json claims = join_claims();
    Json::Object kept;
    for (const auto& member : *claims.as_object()) {
      if (member.first != name) kept.push_back(member);
    }
    EXPECT_EQ(join_reason(sign(Json(kept))), "token_invalid") << name;
  }
}

TEST_F(AuthTest, RefusesGrantsThatSayTooMuchOrNothing) {
  EXPECT_EQ(with_grant("room", "*"), "token_invalid");
  EXPECT_EQ(with_grant("room", ""), "token_invalid");
  EXPECT_EQ(with_grant("tenant", "buyer-1"), "token_invalid");  // not a tenant of this key
  EXPECT_EQ(with_grant("role", "admin"), "token_invalid");
  EXPECT_EQ(with_grant("name", "line\nbreak"), "token_invalid");
  EXPECT_EQ(with_grant("name", std::string(129, 'x')), "token_invalid");
  EXPECT_EQ(with_grant("is_host", true), "token_invalid");
  EXPECT_EQ(with_grant("max_session_ms", 0), "token_invalid");
  EXPECT_EQ(with_grant("can_publish", "camera"), "token_invalid");
  EXPECT_EQ(with_grant("name", "Zoë"), "accepted");
}

TEST_F(AuthTest, ATokenMayNarrowWhatItsRoleAllows) {
  Json claims = join_claims();
  Json grants = *claims.find("parley");
  Json sources = Json::array();
  sources.push("microphone");
  grants.set("can_publish", sources);
  grants.set("can_subscribe", false);
  claims.set("parley", grants);
  const auto read = keyring_.verify_join_token(sign(claims), kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->allowed.has(Permission::PublishMicrophone));
  EXPECT_FALSE(read->allowed.has(Permission::PublishCamera));
  EXPECT_FALSE(read->allowed.has(Permission::Subscribe));
}

TEST_F(AuthTest, EveryRefusedApiCredentialLooksTheSame) {
  Json claims = *Json::parse(R"({"iss":"crm","aud":"parley-control","jti":"j","exp":1795000060})");
  const auto good = keyring_.verify_api_token(sign(claims), kNow, "192.0.2.1");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->key_id, "crm");
  std::vector<std::string> bad = {"", "allow", sign(claims, std::string(40, 'x')),
                                  sign(join_claims())};
  claims.set("exp", 1'795'000'000 - 60);
  bad.push_back(sign(claims));
  claims.set("exp", 1'795'000'000 + 3'600);  // longer than an API token may live
  bad.push_back(sign(claims));
  for (const std::string& token : bad) {
    const auto refused = keyring_.verify_api_token(token, kNow, "192.0.2.1");
    ASSERT_FALSE(refused) << token;
    EXPECT_EQ(refused.error().reason, "unauthenticated");
    EXPECT_EQ(refused.error().message, "the credential was refused");
  }
}

TEST_F(AuthTest, AnObserverKeyReadsAndNothingMore) {
  const Principal observer{"o", config::KeyRole::Observer, {"*"}, {}, {}};
  EXPECT_TRUE(observer.may_call("room.list", false));
  EXPECT_FALSE(observer.may_call("room.create", true));
  EXPECT_FALSE(observer.may_call("token.create", false));
  const Principal narrow{"n", config::KeyRole::Admin, {"*"}, {"room.*"}, {}};
  EXPECT_TRUE(narrow.may_call("room.create", true));
  EXPECT_FALSE(narrow.may_call("session.end", true));
}

// What concerns all tenants is for those who run the server.
TEST_F(AuthTest, ASellersKeyDoesNotRunTheServer) {
  using config::KeyRole;
  const std::vector<std::string> all = {"*"};
  const std::vector<std::string> some = {"blue-*"};
  for (const char* method : {"server.drain", "server.reload", "log.set"}) {
    EXPECT_TRUE((Principal{"k", KeyRole::Admin, all, {}, {}}.may_call(method, true)));
    EXPECT_TRUE((Principal{"k", KeyRole::Operator, all, {}, {}}.may_call(method, true)));
    EXPECT_FALSE((Principal{"k", KeyRole::Admin, some, {}, {}}.may_call(method, true)));
    EXPECT_FALSE((Principal{"k", KeyRole::Tenant, all, {}, {}}.may_call(method, true)));
    EXPECT_FALSE((Principal{"k", KeyRole::Observer, all, {}, {}}.may_call(method, true)));
  }
  EXPECT_FALSE((Principal{"k", KeyRole::Tenant, some, {}, {}}.may_call("server.stats", false)));
}

// A link for a meeting next month counts from then on.
TEST_F(AuthTest, ATokensLifeIsMeasuredFromWhenItBegins) {
  const auto claims = [&](std::int64_t days, std::int64_t ttl_days) {
    Json json = join_claims();
    json.set("iat", kNow / 1'000);
    json.set("nbf", kNow / 1'000 + days * 86'400);
    json.set("exp", kNow / 1'000 + (days + ttl_days) * 86'400);
    return json;
  };
  const std::int64_t in_a_month = kNow + 30 * std::int64_t{86'400'000} + 1'000;
  EXPECT_TRUE(keyring_.verify_join_token(sign(claims(30, 7)), in_a_month));
  EXPECT_FALSE(keyring_.verify_join_token(sign(claims(30, 32)), in_a_month));
  const std::int64_t in_two_years = kNow + 730 * std::int64_t{86'400'000} + 1'000;
  EXPECT_FALSE(keyring_.verify_join_token(sign(claims(730, 7)), in_two_years));
}

TEST(Pattern, AStarStandsForAnyRun) {
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("seller-*", "seller-1"));
  EXPECT_TRUE(matches_pattern("a*b*c", "axxbyyc"));
  EXPECT_FALSE(matches_pattern("seller-*", "buyer-1"));
  EXPECT_FALSE(matches_pattern("a*b", "abc"));
  EXPECT_FALSE(matches_pattern("", "a"));
}

TEST(Pattern, EndsInTimeOnTheWorstPattern) {
  EXPECT_FALSE(matches_pattern(std::string(64, '*') + "b", std::string(10'000, 'a')));
}

TEST(Keyring, NamesTheKeyThatIsWrong) {
  config::Auth auth = two_keys();
  auth.api_keys[1].secrets = {"short"};
  const auto ring = Keyring::from_config(auth);
  ASSERT_FALSE(ring);
  EXPECT_NE(ring.error().find("other"), std::string::npos);
  auth = two_keys();
  auth.api_keys[1].id = "crm";
  EXPECT_FALSE(Keyring::from_config(auth));
  auth = two_keys();
  auth.api_keys[0].secrets.clear();
  EXPECT_FALSE(Keyring::from_config(auth));
}

}  // namespace
}  // namespace parley::control
