#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/auth.h"
#include "control/context.h"
#include "control/listener.h"
#include "control/log_size.h"
#include "control/rpc.h"
#include "control/store.h"

namespace parley::control {

// Which events one wants: by type ("session.*") and tenant. Empty lists want all.
struct EventFilter {
  std::vector<std::string> types;
  std::vector<std::string> tenants;
  // What the key may see at all, and which key it is: of events without a tenant, those of the
  // server are everybody's, those about a consumer its key's.
  std::vector<std::string> scope;
  std::string key_id;

  [[nodiscard]] bool wants(const EventRow& event) const;
  // Of an event without a tenant, or with one that the key serves.
  [[nodiscard]] bool may_see(const EventRow& event) const;
  [[nodiscard]] Json to_json() const;
  [[nodiscard]] static EventFilter from_json(const Json& json);
  friend bool operator==(const EventFilter&, const EventFilter&) = default;
};

// Backends' durable places in the event log (control-api.md, section 4). A consumer has a name
// within its key, a cursor up to which all is acknowledged, and at most one socket. Events go out
// in the order of the log, each with the number of the one before it; at most `window` wait for
// their acknowledgement, then the rest waits in the log, where it is read again after a reconnect.
// Nothing here holds events in memory, so a consumer that is away for a week costs nothing.
class Consumers {
 public:
  static constexpr std::size_t kMaxConsumers = 1'000;
  static constexpr std::size_t kDefaultWindow = 256;
  static constexpr std::size_t kMaxWindow = 1'000;
  static constexpr std::size_t kPage = 100;  // events read from the log at a time
  static constexpr std::size_t kMaxPatterns = 32;

  Consumers(Context& context, Store& store, std::string epoch);
  ~Consumers();
  Consumers(const Consumers&) = delete;
  Consumers& operator=(const Consumers&) = delete;

  void load(const std::vector<Row>& rows);
  // Of each consumer what its key may see now. One whose key is gone waits, and nobody is alarmed.
  using ScopeOf = std::function<std::optional<std::vector<std::string>>(std::string_view key_id)>;
  void keys_changed(const ScopeOf& scope_of);

  struct Subscribe {
    std::string name;
    EventFilter filter;
    enum class From : std::uint8_t { Cursor, Earliest, Latest, Seq } from = From::Cursor;
    std::uint64_t seq = 0;             // acknowledged already; of From::Seq
    std::optional<std::string> epoch;  // of the log the caller knows
    std::size_t window = kDefaultWindow;
  };
  // The socket becomes this consumer's; one that had it before is told `superseded`. Events come
  // after start().
  [[nodiscard]] RpcResult<Json> subscribe(ConnectionId connection, Subscribe request);
  // The answer to subscribe() is on its way.
  void start(ConnectionId connection);
  [[nodiscard]] RpcResult<Json> acknowledge(const std::string& key_id, const std::string& name,
                                            std::uint64_t seq);
  [[nodiscard]] bool remove(const std::string& key_id, const std::string& name);
  [[nodiscard]] Json list(const std::string& key_id, bool all_keys) const;

  // A durable event, in the order of the log.
  void publish(const EventRow& event);
  void closed(ConnectionId connection);
  [[nodiscard]] bool owns(ConnectionId connection) const;
  // Is asked from time to time; also tells of those who lag.
  void arm();

  struct Lag {
    std::string name;  // "key/name"
    std::uint64_t events = 0;
    double seconds = 0;
    double since_ack_s = 0;
    std::uint64_t bytes_to_edge = 0;  // until the log is trimmed beyond its place
    bool connected = false;
  };
  [[nodiscard]] std::vector<Lag> lags() const;

 private:
  struct Consumer {
    std::string name;
    EventFilter filter;
    std::uint64_t cursor = 0;  // up to here nothing is to be delivered any more
    std::uint64_t acked = 0;   // the last acknowledgement; between them nothing was wanted
    std::size_t window = kDefaultWindow;
    std::int64_t created_ms = 0;
    std::int64_t last_ack_ms = 0;
    bool orphaned = false;  // its key is not configured any more

    // Of the socket.
    std::optional<ConnectionId> connection;
    std::uint64_t generation = 0;  // of its subscription, for reads that come back late
    bool started = false;
    bool reading = false;
    std::uint64_t scanned = 0;    // of the log
    std::uint64_t delivered = 0;  // the last one it was sent
    std::deque<std::uint64_t> unacked;

    // Of the oldest event that is not acknowledged: it, or how far the log has none.
    std::optional<std::int64_t> oldest_ms;
    std::uint64_t looked_at = 0;
    bool looking = false;
    bool lag_told = false;
    int retention_told = 0;  // percent
  };

  [[nodiscard]] Consumer* find(std::string_view id);
  void put(const std::string& id, const Consumer& consumer);
  void pump(const std::string& id, Consumer& consumer);
  void on_page(const std::string& id, std::uint64_t generation, std::uint64_t asked_at,
               const Store::Events& page);
  void deliver(Consumer& consumer, const EventRow& event);
  void expire(Consumer& consumer);
  void detach(Consumer& consumer);
  [[nodiscard]] std::chrono::milliseconds check_interval() const;
  void check();
  void move_over_unwanted(const std::string& id, Consumer& consumer);
  void look_for_oldest(const std::string& id, Consumer& consumer);
  void tell_lag(const std::string& id, Consumer& consumer);
  [[nodiscard]] LogSize log_size() const;
  [[nodiscard]] RpcError expired_error() const;
  [[nodiscard]] Json consumer_json(const Consumer& consumer) const;

  Context& context_;
  Store& store_;
  std::string epoch_;
  std::map<std::string, Consumer, std::less<>> consumers_;  // by "key/name"
  std::uint64_t last_generation_ = 0;
  Timers::Id check_timer_ = 0;
};

// "session.*" or a whole type.
[[nodiscard]] bool is_type_pattern(std::string_view text) noexcept;

}  // namespace parley::control
