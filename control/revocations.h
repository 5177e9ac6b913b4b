#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/auth.h"
#include "control/context.h"
#include "control/rpc.h"

namespace parley::control {

// Join tokens that are not to be believed any more, by their id or by whom they are for and when
// they were issued. Kept until the last of them would have expired by itself.
class Revocations {
 public:
  static constexpr std::size_t kMaxEntries = 100'000;

  explicit Revocations(Context& context) : context_(context) {}

  void load(const std::vector<Row>& rows);
  // All of this identity's that were issued until `issued_until_ms`.
  [[nodiscard]] RpcResult<void> revoke_identity(const std::string& tenant,
                                                const std::string& identity,
                                                std::int64_t issued_until_ms);
  [[nodiscard]] RpcResult<void> revoke_token(const std::string& tenant, const std::string& jti);
  [[nodiscard]] bool is_revoked(const JoinClaims& claims) const;

 private:
  struct Entry {
    std::int64_t issued_until_ms = 0;  // of an identity
    std::int64_t made_ms = 0;
  };
  [[nodiscard]] RpcResult<void> put(const std::string& tenant, const std::string& id, Entry entry);
  void forget_old();

  Context& context_;
  std::map<std::string, Entry, std::less<>> entries_;  // "tenant/j/jti", "tenant/i/identity"
  std::map<std::pair<std::int64_t, std::string>, bool> by_age_;
};

}  // namespace parley::control
