#pragma once

#include <map>
#include <optional>
#include <regex>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/embedded_files.h"
#include "control/json.h"
#include "control/rpc.h"

namespace parley::control {

// The files of control/schema: the one place that says which shapes the API has. The daemon checks
// params against them, and the descriptions for other programs (api_description.h) and the types of
// the Node client are made from them.
//
// JSON Schema 2020-12, of which these keywords are served and no others: $ref, type, enum, const,
// minimum, maximum, minLength, maxLength, pattern, properties, required, additionalProperties,
// items, minItems, maxItems, allOf, anyOf; description and title say something to people.
class SchemaSet {
 public:
  // The first thing that does not fit.
  struct Mistake {
    std::string field;  // "recording.auto"; empty: the value itself
    std::string message;
    bool unknown_member = false;
  };
  struct Method {
    const Json* params = nullptr;
    const Json* result = nullptr;
    std::string description;
  };
  using Methods = std::map<std::string, Method, std::less<>>;

  // Or what is wrong with a file: no JSON, a keyword not served, a $ref to nothing, one method
  // twice.
  [[nodiscard]] static tl::expected<SchemaSet, std::string> parse(
      std::span<const EmbeddedFile> files);
  // Those compiled in.
  [[nodiscard]] static const SchemaSet& of_api();

  [[nodiscard]] std::optional<Mistake> check(const Json& schema, const Json& value) const;
  // Of a method's request: a member that is null counts as absent unless the schema takes null,
  // because many backends write their empty members so. Errors: invalid_argument, unknown_field.
  [[nodiscard]] RpcResult<void> check_request(const Methods& methods,
                                              const RpcRequest& request) const;

  [[nodiscard]] const Methods& backend_methods() const noexcept { return backend_methods_; }
  [[nodiscard]] const Methods& participant_methods() const noexcept { return participant_methods_; }
  // The file with every $ref written as "file#/$defs/name"; null if there is none.
  [[nodiscard]] const Json* file(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, Json, std::less<>>& files() const noexcept {
    return files_;
  }

 private:
  using Place = std::string;  // dotted, for people
  [[nodiscard]] std::optional<Mistake> check_params(const Json& schema, const Json& params) const;
  [[nodiscard]] const Json& resolved(const Json& schema) const;
  [[nodiscard]] std::optional<Mistake> check_at(const Json& schema, const Json& value,
                                                const Place& place) const;
  [[nodiscard]] std::optional<Mistake> check_object(const Json& schema, const Json& value,
                                                    const Place& place) const;
  [[nodiscard]] std::optional<Mistake> check_array(const Json& schema, const Json& value,
                                                   const Place& place) const;
  [[nodiscard]] bool fits_alone(const Json& schema, const Json& value) const;
  [[nodiscard]] bool fits_text(const Json& schema, const std::string& text) const;
  // While they are read: what is wrong with them, if anything.
  [[nodiscard]] std::optional<std::string> add_methods(std::string_view file, const Json& table);
  [[nodiscard]] std::optional<std::string> flaw_of(const Json& schema);
  [[nodiscard]] std::optional<std::string> flaw_of_each(const Json& schemas);

  std::map<std::string, Json, std::less<>> files_;
  std::map<std::string, const Json*, std::less<>> targets_;  // of $ref
  std::map<std::string, std::regex, std::less<>> patterns_;
  Methods backend_methods_;
  Methods participant_methods_;
};

}  // namespace parley::control
