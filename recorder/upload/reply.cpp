#include "recorder/upload/reply.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace parley::upload {
namespace {

constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
    {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};

// "amp", "#43", "#x2B": of characters only those that ids and codes are made of, ASCII.
std::optional<char> entity(std::string_view name) {
  if (name.starts_with('#')) {
    const bool in_hex = name.starts_with("#x");
    const std::string_view digits = name.substr(in_hex ? 2 : 1);
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, in_hex ? 16 : 10);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value > 0 && value < 128 ? std::optional(static_cast<char>(value)) : std::nullopt;
  }
  const auto* const known = std::find_if(kEntities.begin(), kEntities.end(),
                                         [&](const auto& one) { return one.first == name; });
  return known == kEntities.end() ? std::nullopt : std::optional(known->second);
}

std::string resolved(std::string_view written) {
  std::string text;
  while (!written.empty()) {
    const std::size_t end = written.starts_with('&') ? written.find(';') : std::string_view::npos;
    const auto c =
        end == std::string_view::npos ? std::nullopt : entity(written.substr(1, end - 1));
    text += c.value_or(written.front());
    written.remove_prefix(c ? end + 1 : 1);
  }
  return text;
}

}  // namespace

std::vector<std::string_view> elements(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name);
  const std::string close = "</" + std::string(name) + ">";
  std::vector<std::string_view> found;
  while (found.size() < kMaxElements) {
    const std::size_t begin = xml.find(open);
    if (begin == std::string_view::npos) break;
    xml.remove_prefix(begin + open.size());
    if (!xml.starts_with('>') && !xml.starts_with(' ')) continue;  // a longer name
    const std::size_t content = xml.find('>');
    if (content == std::string_view::npos) break;
    xml.remove_prefix(content + 1);
    const std::size_t end = xml.find(close);
    if (end == std::string_view::npos) break;
    found.push_back(xml.substr(0, end));
    xml.remove_prefix(end + close.size());
  }
  return found;
}

std::optional<std::string> text_in(std::string_view xml, std::string_view name) {
  const auto all = elements(xml, name);
  return all.empty() ? std::nullopt : std::optional(resolved(all.front()));
}

std::string xml_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto* const known = std::find_if(kEntities.begin(), kEntities.end(),
                                           [&](const auto& one) { return one.second == c; });
    escaped += known == kEntities.end() ? std::string(1, c) : "&" + std::string(known->first) + ";";
  }
  return escaped;
}

}  // namespace parley::upload
