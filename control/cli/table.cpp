#include "control/cli/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace parley::cli {
namespace {

using control::Json;

constexpr std::size_t kMaxCell = 48;

std::size_t width_of(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string cell_text(std::string_view name, const Json& value) {
  if (value.is_null()) return "-";
  const auto number = value.is_int() ? value.as_int() : std::nullopt;
  if (number && *number > 0 &&
      (name.ends_with("_at_ms") || name == "time_ms" || name == "created_ms" ||
       name == "started_ms" || name == "ended_ms" || name == "joined_ms")) {
    return time_text(*number);
  }
  std::string text = value.is_string() ? *value.as_string() : value.dump();
  // What others have named must not command the terminal.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t has = width_of(text);
  if (has < width) text.append(width - has, ' ');
  return text;
}

// Columns are the members that all rows together have, in the order of their first appearance;
// objects and long texts are left to --json.
std::string table_of(const Json::Array& rows) {
  std::vector<std::string> columns;
  for (const Json& row : rows) {
    for (const auto& [name, value] : *row.as_object()) {
      if (value.is_object() || value.is_array()) continue;
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
    }
  }
  std::vector<std::vector<std::string>> cells = {columns};
  for (const Json& row : rows) {
    std::vector<std::string> line;
    for (const std::string& name : columns) {
      const Json* value = row.find(name);
      std::string text = value == nullptr ? "" : cell_text(name, *value);
      if (width_of(text) > kMaxCell) text = "(long)";
      line.push_back(std::move(text));
    }
    cells.push_back(std::move(line));
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], width_of(line[i]));
  }
  std::string text;
  for (const auto& line : cells) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) row += padded(line[i], widths[i] + 2);
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

bool is_table(const Json& value) {
  const Json::Array* rows = value.as_array();
  return rows != nullptr && !rows->empty() &&
         std::all_of(rows->begin(), rows->end(), [](const Json& row) { return row.is_object(); });
}

// The kind of value that a parameter takes, if it is one of the simple ones.
std::string type_of(const control::SchemaSet& schemas, const Json& schema) {
  if (const Json* target = schema.find("$ref")) {
    const std::string& reference = *target->as_string();
    const Json* file = schemas.file(reference.substr(0, reference.find('#')));
    const Json* named = file->find("$defs")->find(reference.substr(reference.rfind('/') + 1));
    return type_of(schemas, *named);
  }
  if (schema.find("enum") != nullptr) return "string";
  const Json* type = schema.find("type");
  if (type == nullptr) return "";
  return *(type->is_array() ? type->as_array()->front() : *type).as_string();
}

tl::expected<Json, std::string> read_value(const std::string& type, const std::string& text) {
  if (type == "string") return Json(text);
  if (text == "null") return Json();
  if (type == "boolean" && (text == "true" || text == "false")) return Json(text == "true");
  if (type == "integer") {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return Json(number);
  }
  if (type == "object" || type == "array" || type.empty()) {
    if (auto json = Json::parse(text)) return *json;
    if (type.empty()) return Json(text);
  }
  return tl::unexpected("\"" + text + "\" is no " + type);
}

}  // namespace

std::string time_text(std::int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

std::string as_text(const Json& result) {
  const Json::Object* members = result.as_object();
  if (members == nullptr) return result.dump() + "\n";
  std::string text;
  std::size_t longest = 0;
  for (const auto& [name, value] : *members) longest = std::max(longest, width_of(name));
  for (const auto& [name, value] : *members) {
    if (is_table(value)) continue;
    if (value.is_array() && value.as_array()->empty()) {
      text += padded(name, longest + 2) + "none\n";
      continue;
    }
    text += padded(name, longest + 2) + cell_text(name, value) + "\n";
  }
  for (const auto& [name, value] : *members) {
    if (!is_table(value)) continue;
    if (!text.empty()) text += "\n";
    text += table_of(*value.as_array());
  }
  return text;
}

tl::expected<Json, std::string> read_params(const control::SchemaSet& schemas,
                                            const std::string& method,
                                            const std::vector<std::string>& words) {
  if (words.size() == 1 && words.front().find('=') == std::string::npos) {
    const auto json = Json::parse(words.front());
    if (!json || !json->is_object()) {
      return tl::unexpected(std::string("params are a JSON object, or words NAME=VALUE"));
    }
    return *json;
  }
  if (words.size() == 1 && words.front().starts_with('{')) {
    const auto json = Json::parse(words.front());
    if (!json) return tl::unexpected("params: " + json.error());
    return *json;
  }
  Json params{Json::Object{}};
  const auto described = schemas.backend_methods().find(method);
  const Json* known = described == schemas.backend_methods().end()
                          ? nullptr
                          : described->second.params->find("properties");
  for (const std::string& word : words) {
    const std::size_t at = word.find('=');
    if (at == std::string::npos || at == 0) {
      return tl::unexpected("\"" + word + "\" is not of the form NAME=VALUE");
    }
    const std::string name = word.substr(0, at);
    const Json* schema = known == nullptr ? nullptr : known->find(name);
    auto value =
        read_value(schema == nullptr ? "" : type_of(schemas, *schema), word.substr(at + 1));
    if (!value) return tl::unexpected(name + ": " + value.error());
    params.set(name, std::move(*value));
  }
  return params;
}

}  // namespace parley::cli
