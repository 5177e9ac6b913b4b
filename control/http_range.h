#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace parley::control {

// Byte ranges of one file (RFC 9110, section 14): which part of `size` bytes a Range field asks
// for. Several ranges at once, other units and fields that do not parse count as no field at all,
// which the RFC allows; browsers ask for one range when they seek.
struct WholeFile {};
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
struct Unsatisfiable {};
using RangeChoice = std::variant<WholeFile, ByteRange, Unsatisfiable>;
[[nodiscard]] RangeChoice choose_range(std::string_view field, std::uint64_t size);

// A strong validator from what changes when a file does (section 8.8.3).
[[nodiscard]] std::string entity_tag(std::uint64_t size, std::int64_t modified_ns,
                                     std::uint64_t inode);
// Whether an If-None-Match field names the tag (weak comparison) or is "*".
[[nodiscard]] bool matches_none_match(std::string_view field, std::string_view tag);

// "Sun, 06 Nov 1994 08:49:37 GMT" (section 5.6.7).
[[nodiscard]] std::string http_date(std::int64_t wall_ms);

}  // namespace parley::control
