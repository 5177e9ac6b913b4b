#include "control/session_traffic.h"

#include <utility>

namespace parley::control {

void SessionTraffic::began(server::RoomId room, std::string session_id) {
  running_[room.value].id = std::move(session_id);
}

void SessionTraffic::ended(server::RoomId room, std::size_t workers) {
  auto node = running_.extract(room.value);
  if (node.empty()) return;
  node.mapped().open_rooms = workers;
  ended_.insert(std::move(node));
  if (ended_.size() > kMaxEnded) ended_.erase(ended_.begin());
}

server::Traffic SessionTraffic::sum_of(const Session& session) noexcept {
  server::Traffic sum;
  for (const auto& [worker, traffic] : session.by_worker) sum += traffic;
  return sum;
}

std::optional<SessionTraffic::Total> SessionTraffic::told(std::size_t worker,
                                                          const server::RoomTraffic& word) {
  if (const auto running = running_.find(word.room.value); running != running_.end()) {
    running->second.by_worker[worker] = word.total;
    return Total{running->second.id, sum_of(running->second), false};
  }
  const auto ended = ended_.find(word.room.value);
  if (ended == ended_.end()) return std::nullopt;
  Session& session = ended->second;
  session.by_worker[worker] = word.total;
  if (word.last && session.open_rooms > 0) --session.open_rooms;
  Total total{session.id, sum_of(session), session.open_rooms == 0};
  if (total.final) ended_.erase(ended);
  return total;
}

}  // namespace parley::control
