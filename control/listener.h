#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "server/loop.h"

namespace parley::control {

// Names one connection for as long as it lives and is never used again; calls that name a closed
// one do nothing. Nobody outside holds a pointer to a connection.
struct ConnectionId {
  std::uint64_t value = 0;
  friend auto operator<=>(ConnectionId, ConnectionId) = default;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // decoded, without query, always starts with '/', no "..", no NUL
  std::string query;   // as it came, without '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string remote_address;  // canonical, "127.0.0.1", v4-mapped forms unmapped
  bool tls = false;

  [[nodiscard]] const std::string* header(std::string_view lower_case_name) const;
  // The decoded value of a query parameter, if it is there.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // Instead of a body: this file. Range, If-Range, HEAD and ETag are answered by the listener
  // (RFC 9110, section 14), and the file is read as the client takes it, never as a whole.
  std::optional<std::string> file;
};

// What becomes of an upgrade request.
struct AcceptWebSocket {
  std::string subprotocol;  // one of those the client offered, or empty
};

// Who answers. All are called on the loop's thread and may call back into the listener, but may not
// destroy it.
struct ListenerHandlers {
  // Answer now or later with Listener::respond (within its deadline, else 503 is sent for you).
  std::function<void(ConnectionId, const HttpRequest&)> on_request;
  // A WebSocket handshake that is in order (RFC 6455, section 4.2.1): accept or refuse. `send`
  // works from the return on.
  std::function<tl::expected<AcceptWebSocket, HttpResponse>(ConnectionId, const HttpRequest&)>
      on_upgrade;
  std::function<void(ConnectionId, std::string_view text)> on_message;
  // After an accepted WebSocket has ended, once: the peer's close code, else the one we closed
  // with, else 1006.
  std::function<void(ConnectionId, std::uint16_t code)> on_close;
};

struct ListenerStats {
  std::uint64_t accepted = 0;
  std::uint64_t open = 0;
  std::uint64_t refused_full = 0;  // over a connection limit
  std::uint64_t bad_http = 0;
  std::uint64_t bad_websocket = 0;  // protocol violations
  std::uint64_t oversized = 0;      // bodies and messages over the limit
  std::uint64_t timeouts = 0;
  std::uint64_t slow_readers = 0;  // closed because their send queue was full
  std::uint64_t tls_failures = 0;
};

// HTTP/1.1 and WebSocket with optional TLS on the libuv loop: llhttp, wslay and OpenSSL memory
// BIOs. It knows framing, limits and deadlines, and nothing of what is said.
class Listener {
 public:
  // Binds every address of `config.listen` or says which one failed and why. `config.tls` files
  // are read here; a public plain listener is refused unless the config allows it.
  [[nodiscard]] static tl::expected<std::unique_ptr<Listener>, std::string> open(
      server::Loop& loop, const config::Control& config, ListenerHandlers handlers);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void respond(ConnectionId connection, HttpResponse response);
  // Queues a text message. A connection whose queue is full is closed with 1008 and counted.
  void send(ConnectionId connection, std::string_view text);
  // Sends what is queued, then the close frame; the socket goes after the peer's answer or 2 s.
  void close(ConnectionId connection, std::uint16_t code, std::string_view reason);
  // No new connections; the open ones stay.
  void stop_accepting();

  // "http://127.0.0.1:7080", one per bound address, with the real port when 0 was asked for.
  [[nodiscard]] std::vector<std::string> urls() const;
  [[nodiscard]] ListenerStats stats() const;

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::control
