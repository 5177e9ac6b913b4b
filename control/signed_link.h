#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace parley::control {

// Links to files that carry their own permission: path, expiry and the one they were made for,
// under an HMAC-SHA256. Whoever holds the link may fetch until it expires; nothing is stored.

enum class LinkError : std::uint8_t { Malformed, BadSignature, Expired };
[[nodiscard]] std::string_view to_string(LinkError error) noexcept;

struct SignedLink {
  std::string audience;  // whom it was made for, for the log
  std::int64_t expires_ms = 0;
};

// "/v1/recordings/rec_x/0?expires=...&for=...&sig=...". `path` is the decoded path as
// HttpRequest::path will hold it (ASCII without '?', '#', '%' or blanks, which our ids keep to).
[[nodiscard]] std::string sign_link(std::string_view path, std::int64_t expires_ms,
                                    std::string_view audience, std::string_view key);

// Path and query as in HttpRequest. Compares in constant time and looks at the expiry only after
// the signature.
[[nodiscard]] tl::expected<SignedLink, LinkError> verify_link(std::string_view path,
                                                              std::string_view query,
                                                              std::string_view key,
                                                              std::int64_t now_ms);

}  // namespace parley::control
