#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "control/json.h"

namespace parley::control::model {

// As the lists of what a JSON value must have: other members may be there.
inline bool has_all(const Json& actual, const Json& expected) {
  if (const Json::Object* members = expected.as_object()) {
    return std::all_of(members->begin(), members->end(), [&](const auto& member) {
      const Json* other = actual.find(member.first);
      return other != nullptr && has_all(*other, member.second);
    });
  }
  const Json::Array* list = expected.as_array();
  if (list == nullptr) return actual == expected;
  const Json::Array* other = actual.as_array();
  return other != nullptr &&
         std::equal(other->begin(), other->end(), list->begin(), list->end(), has_all);
}

// Names the daemon's ids by the order in which they came up, as the model does, and back.
class Names {
 public:
  Json short_ones(const Json& json) {
    return each_text(json, [this](const std::string& text) {
      constexpr std::size_t kIdBytes = 29;  // "pa_" and 26; also in "participant:pa_..."
      const std::size_t at = text.rfind(':') == std::string::npos ? 0 : text.rfind(':') + 1;
      const std::string kind = text.substr(at, 3);
      if (text.size() != at + kIdBytes || !counts_.contains(kind)) return text;
      const auto [place, fresh] = short_.try_emplace(text.substr(at));
      if (fresh) place->second = kind + std::to_string(++counts_[kind]);
      long_.emplace(place->second, place->first);
      return text.substr(0, at) + place->second;
    });
  }
  [[nodiscard]] Json long_ones(const Json& json) const {
    return each_text(json, [this](const std::string& text) {
      const auto it = long_.find(text);
      return it == long_.end() ? text : it->second;
    });
  }

 private:
  template <class Rename>
  static Json each_text(const Json& json, const Rename& rename) {
    if (const std::string* text = json.as_string()) return rename(*text);
    if (const Json::Array* list = json.as_array()) {
      Json::Array out;
      for (const Json& one : *list) out.push_back(each_text(one, rename));
      return out;
    }
    if (!json.is_object()) return json;
    Json::Object out;
    for (const auto& [name, value] : *json.as_object()) {
      out.emplace_back(name, each_text(value, rename));
    }
    return out;
  }
  std::map<std::string, int> counts_{{"rm_", 0}, {"se_", 0}, {"pa_", 0}, {"tr_", 0}};
  std::map<std::string, std::string> short_, long_;
};

}  // namespace parley::control::model
