#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley::control {

// Base64 in the usual alphabet, padded (RFC 4648, section 4).
[[nodiscard]] std::string base64_encode(std::string_view bytes);

// Base64 in the alphabet for URLs, without padding (RFC 4648, section 5), as JOSE uses it.
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
// Strict: no padding, no other letters, no left-over bits that are not zero, so that there is only
// one text for the same bytes.
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace parley::control
