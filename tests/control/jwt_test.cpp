#include "control/jwt.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "control/base64url.h"
#include "tests/control/jwt_fixtures.h"

namespace parley::control {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

class Jwt : public testing::Test {
 protected:
  Jwt() {
    backend_.push_back(*JwtKey::hs256(std::string(test::kSecret)));
    edge_.push_back(*JwtKey::ed25519(test::kPublicPem));
  }
  [[nodiscard]] tl::expected<Json, JwtError> verify(std::string_view token) const {
    return verify_jwt(token, [this](std::string_view issuer) -> std::span<const JwtKey> {
      if (issuer == "backend") return backend_;
      if (issuer == "edge") return edge_;
      return {};
    });
  }
  std::vector<JwtKey> backend_;
  std::vector<JwtKey> edge_;
};

TEST_F(Jwt, TakesTokensOfAnotherImplementation) {
  const auto hs256 = verify(test::kNodeHs256);
  ASSERT_TRUE(hs256.has_value());
  EXPECT_EQ(*hs256->find("jti")->as_string(), "n1");
  EXPECT_TRUE(verify(test::kNodeEdDsa).has_value());
}

TEST_F(Jwt, RefusesEveryForgery) {
  EXPECT_EQ(verify(test::kPublicKeyAsSecret).error(), JwtError::WrongAlgorithm);
  EXPECT_EQ(verify(test::kAlgNone).error(), JwtError::WrongAlgorithm);
  EXPECT_EQ(verify(test::kAlgNoneCase).error(), JwtError::WrongAlgorithm);
  EXPECT_EQ(verify(test::kHs512).error(), JwtError::WrongAlgorithm);
  EXPECT_EQ(verify(test::kOtherKey).error(), JwtError::BadSignature);
  EXPECT_EQ(verify(test::kUnknownIssuer).error(), JwtError::UnknownKey);
  for (const std::string_view token : {test::kCrit, test::kB64, test::kUnknownTyp, test::kNoIssuer,
                                       test::kClaimsAreAList, test::kNoAlg, test::kTwoIssuers}) {
    EXPECT_EQ(verify(token).error(), JwtError::Malformed) << token;
  }
}

TEST_F(Jwt, RefusesEveryTruncation) {
  for (const std::string_view token : {test::kNodeHs256, test::kNodeEdDsa}) {
    for (std::size_t size = 0; size < token.size(); ++size) {
      EXPECT_FALSE(verify(token.substr(0, size))) << size;
    }
  }
}

TEST_F(Jwt, RefusesEveryChangedLetter) {
  for (const std::string_view token : {test::kNodeHs256, test::kNodeEdDsa}) {
    for (std::size_t at = 0; at < token.size(); ++at) {
      std::string changed(token);
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(verify(changed)) << at;
    }
  }
}

TEST_F(Jwt, RefusesOddShapes) {
  const std::string good(test::kNodeHs256);
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("..."), good + ".",
        good + "=", " " + good, good + "\n", "." + good, std::string(100'000, 'A')}) {
    EXPECT_EQ(verify(token).error(), JwtError::Malformed);
  }
}

TEST_F(Jwt, ReadsBackWhatItSigned) {
  const Json claims = Json::object({{"iss", "backend"}, {"sub", "\xC3\xA9"}, {"exp", 1}});
  const auto token = sign_jwt(claims, backend_.front());
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(*verify(*token), claims);

  const Json edge_claims = Json::object({{"iss", "edge"}});
  const auto edge_token = sign_jwt(edge_claims, *JwtKey::ed25519(test::kPrivatePem));
  ASSERT_TRUE(edge_token.has_value());
  EXPECT_EQ(*verify(*edge_token), edge_claims);
  EXPECT_EQ(sign_jwt(edge_claims, edge_.front()), std::nullopt) << "a public key cannot sign";
}

TEST_F(Jwt, TriesTheNextKeyWhileKeysRotate) {
  backend_.insert(backend_.begin(), *JwtKey::hs256(std::string(40, 'n')));
  EXPECT_TRUE(verify(test::kNodeHs256).has_value());
}

TEST(JwtKey, RefusesWeakAndForeignKeys) {
  EXPECT_FALSE(JwtKey::hs256(std::string(31, 'x')));
  EXPECT_TRUE(JwtKey::hs256(std::string(32, 'x')));
  EXPECT_EQ(JwtKey::ed25519(test::kEcPem).error(), "key is not Ed25519");
  EXPECT_EQ(JwtKey::ed25519("x").error(), "no PEM key");
  EXPECT_FALSE(JwtKey::from_config(config::KeyAlgorithm::EdDsa, test::kSecret));
  EXPECT_TRUE(JwtKey::from_config(config::KeyAlgorithm::Hs256, test::kSecret));
}

// RFC 7515, appendix A.1.
TEST(JwtVectors, Rfc7515A1) {
  const std::string key = *base64url_decode(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const std::string_view token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
      "cnVlfQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  std::vector<JwtKey> keys;
  keys.push_back(*JwtKey::hs256(key));
  const auto claims =
      verify_jwt(token, [&](std::string_view) { return std::span<const JwtKey>(keys); });
  ASSERT_TRUE(claims.has_value());
  EXPECT_EQ(*claims->find("iss")->as_string(), "joe");
}

// RFC 8037, appendix A.1 to A.5; the key in PKCS#8 is the 16-byte prefix and its 32 bytes.
TEST(JwtVectors, Rfc8037A4AndA5) {
  const std::string_view pem =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n";
  const auto key = JwtKey::ed25519(pem);
  ASSERT_TRUE(key.has_value());
  const std::string input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  const std::string signature =
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
  EXPECT_EQ(base64url_encode(*key->sign(input)), signature);
  EXPECT_TRUE(key->verify(input, *base64url_decode(signature)));
  EXPECT_FALSE(key->verify(input + "A", *base64url_decode(signature)));
}

class Claims : public testing::Test {
 protected:
  [[nodiscard]] static Json claims() {
    return Json::object({{"aud", "a"}, {"exp", kNow / 1000 + 60}, {"jti", "1"}});
  }
  [[nodiscard]] tl::expected<void, ClaimsError> check(const Json& value) const {
    return check_claims(value, policy_, kNow);
  }
  ClaimsPolicy policy_{"a", 5'000, 300'000, true};
};

TEST_F(Claims, TakesWhatIsInTime) { EXPECT_TRUE(check(claims())); }

TEST_F(Claims, NamesWhatIsWrong) {
  EXPECT_EQ(check(claims().set("exp", kNow / 1000 - 5)).error(), ClaimsError::Expired);
  EXPECT_EQ(check(claims().set("exp", kNow / 1000 + 306)).error(), ClaimsError::TooLongLived);
  EXPECT_EQ(check(claims().set("nbf", kNow / 1000 + 6)).error(), ClaimsError::NotYetValid);
  EXPECT_EQ(check(claims().set("iat", kNow / 1000 + 6)).error(), ClaimsError::NotYetValid);
  EXPECT_EQ(check(claims().set("iat", kNow / 1000 - 400)).error(), ClaimsError::TooLongLived);
  EXPECT_EQ(check(claims().set("aud", "b")).error(), ClaimsError::WrongAudience);
  EXPECT_EQ(check(claims().set("aud", Json())).error(), ClaimsError::WrongAudience);
  EXPECT_EQ(check(claims().set("exp", "soon")).error(), ClaimsError::WrongType);
  EXPECT_EQ(check(claims().set("exp", -1)).error(), ClaimsError::WrongType);
  EXPECT_EQ(check(claims().set("nbf", true)).error(), ClaimsError::WrongType);
  EXPECT_EQ(check(claims().set("jti", 1)).error(), ClaimsError::WrongType);
  EXPECT_EQ(check(claims().set("jti", "")).error(), ClaimsError::WrongType);
  EXPECT_EQ(check(Json::object({{"aud", "a"}, {"jti", "1"}})).error(), ClaimsError::Missing);
  EXPECT_EQ(check(Json::object({{"aud", "a"}, {"exp", 1}})).error(), ClaimsError::Missing);
  EXPECT_EQ(check(Json::object({{"exp", 1}, {"jti", "1"}})).error(), ClaimsError::Missing);
}

TEST_F(Claims, AllowsTheLeewayAndNotMore) {
  EXPECT_TRUE(check(claims().set("exp", kNow / 1000 - 4)));
  EXPECT_TRUE(check(claims().set("nbf", kNow / 1000 + 5)));
  EXPECT_TRUE(check(claims().set("exp", kNow / 1000 + 305)));
}

TEST_F(Claims, FindsTheAudienceInAList) {
  EXPECT_TRUE(check(claims().set("aud", Json().push("x").push("a"))));
  EXPECT_FALSE(check(claims().set("aud", Json().push("x").push(1))));
  EXPECT_FALSE(check(claims().set("aud", Json::array())));
}

TEST_F(Claims, SurvivesHugeTimes) {
  EXPECT_EQ(check(claims().set("exp", std::int64_t{9'223'372'036'854'775'807})).error(),
            ClaimsError::TooLongLived);
  EXPECT_EQ(check(claims().set("exp", 1e308)).error(), ClaimsError::TooLongLived);
}

TEST(Base64Url, IsStrict) {
  EXPECT_EQ(base64url_decode(""), "");
  EXPECT_EQ(base64url_decode("_-8"), "\xFF\xEF");
  EXPECT_EQ(base64url_encode("\xFF\xEF"), "_-8");
  for (const std::string_view text : {"A", "AA=", "AA==", "A+", "A/", "AB", "AAB", "A A", "AA\n"}) {
    EXPECT_EQ(base64url_decode(text), std::nullopt) << text;
  }
}

TEST(Base64Url, ReadsBackWhatItWrote) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

}  // namespace
}  // namespace parley::control
