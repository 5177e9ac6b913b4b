#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/consumers.h"
#include "control/context.h"
#include "control/delivery_queue.h"
#include "control/http_client.h"
#include "control/rpc.h"
#include "control/store.h"

namespace parley::control {

// Events by HTTP POST for backends that hold no socket: each webhook is a consumer of the log like
// any other, with a durable cursor, only that an answer 2xx is its acknowledgement. Signed as the
// Standard Webhooks specification says. In order within each room, and tried again for as long as
// the log holds them: delivery_queue.h.
class Webhooks {
 public:
  static constexpr std::size_t kMaxWebhooks = 100;
  static constexpr std::size_t kPage = 256;       // events read from the log at a time
  static constexpr std::size_t kSearchPage = 16;  // of a lane set aside, found at a time
  // Passed over between two notes of the place.
  static constexpr std::uint64_t kPlaceEvents = 1'000;

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
    std::size_t aside = 0;  // rooms that wait apart from the others
  };
  [[nodiscard]] std::vector<State> states() const;

 private:
  struct Webhook {
    std::string name;
    std::string url;
    std::string secret;
    EventFilter filter;
    bool enabled = true;
    bool orphaned = false;  // its key is not configured any more
    std::int64_t created_ms = 0;
    [[nodiscard]] bool works() const noexcept { return enabled && !orphaned; }

    DeliveryQueue queue;
    std::uint64_t generation = 0;  // of the queue, for answers that come late
    std::uint64_t stored = 0;      // the cursor on the disk
    bool reading = false;
    bool searching = false;
    std::string last_error;
    std::int64_t last_success_ms = 0;
    Timers::Id wake_timer = 0;
  };

  [[nodiscard]] Webhook* find(std::string_view id);
  void load_lane(const Row& row);
  void store(const std::string& id, Webhook& webhook);
  // What moved in the queue, and its place: over events that it does not want only now and then.
  void keep_places(const std::string& id, Webhook& webhook);
  void keep_lanes(const std::string& id, Webhook& webhook);
  void lost(const std::string& id, Webhook& webhook, std::string why);
  void restart(Webhook& webhook);
  void take(Webhook& webhook, const EventRow& event);
  // Sends what is due, looks for what waits apart, reads on.
  void pump(const std::string& id, Webhook& webhook);
  void send(const std::string& id, Webhook& webhook, const EventRow& event);
  void read_on(const std::string& id, Webhook& webhook);
  void on_page(const std::string& id, Webhook& webhook, const Store::Events& page);
  void search(const std::string& id, Webhook& webhook, DeliveryQueue::Search search);
  void on_search(const std::string& id, Webhook& webhook, const DeliveryQueue::Search& search,
                 const Store::Events& page);
  void answered(const std::string& id, std::uint64_t generation, const std::string& lane,
                const HttpClient::Outcome& outcome);
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
