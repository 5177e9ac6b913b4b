#include "control/signed_link.h"

#include <array>
#include <charconv>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "control/base64url.h"
#include "control/url.h"

namespace parley::control {
namespace {

std::string signature_of(std::string_view path, std::int64_t expires_ms, std::string_view audience,
                         std::string_view key) {
  // Every part is preceded by its length, so that no two links share one text.
  const std::string expires = std::to_string(expires_ms);
  std::string input = "parley-link-1";
  for (const std::string_view part : {path, std::string_view(expires), audience}) {
    input += "\n" + std::to_string(part.size()) + ":";
    input += part;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace

std::string_view to_string(LinkError error) noexcept {
  switch (error) {
    case LinkError::Malformed:
      return "malformed";
    case LinkError::BadSignature:
      return "bad_signature";
    case LinkError::Expired:
      return "expired";
  }
  return "";
}

std::string sign_link(std::string_view path, std::int64_t expires_ms, std::string_view audience,
                      std::string_view key) {
  return std::string(path) + "?expires=" + std::to_string(expires_ms) +
         "&for=" + percent_encode(audience) +
         "&sig=" + base64url_encode(signature_of(path, expires_ms, audience, key));
}

tl::expected<SignedLink, LinkError> verify_link(std::string_view path, std::string_view query,
                                                std::string_view key, std::int64_t now_ms) {
  const auto expires = query_parameter(query, "expires");
  auto audience = query_parameter(query, "for");
  const auto text = query_parameter(query, "sig");
  if (!expires || !audience || !text) return tl::unexpected(LinkError::Malformed);
  const auto signature = base64url_decode(*text);
  SignedLink link;
  const char* end = expires->data() + expires->size();
  const auto number = std::from_chars(expires->data(), end, link.expires_ms);
  if (!signature || number.ec != std::errc() || number.ptr != end) {
    return tl::unexpected(LinkError::Malformed);
  }
  const std::string wanted = signature_of(path, link.expires_ms, *audience, key);
  if (signature->size() != wanted.size() ||
      CRYPTO_memcmp(signature->data(), wanted.data(), wanted.size()) != 0) {
    return tl::unexpected(LinkError::BadSignature);
  }
  if (link.expires_ms <= now_ms) return tl::unexpected(LinkError::Expired);
  link.audience = std::move(*audience);
  return link;
}

}  // namespace parley::control
