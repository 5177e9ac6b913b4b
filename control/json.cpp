#include "control/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include <nlohmann/json.hpp>

namespace parley::control {
namespace {

// Errors go back to the sender and into logs: long ones say no more.
constexpr std::size_t kMaxErrorBytes = 200;
// Beyond this a double no longer holds every integer, so the text was not one for sure.
constexpr double kExactIntegers = 9'007'199'254'740'992.0;

// Builds our value from nlohmann's events. `open_` holds the containers that are not closed yet;
// the pointers stay good because only the innermost one grows.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(Json::Limits limits) : limits_(limits) {}

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(std::int64_t value) override { return add(Json(value)); }
  bool number_unsigned(std::uint64_t value) override {
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return fail("integer out of range");
    return add(Json(static_cast<std::int64_t>(value)));
  }
  bool number_float(double value, const std::string& text) override {
    if (!std::isfinite(value)) return fail("number out of range");
    if (text.find_first_of(".eE") == std::string::npos) return fail("integer out of range");
    if (std::nearbyint(value) == value && std::fabs(value) <= kExactIntegers) {
      return add(Json(static_cast<std::int64_t>(value)));
    }
    return add(Json(value));
  }
  bool string(std::string& value) override { return add(Json(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) override { return fail("binary value"); }
  bool start_object(std::size_t) override { return open(Json(Json::Object{})); }
  bool start_array(std::size_t) override { return open(Json(Json::Array{})); }
  bool key(std::string& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool end_object() override {
    // Sorted once per object: a search at each member would be quadratic in a hostile text.
    const Json::Object& members = *open_.back()->as_object();
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const auto& [name, value] : members) names.emplace_back(name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) return fail("duplicate key " + Json(*twice).dump());
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::json::exception& error) override {
    std::string_view what = error.what();
    // "[json.exception.parse_error.101] parse error at ...": the number is not for our readers.
    if (const auto end = what.find("] "); end != std::string_view::npos)
      what.remove_prefix(end + 2);
    return fail(std::string(what));
  }

  [[nodiscard]] Json take() { return std::move(root_); }
  [[nodiscard]] Json::ParseError error() const {
    return error_.empty() ? "no JSON value" : error_.substr(0, kMaxErrorBytes);
  }

 private:
  bool fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  Json* place(Json value) {
    if (++values_ > limits_.max_values) {
      (void)fail("more than " + std::to_string(limits_.max_values) + " values");
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    return open_.back()->append_parsed(std::move(key_), std::move(value));
  }
  bool add(Json value) { return place(std::move(value)) != nullptr; }
  bool open(Json container) {
    if (open_.size() >= limits_.max_depth) {
      return fail("nested deeper than " + std::to_string(limits_.max_depth));
    }
    Json* placed = place(std::move(container));
    if (placed == nullptr) return false;
    open_.push_back(placed);
    return true;
  }

  Json::Limits limits_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
  std::size_t values_ = 0;
  std::string error_;
};

void dump_string(const std::string& value, std::string& into) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  if (plain) {
    into.append(1, '"').append(value).append(1, '"');
    return;
  }
  into += nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class Number>
void dump_number(Number value, std::string& into) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits(text.data(), static_cast<std::size_t>(result.ptr - text.data()));
  into += digits;
  // Large doubles come out as whole numbers, and would be read as integers.
  if (std::is_floating_point_v<Number> && digits.find_first_of(".e") == std::string_view::npos) {
    into += ".0";
  }
}

void dump_value(const Json& value, std::string& into) {
  if (const auto flag = value.as_bool()) {
    into += *flag ? "true" : "false";
  } else if (value.is_int()) {
    dump_number(*value.as_int(), into);
  } else if (const auto number = value.as_number()) {
    // JSON has no word for infinity or NaN.
    if (std::isfinite(*number)) {
      dump_number(*number, into);
    } else {
      into += "null";
    }
  } else if (const std::string* text = value.as_string()) {
    dump_string(*text, into);
  } else if (const Json::Array* items = value.as_array()) {
    into += '[';
    for (std::size_t i = 0; i < items->size(); ++i) {
      if (i > 0) into += ',';
      dump_value((*items)[i], into);
    }
    into += ']';
  } else if (const Json::Object* members = value.as_object()) {
    into += '{';
    for (std::size_t i = 0; i < members->size(); ++i) {
      if (i > 0) into += ',';
      dump_string((*members)[i].first, into);
      into += ':';
      dump_value((*members)[i].second, into);
    }
    into += '}';
  } else {
    into += "null";
  }
}

}  // namespace

tl::expected<Json, Json::ParseError> Json::parse(std::string_view text) {
  return parse(text, Limits{});
}

tl::expected<Json, Json::ParseError> Json::parse(std::string_view text, Limits limits) {
  if (text.size() > limits.max_bytes) {
    return tl::unexpected("longer than " + std::to_string(limits.max_bytes) + " bytes");
  }
  // The parser below would skip a byte order mark and take a zero byte for the end of the text.
  if (text.starts_with("\xEF\xBB\xBF"))
    return tl::unexpected(ParseError("starts with a byte order mark"));
  if (text.find('\0') != std::string_view::npos)
    return tl::unexpected(ParseError("holds a zero byte"));
  Builder builder(limits);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return tl::unexpected(builder.error());
  }
  return builder.take();
}

tl::expected<Json, Json::ParseError> Json::parse_own(std::string_view text) {
  constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
  return parse(text, {kAny, 64, kAny});
}

std::string Json::dump() const {
  std::string text;
  dump_value(*this, text);
  return text;
}

std::optional<bool> Json::as_bool() const {
  const bool* value = std::get_if<bool>(&value_);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::int64_t> Json::as_int() const {
  const auto* value = std::get_if<std::int64_t>(&value_);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<double> Json::as_number() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  return std::nullopt;
}

const Json* Json::find(std::string_view name) const {
  const Object* members = as_object();
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(),
                                  [&](const Member& member) { return member.first == name; });
  return found != members->end() ? &found->second : nullptr;
}

Json& Json::set(std::string_view name, Json value) {
  if (is_null()) value_ = Object{};
  auto& members = std::get<Object>(value_);
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const Member& member) { return member.first == name; });
  if (found != members.end()) {
    found->second = std::move(value);
  } else {
    members.emplace_back(name, std::move(value));
  }
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array{};
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

Json* Json::append_parsed(std::string&& name, Json value) {
  if (auto* items = std::get_if<Array>(&value_)) return &items->emplace_back(std::move(value));
  return &std::get<Object>(value_).emplace_back(std::move(name), std::move(value)).second;
}

std::string text_member(const Json& object, std::string_view name) {
  const Json* value = object.find(name);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string() : *text;
}
std::int64_t integer_member(const Json& object, std::string_view name, std::int64_t fallback) {
  const Json* value = object.find(name);
  return value == nullptr ? fallback : value->as_int().value_or(fallback);
}
std::optional<std::uint32_t> limit_member(const Json& object, std::string_view name) {
  const Json* value = object.find(name);
  const auto number = value == nullptr ? std::nullopt : value->as_int();
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}
bool flag_member(const Json& object, std::string_view name) {
  const Json* value = object.find(name);
  return value != nullptr && value->as_bool().value_or(false);
}

}  // namespace parley::control
