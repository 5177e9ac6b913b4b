#include "control/params.h"

#include <algorithm>

namespace parley::control {

const Json* Params::take(std::string_view name) {
  known_.push_back(name);
  const Json* value = params_.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Params::is_null(std::string_view name) const {
  const Json* value = params_.find(name);
  return value != nullptr && value->is_null();
}

const Json* Params::require(std::string_view name) {
  const Json* value = take(name);
  if (value == nullptr) refuse(name, std::string(name) + " is missing");
  return value;
}

void Params::refuse(std::string_view name, std::string message) {
  if (!error_) {
    error_ = rpc_error(Status::InvalidArgument, "invalid_argument", std::move(message), name);
  }
}

void Params::refuse_inside(std::string_view name, RpcError error) {
  if (error_) return;
  const std::string place = std::string(name) + ".";
  if (error.reason != "unknown_field") error.message.insert(0, place);  // it begins with the field
  error.field.insert(0, place);
  error_ = std::move(error);
}

std::string Params::checked_text(std::string_view name, const Json& value, Length length) {
  const std::string* text = value.as_string();
  if (text == nullptr || text->size() < length.min || text->size() > length.max) {
    refuse(name, std::string(name) + " must be a string of " + std::to_string(length.min) + ".." +
                     std::to_string(length.max) + " bytes");
    return {};
  }
  return *text;
}

std::string Params::text(std::string_view name, Length length) {
  const Json* value = require(name);
  return value == nullptr ? std::string() : checked_text(name, *value, length);
}

std::optional<std::string> Params::optional_text(std::string_view name, Length length) {
  const Json* value = take(name);
  if (value == nullptr) return std::nullopt;
  return checked_text(name, *value, length);
}

std::optional<std::int64_t> Params::optional_integer(std::string_view name, std::int64_t min,
                                                     std::int64_t max) {
  const Json* value = take(name);
  if (value == nullptr) return std::nullopt;
  const auto number = value->as_int();
  if (!value->is_int() || !number || *number < min || *number > max) {
    std::string range = "at least " + std::to_string(min);
    if (max != std::numeric_limits<std::int64_t>::max()) {
      range = std::to_string(min) + ".." + std::to_string(max);
    }
    refuse(name, std::string(name) + " must be a whole number, " + range);
    return std::nullopt;
  }
  return number;
}

std::int64_t Params::integer(std::string_view name, std::int64_t min, std::int64_t max) {
  if (require(name) == nullptr) return min;
  return optional_integer(name, min, max).value_or(min);
}

std::optional<bool> Params::optional_flag(std::string_view name) {
  const Json* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) refuse(name, std::string(name) + " must be true or false");
  return value->as_bool();
}

bool Params::flag(std::string_view name) {
  if (require(name) == nullptr) return false;
  return optional_flag(name).value_or(false);
}

const Json::Object* Params::object(std::string_view name) {
  const Json* value = take(name);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) refuse(name, std::string(name) + " must be an object");
  return value->as_object();
}

const Json::Array* Params::array(std::string_view name, std::size_t max) {
  const Json* value = take(name);
  if (value == nullptr) return nullptr;
  const Json::Array* array = value->as_array();
  if (array == nullptr || array->size() > max) {
    refuse(name, std::string(name) + " must be an array of at most " + std::to_string(max));
    return nullptr;
  }
  return array;
}

std::optional<std::string> Params::choice(std::string_view name,
                                          const std::vector<std::string_view>& allowed) {
  const Json* value = take(name);
  if (value == nullptr) return std::nullopt;
  const std::string* text = value->as_string();
  if (text != nullptr && std::find(allowed.begin(), allowed.end(), *text) != allowed.end()) {
    return *text;
  }
  std::string message = std::string(name) + " must be one of";
  for (const std::string_view word : allowed) message += " " + std::string(word);
  refuse(name, std::move(message));
  return std::nullopt;
}

RpcResult<void> Params::finish() {
  if (const Json::Object* members = params_.as_object(); members != nullptr && !error_) {
    for (const auto& [name, value] : *members) {
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
        error_ = rpc_error(Status::InvalidArgument, "unknown_field",
                           "there is no parameter of this name", name);
        break;
      }
    }
  }
  if (error_) return tl::unexpected(*error_);
  return {};
}

bool is_printable_text(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (byte(i) < 0x20 || byte(i) == 0x7f) return false;
    if (byte(i) == 0xc2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xa0) return false;  // C1
    if (byte(i) == 0xe2 && byte(i + 1) == 0x80 && byte(i + 2) >= 0xa8 && byte(i + 2) <= 0xae) {
      return false;  // U+2028, U+2029 separators, U+202A..202E overrides
    }
    if (byte(i) == 0xe2 && byte(i + 1) == 0x81 && byte(i + 2) >= 0xa6 && byte(i + 2) <= 0xa9) {
      return false;  // U+2066..2069 isolates
    }
  }
  return true;
}

bool is_plain_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::vector<std::string> read_texts(Params& params, std::string_view name, std::size_t max,
                                    std::string_view of) {
  std::vector<std::string> texts;
  const Json::Array* list = params.array(name, max);
  if (list == nullptr) return texts;
  for (const Json& item : *list) {
    const std::string* text = item.as_string();
    if (text == nullptr) {
      params.refuse(name, std::string(name) + " must be an array of " + std::string(of));
      return {};
    }
    texts.push_back(*text);
  }
  return texts;
}

std::vector<std::string> read_identities(Params& params, std::string_view name) {
  constexpr std::size_t kMaxIdentities = 1'000;
  return read_texts(params, name, kMaxIdentities, "identities");
}

}  // namespace parley::control
