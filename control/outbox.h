#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/json.h"
#include "control/random_id.h"
#include "control/store.h"

namespace parley::control {

// An event as control tells it (control-api.md, sections 0 and 4).
struct NewEvent {
  std::string type;  // "room.created"
  std::string tenant;
  std::string room_id;
  std::string session_id;
  Json data = Json(Json::Object{});
};

// Output commit: memory changes at once, but whatever tells of it waits until it is durable. One
// turn of control collects rows, events and outputs here; flush() hands the rows to the store as
// one batch and runs the outputs, in order, when that batch and all before it are on disk. When
// the store has failed, outputs still run and are told so: a call in progress goes on, while the
// API answers with an error and events are not published.
class Outbox {
 public:
  using Output = std::function<void(bool durable)>;

  Outbox(Store& store, std::uint64_t last_seq, RandomSource random)
      : store_(store),
        next_seq_(last_seq + 1),
        durable_seq_(last_seq),
        random_(std::move(random)) {}

  void put(Row row) { batch_.upserts.push_back(std::move(row)); }
  void remove(std::string_view kind, std::string_view id) { batch_.deletes.emplace_back(kind, id); }
  void event(NewEvent event, std::int64_t time_ms);
  void after(Output output) { outputs_.push_back(std::move(output)); }
  void flush();

  // Called for every event once it is durable, in the order of seq.
  void on_event(std::function<void(const EventRow&)> sink) { sink_ = std::move(sink); }
  // Of the last event there was, which may still be on its way to the disk.
  [[nodiscard]] std::uint64_t last_seq() const noexcept { return next_seq_ - 1; }
  [[nodiscard]] std::uint64_t durable_seq() const noexcept { return durable_seq_; }
  [[nodiscard]] bool healthy() const { return store_.healthy(); }
  [[nodiscard]] bool congested() const { return store_.congested(); }

 private:
  Store& store_;
  Batch batch_;
  std::vector<Output> outputs_;
  std::function<void(const EventRow&)> sink_;
  std::uint64_t next_seq_;
  std::uint64_t durable_seq_;
  RandomSource random_;
};

}  // namespace parley::control
