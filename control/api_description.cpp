#include "control/api_description.h"

namespace parley::control {
namespace {

// "rooms.json#/$defs/room" -> "#/components/schemas/rooms.room": here all is in one file.
std::string component_of(std::string_view reference) {
  const std::string_view file = reference.substr(0, reference.find(".json"));
  const std::string_view name = reference.substr(reference.rfind('/') + 1);
  return std::string(file) + "." + std::string(name);
}

Json in_one_file(const Json& value) {
  if (const Json::Array* items = value.as_array()) {
    Json list = Json::array();
    for (const Json& item : *items) list.push(in_one_file(item));
    return list;
  }
  const Json::Object* members = value.as_object();
  if (members == nullptr) return value;
  Json::Object rewritten;
  for (const auto& [name, member] : *members) {
    const std::string* target = name == "$ref" ? member.as_string() : nullptr;
    rewritten.emplace_back(name, target == nullptr
                                     ? in_one_file(member)
                                     : Json("#/components/schemas/" + component_of(*target)));
  }
  return Json(std::move(rewritten));
}

Json info(std::string_view title, std::string_view version) {
  return Json::object({{"title", title}, {"version", version}});
}

// All shapes that are referred to. Those of the participants' door are none of a backend's.
Json components(const SchemaSet& schemas) {
  Json all{Json::Object{}};
  for (const auto& [file, json] : schemas.files()) {
    if (file == "rtc.json") continue;
    for (const auto& [name, schema] : *json.find("$defs")->as_object()) {
      if (name == "methods" || name == "events") continue;
      all.set(component_of(file + "#/$defs/" + name), in_one_file(schema));
    }
  }
  return all;
}

Json params_of(const Json& schema) {
  Json list = Json::array();
  const Json* known = schema.find("properties");
  const Json* required = schema.find("required");
  for (const auto& [name, member] : *known->as_object()) {
    bool needed = false;
    if (required != nullptr) {
      for (const Json& one : *required->as_array()) needed = needed || one == Json(name);
    }
    list.push(
        Json::object({{"name", name}, {"required", needed}, {"schema", in_one_file(member)}}));
  }
  return list;
}

}  // namespace

Json openrpc_document(const SchemaSet& schemas, std::string_view version,
                      const std::function<std::optional<bool>(std::string_view)>& mutates) {
  Json methods = Json::array();
  for (const auto& [name, method] : schemas.backend_methods()) {
    const std::optional<bool> mutating = mutates(name);
    if (!mutating) continue;
    Json one = Json::object({{"name", name}});
    if (!method.description.empty()) one.set("summary", method.description);
    one.set("paramStructure", "by-name");
    one.set("params", params_of(*method.params));
    one.set("result", Json::object({{"name", "result"}, {"schema", in_one_file(*method.result)}}));
    one.set("x-mutating", *mutating);
    methods.push(std::move(one));
  }
  return Json::object({{"openrpc", "1.3.2"},
                       {"info", info("parley control API", version)},
                       {"methods", std::move(methods)},
                       {"components", Json::object({{"schemas", components(schemas)}})}});
}

Json asyncapi_document(const SchemaSet& schemas, std::string_view version) {
  Json messages{Json::Object{}};
  Json named{Json::Object{}};
  const Json envelope = Json::object({{"$ref", "#/components/schemas/events.event"}});
  const Json& events = *schemas.file("events.json")->find("$defs")->find("events");
  for (const auto& [type, data] : *events.as_object()) {
    const Json of_type = Json::object(
        {{"type", "object"},
         {"properties",
          Json::object({{"type", Json::object({{"const", type}})}, {"data", in_one_file(data)}})}});
    messages.set(
        type, Json::object(
                  {{"name", type},
                   {"contentType", "application/json"},
                   {"payload", Json::object({{"allOf", Json(Json::Array{envelope, of_type})}})}}));
    named.set(type, Json::object({{"$ref", "#/components/messages/" + type}}));
  }
  const auto channel = [&](Json address, std::string_view description) {
    return Json::object(
        {{"address", std::move(address)}, {"description", description}, {"messages", named}});
  };
  const auto operation = [](std::string_view of) {
    return Json::object({{"action", "send"},
                         {"channel", Json::object({{"$ref", "#/channels/" + std::string(of)}})}});
  };
  return Json::object(
      {{"asyncapi", "3.0.0"},
       {"info", info("parley events", version)},
       {"defaultContentType", "application/json"},
       {"channels",
        Json::object(
            {{"control", channel("/v1/control",
                                 "the params of each JSON-RPC notification `event`, after "
                                 "events.subscribe or hello")},
             {"webhook",
              channel(Json(), "the body of each POST to the url that webhook.put names")}})},
       {"operations",
        Json::object({{"events", operation("control")}, {"webhooks", operation("webhook")}})},
       {"components",
        Json::object({{"schemas", components(schemas)}, {"messages", std::move(messages)}})}});
}

}  // namespace parley::control
