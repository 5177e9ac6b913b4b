#include "control/jwt.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "control/base64url.h"

namespace parley::control {
namespace {

constexpr std::size_t kMaxTokenBytes = 16'384;
constexpr std::size_t kEd25519SignatureBytes = 64;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hmac_sha256(std::string_view key, std::string_view input) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(input), input.size(),
       digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

// Empty unless the header is one that we understand in full (RFC 7515, section 4).
std::optional<std::string> algorithm_of(const Json& header) {
  const Json* alg = header.find("alg");
  if (alg == nullptr || alg->as_string() == nullptr) return std::nullopt;
  // Extensions that must be understood: we understand none (section 4.1.11). b64 comes with it.
  if (header.find("crit") != nullptr || header.find("b64") != nullptr) return std::nullopt;
  if (const Json* typ = header.find("typ")) {
    const std::string* text = typ->as_string();
    // Case does not matter in media type names (RFC 7519, section 5.1).
    if (text == nullptr || (*text != "JWT" && *text != "jwt")) return std::nullopt;
  }
  return *alg->as_string();
}

bool contains_audience(const Json& aud, std::string_view wanted) {
  if (const std::string* one = aud.as_string()) return *one == wanted;
  const Json::Array* many = aud.as_array();
  return many != nullptr && std::any_of(many->begin(), many->end(), [&](const Json& item) {
           return item.as_string() != nullptr && *item.as_string() == wanted;
         });
}

// NumericDate in milliseconds (RFC 7519, section 2).
struct DateClaim {
  bool present = false;
  bool valid = true;
  double ms = 0;
};
DateClaim date_claim(const Json& claims, std::string_view name) {
  const Json* value = claims.find(name);
  if (value == nullptr) return {};
  const auto seconds = value->as_number();
  if (!seconds || *seconds < 0) return {true, false, 0};
  return {true, true, *seconds * 1000.0};
}

}  // namespace

std::string_view to_string(JwtError error) noexcept {
  switch (error) {
    case JwtError::Malformed:
      return "malformed";
    case JwtError::UnknownKey:
      return "unknown_key";
    case JwtError::WrongAlgorithm:
      return "wrong_algorithm";
    case JwtError::BadSignature:
      return "bad_signature";
  }
  return "";
}

std::string_view to_string(ClaimsError error) noexcept {
  switch (error) {
    case ClaimsError::Missing:
      return "missing_claim";
    case ClaimsError::WrongType:
      return "wrong_claim_type";
    case ClaimsError::Expired:
      return "expired";
    case ClaimsError::NotYetValid:
      return "not_yet_valid";
    case ClaimsError::TooLongLived:
      return "too_long_lived";
    case ClaimsError::WrongAudience:
      return "wrong_audience";
  }
  return "";
}

void JwtKey::FreeKey::operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }

tl::expected<JwtKey, std::string> JwtKey::hs256(std::string secret) {
  if (secret.size() < kMinSecretBytes) {
    return tl::unexpected("secret has " + std::to_string(secret.size()) + " bytes, at least " +
                          std::to_string(kMinSecretBytes) + " are needed for HS256");
  }
  JwtKey key;
  key.secret_ = std::move(secret);
  key.can_sign_ = true;
  return key;
}

tl::expected<JwtKey, std::string> JwtKey::ed25519(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  JwtKey key;
  key.can_sign_ = pem.find("PRIVATE KEY") != std::string_view::npos;
  // No passphrase is asked for on the terminal: an encrypted key is simply refused.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  key.key_.reset(key.can_sign_ ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                               : PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
  if (key.key_ == nullptr) return tl::unexpected(std::string("no PEM key"));
  if (EVP_PKEY_get_id(key.key_.get()) != EVP_PKEY_ED25519) {
    return tl::unexpected(std::string("key is not Ed25519"));
  }
  return key;
}

tl::expected<JwtKey, std::string> JwtKey::from_config(config::KeyAlgorithm algorithm,
                                                      std::string_view secret) {
  switch (algorithm) {
    case config::KeyAlgorithm::Hs256:
      return hs256(std::string(secret));
    case config::KeyAlgorithm::EdDsa:
      return ed25519(secret);
  }
  return tl::unexpected(std::string("unknown algorithm"));
}

std::string_view JwtKey::algorithm() const noexcept { return key_ ? "EdDSA" : "HS256"; }

std::optional<std::string> JwtKey::sign(std::string_view input) const {
  if (!can_sign_) return std::nullopt;
  if (!key_) return hmac_sha256(secret_, input);
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(kEd25519SignatureBytes, '\0');
  std::size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes_of(input), input.size()) != 1) {
    return std::nullopt;
  }
  signature.resize(size);
  return signature;
}

bool JwtKey::verify(std::string_view input, std::string_view signature) const {
  if (!key_) {
    const std::string expected = hmac_sha256(secret_, input);
    return signature.size() == expected.size() &&
           CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) == 0;
  }
  if (signature.size() != kEd25519SignatureBytes) return false;
  const DigestContext context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(input),
                          input.size()) == 1;
}

std::optional<std::string> sign_jwt(const Json& claims, const JwtKey& key) {
  const Json header =
      Json::object({{"alg", std::string(key.algorithm())}, {"typ", std::string("JWT")}});
  std::string token = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
  const auto signature = key.sign(token);
  if (!signature) return std::nullopt;
  return token + "." + base64url_encode(*signature);
}

tl::expected<Json, JwtError> verify_jwt(std::string_view token, const JwtKeyLookup& keys) {
  const auto malformed = tl::unexpected(JwtError::Malformed);
  if (token.size() > kMaxTokenBytes) return malformed;
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return malformed;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return malformed;
  const auto header_text = base64url_decode(token.substr(0, first));
  const auto claims_text = base64url_decode(token.substr(first + 1, second - first - 1));
  const auto signature = base64url_decode(token.substr(second + 1));  // refuses a third dot
  if (!header_text || !claims_text || !signature) return malformed;
  const auto header = Json::parse(*header_text);
  auto claims = Json::parse(*claims_text);
  if (!header || !claims || !header->is_object() || !claims->is_object()) return malformed;
  const auto algorithm = algorithm_of(*header);
  const Json* issuer = claims->find("iss");
  if (!algorithm || issuer == nullptr || issuer->as_string() == nullptr) return malformed;

  const std::span<const JwtKey> candidates = keys(*issuer->as_string());
  if (candidates.empty()) {
    // As much work as for a key that is there: the time tells nobody which keys exist.
    static const auto kNobody = JwtKey::hs256("a key that signs nothing, as long as one");
    static_cast<void>(kNobody->verify(token.substr(0, second), *signature));
    return tl::unexpected(JwtError::UnknownKey);
  }
  JwtError error = JwtError::WrongAlgorithm;
  for (const JwtKey& key : candidates) {
    if (*algorithm != key.algorithm()) continue;
    if (key.verify(token.substr(0, second), *signature)) return std::move(*claims);
    error = JwtError::BadSignature;
  }
  return tl::unexpected(error);
}

tl::expected<void, ClaimsError> check_claims(const Json& claims, const ClaimsPolicy& policy,
                                             std::int64_t now_ms) {
  const DateClaim exp = date_claim(claims, "exp");
  const DateClaim nbf = date_claim(claims, "nbf");
  const DateClaim iat = date_claim(claims, "iat");
  const Json* aud = claims.find("aud");
  const Json* jti = claims.find("jti");
  if (!exp.present || aud == nullptr) return tl::unexpected(ClaimsError::Missing);
  if (policy.require_jti && jti == nullptr) return tl::unexpected(ClaimsError::Missing);
  const bool jti_fits =
      jti == nullptr || (jti->as_string() != nullptr && !jti->as_string()->empty());
  if (!exp.valid || !nbf.valid || !iat.valid || !jti_fits) {
    return tl::unexpected(ClaimsError::WrongType);
  }
  if (!contains_audience(*aud, policy.audience)) return tl::unexpected(ClaimsError::WrongAudience);
  const auto now = static_cast<double>(now_ms);
  const auto leeway = static_cast<double>(policy.leeway_ms);
  const auto max_ttl = static_cast<double>(policy.max_ttl_ms);
  const DateClaim& begins = nbf.present ? nbf : iat;
  if (exp.ms <= now - leeway) return tl::unexpected(ClaimsError::Expired);
  if (nbf.present && nbf.ms > now + leeway) return tl::unexpected(ClaimsError::NotYetValid);
  if (iat.present && iat.ms > now + leeway) return tl::unexpected(ClaimsError::NotYetValid);
  if (policy.max_ttl_ms > 0 && (exp.ms - now > max_ttl + leeway ||
                                (begins.present && exp.ms - begins.ms > max_ttl + leeway))) {
    return tl::unexpected(ClaimsError::TooLongLived);
  }
  // It may be made long before it begins to count, but not for ever.
  constexpr double kMaxAheadMs = 366.0 * 86'400'000.0;
  if (policy.max_ttl_ms > 0 && iat.present && exp.ms - iat.ms > max_ttl + kMaxAheadMs) {
    return tl::unexpected(ClaimsError::TooLongLived);
  }
  return {};
}

}  // namespace parley::control
