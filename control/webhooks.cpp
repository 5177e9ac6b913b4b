#include "control/webhooks.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "control/base64url.h"
#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::string_view kRow = "webhook";
constexpr std::string_view kLaneRow = "webhook_lane";  // one that is set aside
constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kSecretBytes = 32;
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string id_of(std::string_view key_id, std::string_view name) {
  return std::string(key_id) + "/" + std::string(name);
}

std::string base64(const unsigned char* bytes, std::size_t size) {
  return base64_encode({reinterpret_cast<const char*>(bytes), size});
}

// The bytes of "whsec_" and Base64 behind it, 24 to 64 of them as the specification asks.
std::optional<std::vector<unsigned char>> secret_bytes(std::string_view secret) {
  if (!secret.starts_with(kSecretPrefix)) return std::nullopt;
  std::string_view text = secret.substr(kSecretPrefix.size());
  if (text.empty() || text.size() % 4 != 0 || text.size() > 128) return std::nullopt;
  // EVP_DecodeBlock() passes over blanks and takes padding anywhere.
  const std::string_view digits = text.substr(0, text.find('='));
  if (text.size() - digits.size() > 2 || text.find_last_not_of('=') + 1 != digits.size() ||
      digits.find_first_not_of(kBase64) != std::string_view::npos) {
    return std::nullopt;
  }
  std::vector<unsigned char> bytes(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  if (bytes.size() < 24 || bytes.size() > 64) return std::nullopt;
  return bytes;
}

std::string new_secret() {
  std::array<unsigned char, kSecretBytes> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return std::string(kSecretPrefix) + base64(bytes.data(), bytes.size());
}

Json texts_json(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

RpcError not_found() {
  return rpc_error(Status::NotFound, "webhook_not_found", "this key has no webhook of this name",
                   "webhook");
}

}  // namespace

bool is_webhook_secret(std::string_view secret) { return secret_bytes(secret).has_value(); }

std::string sign_webhook(std::string_view secret, std::string_view id, std::int64_t timestamp_s,
                         std::string_view body) {
  const auto key = secret_bytes(secret);
  if (!key) return {};
  const std::string input =
      std::string(id) + "." + std::to_string(timestamp_s) + "." + std::string(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key->data(), static_cast<int>(key->size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), digest.data(), &size);
  return "v1," + base64(digest.data(), size);
}

Webhooks::Webhooks(Context& context, Store& store, Post post, std::function<void()> end_turn)
    : context_(context), store_(store), post_(std::move(post)), end_turn_(std::move(end_turn)) {}

Webhooks::~Webhooks() {
  for (auto& [id, webhook] : webhooks_) context_.timers.cancel(webhook.wake_timer);
}

void Webhooks::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != kRow) continue;
    const auto body = Json::parse_own(row.body);
    const Json* filter = body ? body->find("filter") : nullptr;
    if (filter == nullptr) {
      server::log::error("webhook_unreadable", {{"webhook", row.id}});
      continue;
    }
    Webhook& webhook = webhooks_[row.id];
    webhook.name = text_member(*body, "name");
    webhook.url = text_member(*body, "url");
    webhook.secret = text_member(*body, "secret");
    webhook.filter = EventFilter::from_json(*filter);
    webhook.enabled = flag_member(*body, "enabled");
    webhook.created_ms = row.created_ms;
    webhook.stored = static_cast<std::uint64_t>(integer_member(*body, "cursor"));
    webhook.orphaned = true;  // until keys_changed() says that its key is there
    webhook.queue.restart(webhook.stored);
  }
  for (const Row& row : rows) {
    if (row.kind == kLaneRow) load_lane(row);
  }
}

void Webhooks::load_lane(const Row& row) {
  const auto body = Json::parse_own(row.body);
  Webhook* webhook = body ? find(text_member(*body, "webhook")) : nullptr;
  if (webhook == nullptr) return server::log::error("webhook_unreadable", {{"lane", row.id}});
  webhook->queue.set_aside(text_member(*body, "lane"),
                           static_cast<std::uint64_t>(integer_member(*body, "after")));
}

void Webhooks::keys_changed(const Consumers::ScopeOf& scope_of) {
  for (auto& [id, webhook] : webhooks_) {
    auto scope = scope_of(webhook.filter.key_id);
    if (scope && !webhook.orphaned && webhook.filter.scope == *scope) continue;
    if (!scope && !webhook.orphaned) server::log::warn("webhook_without_key", {{"webhook", id}});
    webhook.orphaned = !scope;
    if (scope) webhook.filter.scope = std::move(*scope);
    webhook.queue.restart(webhook.queue.cursor());
    restart(webhook);
    pump(id, webhook);
  }
}

Webhooks::Webhook* Webhooks::find(std::string_view id) {
  const auto it = webhooks_.find(id);
  return it == webhooks_.end() ? nullptr : &it->second;
}

void Webhooks::keep_places(const std::string& id, Webhook& webhook) {
  keep_lanes(id, webhook);
  if (webhook.queue.cursor() >= webhook.stored + kPlaceEvents) store(id, webhook);
}

void Webhooks::keep_lanes(const std::string& id, Webhook& webhook) {
  for (const DeliveryQueue::Aside& aside : webhook.queue.changes()) {
    const std::string row = id + "/" + aside.lane;
    if (!aside.after) {
      context_.outbox.remove(kLaneRow, row);
      continue;
    }
    context_.outbox.put(
        {std::string(kLaneRow), row, "",
         Json::object({{"webhook", id}, {"lane", aside.lane}, {"after", *aside.after}}).dump(),
         webhook.created_ms});
  }
}

void Webhooks::store(const std::string& id, Webhook& webhook) {
  webhook.stored = webhook.queue.cursor();
  context_.outbox.put({std::string(kRow), id, "",
                       Json::object({{"name", webhook.name},
                                     {"url", webhook.url},
                                     {"secret", webhook.secret},
                                     {"filter", webhook.filter.to_json()},
                                     {"enabled", webhook.enabled},
                                     {"cursor", webhook.stored}})
                           .dump(),
                       webhook.created_ms});
}

// The queue began again: what is under way counts for nothing any more.
void Webhooks::restart(Webhook& webhook) {
  context_.timers.cancel(webhook.wake_timer);
  webhook.generation = ++last_generation_;
  webhook.reading = webhook.searching = false;
}

RpcResult<Json> Webhooks::put(Put put) {
  const std::string id = id_of(put.filter.key_id, put.name);
  Webhook* webhook = find(id);
  const bool created = webhook == nullptr;
  if (created) {
    if (webhooks_.size() >= kMaxWebhooks) {
      return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_webhooks",
                                      "delete webhooks that nobody uses any more"));
    }
    webhook = &webhooks_[id];
    webhook->name = put.name;
    webhook->created_ms = context_.wall_ms();
    webhook->secret = new_secret();
  }
  webhook->url = std::move(put.url);
  webhook->filter = std::move(put.filter);
  webhook->orphaned = false;
  webhook->enabled = put.enabled;
  if (put.secret) webhook->secret = *put.secret;
  webhook->queue.restart(created ? context_.outbox.last_seq() : webhook->queue.cursor());
  restart(*webhook);
  store(id, *webhook);
  pump(id, *webhook);
  Json json = to_json(*webhook);
  json.set("created", created);
  if (created || put.secret) json.set("secret", webhook->secret);
  return json;
}

Json Webhooks::to_json(const Webhook& webhook) const {
  const std::uint64_t last = context_.outbox.durable_seq();
  const std::uint64_t cursor = webhook.queue.cursor();
  Json json = Json::object({{"webhook", webhook.name},
                            {"key_id", webhook.filter.key_id},
                            {"url", webhook.url},
                            {"types", texts_json(webhook.filter.types)},
                            {"tenants", texts_json(webhook.filter.tenants)},
                            {"enabled", webhook.enabled},
                            {"cursor", cursor},
                            {"behind", last > cursor ? last - cursor : 0},
                            {"failed_count", webhook.queue.failed_in_a_row()},
                            {"set_aside", webhook.queue.aside_count()},
                            {"last_error", webhook.last_error},
                            {"created_ms", webhook.created_ms}});
  json.set("last_success_ms",
           webhook.last_success_ms == 0 ? Json() : Json(webhook.last_success_ms));
  return json;
}

Json Webhooks::list(const std::string& key_id, bool all_keys) const {
  Json list = Json::array();
  for (const auto& [id, webhook] : webhooks_) {
    if (all_keys || webhook.filter.key_id == key_id) list.push(to_json(webhook));
  }
  return list;
}

bool Webhooks::remove(const std::string& key_id, const std::string& name) {
  const auto it = webhooks_.find(id_of(key_id, name));
  if (it == webhooks_.end()) return false;
  context_.timers.cancel(it->second.wake_timer);
  it->second.queue.replay(0);  // no lane is set aside any more
  keep_lanes(it->first, it->second);
  context_.outbox.remove(kRow, it->first);
  webhooks_.erase(it);
  return true;
}

RpcResult<Json> Webhooks::redeliver(const std::string& key_id, const std::string& name,
                                    std::uint64_t from_seq) {
  const std::string id = id_of(key_id, name);
  Webhook* webhook = find(id);
  if (webhook == nullptr) return tl::unexpected(not_found());
  if (from_seq < store_.earliest_seq() || from_seq > context_.outbox.last_seq() + 1) {
    RpcError error = rpc_error(Status::FailedPrecondition, "cursor_expired",
                               "the log has no event of this number", "from_seq");
    error.details.emplace_back("earliest_seq", store_.earliest_seq());
    error.details.emplace_back("last_seq", context_.outbox.last_seq());
    return tl::unexpected(std::move(error));
  }
  webhook->queue.replay(from_seq - 1);
  restart(*webhook);
  keep_lanes(id, *webhook);
  store(id, *webhook);
  pump(id, *webhook);
  return to_json(*webhook);
}

HttpClient::Request Webhooks::request_for(const Webhook& webhook, std::string_view event_id,
                                          std::string body) const {
  const std::int64_t now_s = context_.wall_ms() / 1'000;
  HttpClient::Request request;
  request.url = webhook.url;
  request.headers = {
      "Content-Type: application/json",
      "User-Agent: parley",
      "webhook-id: " + std::string(event_id),
      "webhook-timestamp: " + std::to_string(now_s),
      "webhook-signature: " + sign_webhook(webhook.secret, event_id, now_s, body),
      "Expect:",  // no question before the body
  };
  request.body = std::move(body);
  return request;
}

RpcResult<void> Webhooks::test(const std::string& key_id, const std::string& name,
                               std::function<void(RpcResult<Json>)> reply) {
  const Webhook* webhook = find(id_of(key_id, name));
  if (webhook == nullptr) return tl::unexpected(not_found());
  const std::string event_id = context_.id("ev");
  std::string body = Json::object({{"id", event_id},
                                   {"type", "webhook.test"},
                                   {"v", 1},
                                   {"time_ms", context_.wall_ms()},
                                   {"data", Json::object({{"webhook", name}})}})
                         .dump();
  post_(request_for(*webhook, event_id, std::move(body)), [reply = std::move(reply)](
                                                              const HttpClient::Outcome& outcome) {
    Json result = Json::object({{"delivered", outcome.status >= 200 && outcome.status < 300}});
    if (outcome.status != 0) result.set("status", outcome.status);
    if (!outcome.error.empty()) result.set("error", outcome.error);
    reply(std::move(result));
  });
  return {};
}

void Webhooks::publish(const EventRow& event) {
  for (auto& [id, webhook] : webhooks_) {
    if (!webhook.works() || webhook.reading) continue;
    if (webhook.queue.scanned() + 1 == event.seq && webhook.queue.has_room()) {
      take(webhook, event);
      keep_places(id, webhook);
    }
    pump(id, webhook);
  }
}

void Webhooks::take(Webhook& webhook, const EventRow& event) {
  if (webhook.filter.wants(event)) {
    webhook.queue.take(event);
  } else {
    webhook.queue.pass(event.seq);
  }
}

void Webhooks::pump(const std::string& id, Webhook& webhook) {
  if (!webhook.works()) return;
  DeliveryQueue& queue = webhook.queue;
  const rtp::Time now = context_.now();
  while (const EventRow* event = queue.next(now)) send(id, webhook, *event);
  context_.timers.cancel(webhook.wake_timer);
  webhook.wake_timer = 0;
  if (const auto at = queue.wakes_at(now)) {
    webhook.wake_timer = context_.timers.at(*at, [this, id] {
      Webhook* due = find(id);
      if (due == nullptr) return;
      due->wake_timer = 0;
      pump(id, *due);
    });
  }
  if (!webhook.searching) {
    if (auto wanted = queue.search()) search(id, webhook, std::move(*wanted));
  }
  if (!webhook.reading && queue.has_room() && queue.scanned() < context_.outbox.durable_seq()) {
    read_on(id, webhook);
  }
}

void Webhooks::send(const std::string& id, Webhook& webhook, const EventRow& event) {
  ++counters_.attempts;
  post_(request_for(webhook, event.id, event.body),
        [this, id, generation = webhook.generation,
         lane = DeliveryQueue::lane_of(event)](const HttpClient::Outcome& outcome) {
          answered(id, generation, lane, outcome);
          end_turn_();
        });
}

void Webhooks::read_on(const std::string& id, Webhook& webhook) {
  webhook.reading = true;
  store_.events_after(webhook.queue.scanned(), kPage,
                      [this, id, generation = webhook.generation](const Store::Events& page) {
                        Webhook* found = find(id);
                        if (found == nullptr || found->generation != generation) return;
                        found->reading = false;
                        on_page(id, *found, page);
                      });
}

void Webhooks::on_page(const std::string& id, Webhook& webhook, const Store::Events& page) {
  DeliveryQueue& queue = webhook.queue;
  if (!page) {
    queue.pass(queue.scanned() + 1);  // it cannot be read; those after it can
    lost(id, webhook, page.error());
  } else if (!page->empty() && page->front().seq > queue.scanned() + 1) {
    lost(id, webhook,
         "events before " + std::to_string(page->front().seq) +
             " were deleted before they could be delivered");
    queue.pass(page->front().seq - 1);
  }
  const std::uint64_t before = queue.scanned();
  if (page) {
    for (const EventRow& row : *page) {
      if (row.seq > context_.outbox.durable_seq() || !queue.has_room()) break;
      take(webhook, row);
    }
  }
  keep_places(id, webhook);
  // An empty page where there should be one: the rest comes by publish().
  if (!page || queue.scanned() != before) pump(id, webhook);
}

// The next events of a lane that is set aside.
void Webhooks::search(const std::string& id, Webhook& webhook, DeliveryQueue::Search search) {
  webhook.searching = true;
  const std::uint64_t after = search.after;
  store_.events_after(after, kPage,
                      [this, id, generation = webhook.generation,
                       search = std::move(search)](const Store::Events& page) {
                        Webhook* found = find(id);
                        if (found == nullptr || found->generation != generation) return;
                        found->searching = false;
                        on_search(id, *found, search, page);
                        end_turn_();
                      });
}

void Webhooks::on_search(const std::string& id, Webhook& webhook,
                         const DeliveryQueue::Search& search, const Store::Events& page) {
  const std::uint64_t end = webhook.queue.scanned();
  std::uint64_t through = std::max(search.after, end);
  std::vector<EventRow> found;
  if (!page) {
    through = search.after + 1;
    lost(id, webhook, page.error());
  } else if (!page->empty()) {
    if (page->front().seq > search.after + 1) {
      lost(id, webhook, "events of " + search.lane + " may have been deleted before delivery");
    }
    for (const EventRow& row : *page) {
      if (row.seq > end || found.size() == kSearchPage) break;
      through = row.seq;
      if (DeliveryQueue::lane_of(row) == search.lane && webhook.filter.wants(row)) {
        found.push_back(row);
      }
    }
  }
  webhook.queue.searched(search.lane, std::move(found), through);
  keep_lanes(id, webhook);
  pump(id, webhook);
}

void Webhooks::lost(const std::string& id, Webhook& webhook, std::string why) {
  webhook.last_error = std::move(why);
  server::log::error("webhook_lost_events", {{"webhook", id}, {"why", webhook.last_error}});
}

void Webhooks::answered(const std::string& id, std::uint64_t generation, const std::string& lane,
                        const HttpClient::Outcome& outcome) {
  Webhook* webhook = find(id);
  if (webhook == nullptr || webhook->generation != generation) return;
  DeliveryQueue& queue = webhook->queue;
  const std::uint64_t before = queue.cursor();
  if (outcome.status >= 200 && outcome.status < 300) {
    webhook->last_success_ms = context_.wall_ms();
    webhook->last_error.clear();
    queue.delivered(lane, context_.now());
  } else {
    ++counters_.failures;
    webhook->last_error =
        outcome.error.empty() ? "status " + std::to_string(outcome.status) : outcome.error;
    server::log::limited("webhook_failed", {{"webhook", id}, {"why", webhook->last_error}});
    queue.failed(lane, context_.now());
  }
  if (outcome.status == 410) {  // Gone: its owner does not want it any more
    webhook->enabled = false;
    queue.restart(queue.cursor());
    restart(*webhook);
    server::log::warn("webhook_disabled", {{"webhook", id}});
  }
  keep_lanes(id, *webhook);
  if (queue.cursor() != before || outcome.status == 410) store(id, *webhook);
  pump(id, *webhook);
}

std::vector<Webhooks::State> Webhooks::states() const {
  std::vector<State> all;
  const std::uint64_t last = context_.outbox.durable_seq();
  for (const auto& [id, webhook] : webhooks_) {
    if (!webhook.works()) continue;
    const std::uint64_t cursor = webhook.queue.cursor();
    all.push_back({id, last > cursor ? last - cursor : 0, webhook.queue.failed_in_a_row(),
                   webhook.queue.aside_count()});
  }
  return all;
}

}  // namespace parley::control
