#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/load/target.h"

namespace parley::bench {

// Debian's Janus with its video room, joined over its WebSocket. A participant has one connection
// to send and one to receive.
class JanusTarget : public Target {
 public:
  // `event_loops` 0: a thread for each connection, as Janus does by itself.
  explicit JanusTarget(std::size_t event_loops);
  ~JanusTarget() override;

  std::vector<std::string> configure(const std::filesystem::path& folder) override;
  std::string ready() const override { return "WebSockets thread started"; }
  std::vector<Shape> connections(const Shape& participant) const override;
  using Target::make_room;
  void make_room(const std::string& name, std::size_t people) override;
  std::unique_ptr<Entry> enter(Endpoint endpoint) override;
  std::optional<Counters> counters() const override { return std::nullopt; }

 private:
  class Handle;
  class JanusEntry;
  // Who sends into a room, by the participant's number.
  struct Room {
    std::int64_t number = 0;
    std::vector<std::size_t> feeds;
  };

  std::size_t event_loops_;
  std::unordered_map<std::string, Room> rooms_;
  std::unique_ptr<Handle> control_;
};

}  // namespace parley::bench
