#include "control/auth.h"

#include <algorithm>
#include <array>

#include "control/params.h"

namespace parley::control {
namespace {

constexpr std::string_view kControlAudience = "parley-control";
constexpr std::string_view kJoinAudience = "parley-join";

RpcError token_error(std::string_view reason, std::string message) {
  return rpc_error(Status::Unauthenticated, reason, std::move(message), "token");
}
tl::unexpected<RpcError> invalid(std::string message) {
  return tl::unexpected(token_error("token_invalid", std::move(message)));
}

std::string text_of(const Json& object, std::string_view name) {
  const Json* value = object.find(name);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string() : *text;
}
std::optional<std::int64_t> seconds_as_ms(const Json& object, std::string_view name) {
  const Json* value = object.find(name);
  const auto seconds = value == nullptr ? std::nullopt : value->as_int();
  if (!seconds || *seconds < 0 || *seconds > 1'000'000'000'000) return std::nullopt;
  return *seconds * 1'000;
}

bool is_text(std::string_view text, std::size_t max_bytes) {
  return !text.empty() && text.size() <= max_bytes && is_printable_text(text);
}

// can_publish: ["camera", "microphone", "screen_share"] narrows what the role allows.
bool narrow_publishing(const Json& list, Permissions& allowed) {
  const Json::Array* sources = list.as_array();
  if (list.is_bool() && list == Json(false)) {
    for (const auto p : {Permission::PublishCamera, Permission::PublishMicrophone,
                         Permission::PublishScreenShare}) {
      allowed.remove(p);
    }
    return true;
  }
  if (list.is_bool()) return true;
  if (sources == nullptr) return false;
  for (const TrackSource source :
       {TrackSource::Camera, TrackSource::Microphone, TrackSource::ScreenShare}) {
    if (std::find(sources->begin(), sources->end(), Json(name_of(source))) == sources->end()) {
      allowed.remove(permission_for(source));
    }
  }
  return std::all_of(sources->begin(), sources->end(), [](const Json& item) {
    const std::string* name = item.as_string();
    return name != nullptr && source_of(*name).has_value();
  });
}

RpcResult<void> read_grants(const Json& grants, JoinClaims& claims) {
  static constexpr std::array<std::string_view, 13> kKnown = {"tenant",
                                                              "room",
                                                              "role",
                                                              "name",
                                                              "can_publish",
                                                              "can_subscribe",
                                                              "can_publish_data",
                                                              "hidden",
                                                              "bypass_lobby",
                                                              "max_session_ms",
                                                              "eject_at_exp",
                                                              "attributes",
                                                              "version"};
  for (const auto& [name, value] : *grants.as_object()) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
      return invalid("parley: there is no claim " + name);
    }
  }
  claims.tenant = text_of(grants, "tenant");
  if (!is_plain_name(claims.tenant)) return invalid("parley.tenant is missing or no plain name");
  claims.room = text_of(grants, "room");
  if (!is_text(claims.room, 128)) return invalid("parley.room is missing or no name");
  if (claims.room.find('*') != std::string::npos) {
    return invalid("parley.room must name one room, without wildcards");
  }
  const auto role = role_of(text_of(grants, "role"));
  if (!role) return invalid("parley.role must be host, co_host, participant, viewer or observer");
  claims.role = *role;
  claims.hidden = *role == Role::Observer;
  claims.name = grants.find("name") == nullptr ? claims.identity : text_of(grants, "name");
  if (!is_text(claims.name, kMaxDisplayNameBytes)) {
    return invalid("parley.name must be 1..128 bytes without control characters");
  }
  if (const Json* list = grants.find("can_publish");
      list != nullptr && !narrow_publishing(*list, claims.allowed)) {
    return invalid("parley.can_publish must list camera, microphone, screen_share");
  }
  const auto flag = [&](std::string_view name, bool fallback) {
    const Json* value = grants.find(name);
    return value == nullptr ? fallback : value->as_bool().value_or(fallback);
  };
  if (!flag("can_subscribe", true)) claims.allowed.remove(Permission::Subscribe);
  claims.hidden = flag("hidden", claims.hidden);
  claims.bypass_lobby = flag("bypass_lobby", false);
  claims.eject_at_exp = flag("eject_at_exp", false);
  if (const Json* value = grants.find("max_session_ms"); value != nullptr) {
    claims.max_session_ms = value->as_int();
    if (!claims.max_session_ms || *claims.max_session_ms <= 0 ||
        *claims.max_session_ms > kMaxSessionMs) {
      return invalid("parley.max_session_ms must be a positive whole number, at most a year");
    }
  }
  if (const Json* value = grants.find("attributes"); value != nullptr) {
    if (!value->is_object() || value->dump().size() > kMaxAttributesBytes) {
      return invalid("parley.attributes must be an object of at most 4096 bytes");
    }
    claims.attributes = *value;
  }
  return {};
}

bool is_read_method(std::string_view method, bool mutating) {
  return !mutating && method != "token.create" && method != "recording.access_link";
}

// Who sells minutes does not let the buyer give himself some, nor let him send this machine's
// requests to wherever he likes.
bool is_sellers_method(std::string_view method) {
  return method == "tenant.put" || method == "tenant.delete" || method == "quota.set" ||
         method == "quota.grant" || method == "webhook.put";
}

// What concerns everybody on this server.
bool is_operators_method(std::string_view method) {
  return method == "server.drain" || method == "server.reload" || method == "server.stats" ||
         method == "log.set";
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // the last '*' and where its run began
  std::size_t run = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      run = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++run;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool Principal::may_see(std::string_view tenant) const {
  return std::any_of(tenants.begin(), tenants.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, tenant); });
}

bool Principal::sees_all() const {
  return std::find(tenants.begin(), tenants.end(), "*") != tenants.end();
}

bool Principal::may_call(std::string_view method, bool mutating) const {
  if (role == config::KeyRole::Observer && !is_read_method(method, mutating)) return false;
  const bool sells = role == config::KeyRole::Admin || role == config::KeyRole::Operator;
  if (!sells && is_sellers_method(method)) return false;
  if (is_operators_method(method) && !(sells && sees_all())) return false;
  if (methods.empty()) return true;
  return std::any_of(methods.begin(), methods.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, method); });
}

tl::expected<Keyring, std::string> Keyring::from_config(const config::Auth& config) {
  Keyring ring;
  ring.rates_ = {config.reads_per_s, config.writes_per_s};
  ring.leeway_ms_ = std::int64_t{config.leeway_s} * 1'000;
  ring.max_key_ttl_ms_ = std::int64_t{config.max_key_token_ttl_s} * 1'000;
  ring.max_join_ttl_ms_ = std::int64_t{config.max_join_token_ttl_s} * 1'000;
  for (const config::ApiKey& key : config.api_keys) {
    if (ring.find(key.id) != nullptr) {
      return tl::unexpected("auth.api_keys: id " + key.id + " is there twice");
    }
    Entry entry{key, {}, {}};
    for (const std::string& text : key.cidrs) {
      const auto range = Cidr::parse(text);
      if (!range) {
        return tl::unexpected("auth.api_keys: " + key.id + ": " + text +
                              " is no range of addresses as 10.0.0.0/8");
      }
      entry.from.push_back(*range);
    }
    entry.config.secrets.clear();  // they live in the keys from here on
    for (const std::string& secret : key.secrets) {
      auto jwt_key = JwtKey::from_config(key.algorithm, secret);
      if (!jwt_key) return tl::unexpected("auth.api_keys: " + key.id + ": " + jwt_key.error());
      entry.keys.push_back(std::move(*jwt_key));
    }
    if (entry.keys.empty()) return tl::unexpected("auth.api_keys: " + key.id + " has no secret");
    ring.entries_.push_back(std::move(entry));
  }
  return ring;
}

const Keyring::Entry* Keyring::find(std::string_view key_id) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.config.id == key_id; });
  return entry == entries_.end() ? nullptr : &*entry;
}

namespace {

Principal principal_of(const config::ApiKey& key) {
  return {key.id, key.role, key.tenants, key.methods, {key.reads_per_s, key.writes_per_s}};
}

}  // namespace

RpcResult<Principal> Keyring::verify_api_token(std::string_view token, std::int64_t now_ms,
                                               std::string_view address) const {
  const auto refused = [] {
    return tl::unexpected(
        rpc_error(Status::Unauthenticated, "unauthenticated", "the credential was refused"));
  };
  const auto lookup = [this](std::string_view issuer) -> std::span<const JwtKey> {
    const Entry* entry = find(issuer);
    return entry == nullptr ? std::span<const JwtKey>() : std::span<const JwtKey>(entry->keys);
  };
  const auto claims = verify_jwt(token, lookup);
  if (!claims) return refused();
  const ClaimsPolicy policy{std::string(kControlAudience), leeway_ms_, max_key_ttl_ms_, true};
  if (!check_claims(*claims, policy, now_ms)) return refused();
  const Entry& entry = *find(text_of(*claims, "iss"));
  const bool from_there =
      entry.from.empty() || std::any_of(entry.from.begin(), entry.from.end(),
                                        [&](const Cidr& range) { return range.contains(address); });
  if (!from_there) return refused();
  return principal_of(entry.config);
}

std::optional<Principal> Keyring::principal(std::string_view key_id) const {
  if (key_id.starts_with(kLocalKey)) {
    return Principal{std::string(key_id), config::KeyRole::Admin, {"*"}, {}, rates_};
  }
  const Entry* entry = find(key_id);
  return entry == nullptr ? std::nullopt : std::optional(principal_of(entry->config));
}

RpcResult<JoinClaims> Keyring::verify_join_token(std::string_view token,
                                                 std::int64_t now_ms) const {
  const auto lookup = [this](std::string_view issuer) -> std::span<const JwtKey> {
    const Entry* entry = find(issuer);
    return entry == nullptr ? std::span<const JwtKey>() : std::span<const JwtKey>(entry->keys);
  };
  const auto json = verify_jwt(token, lookup);
  if (!json) return invalid("the token was refused");
  const ClaimsPolicy policy{std::string(kJoinAudience), leeway_ms_, max_join_ttl_ms_, true};
  if (const auto ok = check_claims(*json, policy, now_ms); !ok) {
    switch (ok.error()) {
      case ClaimsError::Expired:
        return tl::unexpected(token_error("token_expired", "the token has expired"));
      case ClaimsError::NotYetValid:
        return tl::unexpected(token_error("token_not_yet_valid", "the token is not yet valid"));
      case ClaimsError::Missing:
      case ClaimsError::WrongType:
      case ClaimsError::TooLongLived:
      case ClaimsError::WrongAudience:
        return invalid("the token's claims: " + std::string(to_string(ok.error())));
    }
  }
  JoinClaims claims;
  const auto nbf = seconds_as_ms(*json, "nbf");
  const auto exp = seconds_as_ms(*json, "exp");
  if (!nbf || !exp) return invalid("nbf and exp are mandatory");
  // One that does not say when it was made is older than any ban.
  claims.issued_ms = seconds_as_ms(*json, "iat").value_or(0);
  claims.expires_ms = *exp;
  claims.key_id = text_of(*json, "iss");
  claims.jti = text_of(*json, "jti");
  claims.identity = text_of(*json, "sub");
  if (!is_text(claims.identity, kMaxIdentityBytes)) {
    return invalid("sub must be 1..128 bytes without control characters");
  }
  const Json* grants = json->find("parley");
  if (grants == nullptr || !grants->is_object()) return invalid("the claim parley is missing");
  if (auto ok = read_grants(*grants, claims); !ok) return tl::unexpected(ok.error());
  const std::vector<std::string>& tenants = find(claims.key_id)->config.tenants;
  if (std::none_of(tenants.begin(), tenants.end(), [&](const std::string& pattern) {
        return matches_pattern(pattern, claims.tenant);
      })) {
    return invalid("the key that signed the token has no such tenant");
  }
  return claims;
}

std::optional<JoinClaims> Keyring::bearer_out_of_time(std::string_view token) const {
  const auto claims = verify_jwt(token, [this](std::string_view issuer) -> std::span<const JwtKey> {
    const Entry* entry = find(issuer);
    return entry == nullptr ? std::span<const JwtKey>() : std::span<const JwtKey>(entry->keys);
  });
  const auto exp = claims ? seconds_as_ms(*claims, "exp") : std::nullopt;
  if (!exp) return std::nullopt;
  auto bearer = verify_join_token(token, *exp - 1);  // when it counts, if it ever does
  return bearer ? std::optional(std::move(*bearer)) : std::nullopt;
}

RpcResult<std::string> Keyring::sign(std::string_view key_id, Json claims) const {
  const Entry* entry = find(key_id);
  if (entry != nullptr) {
    claims.set("iss", key_id);
    if (auto token = sign_jwt(claims, entry->keys.front())) return *token;
  }
  return tl::unexpected(rpc_error(Status::FailedPrecondition, "key_cannot_sign",
                                  "parley has only the public half of this key; sign the token "
                                  "yourself"));
}

}  // namespace parley::control
