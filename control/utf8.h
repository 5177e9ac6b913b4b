#pragma once

#include <string_view>

namespace parley::control {

// Whether the bytes are UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF
// (RFC 3629, section 4).
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

}  // namespace parley::control
