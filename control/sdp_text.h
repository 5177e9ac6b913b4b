#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Small helpers for line-and-word formats, used by the SDP reader and by those who read fmtp.
namespace parley::control::sdp {

// The whole text as a decimal number of at most `max`: no sign, no blanks, nothing behind.
template <class T>
[[nodiscard]] std::optional<T> number(std::string_view text, std::uint64_t max) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return static_cast<T>(value);
}

// Cuts off and returns what stands before the first `separator`; all of it when there is none.
[[nodiscard]] constexpr std::string_view take_until(std::string_view& text,
                                                    char separator) noexcept {
  const std::size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return head;
}

// The next word between blanks; empty at the end.
[[nodiscard]] constexpr std::string_view take_word(std::string_view& text) noexcept {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return take_until(text, ' ');
}

[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// The value of one parameter of a=fmtp, "level-asymmetry-allowed=1;packetization-mode=1".
[[nodiscard]] constexpr std::optional<std::string_view> fmtp_value(std::string_view fmtp,
                                                                   std::string_view name) noexcept {
  while (!fmtp.empty()) {
    std::string_view value = take_until(fmtp, ';');
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    if (const auto key = take_until(value, '='); equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

// `min` to `max` ice-chars (RFC 8839, section 5.4).
[[nodiscard]] bool is_ice_text(std::string_view text, std::size_t min, std::size_t max);

// The bytes of "4A:AD:..", exactly `size` of them (RFC 8122, section 5).
[[nodiscard]] std::optional<std::vector<std::uint8_t>> read_digest(std::string_view text,
                                                                   std::size_t size);

// Outside text inside an error message: short, and without bytes that could forge a log line.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace parley::control::sdp
