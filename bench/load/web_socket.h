#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/json.h"

namespace parley::bench {

// A WebSocket to the server that carries JSON, which never waits unless it is told to. Errors
// throw: a benchmark cannot go on without its server.
class WebSocket {
 public:
  // Connects and asks for the WebSocket.
  WebSocket(std::uint16_t port, const std::string& path, const std::string& subprotocol);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // True once the server has agreed; nothing may be sent before.
  [[nodiscard]] bool open();
  void send(const control::Json& message) const;
  // The next message that is there. Pings are answered on the way.
  [[nodiscard]] std::optional<control::Json> take();
  // Of what came after the handshake.
  [[nodiscard]] std::uint64_t received_bytes() const noexcept { return received_bytes_; }
  [[nodiscard]] std::uint64_t received_messages() const noexcept { return received_messages_; }
  // Waits until something comes in.
  void wait() const;

 private:
  void send_bytes(std::string_view bytes) const;
  void read();

  int fd_ = -1;
  bool open_ = false;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t received_messages_ = 0;
  bool gone_ = false;  // the server closed it
  std::string input_;
  std::string message_;  // what has come of one
};

// One HTTP request on a connection of its own, as it goes on the wire; the body of the answer.
[[nodiscard]] std::string http_exchange(std::uint16_t port, const std::string& request);

}  // namespace parley::bench
