#include "control/sdp_text.h"

#include <algorithm>

namespace parley::control::sdp {
namespace {

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (lower(c) >= 'a' && lower(c) <= 'f') return static_cast<std::uint8_t>(lower(c) - 'a' + 10);
  return std::nullopt;
}

}  // namespace

bool is_ice_text(std::string_view text, std::size_t min, std::size_t max) {
  return text.size() >= min && text.size() <= max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '+' || c == '/';
         });
}

std::optional<std::vector<std::uint8_t>> read_digest(std::string_view text, std::size_t size) {
  if (text.size() != size * 3 - 1) return std::nullopt;
  std::vector<std::uint8_t> digest;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const auto high = hex_digit(text[i]);
    const auto low = hex_digit(text[i + 1]);
    if (!high || !low || (i + 2 < text.size() && text[i + 2] != ':')) return std::nullopt;
    digest.push_back(static_cast<std::uint8_t>(*high << 4 | *low));
  }
  return digest;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 40)) out += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  return out + (text.size() > 40 ? "...\"" : "\"");
}

}  // namespace parley::control::sdp
