#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/context.h"
#include "control/rpc.h"

namespace parley::control {

// Remembers the answers of calls that carried an `idempotency_key`, for a day and over restarts,
// so that a backend may repeat a call whose answer it lost (control-api.md, section 3). The scope
// is the API key and the method.
class Idempotency {
 public:
  static constexpr std::int64_t kKeepMs = 86'400'000;
  static constexpr std::size_t kMaxEntries = 100'000;  // of a key; beyond it its oldest go
  static constexpr std::size_t kMaxKeyBytes = 64;

  explicit Idempotency(Context& context) : context_(context) {}

  void load(const std::vector<Row>& rows);
  // The stored answer with `replayed: true`; nothing for a new key; an error when the key came
  // before with other params.
  [[nodiscard]] RpcResult<std::optional<Json>> find(std::string_view scope, const Json& params);
  void remember(std::string_view scope, const Json& params, const Json& result);

 private:
  struct Entry {
    std::string params;  // canonical
    Json result;
    std::int64_t at_ms = 0;
  };
  using ByAge = std::set<std::pair<std::int64_t, std::string>>;
  void forget_old(ByAge& of_key);

  Context& context_;
  std::map<std::string, Entry, std::less<>> entries_;  // by "key/method/idempotency key"
  std::map<std::string, ByAge, std::less<>> by_age_;   // of each API key
};

// Members sorted by name at every level, without `idempotency_key`.
[[nodiscard]] std::string canonical_params(const Json& params);

}  // namespace parley::control
