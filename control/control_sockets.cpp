#include "control/control_sockets.h"

#include <algorithm>

#include "server/log.h"

namespace parley::control {
namespace {

HttpResponse json_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  response.headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  return response;
}

}  // namespace

ControlSockets::ControlSockets(Context& context, const Keyring& keyring, Api& api,
                               Consumers& consumers)
    : context_(context), keyring_(keyring), api_(api), consumers_(consumers) {}

RpcResult<Principal> ControlSockets::authenticate(const HttpRequest& request) const {
  if (request.remote_address.starts_with(kLocalKey) && request.header("authorization") == nullptr) {
    return *keyring_.principal(request.remote_address);  // control.socket_file
  }
  std::string token;
  constexpr std::string_view kBearer = "Bearer ";
  if (const std::string* header = request.header("authorization");
      header != nullptr && header->starts_with(kBearer)) {
    token = header->substr(kBearer.size());
  } else if (header == nullptr) {
    token = request.parameter("access_token").value_or("");
  }
  auto principal = keyring_.verify_api_token(token, context_.wall_ms(), request.remote_address);
  if (!principal) {
    ++auth_failures_;
    server::log::limited("api_credential_refused", {{"address", request.remote_address}});
  }
  return principal;
}

void ControlSockets::opened(ConnectionId connection, Principal principal) {
  sockets_[connection].principal = std::move(principal);
  on_change();
}

bool ControlSockets::serves(std::string_view tenant) const {
  return std::any_of(sockets_.begin(), sockets_.end(),
                     [&](const auto& entry) { return entry.second.principal.may_see(tenant); });
}

std::string ControlSockets::answer_text(const RpcRequest& request, const RpcResult<Json>& result,
                                        bool durable) const {
  if (result && (durable || !Api::is_mutating(request.method))) {
    return rpc_answer(request.id, *result);
  }
  const RpcError error =
      result ? rpc_error(Status::Unavailable, "store_failed", "the change could not be kept")
             : result.error();
  const std::string trace = random_id("err", context_.random);
  server::log::limited("api_refused",
                       {{"method", request.method}, {"reason", error.reason}, {"trace_id", trace}});
  return rpc_error_answer(request.id, error, trace);
}

void ControlSockets::message(ConnectionId connection, std::string_view text) {
  const auto it = sockets_.find(connection);
  if (it == sockets_.end()) return;
  Socket& socket = it->second;
  const auto refuse = [&](const Json& id, const RpcError& error) {
    context_.outbox.after(
        [this, connection, answer = rpc_error_answer(id, error, context_.id("err"))](bool) {
          context_.send(connection, answer);
        });
  };
  const auto request = parse_request(text);
  if (!request) return refuse(request.error().id, request.error().error);
  const std::string key = request->id.dump();
  if (socket.unanswered.size() >= context_.config.control.max_inflight) {
    RpcError error = rpc_error(Status::ResourceExhausted, "rate_limited",
                               "too many requests are under way on this connection");
    error.retry_after_ms = 100;
    return refuse(request->id, error);
  }
  if (!socket.unanswered.insert(key).second) {
    return refuse(request->id, rpc_error(Status::InvalidRequest, "duplicate_id",
                                         "a request with this id is under way", "id"));
  }
  const Principal principal = socket.principal;  // the call may close the socket
  const auto pending =
      wait_for(*request, [this, connection, key, id = request->id](const RpcError& error) {
        const auto asker = sockets_.find(connection);
        if (asker == sockets_.end()) return;
        asker->second.unanswered.erase(key);
        context_.send(connection, rpc_error_answer(id, error, context_.id("err")));
      });
  api_.call(
      principal, *request,
      [this, connection, key, pending, request = *request,
       since = context_.now()](RpcResult<Json> result) {
        const auto caller = sockets_.find(connection);
        if (caller != sockets_.end() && result) {
          if (request.method == "hello") {
            const Json* events = request.params.find("events");
            caller->second.wants_events = request.params.find("consumer") == nullptr &&
                                          (events == nullptr || *events != Json(false));
            caller->second.last_seq = context_.outbox.durable_seq();
          } else if (request.method == "events.subscribe") {
            caller->second.wants_events = false;
          }
        }
        context_.outbox.after(
            [this, connection, key, pending, request, since, result = std::move(result)](bool ok) {
              note(request, result.has_value(), since);
              if (!in_time(*pending)) return;
              const auto asker = sockets_.find(connection);
              if (asker == sockets_.end()) return;
              asker->second.unanswered.erase(key);
              context_.send(connection, answer_text(request, result, ok));
              consumers_.start(connection);
            });
        context_.outbox.flush();
      },
      connection);
}

std::shared_ptr<ControlSockets::Pending> ControlSockets::wait_for(
    const RpcRequest& request, std::function<void(const RpcError&)> late) {
  auto pending = std::make_shared<Pending>();
  const auto limit = request.method == "webhook.test" ? kLongDeadline : kDeadline;
  pending->timer = context_.timers.at(context_.now() + limit, [pending, late = std::move(late)] {
    pending->over = true;
    RpcError error = rpc_error(Status::DeadlineExceeded, "deadline_exceeded",
                               "it takes too long, and may be done all the same: ask again, or "
                               "repeat it with an idempotency_key");
    error.retry_after_ms = 1'000;
    late(error);
  });
  return pending;
}

bool ControlSockets::in_time(Pending& pending) {
  if (pending.over) return false;
  pending.over = true;
  context_.timers.cancel(pending.timer);
  return true;
}

void ControlSockets::closed(ConnectionId connection) {
  if (sockets_.erase(connection) == 0) return;
  consumers_.closed(connection);
  on_change();
}

void ControlSockets::keys_changed() {
  std::vector<ConnectionId> gone;
  for (auto& [connection, socket] : sockets_) {
    if (auto principal = keyring_.principal(socket.principal.key_id)) {
      socket.principal = std::move(*principal);
    } else {
      gone.push_back(connection);
    }
  }
  for (const ConnectionId connection : gone) {
    context_.close(connection, 1008, "the key is gone");
  }
  on_change();
}

void ControlSockets::note(const RpcRequest& request, bool good, rtp::Time since) {
  const bool known = Api::is_method(request.method);
  MethodStats& stats = methods_[known ? request.method : "unknown"];
  ++stats.requests;
  stats.errors += good ? 0 : 1;
  stats.seconds += std::chrono::duration<double>(context_.now() - since).count();
}

std::vector<ControlSockets::MethodStats> ControlSockets::method_stats() const {
  std::vector<MethodStats> all;
  for (const auto& [name, stats] : methods_) {
    all.push_back(stats);
    all.back().name = name;
  }
  return all;
}

void ControlSockets::beat() {
  heartbeat_ = context_.timers.at(
      context_.now() + std::chrono::milliseconds(context_.config.control.heartbeat_interval_ms),
      [this] { beat(); });
  const Json params =
      Json::object({{"type", "server.heartbeat"},
                    {"v", 1},
                    {"time_ms", context_.wall_ms()},
                    {"data", Json::object({{"last_seq", context_.outbox.durable_seq()}})}});
  const std::string text = rpc_notification("event", params);
  for (const auto& [connection, socket] : sockets_) {
    if (socket.wants_events || consumers_.owns(connection)) context_.send(connection, text);
  }
}

void ControlSockets::publish(const EventRow& event) {
  consumers_.publish(event);
  for (auto& [connection, socket] : sockets_) {
    if (!socket.wants_events) continue;
    EventFilter filter;
    filter.scope = socket.principal.tenants;
    filter.key_id = socket.principal.key_id;
    if (!filter.may_see(event)) continue;
    // The body is an object of ours: its first member is put behind prev_seq.
    const std::string params =
        "{\"prev_seq\":" + std::to_string(socket.last_seq) + "," + event.body.substr(1);
    socket.last_seq = event.seq;
    context_.send(connection,
                  "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":" + params + "}");
  }
}

void ControlSockets::post(const HttpRequest& http, std::function<void(HttpResponse)> respond) {
  const auto fail = [&](const Json& id, const RpcError& error) {
    respond(json_response(http_status_of(error.status),
                          rpc_error_answer(id, error, context_.id("err"))));
  };
  const auto principal = authenticate(http);
  if (!principal) return fail(Json(), principal.error());
  const auto request = parse_request(http.body);
  if (!request) return fail(request.error().id, request.error().error);
  const auto pending = wait_for(*request, [this, respond, id = request->id](const RpcError& error) {
    respond(json_response(http_status_of(error.status),
                          rpc_error_answer(id, error, context_.id("err"))));
  });
  api_.call(
      *principal, *request,
      [this, respond, pending, request = *request, since = context_.now()](RpcResult<Json> result) {
        context_.outbox.after(
            [this, respond, pending, request, since, result = std::move(result)](bool durable) {
              note(request, result.has_value(), since);
              if (!in_time(*pending)) return;
              const bool kept = durable || !Api::is_mutating(request.method);
              const int status = !result ? http_status_of(result.error().status) : kept ? 200 : 503;
              HttpResponse response = json_response(status, answer_text(request, result, durable));
              if (!result && result.error().retry_after_ms) {
                const std::int64_t seconds = (*result.error().retry_after_ms + 999) / 1'000;
                response.headers.emplace_back("Retry-After", std::to_string(seconds));
              }
              respond(std::move(response));
            });
        context_.outbox.flush();
      });
}

}  // namespace parley::control
