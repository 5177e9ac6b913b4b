#include "bench/load/web_socket.h"

#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/control/websocket_frames.h"

namespace parley::bench {
namespace {

using control::Json;

constexpr int kPatienceMs = 20'000;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{kPatienceMs / 1'000, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("nobody listens on port " + std::to_string(port));
  }
  return fd;
}

}  // namespace

WebSocket::WebSocket(std::uint16_t port, const std::string& path, const std::string& subprotocol)
    : fd_(connect_to(port)) {
  send_bytes("GET " + path +
             " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Protocol: " +
             subprotocol + "\r\n\r\n");
}

WebSocket::~WebSocket() { close(fd_); }

bool WebSocket::open() {
  if (open_) return true;
  read();
  const std::size_t end = input_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (gone_) fail("the server closed a new connection");
    return false;
  }
  if (!input_.starts_with("HTTP/1.1 101")) fail("no WebSocket: " + input_.substr(0, 200));
  input_.erase(0, end + 4);
  open_ = true;
  return true;
}

void WebSocket::send(const Json& message) const { send_bytes(control::test::text(message.dump())); }

std::optional<Json> WebSocket::take() {
  read();
  while (const auto frame = control::test::take_frame(input_)) {
    if (frame->opcode == 9) send_bytes(control::test::frame(10, frame->payload));
    if (frame->opcode > 1) continue;
    message_ += frame->payload;  // some send long ones in pieces
    if (!frame->fin) continue;
    ++received_messages_;
    auto message = Json::parse(std::exchange(message_, {}));
    if (message) return std::move(*message);
  }
  if (gone_) fail("the server closed a participant's socket");
  return std::nullopt;
}

void WebSocket::wait() const {
  pollfd one{fd_, POLLIN, 0};
  if (poll(&one, 1, kPatienceMs) <= 0) fail("the server is silent");
}

void WebSocket::send_bytes(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail("the server closed a participant's socket");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void WebSocket::read() {
  char buffer[16'384];
  for (;;) {
    const ssize_t size = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size == 0) gone_ = true;
    if (size <= 0) return;
    input_.append(buffer, static_cast<std::size_t>(size));
    if (open_) received_bytes_ += static_cast<std::uint64_t>(size);
  }
}

std::string http_exchange(std::uint16_t port, const std::string& request) {
  const int fd = connect_to(port);
  std::string answer;
  char buffer[16'384];
  ssize_t size = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  while (size > 0 && (size = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  close(fd);
  const std::size_t at = answer.find("\r\n\r\n");
  return at == std::string::npos ? std::string() : answer.substr(at + 4);
}

}  // namespace parley::bench
