#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "control/listener.h"

namespace parley::control {

// HTTP/1.1 requests out of a stream of bytes (RFC 9112) through llhttp in its strict mode. One
// request at a time: bytes of a pipelined next one stay with the caller. Knows no sockets.
class HttpParser {
 public:
  struct Limits {
    std::size_t head_bytes = 16'384;
    std::size_t headers = 100;
    std::size_t body_bytes = 262'144;
  };
  enum class State : std::uint8_t {
    Idle,      // nothing of the next request has come
    Head,      // within the request line or the header fields
    Body,      // the head is complete: request() is filled but for its body
    Complete,  // take_request() gives it; then the parser starts anew
    Failed,    // error() says why; nothing more is read
  };
  struct Error {
    int status = 400;  // what to answer
    std::string what;
  };

  HttpParser();
  explicit HttpParser(Limits limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Reads until a request is complete or the bytes end. Returns how many bytes were taken.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] State state() const noexcept;
  [[nodiscard]] const HttpRequest& request() const noexcept;
  // The client waits for "100 Continue" before it sends the body (RFC 9110, section 10.1.1).
  [[nodiscard]] bool expects_continue() const noexcept;
  // The request asks for WebSocket; the bytes after it are no longer HTTP when that is accepted.
  [[nodiscard]] bool wants_websocket() const noexcept;
  [[nodiscard]] bool keep_alive() const noexcept;
  [[nodiscard]] HttpRequest take_request();
  [[nodiscard]] const Error& error() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The words of a status line: "OK" for 200, "" for an unknown number.
[[nodiscard]] std::string_view http_reason(int status) noexcept;

}  // namespace parley::control
