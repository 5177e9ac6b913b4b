#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

namespace parley::control {

// A JSON value of our own: strict on the way in, always valid on the way out. It keeps the order
// of object members. Numbers are integers wherever they can be (the protocol has no fractions).
// Parsing stands on nlohmann::json, which nobody but json.cpp includes.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  struct Limits {
    std::size_t max_bytes = 262'144;
    std::size_t max_depth = 32;
    std::size_t max_values = 65'536;
  };
  // What was wrong, for people: "duplicate key \"id\"", "nested deeper than 32".
  using ParseError = std::string;

  // Refuses: bad UTF-8, lone surrogates, duplicate keys, numbers out of range (1e400), anything
  // after the value, and whatever passes a limit (RFC 8259).
  [[nodiscard]] static tl::expected<Json, ParseError> parse(std::string_view text);
  [[nodiscard]] static tl::expected<Json, ParseError> parse(std::string_view text, Limits limits);
  // What we wrote ourselves, of any size: a limit there would lose what was kept.
  [[nodiscard]] static tl::expected<Json, ParseError> parse_own(std::string_view text);
  // Compact UTF-8. Bytes that are no UTF-8 come out as U+FFFD; it never fails.
  [[nodiscard]] std::string dump() const;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(std::int64_t{value}) {}
  Json(unsigned value) : value_(std::int64_t{value}) {}
  Json(std::int64_t value) : value_(value) {}
  Json(std::uint64_t value) : value_(static_cast<std::int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  // json_object({{"a", 1}, {"b", "x"}}) reads better than naming the types at each place.
  [[nodiscard]] static Json object(std::initializer_list<Member> members) {
    return Json(Object(members));
  }
  [[nodiscard]] static Json array() { return Json(Array{}); }

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(value_); }
  [[nodiscard]] bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(value_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(value_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Empty (or null) when the value is of another kind: nothing here throws.
  [[nodiscard]] std::optional<bool> as_bool() const;
  [[nodiscard]] std::optional<std::int64_t> as_int() const;
  [[nodiscard]] std::optional<double> as_number() const;
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&value_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&value_); }
  [[nodiscard]] const Object* as_object() const { return std::get_if<Object>(&value_); }

  // The member of that name, or null (also when this is no object).
  [[nodiscard]] const Json* find(std::string_view name) const;
  // Adds or replaces a member; a null value becomes an object first.
  Json& set(std::string_view name, Json value);
  // Appends to an array; a null value becomes an array first.
  Json& push(Json value);

  // For the parser: puts a value at the end of this array, or of this object under `name`, without
  // looking for the name. The place stays good until the next one is appended here.
  Json* append_parsed(std::string&& name, Json value);

  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// Members of rows we wrote ourselves: absent or odd ones read as empty.
[[nodiscard]] std::string text_member(const Json& object, std::string_view name);
[[nodiscard]] std::int64_t integer_member(const Json& object, std::string_view name,
                                          std::int64_t fallback = 0);
// Nothing when it is not there, or null.
[[nodiscard]] std::optional<std::uint32_t> limit_member(const Json& object, std::string_view name);
[[nodiscard]] bool flag_member(const Json& object, std::string_view name);

}  // namespace parley::control
