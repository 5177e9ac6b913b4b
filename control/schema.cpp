#include "control/schema.h"

#include <algorithm>
#include <array>

namespace parley::control {
namespace {

constexpr std::array<std::string_view, 17> kKeywords = {"$ref",
                                                        "type",
                                                        "enum",
                                                        "const",
                                                        "minimum",
                                                        "maximum",
                                                        "minLength",
                                                        "maxLength",
                                                        "pattern",
                                                        "properties",
                                                        "required",
                                                        "items",
                                                        "minItems",
                                                        "maxItems",
                                                        "allOf",
                                                        "anyOf",
                                                        "additionalProperties"};
constexpr std::array<std::string_view, 2> kAnnotations = {"description", "title"};
constexpr std::string_view kParticipantFile = "rtc.json";

// Of $defs: these hold methods or events by name instead of being a schema.
bool is_table(std::string_view name) { return name == "methods" || name == "events"; }

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool has_type(const Json& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_int();
  if (type == "number") return value.as_number().has_value();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

// `type` is one word or a list of them.
bool takes_type(const Json& types, const Json& value) {
  if (const std::string* one = types.as_string()) return has_type(value, *one);
  const Json::Array& list = *types.as_array();
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& type) { return has_type(value, *type.as_string()); });
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::int64_t number_of(const Json& schema, std::string_view keyword, std::int64_t fallback) {
  return integer_member(schema, keyword, fallback);
}

std::string range_of(const Json& schema, std::string_view min, std::string_view max) {
  const Json* low = schema.find(min);
  const Json* high = schema.find(max);
  if (high == nullptr) return low == nullptr ? "" : "at least " + low->dump();
  return (low == nullptr ? "0" : low->dump()) + ".." + high->dump();
}

// "a whole number, 1..5": what would have been right, behind "must be".
std::string wanted(const Json& schema) {
  if (const Json* words = schema.find("enum")) {
    std::string text = "one of";
    for (const Json& word : *words->as_array()) {
      text += " " + (word.is_string() ? *word.as_string() : word.dump());
    }
    return text;
  }
  if (const Json* value = schema.find("const")) return value->dump();
  const Json* types = schema.find("type");
  if (types == nullptr) return "of another shape";
  const bool several = types->is_array();
  const std::string type = *(several ? types->as_array()->front() : *types).as_string();
  std::string text = type == "boolean"  ? "true or false"
                     : type == "object" ? "an object"
                     : type == "null"   ? "null"
                                        : "a " + type;
  if (type == "integer") {
    text = "a whole number";
    if (const std::string range = range_of(schema, "minimum", "maximum"); !range.empty()) {
      text += ", " + range;
    }
  } else if (type == "string") {
    if (const std::string range = range_of(schema, "minLength", "maxLength"); !range.empty()) {
      text += " of " + range + " characters";
    }
    if (const Json* pattern = schema.find("pattern"))
      text += " that matches " + *pattern->as_string();
  } else if (type == "array") {
    text = "an array";
    if (const std::string range = range_of(schema, "minItems", "maxItems"); !range.empty()) {
      text += " of " + range;
    }
  }
  return several ? text + ", or null" : text;
}

std::string inside(const std::string& place, std::string_view member) {
  return place.empty() ? std::string(member) : place + "." + std::string(member);
}

// References from within a file say "#/$defs/x": with the file's name they mean the same anywhere.
Json with_whole_references(const Json& value, std::string_view file) {
  if (const Json::Array* items = value.as_array()) {
    Json list = Json::array();
    for (const Json& item : *items) list.push(with_whole_references(item, file));
    return list;
  }
  const Json::Object* members = value.as_object();
  if (members == nullptr) return value;
  Json::Object whole;
  for (const auto& [name, member] : *members) {
    const std::string* target = member.as_string();
    const bool local = name == "$ref" && target != nullptr && target->starts_with('#');
    whole.emplace_back(
        name, local ? Json(std::string(file) + *target) : with_whole_references(member, file));
  }
  return Json(std::move(whole));
}

}  // namespace

tl::expected<SchemaSet, std::string> SchemaSet::parse(std::span<const EmbeddedFile> files) {
  SchemaSet set;
  for (const EmbeddedFile& file : files) {
    const auto json = Json::parse(file.content);
    if (!json) return tl::unexpected(std::string(file.name) + ": " + json.error());
    const Json* defs = json->find("$defs");
    if (defs == nullptr || !defs->is_object()) {
      return tl::unexpected(std::string(file.name) + ": $defs are missing");
    }
    set.files_[std::string(file.name)] = with_whole_references(*json, file.name);
  }
  // All that can be referred to must be known before anything is looked into.
  for (const auto& [file, json] : set.files_) {
    for (const auto& [name, schema] : *json.find("$defs")->as_object()) {
      if (!is_table(name)) set.targets_[file + "#/$defs/" + name] = &schema;
    }
  }
  for (const auto& [file, json] : set.files_) {
    for (const auto& [name, schema] : *json.find("$defs")->as_object()) {
      const auto flaw = name == "methods"  ? set.add_methods(file, schema)
                        : name == "events" ? set.flaw_of_each(schema)
                                           : set.flaw_of(schema);
      if (flaw) return tl::unexpected(file + ": " + name + ": " + *flaw);
    }
  }
  return set;
}

std::optional<std::string> SchemaSet::add_methods(std::string_view file, const Json& table) {
  Methods& methods = file == kParticipantFile ? participant_methods_ : backend_methods_;
  for (const auto& [name, entry] : *table.as_object()) {
    const Method method{entry.find("params"), entry.find("result"),
                        text_member(entry, "description")};
    if (method.params == nullptr || method.result == nullptr) return name + " is half a method";
    for (const Json* part : {method.params, method.result}) {
      if (auto flaw = flaw_of(*part)) return name + ": " + *flaw;
    }
    if (!methods.emplace(name, method).second) return name + " is there twice";
  }
  return std::nullopt;
}

std::optional<std::string> SchemaSet::flaw_of_each(const Json& schemas) {
  for (const auto& [name, schema] : *schemas.as_object()) {
    if (auto flaw = flaw_of(schema)) return name + ": " + *flaw;
  }
  return std::nullopt;
}

const SchemaSet& SchemaSet::of_api() {
  static const SchemaSet kSet = parse(schema_files()).value();  // a test parses them, too
  return kSet;
}

const Json* SchemaSet::file(std::string_view name) const {
  const auto it = files_.find(name);
  return it == files_.end() ? nullptr : &it->second;
}

// Looks through a schema once: what it says must be something we serve.
std::optional<std::string> SchemaSet::flaw_of(const Json& schema) {
  if (schema.is_bool()) return std::nullopt;
  if (!schema.is_object()) return "a schema is an object";
  for (const auto& [keyword, value] : *schema.as_object()) {
    if (!is_one_of(kKeywords, keyword) && !is_one_of(kAnnotations, keyword)) {
      return "the keyword " + keyword + " is not served";
    }
    if (keyword == "$ref" && (!value.is_string() || !targets_.contains(*value.as_string()))) {
      return "$ref to nothing: " + value.dump();
    }
    if (keyword == "pattern") {
      try {
        patterns_.emplace(*value.as_string(), std::regex(*value.as_string()));
      } catch (const std::regex_error&) {
        return "bad pattern " + value.dump();
      }
    }
    if (keyword == "properties") {
      if (auto flaw = flaw_of_each(value)) return flaw;
    }
    if (keyword == "items" || keyword == "additionalProperties") {
      if (auto flaw = flaw_of(value)) return flaw;
    }
    if (keyword == "allOf" || keyword == "anyOf") {
      for (const Json& branch : *value.as_array()) {
        if (auto flaw = flaw_of(branch)) return flaw;
      }
    }
  }
  return std::nullopt;
}

const Json& SchemaSet::resolved(const Json& schema) const {
  const Json* at = &schema;
  while (const Json* target = at->find("$ref")) at = targets_.find(*target->as_string())->second;
  return *at;
}

bool SchemaSet::fits_text(const Json& schema, const std::string& text) const {
  const auto size = static_cast<std::int64_t>(characters(text));
  if (size < number_of(schema, "minLength", 0)) return false;
  if (size > number_of(schema, "maxLength", size)) return false;
  const Json* pattern = schema.find("pattern");
  return pattern == nullptr ||
         std::regex_search(text, patterns_.find(*pattern->as_string())->second);
}

// Without looking into members and items.
bool SchemaSet::fits_alone(const Json& schema, const Json& value) const {
  if (const Json* types = schema.find("type"); types != nullptr && !takes_type(*types, value)) {
    return false;
  }
  if (const Json* only = schema.find("const"); only != nullptr && value != *only) return false;
  if (const Json* words = schema.find("enum")) {
    const Json::Array& list = *words->as_array();
    if (std::find(list.begin(), list.end(), value) == list.end()) return false;
  }
  if (const auto number = value.as_number()) {
    const Json* min = schema.find("minimum");
    const Json* max = schema.find("maximum");
    if (min != nullptr && *number < *min->as_number()) return false;
    if (max != nullptr && *number > *max->as_number()) return false;
  }
  const std::string* text = value.as_string();
  if (text != nullptr && !fits_text(schema, *text)) return false;
  if (const Json* branches = schema.find("anyOf")) {
    const Json::Array& list = *branches->as_array();
    return std::any_of(list.begin(), list.end(),
                       [&](const Json& branch) { return !check_at(branch, value, ""); });
  }
  return true;
}

std::optional<SchemaSet::Mistake> SchemaSet::check(const Json& schema, const Json& value) const {
  return check_at(schema, value, "");
}

std::optional<SchemaSet::Mistake> SchemaSet::check_at(const Json& named, const Json& value,
                                                      const Place& place) const {
  const Json& schema = resolved(named);
  if (!fits_alone(schema, value)) {
    return Mistake{place, (place.empty() ? "it" : place) + " must be " + wanted(schema)};
  }
  if (value.is_object()) {
    if (auto mistake = check_object(schema, value, place)) return mistake;
  }
  if (value.is_array()) {
    if (auto mistake = check_array(schema, value, place)) return mistake;
  }
  if (const Json* all = schema.find("allOf")) {
    for (const Json& part : *all->as_array()) {
      if (auto mistake = check_at(part, value, place)) return mistake;
    }
  }
  return std::nullopt;
}

std::optional<SchemaSet::Mistake> SchemaSet::check_object(const Json& schema, const Json& value,
                                                          const Place& place) const {
  const Json* known = schema.find("properties");
  if (const Json* required = schema.find("required")) {
    for (const Json& name : *required->as_array()) {
      if (value.find(*name.as_string()) != nullptr) continue;
      const Place missing = inside(place, *name.as_string());
      return Mistake{missing, missing + " is missing"};
    }
  }
  const Json* others = schema.find("additionalProperties");
  std::optional<Mistake> unknown;
  for (const auto& [name, member] : *value.as_object()) {
    const Json* expected = known == nullptr ? nullptr : known->find(name);
    if (expected == nullptr && others == nullptr) continue;
    const Place at = inside(place, name);
    if (expected == nullptr && *others == Json(false)) {
      if (!unknown) unknown = Mistake{at, "there is no parameter of this name", true};
      continue;
    }
    const Json& rule = expected == nullptr ? *others : *expected;
    if (auto mistake = check_at(rule, member, at)) return mistake;
  }
  return unknown;
}

std::optional<SchemaSet::Mistake> SchemaSet::check_array(const Json& schema, const Json& value,
                                                         const Place& place) const {
  const Json::Array& list = *value.as_array();
  const auto size = static_cast<std::int64_t>(list.size());
  if (size < number_of(schema, "minItems", 0) || size > number_of(schema, "maxItems", size)) {
    return Mistake{place, (place.empty() ? "it" : place) + " must be " + wanted(schema)};
  }
  const Json* items = schema.find("items");
  if (items == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (auto mistake = check_at(*items, list[i], place + "[" + std::to_string(i) + "]")) {
      return mistake;
    }
  }
  return std::nullopt;
}

std::optional<SchemaSet::Mistake> SchemaSet::check_params(const Json& schema,
                                                          const Json& params) const {
  const Json::Object& members = *params.as_object();
  const Json* known = schema.find("properties");
  const auto counts = [&](const Json::Member& member) {
    const Json* expected = known == nullptr ? nullptr : known->find(member.first);
    return !member.second.is_null() || expected == nullptr || !check(*expected, member.second);
  };
  if (std::all_of(members.begin(), members.end(), counts)) return check(schema, params);
  Json::Object present;
  std::copy_if(members.begin(), members.end(), std::back_inserter(present), counts);
  return check(schema, Json(std::move(present)));
}

RpcResult<void> SchemaSet::check_request(const Methods& methods, const RpcRequest& request) const {
  const auto method = methods.find(request.method);
  if (method == methods.end()) {  // a test looks that there is none such
    return tl::unexpected(rpc_error(Status::Internal, "no_schema", "the method has no schema"));
  }
  auto mistake = check_params(*method->second.params, request.params);
  if (!mistake) return {};
  return tl::unexpected(rpc_error(Status::InvalidArgument,
                                  mistake->unknown_member ? "unknown_field" : "invalid_argument",
                                  std::move(mistake->message), mistake->field));
}

}  // namespace parley::control
