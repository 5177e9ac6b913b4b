#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "server/loop.h"

namespace parley::control {

// One row of state: any object with an id that must survive a restart. `body` is JSON; the
// columns that are searched stand beside it.
struct Row {
  std::string kind;  // "room", "session", "recording"
  std::string id;
  std::string tenant;
  std::string body;
  std::int64_t created_ms = 0;
};

// One row of the event log. `seq` is given by the caller, who is the log's only writer.
struct EventRow {
  std::uint64_t seq = 0;
  std::string id;
  std::string type;
  std::string tenant;
  std::string room_id;
  std::string body;  // the event's params as JSON
  std::int64_t time_ms = 0;
};

// What one command changed. All of it becomes durable in one transaction, or nothing.
struct Batch {
  std::vector<Row> upserts;
  std::vector<std::pair<std::string, std::string>> deletes;  // kind, id
  std::vector<EventRow> events;
  [[nodiscard]] bool empty() const { return upserts.empty() && deletes.empty() && events.empty(); }
};

struct StoreState {  // as loaded at start
  std::vector<Row> rows;
  std::string epoch;  // random id of this event log, made with the file
  std::uint64_t last_seq = 0;
  std::uint64_t earliest_seq = 1;
};

// Where acknowledged things live. Memory applies a command at once; whatever tells the world of it
// (answers, events, reads) goes through `commit` and waits until its batch is durable. Batches are
// committed in order, several in one transaction (group commit), on a thread of the store's own.
class Store {
 public:
  virtual ~Store() = default;

  // `done` runs on the loop's thread, in the order of the calls, once all batches up to this one
  // are durable; an empty batch waits for those before it. After a failed commit (full disk, I/O
  // error) every later `done` gets the error and nothing more is written: the file is poisoned.
  virtual void commit(Batch batch, std::function<void(tl::expected<void, std::string>)> done) = 0;
  // Events after `after_seq`, at most `limit`, oldest first; runs `done` on the loop's thread.
  // A damaged row ends the list before it; when it is the first, it is the error.
  using Events = tl::expected<std::vector<EventRow>, std::string>;
  virtual void events_after(std::uint64_t after_seq, std::size_t limit,
                            std::function<void(Events)> done) = 0;
  // The oldest event that is still there, or the next one when there is none.
  [[nodiscard]] virtual std::uint64_t earliest_seq() const = 0;
  // Of the file that the log is in, as it was when it was last trimmed.
  [[nodiscard]] virtual std::uint64_t used_bytes() const { return 0; }
  // So much waits for the disk that nothing more should be begun.
  [[nodiscard]] virtual bool congested() const { return false; }
  // False after a failed commit: /readyz says so.
  [[nodiscard]] virtual bool healthy() const = 0;
};

// SQLite in WAL mode with synchronous=FULL. A second daemon on the same file is refused, a damaged
// file is named with its table, never silently emptied. Both come as the error.
struct OpenedStore {
  std::unique_ptr<Store> store;
  StoreState state;
};
[[nodiscard]] tl::expected<OpenedStore, std::string> open_sqlite_store(server::Loop& loop,
                                                                       const config::Store& config);

}  // namespace parley::control
