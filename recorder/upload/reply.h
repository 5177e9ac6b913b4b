#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::upload {

// What object stores answer: XML that is small, without attributes that matter and hardly nested.
// This finds elements by their name; it is no XML parser and judges nothing.

inline constexpr std::size_t kMaxElements = 10'000;

// What stands in each element of that name, as it is written.
[[nodiscard]] std::vector<std::string_view> elements(std::string_view xml, std::string_view name);
// The text of the first one, entities resolved.
[[nodiscard]] std::optional<std::string> text_in(std::string_view xml, std::string_view name);
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace parley::upload
