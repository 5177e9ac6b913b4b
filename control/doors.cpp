#include "control/doors.h"

#include <algorithm>
#include <utility>

#include "control/api.h"
#include "control/control_sockets.h"
#include "control/pages.h"
#include "control/recordings.h"
#include "control/rtc_sockets.h"
#include "control/sessions.h"
#include "control/store.h"

namespace parley::control {
namespace {

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

}  // namespace

Doors::Doors(Parts parts) : parts_(std::move(parts)) {}

tl::expected<void, std::string> Doors::open(server::Loop& loop) {
  ListenerHandlers handlers;
  handlers.on_request = [this](ConnectionId connection, const HttpRequest& request) {
    route(connection, request);
  };
  handlers.on_upgrade = [this](ConnectionId connection, const HttpRequest& request) {
    return upgrade(connection, request);
  };
  handlers.on_message = [this](ConnectionId connection, std::string_view message) {
    if (parts_.rtc.knows(connection)) {
      parts_.rtc.message(connection, message);
    } else {
      parts_.control.message(connection, message);
    }
    parts_.end_turn();
  };
  handlers.on_close = [this](ConnectionId connection, std::uint16_t code) {
    parts_.rtc.closed(connection, code);
    parts_.control.closed(connection);
    parts_.end_turn();
  };
  auto listener = Listener::open(loop, parts_.config.control, std::move(handlers));
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void Doors::send(ConnectionId to, std::string_view message) { listener_->send(to, message); }

void Doors::close(ConnectionId connection, std::uint16_t code, std::string_view why) {
  listener_->close(connection, code, why);
}

void Doors::shut() {
  shut_ = true;
  listener_->stop_accepting();
}

std::vector<std::string> Doors::urls() const { return listener_->urls(); }

ListenerStats Doors::stats() const { return listener_->stats(); }

// What a browser must be told before it shows a page of another origin our answer, if the
// configuration lets it (the Fetch standard, CORS protocol). Off by default.
std::vector<std::pair<std::string, std::string>> Doors::cors_headers(
    const HttpRequest& request) const {
  const std::string* origin = request.header("origin");
  const auto& allowed = parts_.config.control.cors_origins;
  if (origin == nullptr || std::find(allowed.begin(), allowed.end(), *origin) == allowed.end()) {
    return {};
  }
  return {{"Access-Control-Allow-Origin", *origin}, {"Vary", "Origin"}};
}

void Doors::route(ConnectionId connection, const HttpRequest& request) {
  if (request.path == "/v1/rpc") {
    auto cors = cors_headers(request);
    if (request.method == "OPTIONS" && !cors.empty()) {
      HttpResponse response = text(204, "");
      response.headers = std::move(cors);
      response.headers.emplace_back("Access-Control-Allow-Methods", "POST");
      response.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type");
      response.headers.emplace_back("Access-Control-Max-Age", "600");
      return listener_->respond(connection, std::move(response));
    }
    if (request.method != "POST") {
      HttpResponse response = text(405, "POST only\n");
      response.headers = {{"Allow", "POST"}};
      return listener_->respond(connection, std::move(response));
    }
    parts_.control.post(request, [this, connection, cors = std::move(cors)](HttpResponse response) {
      response.headers.insert(response.headers.end(), cors.begin(), cors.end());
      listener_->respond(connection, std::move(response));
    });
    return parts_.end_turn();
  }
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse response = text(405, "GET only\n");
    response.headers = {{"Allow", "GET, HEAD"}};
    return listener_->respond(connection, std::move(response));
  }
  listener_->respond(connection, answer_get(request));
}

HttpResponse Doors::answer_get(const HttpRequest& request) {
  if (request.path == "/healthz") return text(200, "ok\n");
  if (request.path == "/readyz") {
    if (shut_) return text(503, "shutting down\n");
    if (parts_.sessions.draining()) return text(503, "draining\n");
    return parts_.store.healthy() ? text(200, "ready\n")
                                  : text(503, "the store cannot be written\n");
  }
  if (request.path == "/metrics") {
    HttpResponse response = text(200, parts_.render_metrics());
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  }
  constexpr std::string_view kSchemas = "/v1/schema/";
  if (request.path.starts_with(kSchemas)) {
    const auto page = Api::schema_page(std::string_view(request.path).substr(kSchemas.size()));
    if (!page) return text(404, "openrpc.json and asyncapi.json are here\n");
    HttpResponse response = text(200, page->dump() + "\n");
    response.content_type = "application/json";
    response.headers = {{"Access-Control-Allow-Origin", "*"}};  // anybody's tools may read it
    return response;
  }
  if (request.path.starts_with("/v1/recordings/")) return parts_.recordings.serve(request);
  if (request.path == "/v1/control" || request.path == "/v1/rtc") {
    HttpResponse response = text(426, "this is a WebSocket\n");
    response.headers = {{"Upgrade", "websocket"}};
    return response;
  }
  return serve_page(request.path, parts_.config.control.demo_page, parts_.store_origin);
}

tl::expected<AcceptWebSocket, HttpResponse> Doors::upgrade(ConnectionId connection,
                                                           const HttpRequest& request) {
  const auto offers = [&](std::string_view name) {
    const std::string* header = request.header("sec-websocket-protocol");
    return header != nullptr && header->find(name) != std::string::npos;
  };
  if (shut_) return tl::unexpected(text(503, "shutting down\n"));
  if (request.path == "/v1/rtc") {
    if (!offers(RtcSockets::kSubprotocol)) {
      return tl::unexpected(text(400, "offer the subprotocol parley.rtc.v1\n"));
    }
    parts_.rtc.opened(connection);
    parts_.end_turn();
    return AcceptWebSocket{std::string(RtcSockets::kSubprotocol)};
  }
  if (request.path == "/v1/control") {
    if (!offers(ControlSockets::kSubprotocol)) {
      return tl::unexpected(text(400, "offer the subprotocol parley.control.v1\n"));
    }
    auto principal = parts_.control.authenticate(request);
    if (!principal) {
      HttpResponse response = text(401, principal.error().message + "\n");
      response.headers = {{"WWW-Authenticate", "Bearer"}};
      return tl::unexpected(std::move(response));
    }
    parts_.control.opened(connection, std::move(*principal));
    return AcceptWebSocket{std::string(ControlSockets::kSubprotocol)};
  }
  return tl::unexpected(text(404, "not found\n"));
}

}  // namespace parley::control
