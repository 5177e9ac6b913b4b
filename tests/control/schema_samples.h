#pragma once

#include <algorithm>
#include <string>

#include "control/json.h"
#include "control/schema.h"

namespace parley::control::test {

// A value that fits the schema, with every member it knows.
inline Json full_sample(const SchemaSet& schemas, const Json& schema) {
  if (const Json* target = schema.find("$ref")) {
    const std::string& reference = *target->as_string();
    const std::size_t hash = reference.find('#');
    const Json& file = *schemas.file(reference.substr(0, hash));
    return full_sample(schemas,
                       *file.find("$defs")->find(reference.substr(reference.rfind('/') + 1)));
  }
  if (const Json* words = schema.find("enum")) return words->as_array()->front();
  if (const Json* value = schema.find("const")) return *value;
  if (const Json* branches = schema.find("anyOf")) {
    return full_sample(schemas, branches->as_array()->front());
  }
  const Json* types = schema.find("type");
  if (types == nullptr) return Json("anything");
  const std::string type = *(types->is_array() ? types->as_array()->front() : *types).as_string();
  if (type == "boolean") return Json(true);
  if (type == "integer") return Json(std::max<std::int64_t>(integer_member(schema, "minimum"), 1));
  if (type == "string") {
    return Json(text_member(schema, "pattern").starts_with("^http") ? "https://example.org/hook"
                                                                    : "sample");
  }
  if (type == "array") {
    const Json* items = schema.find("items");
    Json list = Json::array();
    if (items != nullptr) list.push(full_sample(schemas, *items));
    return list;
  }
  Json whole{Json::Object{}};
  if (const Json* members = schema.find("properties")) {
    for (const auto& [name, member] : *members->as_object()) {
      whole.set(name, full_sample(schemas, member));
    }
  }
  return whole;
}

}  // namespace parley::control::test
