#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/context.h"
#include "control/room.h"
#include "control/rpc.h"
#include "control/tenants.h"

namespace parley::control {

// All rooms by id and by name, kept in the store. It knows no sessions; whoever does is told when
// a room's time is over.
class Rooms {
 public:
  Rooms(Context& context, const Tenants& tenants) : context_(context), tenants_(tenants) {}
  ~Rooms();
  Rooms(const Rooms&) = delete;
  Rooms& operator=(const Rooms&) = delete;

  // At start, before anything else. Rows that are not ours to read are named in the log.
  void load(const std::vector<Row>& rows);

  struct Created {
    Room* room = nullptr;
    bool created = false;
  };
  // Creates it, or finds the one of that name when its config is the same; another config is
  // `already_exists` with the members that differ.
  [[nodiscard]] RpcResult<Created> create(RoomConfig config);
  [[nodiscard]] Room* find(std::string_view room_id);
  [[nodiscard]] Room* find(std::string_view tenant, std::string_view name);
  void remove(Room& room);
  // Another configuration under the same name.
  void change(Room& room, RoomConfig config);
  // False when it was so.
  bool set_locked(Room& room, bool locked);
  // Writes a changed room.
  void save(const Room& room) { context_.outbox.put(room.to_row()); }

  [[nodiscard]] std::size_t size() const noexcept { return rooms_.size(); }
  // In the order of creation.
  void for_each(const std::function<void(const Room&)>& visit) const;

  // The room's window has closed (its session must end).
  std::function<void(Room&)> on_expired;

 private:
  struct Entry {
    Room room;
    Timers::Id expiry = 0;
  };
  void insert(Room room);
  void arm(Entry& entry);

  Context& context_;
  const Tenants& tenants_;
  std::map<std::string, std::size_t, std::less<>> by_tenant_;  // how many
  std::map<std::string, Entry, std::less<>> rooms_;
  std::map<std::pair<std::string, std::string>, std::string> by_name_;  // tenant, name -> id
  std::map<std::pair<std::int64_t, std::string>, const Room*> by_age_;
};

}  // namespace parley::control
