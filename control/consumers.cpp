#include "control/consumers.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "control/params.h"
#include "server/log.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kRow = "consumer";

std::string id_of(std::string_view key_id, std::string_view name) {
  return std::string(key_id) + "/" + std::string(name);
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, text); });
}

Json texts_json(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

std::vector<std::string> texts_of(const Json& json, std::string_view name) {
  std::vector<std::string> texts;
  const Json* list = json.find(name);
  if (list == nullptr || !list->is_array()) return texts;
  for (const Json& one : *list->as_array()) {
    if (const std::string* text = one.as_string()) texts.push_back(*text);
  }
  return texts;
}

}  // namespace

bool is_type_pattern(std::string_view text) noexcept {
  if (text.empty() || text.size() > 64) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || c == '_' || c == '.' || c == '*';
  });
}

bool EventFilter::may_see(const EventRow& event) const {
  if (!event.tenant.empty()) return matches_any(scope, event.tenant);
  if (!event.type.starts_with("consumer.")) return true;
  if (std::find(scope.begin(), scope.end(), "*") != scope.end()) return true;
  const auto body = Json::parse_own(event.body);
  const Json* data = body ? body->find("data") : nullptr;
  return data != nullptr && text_member(*data, "key_id") == key_id;
}

bool EventFilter::wants(const EventRow& event) const {
  if (!types.empty() && !matches_any(types, event.type)) return false;
  if (!tenants.empty() && !event.tenant.empty() && !matches_any(tenants, event.tenant)) {
    return false;
  }
  return may_see(event);
}

Json EventFilter::to_json() const {
  return Json::object({{"types", texts_json(types)},
                       {"tenants", texts_json(tenants)},
                       {"scope", texts_json(scope)},
                       {"key_id", key_id}});
}

EventFilter EventFilter::from_json(const Json& json) {
  return {texts_of(json, "types"), texts_of(json, "tenants"), texts_of(json, "scope"),
          text_member(json, "key_id")};
}

Consumers::Consumers(Context& context, Store& store, std::string epoch)
    : context_(context), store_(store), epoch_(std::move(epoch)) {}

Consumers::~Consumers() { context_.timers.cancel(check_timer_); }

void Consumers::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != kRow) continue;
    const auto body = Json::parse_own(row.body);
    const Json* filter = body ? body->find("filter") : nullptr;
    if (filter == nullptr) {
      server::log::error("consumer_unreadable", {{"consumer", row.id}});
      continue;
    }
    Consumer& consumer = consumers_[row.id];
    consumer.name = text_member(*body, "name");
    consumer.filter = EventFilter::from_json(*filter);
    consumer.cursor = static_cast<std::uint64_t>(integer_member(*body, "cursor"));
    consumer.acked = static_cast<std::uint64_t>(
        integer_member(*body, "acked", static_cast<std::int64_t>(consumer.cursor)));
    consumer.created_ms = row.created_ms;
    consumer.last_ack_ms = integer_member(*body, "last_ack_ms");
    consumer.looked_at = consumer.cursor;
  }
  arm();
}

void Consumers::keys_changed(const ScopeOf& scope_of) {
  for (auto& [id, consumer] : consumers_) {
    auto scope = scope_of(consumer.filter.key_id);
    consumer.orphaned = !scope;
    if (scope) consumer.filter.scope = std::move(*scope);
  }
}

Consumers::Consumer* Consumers::find(std::string_view id) {
  const auto it = consumers_.find(id);
  return it == consumers_.end() ? nullptr : &it->second;
}

void Consumers::put(const std::string& id, const Consumer& consumer) {
  context_.outbox.put({std::string(kRow), id, "",
                       Json::object({{"name", consumer.name},
                                     {"filter", consumer.filter.to_json()},
                                     {"cursor", consumer.cursor},
                                     {"acked", consumer.acked},
                                     {"last_ack_ms", consumer.last_ack_ms}})
                           .dump(),
                       consumer.created_ms});
}

RpcError Consumers::expired_error() const {
  RpcError error = rpc_error(Status::FailedPrecondition, "cursor_expired",
                             "events after this cursor are gone; read state.snapshot and "
                             "subscribe from its as_of_seq");
  error.details.emplace_back("earliest_seq", store_.earliest_seq());
  error.details.emplace_back("last_seq", context_.outbox.durable_seq());
  error.details.emplace_back("epoch", epoch_);
  return error;
}

RpcResult<Json> Consumers::subscribe(ConnectionId connection, Subscribe request) {
  const std::string id = id_of(request.filter.key_id, request.name);
  const std::uint64_t last = context_.outbox.last_seq();
  Consumer* consumer = find(id);
  std::uint64_t cursor = consumer == nullptr ? last : consumer->cursor;
  std::optional<std::uint64_t> delivered;
  switch (request.from) {
    case Subscribe::From::Cursor:
      break;
    case Subscribe::From::Earliest:
      cursor = store_.earliest_seq() - 1;
      break;
    case Subscribe::From::Latest:
      cursor = last;
      break;
    case Subscribe::From::Seq:
      // Its own note of what it has dealt with, which may lie behind ours by events that it never
      // wanted: those may be gone without loss.
      if (consumer != nullptr && consumer->filter == request.filter &&
          request.seq >= consumer->acked && request.seq < cursor) {
        delivered = request.seq;
      } else {
        cursor = request.seq;
      }
      break;
  }
  if (request.epoch && *request.epoch != epoch_) return tl::unexpected(expired_error());
  if (cursor + 1 < store_.earliest_seq()) return tl::unexpected(expired_error());
  if (cursor > last) {
    return tl::unexpected(rpc_error(Status::InvalidArgument, "invalid_argument",
                                    "from is behind the end of the log", "from"));
  }
  if (consumer == nullptr) {
    if (consumers_.size() >= kMaxConsumers) {
      return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_consumers",
                                      "delete consumers that nobody uses any more"));
    }
    consumer = &consumers_[id];
    consumer->name = request.name;
    consumer->created_ms = context_.wall_ms();
    consumer->last_ack_ms = consumer->created_ms;
  }
  if (consumer->connection && *consumer->connection != connection) {
    context_.outbox.after([this, old = *consumer->connection, name = request.name](bool) {
      context_.send(old, rpc_notification("superseded", Json::object({{"consumer", name}})));
    });
  }
  consumer->connection = connection;
  consumer->generation = ++last_generation_;
  consumer->started = false;
  consumer->reading = false;
  consumer->filter = std::move(request.filter);
  consumer->orphaned = false;
  consumer->window = request.window;
  consumer->cursor = consumer->scanned = consumer->looked_at = cursor;
  consumer->delivered = delivered.value_or(cursor);
  if (!delivered && request.from != Subscribe::From::Cursor) consumer->acked = cursor;
  consumer->unacked.clear();
  consumer->oldest_ms.reset();
  put(id, *consumer);
  arm();
  return Json::object({{"consumer", consumer->name},
                       {"epoch", epoch_},
                       {"cursor", cursor},
                       {"last_seq", last},
                       {"earliest_seq", store_.earliest_seq()},
                       {"window", static_cast<std::uint64_t>(consumer->window)}});
}

void Consumers::start(ConnectionId connection) {
  for (auto& [id, consumer] : consumers_) {
    if (consumer.connection != connection || consumer.started) continue;
    consumer.started = true;
    pump(id, consumer);
  }
}

RpcResult<Json> Consumers::acknowledge(const std::string& key_id, const std::string& name,
                                       std::uint64_t seq) {
  const std::string id = id_of(key_id, name);
  Consumer* consumer = find(id);
  if (consumer == nullptr) {
    return tl::unexpected(rpc_error(Status::NotFound, "consumer_not_found",
                                    "this key has no consumer of this name", "consumer"));
  }
  if (seq > context_.outbox.durable_seq()) {
    return tl::unexpected(rpc_error(Status::InvalidArgument, "invalid_argument",
                                    "seq is behind the end of the log", "seq"));
  }
  const bool already = seq <= consumer->cursor;
  if (!already) {
    consumer->cursor = consumer->acked = seq;
    consumer->last_ack_ms = context_.wall_ms();
    auto& unacked = consumer->unacked;
    while (!unacked.empty() && unacked.front() <= seq) unacked.pop_front();
    consumer->oldest_ms.reset();
    consumer->looked_at = seq;
    put(id, *consumer);
    // A consumer that reads by events.list acknowledges what this socket was never sent.
    if (consumer->scanned < seq) consumer->scanned = consumer->delivered = seq;
    pump(id, *consumer);
  }
  return Json::object({{"cursor", consumer->cursor}, {"already", already}});
}

bool Consumers::remove(const std::string& key_id, const std::string& name) {
  const auto it = consumers_.find(id_of(key_id, name));
  if (it == consumers_.end()) return false;
  context_.outbox.remove(kRow, it->first);
  if (it->second.connection) {
    context_.outbox.after([this, to = *it->second.connection, name](bool) {
      context_.send(to, rpc_notification("consumer_deleted", Json::object({{"consumer", name}})));
    });
  }
  consumers_.erase(it);
  return true;
}

Json Consumers::consumer_json(const Consumer& consumer) const {
  const std::uint64_t last = context_.outbox.durable_seq();
  Json json = Json::object({{"consumer", consumer.name},
                            {"key_id", consumer.filter.key_id},
                            {"types", texts_json(consumer.filter.types)},
                            {"tenants", texts_json(consumer.filter.tenants)},
                            {"cursor", consumer.cursor},
                            {"behind", last > consumer.cursor ? last - consumer.cursor : 0},
                            {"connected", consumer.connection.has_value()},
                            {"created_ms", consumer.created_ms},
                            {"last_ack_ms", consumer.last_ack_ms}});
  json.set("oldest_unacked_ms", consumer.oldest_ms ? Json(*consumer.oldest_ms) : Json());
  return json;
}

Json Consumers::list(const std::string& key_id, bool all_keys) const {
  Json list = Json::array();
  for (const auto& [id, consumer] : consumers_) {
    if (all_keys || consumer.filter.key_id == key_id) list.push(consumer_json(consumer));
  }
  return list;
}

void Consumers::publish(const EventRow& event) {
  for (auto& [id, consumer] : consumers_) {
    if (!consumer.oldest_ms && !consumer.looking && consumer.looked_at + 1 == event.seq) {
      consumer.looked_at = event.seq;
      if (consumer.filter.wants(event)) consumer.oldest_ms = event.time_ms;
    }
    if (!consumer.connection || !consumer.started || consumer.reading) continue;
    if (consumer.scanned + 1 != event.seq || consumer.unacked.size() >= consumer.window) {
      pump(id, consumer);
      continue;
    }
    consumer.scanned = event.seq;
    if (consumer.filter.wants(event)) deliver(consumer, event);
  }
}

void Consumers::deliver(Consumer& consumer, const EventRow& event) {
  // The body is an object of ours: two members are put before its first.
  const std::string params = "{\"consumer\":" + Json(consumer.name).dump() +
                             ",\"prev_seq\":" + std::to_string(consumer.delivered) + "," +
                             event.body.substr(1);
  consumer.delivered = event.seq;
  consumer.unacked.push_back(event.seq);
  context_.send(*consumer.connection,
                R"({"jsonrpc":"2.0","method":"event","params":)" + params + "}");
}

// Reads on in the log while there is something and the window is open.
void Consumers::pump(const std::string& id, Consumer& consumer) {
  if (!consumer.connection || !consumer.started || consumer.reading) return;
  const std::uint64_t durable = context_.outbox.durable_seq();
  if (consumer.unacked.size() >= consumer.window || consumer.scanned >= durable) return;
  consumer.reading = true;
  const std::size_t room = std::min(consumer.window - consumer.unacked.size(), kPage);
  store_.events_after(consumer.scanned, room,
                      [this, id, generation = consumer.generation, durable](
                          const Store::Events& page) { on_page(id, generation, durable, page); });
}

void Consumers::on_page(const std::string& id, std::uint64_t generation, std::uint64_t asked_at,
                        const Store::Events& page) {
  Consumer* consumer = find(id);
  if (consumer == nullptr || consumer->generation != generation) return;
  consumer->reading = false;
  if (!consumer->connection) return;
  if (!page) return expire(*consumer);  // what cannot be read is gone
  const std::vector<EventRow>& rows = *page;
  for (const EventRow& row : rows) {
    if (row.seq <= consumer->scanned) continue;  // acknowledged meanwhile
    if (row.seq != consumer->scanned + 1) return expire(*consumer);
    // Not yet durable when it was asked for: comes by publish().
    if (row.seq > context_.outbox.durable_seq()) break;
    consumer->scanned = row.seq;
    if (consumer->filter.wants(row)) deliver(*consumer, row);
  }
  if (rows.empty() && consumer->scanned < asked_at) return expire(*consumer);
  pump(id, *consumer);
}

// The log was trimmed behind its back.
void Consumers::expire(Consumer& consumer) {
  context_.send(
      *consumer.connection,
      rpc_notification("cursor_expired", Json::object({{"consumer", consumer.name},
                                                       {"earliest_seq", store_.earliest_seq()},
                                                       {"epoch", epoch_}})));
  server::log::warn("cursor_expired", {{"consumer", consumer.name}, {"cursor", consumer.cursor}});
  detach(consumer);
}

void Consumers::detach(Consumer& consumer) {
  consumer.connection.reset();
  consumer.generation = ++last_generation_;
  consumer.started = consumer.reading = false;
  consumer.unacked.clear();
}

void Consumers::closed(ConnectionId connection) {
  for (auto& [id, consumer] : consumers_) {
    if (consumer.connection == connection) detach(consumer);
  }
}

bool Consumers::owns(ConnectionId connection) const {
  return std::any_of(consumers_.begin(), consumers_.end(),
                     [&](const auto& entry) { return entry.second.connection == connection; });
}

// Often enough that the alarm comes when it should.
milliseconds Consumers::check_interval() const {
  return milliseconds(
      std::clamp<std::int64_t>(context_.config.control.consumer_lag_ms / 4, 10, 5'000));
}

void Consumers::arm() {
  if (check_timer_ != 0 || consumers_.empty()) return;
  check_timer_ = context_.timers.at(context_.now() + check_interval(), [this] {
    check_timer_ = 0;
    check();
    arm();
  });
}

void Consumers::check() {
  for (auto& [id, consumer] : consumers_) {
    if (consumer.oldest_ms) {
      if (!consumer.orphaned) tell_lag(id, consumer);
    } else {
      move_over_unwanted(id, consumer);
      if (std::exchange(consumer.lag_told, false)) {
        server::log::info("consumer_caught_up", {{"consumer", id}});
      }
      consumer.retention_told = 0;
      look_for_oldest(id, consumer);
    }
  }
}

// Nobody acknowledges what he is never sent: without this, a consumer of rare events would lose its
// place when the log in front of it is trimmed.
void Consumers::move_over_unwanted(const std::string& id, Consumer& consumer) {
  if (!consumer.unacked.empty() || consumer.looked_at <= consumer.cursor) return;
  if (consumer.connection && consumer.scanned < consumer.looked_at) return;  // on its way
  consumer.cursor = consumer.looked_at;
  put(id, consumer);
}

void Consumers::look_for_oldest(const std::string& id, Consumer& consumer) {
  if (consumer.looking || consumer.looked_at >= context_.outbox.durable_seq()) return;
  consumer.looking = true;
  store_.events_after(consumer.looked_at, kPage, [this, id](const Store::Events& page) {
    Consumer* found = find(id);
    if (found == nullptr) return;
    found->looking = false;
    if (!page) return;
    const std::vector<EventRow>& rows = *page;
    for (const EventRow& row : rows) {
      if (row.seq <= found->looked_at || found->oldest_ms) continue;
      found->looked_at = row.seq;
      if (found->filter.wants(row)) found->oldest_ms = row.time_ms;
    }
    if (!rows.empty() && !found->oldest_ms) look_for_oldest(id, *found);
  });
}

LogSize Consumers::log_size() const {
  return {store_.used_bytes(), context_.config.store.event_retention_bytes, store_.earliest_seq(),
          context_.outbox.durable_seq()};
}

void Consumers::tell_lag(const std::string& id, Consumer& consumer) {
  const std::int64_t lag_ms = context_.wall_ms() - *consumer.oldest_ms;
  // Alarms before the oldest events go, by age or by size, whichever comes first.
  const std::int64_t retention_ms = std::int64_t{context_.config.store.event_retention_s} * 1'000;
  const std::int64_t by_age = lag_ms * 100 / std::max<std::int64_t>(retention_ms, 1);
  const LogSize log = log_size();
  const std::int64_t by_size = log.percent(consumer.cursor);
  const std::int64_t percent = std::max(by_age, by_size);
  const std::string_view bound = by_size > by_age ? "size" : "age";
  const int level = percent >= 80 ? 80 : percent >= 50 ? 50 : 0;
  const bool lags = lag_ms > context_.config.control.consumer_lag_ms;
  if ((!lags || consumer.lag_told) && level <= consumer.retention_told) return;
  consumer.lag_told = lags;
  consumer.retention_told = std::max(consumer.retention_told, level);
  server::log::warn(
      "consumer_lagging",
      {{"consumer", id}, {"lag_ms", lag_ms}, {"retention_percent", percent}, {"bound", bound}});
  context_.event({"consumer.lagging", "", "", "",
                  Json::object({{"consumer", consumer.name},
                                {"key_id", consumer.filter.key_id},
                                {"lag_ms", lag_ms},
                                {"cursor", consumer.cursor},
                                {"retention_percent", percent},
                                {"retention_bound", bound},
                                {"bytes_to_edge", log.bytes_to_edge(consumer.cursor)},
                                {"connected", consumer.connection.has_value()}})});
}

std::vector<Consumers::Lag> Consumers::lags() const {
  std::vector<Lag> all;
  const std::int64_t now = context_.wall_ms();
  const LogSize log = log_size();
  for (const auto& [id, consumer] : consumers_) {
    Lag lag;
    lag.name = id;
    lag.events = log.last_seq > consumer.cursor ? log.last_seq - consumer.cursor : 0;
    lag.bytes_to_edge = log.bytes_to_edge(consumer.cursor);
    if (consumer.oldest_ms) lag.seconds = static_cast<double>(now - *consumer.oldest_ms) / 1e3;
    lag.since_ack_s = static_cast<double>(now - consumer.last_ack_ms) / 1e3;
    lag.connected = consumer.connection.has_value();
    all.push_back(std::move(lag));
  }
  return all;
}

}  // namespace parley::control
