#include <limits>

#include "control/api.h"

// The API's methods for events: consumers, the log itself, and the state to begin with.
namespace parley::control {
namespace {

constexpr std::int64_t kMaxEvents = 1'000;

EventFilter filter_of(const Principal& principal) {
  EventFilter filter;
  filter.scope = principal.tenants;
  filter.key_id = principal.key_id;
  return filter;
}

std::vector<std::string> patterns(Params& params, std::string_view name,
                                  bool (*valid)(std::string_view) noexcept) {
  std::vector<std::string> list;
  const Json::Array* given = params.array(name, Consumers::kMaxPatterns);
  if (given == nullptr) return list;
  for (const Json& one : *given) {
    const std::string* text = one.as_string();
    if (text == nullptr || !valid(*text)) {
      params.refuse(name, std::string(name) + " must be an array of names, '*' for any run");
      return {};
    }
    list.push_back(*text);
  }
  return list;
}

bool is_tenant_pattern(std::string_view text) noexcept {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '*') c = '-';
  }
  return is_plain_name(plain);
}

RpcError needs_websocket() {
  return rpc_error(Status::FailedPrecondition, "needs_websocket",
                   "events come over /v1/control; over HTTP use events.list");
}

RpcError expired_cursor(std::uint64_t earliest_seq, const std::string& epoch) {
  RpcError error = rpc_error(Status::FailedPrecondition, "cursor_expired",
                             "events after this one are gone", "after_seq");
  error.details.emplace_back("earliest_seq", earliest_seq);
  error.details.emplace_back("epoch", epoch);
  return error;
}

std::string plain_name(Params& params, std::string_view member) {
  std::string name = params.text(member, {1, 64});
  if (!is_plain_name(name)) {
    params.refuse(member, std::string(member) + " must be 1..64 letters, digits, '.', '_' or '-'");
  }
  return name;
}
std::string consumer_name(Params& params) { return plain_name(params, "consumer"); }
std::string webhook_name(Params& params) { return plain_name(params, "webhook"); }

}  // namespace

// With a consumer it is a subscription as well, from where the caller says that he is.
RpcResult<Json> Api::hello_method(Call& call) {
  Params& p = call.params;
  static_cast<void>(p.optional_text("client"));
  static_cast<void>(p.optional_flag("events"));  // the socket's matter
  Consumers::Subscribe request;
  request.name = p.optional_text("consumer", {1, 64}).value_or("");
  request.filter = filter_of(call.principal);
  if (const Json::Object* resume = p.object("resume")) {
    const Json nested{Json::Object(*resume)};
    Params inner(nested);
    request.epoch = inner.text("epoch", {1, 64});
    request.seq = static_cast<std::uint64_t>(
        inner.integer("after_seq", 0, std::numeric_limits<std::int64_t>::max()));
    request.from = Consumers::Subscribe::From::Seq;
    if (auto ok = inner.finish(); !ok) p.refuse("resume", "resume: " + ok.error().message);
    if (request.name.empty()) p.refuse("consumer", "resume needs a consumer");
  }
  if (auto ok = p.finish(); !ok) return tl::unexpected(ok.error());
  Json result = hello();
  if (request.name.empty()) return result;
  if (!call.connection) return tl::unexpected(needs_websocket());
  auto subscribed = parts_.consumers.subscribe(*call.connection, std::move(request));
  if (!subscribed) return tl::unexpected(subscribed.error());
  result.set("subscription", std::move(*subscribed));
  return result;
}

RpcResult<Json> Api::events_subscribe(Call& call) {
  Params& p = call.params;
  Consumers::Subscribe request;
  request.name = consumer_name(p);
  request.filter = filter_of(call.principal);
  request.filter.types = patterns(p, "types", is_type_pattern);
  request.filter.tenants = patterns(p, "tenants", is_tenant_pattern);
  request.epoch = p.optional_text("epoch", {1, 64});
  request.window = static_cast<std::size_t>(
      p.optional_integer("window", 1, Consumers::kMaxWindow).value_or(Consumers::kDefaultWindow));
  using From = Consumers::Subscribe::From;
  if (const Json* from = p.any("from")) {
    const std::string* word = from->as_string();
    const auto seq = from->as_int();
    if (word != nullptr && *word == "earliest") {
      request.from = From::Earliest;
    } else if (word != nullptr && *word == "latest") {
      request.from = From::Latest;
    } else if (seq && *seq >= 0) {
      request.from = From::Seq;
      request.seq = static_cast<std::uint64_t>(*seq);
    } else if (word == nullptr || *word != "cursor") {
      p.refuse("from", "from must be \"cursor\", \"earliest\", \"latest\" or a seq");
    }
  }
  if (auto ok = p.finish(); !ok) return tl::unexpected(ok.error());
  if (!call.connection) return tl::unexpected(needs_websocket());
  return parts_.consumers.subscribe(*call.connection, std::move(request));
}

RpcResult<Json> Api::events_ack(Call& call) {
  const std::string name = consumer_name(call.params);
  const std::int64_t seq = call.params.integer("seq", 0, std::numeric_limits<std::int64_t>::max());
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return parts_.consumers.acknowledge(call.principal.key_id, name, static_cast<std::uint64_t>(seq));
}

RpcResult<Json> Api::consumer_list(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object(
      {{"consumers", parts_.consumers.list(call.principal.key_id, call.principal.sees_all())}});
}

// Of the caller's key, or of another one for a key that sees everything: what is left of a key that
// is gone has to be cleared away by somebody.
RpcResult<std::string> Api::owner_of(Call& call) {
  const auto key_id = call.params.optional_text("key_id", {1, 64});
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  if (!key_id || *key_id == call.principal.key_id) return call.principal.key_id;
  if (call.principal.sees_all() && call.principal.role == config::KeyRole::Admin) return *key_id;
  return tl::unexpected(rpc_error(Status::PermissionDenied, "permission_denied",
                                  "only an admin of all tenants may do that for another key",
                                  "key_id"));
}

RpcResult<Json> Api::consumer_delete(Call& call) {
  const std::string name = consumer_name(call.params);
  const auto owner = owner_of(call);
  if (!owner) return tl::unexpected(owner.error());
  const bool removed = parts_.consumers.remove(*owner, name);
  return Json::object({{"consumer", name}, {"already", !removed}});
}

// A room with what is going on in it.
Json Api::snapshot_of(const Room& room) {
  Json json = room_json(room);
  const Session* session = parts_.sessions.find_by_room(room.id);
  if (session == nullptr) return json;
  Json now = parts_.sessions.history().find(session->id())->to_json();
  now.set("participants", session->roster());
  if (const RecordingRecord* recording = parts_.recordings.running_in(session->id())) {
    now.set("recording_id", recording->id);
  }
  json.set("session", std::move(now));
  return json;
}

// Everything a consumer needs to begin with: it holds what all events up to `as_of_seq` have made
// of it. Further pages may hold more, which the events after it will say again.
RpcResult<Json> Api::state_snapshot(Call& call) {
  const auto tenant = call.params.optional_text("tenant", {1, 64});
  Page page(call.params);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  const std::uint64_t as_of = page.first_value().value_or(parts_.context.outbox.last_seq());
  parts_.rooms.for_each([&](const Room& room) {
    if (!call.principal.may_see(room.config.tenant)) return;
    if (tenant && room.config.tenant != *tenant) return;
    if (page.takes(room.created_ms, room.id)) {
      page.add(snapshot_of(room), room.created_ms, room.id);
    }
  });
  Json result = page.result("rooms", as_of);
  result.set("as_of_seq", as_of);
  result.set("epoch", parts_.facts.epoch);
  return result;
}

// Reads the durable log; the store answers on its own time.
void Api::events_list(const Principal& principal, const RpcRequest& request, Reply reply) {
  Params p(request.params);
  const std::int64_t after_seq = p.optional_integer("after_seq", 0).value_or(0);
  const std::int64_t limit = p.optional_integer("limit", 1, kMaxEvents).value_or(100);
  if (auto ok = p.finish(); !ok) return reply(tl::unexpected(ok.error()));
  if (after_seq > 0 && static_cast<std::uint64_t>(after_seq) + 1 < parts_.store.earliest_seq()) {
    return reply(tl::unexpected(expired_cursor(parts_.store.earliest_seq(), parts_.facts.epoch)));
  }
  const auto done = [filter = filter_of(principal), after_seq, reply = std::move(reply),
                     epoch = parts_.facts.epoch,
                     last = parts_.context.outbox.durable_seq()](const Store::Events& page) {
    if (!page) {
      return reply(tl::unexpected(rpc_error(Status::Internal, "event_unreadable",
                                            "the event after this one is damaged; go on from "
                                            "state.snapshot: " +
                                                page.error(),
                                            "after_seq")));
    }
    const std::vector<EventRow>& rows = *page;
    // It may have been trimmed since it was asked for.
    if (after_seq > 0 && !rows.empty() &&
        rows.front().seq != static_cast<std::uint64_t>(after_seq) + 1) {
      return reply(tl::unexpected(expired_cursor(rows.front().seq, epoch)));
    }
    Json list = Json::array();
    std::uint64_t previous = static_cast<std::uint64_t>(after_seq);
    std::uint64_t scanned = previous;
    std::size_t bytes = 0;
    for (const EventRow& row : rows) {
      if (bytes >= Page::kMaxBytes) break;
      scanned = row.seq;
      if (!filter.may_see(row)) continue;
      bytes += row.body.size();
      auto event = Json::parse_own(row.body);
      if (!event) continue;
      event->set("prev_seq", previous);
      previous = row.seq;
      list.push(std::move(*event));
    }
    // `next_after_seq` moves on over events of other tenants, too.
    reply(Json::object({{"events", std::move(list)},
                        {"next_after_seq", scanned},
                        {"last_seq", last},
                        {"epoch", epoch}}));
  };
  parts_.store.events_after(static_cast<std::uint64_t>(after_seq), static_cast<std::size_t>(limit),
                            done);
}

RpcResult<Json> Api::webhook_put(Call& call) {
  Params& p = call.params;
  Webhooks::Put put;
  put.name = webhook_name(p);
  put.url = p.text("url", {1, 2'048});
  put.filter = filter_of(call.principal);
  put.filter.types = patterns(p, "types", is_type_pattern);
  put.filter.tenants = patterns(p, "tenants", is_tenant_pattern);
  put.secret = p.optional_text("secret", {1, 256});
  put.enabled = p.optional_flag("enabled").value_or(true);
  if (!put.url.starts_with("https://") && !put.url.starts_with("http://")) {
    p.refuse("url", "url must begin with https:// or http://");
  }
  if (put.secret && !is_webhook_secret(*put.secret)) {
    p.refuse("secret", "secret must be whsec_ and the Base64 of 24 to 64 bytes");
  }
  if (auto ok = p.finish(); !ok) return tl::unexpected(ok.error());
  return parts_.webhooks.put(std::move(put));
}

RpcResult<Json> Api::webhook_list(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object(
      {{"webhooks", parts_.webhooks.list(call.principal.key_id, call.principal.sees_all())}});
}

RpcResult<Json> Api::webhook_delete(Call& call) {
  const std::string name = webhook_name(call.params);
  const auto owner = owner_of(call);
  if (!owner) return tl::unexpected(owner.error());
  return Json::object({{"webhook", name}, {"already", !parts_.webhooks.remove(*owner, name)}});
}

RpcResult<Json> Api::webhook_redeliver(Call& call) {
  const std::string name = webhook_name(call.params);
  const std::int64_t from =
      call.params.integer("from_seq", 1, std::numeric_limits<std::int64_t>::max());
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return parts_.webhooks.redeliver(call.principal.key_id, name, static_cast<std::uint64_t>(from));
}

// Answers when the backend has.
void Api::webhook_test(const Principal& principal, const RpcRequest& request, Reply reply) {
  Params p(request.params);
  const std::string name = webhook_name(p);
  if (auto ok = p.finish(); !ok) return reply(tl::unexpected(ok.error()));
  if (auto ok = parts_.webhooks.test(principal.key_id, name, reply); !ok) {
    reply(tl::unexpected(ok.error()));
  }
}

}  // namespace parley::control
