#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley::control {

// The pieces of a request target (RFC 3986, RFC 9112, section 3.2), decoded once and strictly.

// "%41" becomes "A". Nothing for a broken escape. `plus_is_space` as in HTML forms.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text,
                                                        bool plus_is_space = false);
// Everything but RFC 3986's unreserved characters as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

struct Target {
  std::string path;   // decoded
  std::string query;  // as it came, without '?'
};
// Origin form ("/a/b?c") and absolute form ("http://host/a/b?c"). Refused: anything else, control
// characters and NUL (also escaped), escaped slashes, backslashes, and "." or ".." segments, which
// no client of ours sends and every one of which someone once used to leave a directory. Runs of
// slashes become one.
[[nodiscard]] std::optional<Target> parse_target(std::string_view target);

// The decoded value of the first parameter of that name.
[[nodiscard]] std::optional<std::string> query_parameter(std::string_view query,
                                                         std::string_view name);

}  // namespace parley::control
