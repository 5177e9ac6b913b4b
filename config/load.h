#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "config/config.h"

namespace parley::config {

// Files over this size are refused before they are parsed.
inline constexpr std::size_t kMaxFileBytes = 1'048'576;

// Reads YAML strictly: an unknown key, a key given twice, a wrong type or a number out of range is
// an error, because a typing mistake in an operator's file must not become a default in silence.
// An error is one line, `name:line:column: key: what and why`, for the first mistake found. What
// the text does not mention keeps its default, so an empty text gives Config{}.
//
// `name` stands for the file in errors. Secrets that the text points to (`secrets_file`,
// `secrets_env`) are read here too.
[[nodiscard]] tl::expected<Config, std::string> load_text(std::string_view text,
                                                          std::string_view name);

// The same from a file; one that cannot be read is an error without line and column.
[[nodiscard]] tl::expected<Config, std::string> load_file(const std::string& path);

}  // namespace parley::config
