#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/control/websocket_frames.h"

// A blocking TCP client for tests that says exactly the bytes it is told, over TLS if wanted.
namespace parley::control::test {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, bool ipv6 = false)
      : fd_(socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{10, 0};  // a hang becomes a failure
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_storage address{};
    if (ipv6) {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      v6.sin6_addr = in6addr_loopback;
    } else {
      auto& v4 = reinterpret_cast<sockaddr_in&>(address);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address),
                         ipv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in)) == 0;
  }
  ~RawClient() {
    ssl_.reset();
    close(fd_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }

  bool start_tls(int max_version = TLS1_3_VERSION) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    const bool done = SSL_connect(ssl_.get()) == 1;
    if (!done) ssl_.reset();
    return done;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent =
          ssl_ ? SSL_write(ssl_.get(), bytes.data(),
                           static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))
               : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void finish_sending() { shutdown(fd_, SHUT_WR); }

  // Some more bytes; false at the end of the stream.
  bool more() {
    std::string chunk(65'536, '\0');
    const ssize_t size = ssl_ ? SSL_read(ssl_.get(), chunk.data(), static_cast<int>(chunk.size()))
                              : recv(fd_, chunk.data(), chunk.size(), 0);
    if (size <= 0) return false;
    input_.append(chunk, 0, static_cast<std::size_t>(size));
    return true;
  }
  // Everything until the peer closes.
  std::string rest() {
    while (more()) {
    }
    return std::move(input_);
  }

  std::optional<Answer> answer(bool to_head = false) {
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return std::nullopt;
    }
    Answer result;
    const std::string head = input_.substr(0, end + 2);
    input_.erase(0, end + 4);
    result.status = std::atoi(head.substr(9, 3).c_str());
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t line_end = head.find("\r\n", at);
      const std::size_t colon = head.find(": ", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      result.fields[name] = head.substr(colon + 2, line_end - colon - 2);
      at = line_end + 2;
    }
    const auto length = result.fields.find("content-length");
    if (to_head || length == result.fields.end()) return result;
    const std::size_t size = std::stoul(length->second);
    while (input_.size() < size) {
      if (!more()) return std::nullopt;
    }
    result.body = input_.substr(0, size);
    input_.erase(0, size);
    return result;
  }

  std::optional<Answer> get(const std::string& target, const std::string& fields = "",
                            const std::string& method = "GET") {
    send(method + " " + target + " HTTP/1.1\r\nHost: t\r\n" + fields + "\r\n");
    return answer(method == "HEAD");
  }

  std::optional<Answer> open_websocket(const std::string& target, const std::string& fields = "") {
    return get(target,
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                   fields);
  }
  std::optional<ServerFrame> next_frame() {
    for (;;) {
      if (auto frame = take_frame(input_)) return frame;
      if (!more()) return std::nullopt;
    }
  }
  // A small receive window, so that a server that sends much gets stuck soon.
  void read_slowly() {
    const int small = 4'096;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  }

 private:
  template <auto Function>
  struct Free {
    template <class T>
    void operator()(T* object) const noexcept {
      Function(object);
    }
  };
  int fd_;
  bool connected_ = false;
  std::string input_;
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Free<SSL_free>> ssl_;
};

}  // namespace parley::control::test
