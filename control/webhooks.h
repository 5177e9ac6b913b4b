#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/consumers.h"
#include "control/context.h"
#include "control/http_client.h"
#include "control/rpc.h"
#include "control/store.h"

namespace parley::control {

// Events by HTTP POST for backends that hold no socket: each webhook is a consumer of the log like
// any other, with a durable cursor, only that an answer 2xx is its acknowledgement. Signed as the
// Standard Webhooks specification says. In order within each room: a room's next event waits until
// the one before was taken, while other rooms go on. What fails is tried again, later each time,
// for as long as the log holds it.
class Webhooks {
 public:
  static constexpr std::size_t kMaxWebhooks = 100;
  static constexpr std::size_t kWindow = 64;  // events between the cursor and the newest sent
  static constexpr std::uint64_t kPlaceEvents =
      1'000;                                      // passed over between two notes of the place
  static constexpr std::size_t kMaxInFlight = 8;  // at once to one webhook
  static constexpr std::chrono::milliseconds kFirstRetry{1'000};
  static constexpr std::chrono::milliseconds kLongestRetry{600'000};

  using Post = std::function<void(HttpClient::Request, HttpClient::Done)>;

  // `end_turn` runs after each answer, so that a cursor that moved goes to the disk.
  Webhooks(Context& context, Store& store, Post post, std::function<void()> end_turn);
  ~Webhooks();
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;

  void load(const std::vector<Row>& rows);
  // Of each webhook what its key may see now; with its key it stops. Nothing is sent before this.
  void keys_changed(const Consumers::ScopeOf& scope_of);

  struct Put {
    std::string name;
    std::string url;
    EventFilter filter;
    std::optional<std::string> secret;  // "whsec_...": else one is made
    bool enabled = true;
  };
  // Creates or changes; a new one begins with what comes next. The secret is in the answer to the
  // first.
  [[nodiscard]] RpcResult<Json> put(Put put);
  [[nodiscard]] Json list(const std::string& key_id, bool all_keys) const;
  [[nodiscard]] bool remove(const std::string& key_id, const std::string& name);
  // Sends a made-up event at once; `reply` gets {status} or {error}.
  [[nodiscard]] RpcResult<void> test(const std::string& key_id, const std::string& name,
                                     std::function<void(RpcResult<Json>)> reply);
  // All from this event on, once more.
  [[nodiscard]] RpcResult<Json> redeliver(const std::string& key_id, const std::string& name,
                                          std::uint64_t from_seq);

  // A durable event, in the order of the log.
  void publish(const EventRow& event);

  struct Counters {
    std::uint64_t attempts = 0;
    std::uint64_t failures = 0;
  };
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  // Of those enabled: by "key/name", how many events behind, and failures in a row.
  struct State {
    std::string name;  // "key/name"
    std::uint64_t behind = 0;
    std::uint64_t failed = 0;
  };
  [[nodiscard]] std::vector<State> states() const;

 private:
  struct Pending {
    EventRow event;
    std::string lane;  // whose order it keeps: the room, else the tenant
    int attempts = 0;
    bool in_flight = false;
    bool done = false;
    rtp::Time not_before{};
  };
  struct Webhook {
    std::string name;
    std::string url;
    std::string secret;
    EventFilter filter;
    bool enabled = true;
    bool orphaned = false;  // its key is not configured any more
    std::uint64_t cursor = 0;
    std::int64_t created_ms = 0;
    [[nodiscard]] bool works() const noexcept { return enabled && !orphaned; }

    std::uint64_t generation = 0;
    std::uint64_t scanned = 0;
    std::uint64_t stored = 0;  // the cursor on the disk
    bool reading = false;
    std::deque<Pending> pending;  // by seq
    std::size_t in_flight = 0;
    std::uint64_t failed = 0;  // in a row
    std::string last_error;
    std::int64_t last_success_ms = 0;
    Timers::Id retry_timer = 0;
  };

  [[nodiscard]] Webhook* find(std::string_view id);
  void store(const std::string& id, Webhook& webhook);
  // Now and then, over events that it does not want.
  void keep_place(const std::string& id, Webhook& webhook);
  void lost(const std::string& id, Webhook& webhook, std::string why);
  void restart(Webhook& webhook, std::uint64_t cursor);
  void pump(const std::string& id, Webhook& webhook);
  void read_on(const std::string& id, Webhook& webhook);
  void take(Webhook& webhook, const EventRow& event);
  void send_due(const std::string& id, Webhook& webhook);
  void send(const std::string& id, Webhook& webhook, Pending& pending);
  void answered(const std::string& id, std::uint64_t generation, std::uint64_t seq,
                const HttpClient::Outcome& outcome);
  void advance(const std::string& id, Webhook& webhook);
  [[nodiscard]] HttpClient::Request request_for(const Webhook& webhook, std::string_view event_id,
                                                std::string body) const;
  [[nodiscard]] Json to_json(const Webhook& webhook) const;

  Context& context_;
  Store& store_;
  Post post_;
  std::function<void()> end_turn_;
  std::map<std::string, Webhook, std::less<>> webhooks_;
  std::uint64_t last_generation_ = 0;
  Counters counters_;
};

// The value of the header `webhook-signature` (Standard Webhooks): "v1," and the Base64 of the
// HMAC-SHA256 of "id.timestamp.body" under the secret's bytes. Empty for a secret that is none.
[[nodiscard]] std::string sign_webhook(std::string_view secret, std::string_view id,
                                       std::int64_t timestamp_s, std::string_view body);
[[nodiscard]] bool is_webhook_secret(std::string_view secret);

}  // namespace parley::control
