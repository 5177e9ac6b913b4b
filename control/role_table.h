#pragma once

#include <map>

#include "control/json.h"
#include "control/params.h"
#include "control/permissions.h"

namespace parley::control {

// What roles stand for in the rooms of one tenant: the permissions he has put in the place of a
// role's own, and Permissions::of() for the others. A table has no words but those of
// permissions.h, so no role can get more than the daemon checks. Who is a host is not in it: a
// role's name says so (JoinClaims::is_host).
class RoleTable {
 public:
  [[nodiscard]] Permissions of(Role role) const;
  // {"participant": ["subscribe"]}: what was replaced.
  [[nodiscard]] Json to_json() const;
  // The params' `roles`, which may be missing; a mistake is told as `roles.participant[0]`.
  [[nodiscard]] static RoleTable read(Params& params);

 private:
  std::map<Role, Permissions> replaced_;
};

}  // namespace parley::control
