#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/context.h"
#include "control/role_table.h"
#include "control/rpc.h"

namespace parley::control {

// A seller, as far as the backend has told us about him. Nobody has to be told of: a tenant without
// a record has no limits of his own. His minutes are in metering.h.
struct Tenant {
  std::string id;
  std::string name;        // for people
  bool suspended = false;  // nobody may join, nothing may be created
  std::optional<std::uint32_t> max_rooms;
  std::optional<std::uint32_t> max_sessions;       // at once
  std::optional<std::uint32_t> max_participants;   // at once, in all his sessions
  std::optional<std::uint64_t> max_storage_bytes;  // of recordings; when it is reached none begins
  Json defaults = Json(Json::Object{});            // of his rooms (room_options.h)
  RoleTable roles;
  Json attributes = Json(Json::Object{});
  std::int64_t created_ms = 0;
  std::int64_t version = 1;

  [[nodiscard]] Json to_json() const;
  [[nodiscard]] Row to_row() const;
  [[nodiscard]] static std::optional<Tenant> from_row(const Row& row);
};

class Tenants {
 public:
  static constexpr std::size_t kMaxTenants = 100'000;

  explicit Tenants(Context& context) : context_(context) {}

  void load(const std::vector<Row>& rows);
  // Null for one that nobody told us about.
  [[nodiscard]] const Tenant* find(std::string_view id) const;
  // Creates or replaces it; the version goes up when something changed. With `if_version` only if
  // it is that one (0: there is none yet).
  [[nodiscard]] RpcResult<const Tenant*> put(Tenant tenant, std::optional<std::int64_t> if_version);
  // False when there is none.
  bool remove(std::string_view id);
  // In the order of creation.
  void for_each(const std::function<void(const Tenant&)>& visit) const;
  [[nodiscard]] RpcResult<void> check_active(std::string_view id) const;
  // What a role stands for in his rooms.
  [[nodiscard]] Permissions permissions(std::string_view id, Role role) const;

 private:
  void insert(Tenant tenant);

  Context& context_;
  std::map<std::string, Tenant, std::less<>> tenants_;
  std::map<std::pair<std::int64_t, std::string>, const Tenant*> by_age_;
};

[[nodiscard]] RpcError version_conflict(std::int64_t is);

}  // namespace parley::control
