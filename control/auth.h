#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "control/cidr.h"
#include "control/json.h"
#include "control/jwt.h"
#include "control/permissions.h"
#include "control/rate_limit.h"
#include "control/rpc.h"

namespace parley::control {

// Who speaks to us, proved by a signature of one of the configured keys. API keys sign short-lived
// tokens for backends (aud "parley-control") and join tokens for participants (aud "parley-join");
// roles come from here and from nowhere else (control-api.md, section 6).

// A backend, after its token was verified.
struct Principal {
  std::string key_id;
  config::KeyRole role = config::KeyRole::Observer;
  std::vector<std::string> tenants;  // patterns
  std::vector<std::string> methods;  // patterns; empty: all the role allows
  RateLimit::Rates rates;            // of the key

  [[nodiscard]] bool may_see(std::string_view tenant) const;
  // `mutating`: the method changes something.
  [[nodiscard]] bool may_call(std::string_view method, bool mutating) const;
  [[nodiscard]] bool sees_all() const;
};

// What a join token says, checked for form.
struct JoinClaims {
  std::string key_id;
  std::string jti;
  std::string tenant;
  std::string room;  // room_id or name
  std::string identity;
  std::string name;  // for people; the identity when the token has none
  Role role = Role::Participant;
  Permissions allowed = Permissions::all();  // what the token leaves of the role's
  Permissions permissions;                   // of both; Sessions looks them up when he joins
  bool hidden = false;
  bool bypass_lobby = false;
  std::int64_t issued_ms = 0;  // iat, or 0
  std::int64_t expires_ms = 0;
  std::optional<std::int64_t> max_session_ms;
  bool eject_at_exp = false;
  Json attributes;

  // Whose presence a call needs, and who may decide in it.
  [[nodiscard]] bool is_host() const noexcept { return role == Role::Host || role == Role::CoHost; }
};

inline constexpr std::size_t kMaxIdentityBytes = 128;
inline constexpr std::size_t kMaxDisplayNameBytes = 128;
inline constexpr std::size_t kMaxAttributesBytes = 4'096;
inline constexpr std::int64_t kMaxSessionMs = 31'622'400'000;

// No configured key has such a name.
inline constexpr std::string_view kLocalKey = "unix:";

// `*` stands for any run of characters, everything else for itself.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text) noexcept;

class Keyring {
 public:
  // The error names the key and what is wrong with it, for the operator.
  [[nodiscard]] static tl::expected<Keyring, std::string> from_config(const config::Auth& config);

  // The same error whatever was wrong, so that nobody learns which keys exist (A34).
  // `address`: where it came from.
  [[nodiscard]] RpcResult<Principal> verify_api_token(std::string_view token, std::int64_t now_ms,
                                                      std::string_view address) const;
  // As the key is configured now; nothing for one that is gone. Whoever came through the Unix
  // socket (kLocalKey and his user id) is let in by the file's mode and may do everything.
  [[nodiscard]] std::optional<Principal> principal(std::string_view key_id) const;
  // Reasons: token_invalid, token_expired, token_not_yet_valid.
  [[nodiscard]] RpcResult<JoinClaims> verify_join_token(std::string_view token,
                                                        std::int64_t now_ms) const;
  // Whose token it is that came too early or too late; nothing for one that never counts.
  [[nodiscard]] std::optional<JoinClaims> bearer_out_of_time(std::string_view token) const;
  // Signs with the first secret of that key; fails for a key that can only verify.
  [[nodiscard]] RpcResult<std::string> sign(std::string_view key_id, Json claims) const;

 private:
  struct Entry {
    config::ApiKey config;
    std::vector<JwtKey> keys;
    std::vector<Cidr> from;  // empty: anywhere
  };
  const Entry* find(std::string_view key_id) const;

  std::vector<Entry> entries_;
  RateLimit::Rates rates_;  // of those without a key
  std::int64_t leeway_ms_ = 0;
  std::int64_t max_key_ttl_ms_ = 0;
  std::int64_t max_join_ttl_ms_ = 0;
};

}  // namespace parley::control
