#include "control/role_table.h"

#include <string>

namespace parley::control {

Permissions RoleTable::of(Role role) const {
  const auto replaced = replaced_.find(role);
  return replaced == replaced_.end() ? Permissions::of(role) : replaced->second;
}

Json RoleTable::to_json() const {
  Json json{Json::Object{}};
  for (const auto& [role, permissions] : replaced_) json.set(name_of(role), permissions.names());
  return json;
}

RoleTable RoleTable::read(Params& p) {
  RoleTable table;
  const Json::Object* roles = p.object("roles");
  if (roles == nullptr) return table;
  for (const auto& [name, list] : *roles) {
    const std::string place = "roles." + name;
    const auto role = role_of(name);
    const Json::Array* words = list.as_array();
    if (!role) {
      p.refuse(place, place + " is none of host, co_host, participant, viewer, observer");
      continue;
    }
    if (words == nullptr) {
      p.refuse(place, place + " must be an array of permissions");
      continue;
    }
    Permissions& permissions = table.replaced_[*role];
    for (std::size_t i = 0; i < words->size(); ++i) {
      const std::string* word = (*words)[i].as_string();
      const auto permission = word == nullptr ? std::nullopt : permission_of(*word);
      if (permission) {
        permissions.add(*permission);
      } else {
        const std::string at = place + "[" + std::to_string(i) + "]";
        p.refuse(at, at + " must be a permission");
      }
    }
  }
  return table;
}

}  // namespace parley::control
