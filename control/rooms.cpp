#include "control/rooms.h"

#include <algorithm>

#include "server/log.h"

namespace parley::control {

Rooms::~Rooms() {
  for (auto& [id, entry] : rooms_) context_.timers.cancel(entry.expiry);
}

void Rooms::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != "room") continue;
    if (auto room = Room::from_row(row)) {
      insert(std::move(*room));
    } else {
      server::log::error("room_unreadable", {{"room", row.id}});
    }
  }
}

void Rooms::insert(Room room) {
  const std::string id = room.id;
  Entry& entry = rooms_.emplace(id, Entry{std::move(room), 0}).first->second;
  by_name_[{entry.room.config.tenant, entry.room.config.name}] = id;
  by_age_[{entry.room.created_ms, id}] = &entry.room;
  ++by_tenant_[entry.room.config.tenant];
  arm(entry);
}

// Wall-clock deadlines may come early or late when the clock is set: they are looked at again, and
// never further ahead than a day at a time.
void Rooms::arm(Entry& entry) {
  context_.timers.cancel(entry.expiry);
  if (!entry.room.config.expires_at_ms || entry.room.expiry_told) return;
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t at = std::min(*entry.room.config.expires_at_ms, context_.wall_ms() + kDayMs);
  entry.expiry = context_.timers.at(context_.steady(at), [this, id = entry.room.id] {
    Entry& due = rooms_.find(id)->second;
    due.expiry = 0;
    if (due.room.state(context_.wall_ms()) != RoomState::Expired) return arm(due);
    due.room.expiry_told = true;
    save(due.room);
    if (on_expired) on_expired(due.room);
    context_.event({"room.expired", due.room.config.tenant, due.room.id, "",
                    due.room.to_json(context_.wall_ms())});
  });
}

RpcResult<Rooms::Created> Rooms::create(RoomConfig config) {
  if (Room* known = find(config.tenant, config.name); known != nullptr) {
    if (known->config == config) return Created{known, false};
    RpcError error = rpc_error(Status::AlreadyExists, "already_exists",
                               "a room of this name exists with another configuration", "name");
    Json differing = Json::array();
    const Json theirs = config_json(config);
    const Json ours = config_json(known->config);
    for (const auto& [name, value] : *theirs.as_object()) {
      const Json* other = ours.find(name);
      if (other == nullptr || *other != value) differing.push(name);
    }
    for (const auto& [name, value] : *ours.as_object()) {
      if (theirs.find(name) == nullptr) differing.push(name);
    }
    error.details.emplace_back("room_id", known->id);
    error.details.emplace_back("differs", std::move(differing));
    return tl::unexpected(std::move(error));
  }
  if (auto ok = tenants_.check_active(config.tenant); !ok) return tl::unexpected(ok.error());
  const Tenant* tenant = tenants_.find(config.tenant);
  const auto known = by_tenant_.find(config.tenant);
  const std::size_t has = known == by_tenant_.end() ? 0 : known->second;
  if (tenant != nullptr && tenant->max_rooms && has >= *tenant->max_rooms) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_rooms",
                                    "this tenant's max_rooms is reached; delete some"));
  }
  if (rooms_.size() >= context_.config.rooms.max_rooms) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_rooms",
                                    "rooms.max_rooms is reached; delete some"));
  }
  Room room;
  room.id = context_.id("rm");
  room.config = std::move(config);
  room.created_ms = context_.wall_ms();
  const std::string id = room.id;
  insert(std::move(room));
  Room& created = rooms_.find(id)->second.room;
  save(created);
  context_.event(
      {"room.created", created.config.tenant, id, "", created.to_json(context_.wall_ms())});
  return Created{&created, true};
}

Room* Rooms::find(std::string_view room_id) {
  const auto it = rooms_.find(room_id);
  return it == rooms_.end() ? nullptr : &it->second.room;
}

Room* Rooms::find(std::string_view tenant, std::string_view name) {
  const auto it = by_name_.find({std::string(tenant), std::string(name)});
  return it == by_name_.end() ? nullptr : find(it->second);
}

void Rooms::remove(Room& room) {
  const std::string id = room.id;
  const auto it = rooms_.find(id);
  context_.timers.cancel(it->second.expiry);
  context_.outbox.remove("room", id);
  context_.event({"room.deleted", room.config.tenant, id, "",
                  Json::object({{"room_id", id}, {"name", room.config.name}})});
  by_name_.erase({room.config.tenant, room.config.name});
  by_age_.erase({room.created_ms, id});
  if (--by_tenant_[room.config.tenant] == 0) by_tenant_.erase(room.config.tenant);
  rooms_.erase(it);
}

void Rooms::change(Room& room, RoomConfig config) {
  if (config == room.config) return;
  if (config.expires_at_ms != room.config.expires_at_ms) room.expiry_told = false;
  room.config = std::move(config);
  ++room.version;
  save(room);
  arm(rooms_.find(room.id)->second);
  context_.event(
      {"room.updated", room.config.tenant, room.id, "", room.to_json(context_.wall_ms())});
}

bool Rooms::set_locked(Room& room, bool locked) {
  if (room.locked == locked) return false;
  room.locked = locked;
  ++room.version;
  save(room);
  context_.event({locked ? "room.locked" : "room.unlocked", room.config.tenant, room.id, "",
                  Json::object({{"room_id", room.id}, {"version", room.version}})});
  return true;
}

void Rooms::for_each(const std::function<void(const Room&)>& visit) const {
  for (const auto& [key, room] : by_age_) visit(*room);
}

}  // namespace parley::control
