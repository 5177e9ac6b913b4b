#include "control/url.h"

#include <algorithm>

namespace parley::control {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_dots(std::string_view segment) { return segment == "." || segment == ".."; }

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kHex[byte >> 4U];
      encoded += kHex[byte & 15U];
    }
  }
  return encoded;
}

std::optional<Target> parse_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = target.find_first_of("/?#");
    if (end == 0 || target.empty()) return std::nullopt;  // no host
    target = end == std::string_view::npos ? "/" : target.substr(end);
    break;
  }
  if (!target.starts_with('/')) return std::nullopt;
  if (std::any_of(target.begin(), target.end(), is_control)) return std::nullopt;
  if (target.find('#') != std::string_view::npos) return std::nullopt;  // never sent
  const std::size_t question = target.find('?');
  const std::string_view raw = target.substr(0, question);
  Target parsed;
  if (question != std::string_view::npos) parsed.query = target.substr(question + 1);

  for (std::size_t at = 0; at < raw.size();) {
    const std::size_t end = std::min(raw.find('/', at + 1), raw.size());
    const auto segment = percent_decode(raw.substr(at + 1, end - at - 1));
    if (!segment || is_dots(*segment)) return std::nullopt;
    if (segment->find_first_of("/\\") != std::string::npos) return std::nullopt;
    if (std::any_of(segment->begin(), segment->end(), is_control)) return std::nullopt;
    if (!segment->empty() || end == raw.size()) parsed.path += "/" + *segment;
    at = end;
  }
  return parsed;
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto key = percent_decode(pair.substr(0, equals), true);
    if (!key || *key != name) continue;
    return percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
  }
  return std::nullopt;
}

}  // namespace parley::control
