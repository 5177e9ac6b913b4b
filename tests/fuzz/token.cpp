// Tokens: nothing is believed that our key has not signed, and what we sign is believed. Signed
// links and base64url go the same way.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "control/base64url.h"
#include "control/jwt.h"
#include "control/signed_link.h"

namespace {

using namespace parley::control;

std::vector<JwtKey>& keys() {
  static std::vector<JwtKey> all = [] {
    std::vector<JwtKey> made;
    made.push_back(*JwtKey::hs256("0123456789abcdef0123456789abcdef-parley-tests"));
    return made;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lookup = [](std::string_view) { return std::span<const JwtKey>(keys()); };
  if (const auto claims = verify_jwt(text, lookup)) {
    // Only tokens of the corpus come this far; their claims must be readable.
    (void)check_claims(*claims, {"parley-control", 5'000, 300'000, true}, 1'700'000'000'000);
    const std::size_t dot = text.rfind('.');
    const auto signature = base64url_decode(text.substr(dot + 1));
    if (!signature || !keys().front().verify(text.substr(0, dot), *signature)) std::abort();
  }
  if (const auto claims = Json::parse(text)) {
    (void)check_claims(*claims, {"parley-join", 5'000, 0, false}, 1'700'000'000'000);
    const auto token = sign_jwt(*claims, keys().front());
    const auto back = verify_jwt(*token, lookup);
    const Json* issuer = claims->find("iss");
    if (issuer != nullptr && issuer->as_string() != nullptr && size < 8'000 && !back) std::abort();
  }
  if (const auto bytes = base64url_decode(text)) {
    if (base64url_encode(*bytes) != text) std::abort();
  }
  if (verify_link("/v1/recordings/rec_x/0", text, "key", 0)) std::abort();
  return 0;
}
