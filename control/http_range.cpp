#include "control/http_range.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <optional>

namespace parley::control {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits only. A number beyond 64 bits is larger than any file.
std::optional<std::uint64_t> digits(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() ? number : UINT64_MAX;
}

}  // namespace

RangeChoice choose_range(std::string_view field, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!field.starts_with(kUnit)) return WholeFile{};
  field = trim(field.substr(kUnit.size()));
  const std::size_t dash = field.find('-');
  if (dash == std::string_view::npos || field.find(',') != std::string_view::npos) {
    return WholeFile{};
  }
  const std::string_view from = trim(field.substr(0, dash));
  const std::string_view to = trim(field.substr(dash + 1));
  if (from.empty()) {  // the last so many bytes
    const auto count = digits(to);
    if (!count) return WholeFile{};
    if (*count == 0 || size == 0) return Unsatisfiable{};
    return ByteRange{size - std::min(*count, size), std::min(*count, size)};
  }
  const auto first = digits(from);
  const auto last = to.empty() ? std::optional(UINT64_MAX) : digits(to);
  if (!first || !last || *last < *first) return WholeFile{};
  if (*first >= size) return Unsatisfiable{};
  return ByteRange{*first, std::min(*last, size - 1) - *first + 1};
}

std::string entity_tag(std::uint64_t size, std::int64_t modified_ns, std::uint64_t inode) {
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "\"%llx-%llx-%llx\"", static_cast<unsigned long long>(size),
      static_cast<unsigned long long>(modified_ns), static_cast<unsigned long long>(inode));
  return {text.data(), static_cast<std::size_t>(length)};
}

bool matches_none_match(std::string_view field, std::string_view tag) {
  while (!field.empty()) {
    const std::size_t end = std::min(field.find(','), field.size());
    std::string_view item = trim(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == tag || item == "*") return true;
  }
  return false;
}

std::string http_date(std::int64_t wall_ms) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                   kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                                   kMonths.at(static_cast<std::size_t>(utc.tm_mon)),
                                   utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace parley::control
