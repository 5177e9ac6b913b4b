#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "config/config.h"
#include "control/json.h"

struct evp_pkey_st;

namespace parley::control {

// JSON Web Tokens in compact form (RFC 7519 over RFC 7515), HS256 and EdDSA with Ed25519
// (RFC 8037). The algorithm belongs to the key and never comes from the token: a header that names
// another one is refused, so "none" and the public key as an HMAC secret cannot work.

enum class JwtError : std::uint8_t {
  Malformed,       // no three parts, no strict base64url, no JSON object, unknown typ, crit
  UnknownKey,      // nobody of that `iss`
  WrongAlgorithm,  // alg is not the key's
  BadSignature,
};
[[nodiscard]] std::string_view to_string(JwtError error) noexcept;

// One key. HS256 keys sign and verify; an EdDSA public key only verifies.
class JwtKey {
 public:
  static constexpr std::size_t kMinSecretBytes = 32;

  // Refuses secrets shorter than kMinSecretBytes (RFC 7518, section 3.2).
  [[nodiscard]] static tl::expected<JwtKey, std::string> hs256(std::string secret);
  // A PEM "PUBLIC KEY" or "PRIVATE KEY" of Ed25519; anything else is refused with the reason.
  [[nodiscard]] static tl::expected<JwtKey, std::string> ed25519(std::string_view pem);
  // Whatever config::ApiKey holds in one entry of `secrets`.
  [[nodiscard]] static tl::expected<JwtKey, std::string> from_config(config::KeyAlgorithm algorithm,
                                                                     std::string_view secret);

  [[nodiscard]] std::string_view algorithm() const noexcept;  // "HS256", "EdDSA"
  // Raw JWS signatures (not base64). Signing gives nothing with a public key.
  [[nodiscard]] std::optional<std::string> sign(std::string_view input) const;
  // Constant time in the compared bytes.
  [[nodiscard]] bool verify(std::string_view input, std::string_view signature) const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  JwtKey() = default;

  std::string secret_;  // HS256
  std::unique_ptr<evp_pkey_st, FreeKey> key_;
  bool can_sign_ = false;
};

// The keys that may have signed for this issuer (current and next), none for an unknown one.
using JwtKeyLookup = std::function<std::span<const JwtKey>(std::string_view issuer)>;

// The claims as a compact token, or nothing when the key cannot sign.
[[nodiscard]] std::optional<std::string> sign_jwt(const Json& claims, const JwtKey& key);
// The claims of a token whose signature is right. Times and audience are not looked at:
// check_claims does that.
[[nodiscard]] tl::expected<Json, JwtError> verify_jwt(std::string_view token,
                                                      const JwtKeyLookup& keys);

enum class ClaimsError : std::uint8_t {
  Missing,        // exp, or one that the policy requires
  WrongType,      // a registered claim of another type than RFC 7519 says
  Expired,        // exp <= now - leeway
  NotYetValid,    // nbf or iat > now + leeway
  TooLongLived,   // exp further away than max_ttl_ms
  WrongAudience,  // aud does not contain the policy's
};
[[nodiscard]] std::string_view to_string(ClaimsError error) noexcept;

struct ClaimsPolicy {
  std::string audience;            // aud must be or contain it
  std::int64_t leeway_ms = 5'000;  // clocks differ
  std::int64_t max_ttl_ms = 0;     // 0: no limit
  bool require_jti = false;
};
// Registered claims against the wall clock (RFC 7519, section 4.1). `exp` and `aud` must be there,
// nbf and iat are honoured when they are.
[[nodiscard]] tl::expected<void, ClaimsError> check_claims(const Json& claims,
                                                           const ClaimsPolicy& policy,
                                                           std::int64_t now_ms);

}  // namespace parley::control
