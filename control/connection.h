#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "control/file_body.h"
#include "control/http_parser.h"
#include "control/http_range.h"
#include "control/listener.h"
#include "control/socket_stream.h"
#include "control/websocket.h"
#include "server/loop.h"

namespace parley::control {

// What a connection needs of its listener; it outlives the connection.
struct ConnectionHost {
  server::Loop& loop;
  const config::Control& config;
  const ListenerHandlers& handlers;
  ListenerStats& stats;
  std::function<void(ConnectionId)> forget;  // destroys the connection
};

// One client: HTTP requests one after the other, then perhaps a WebSocket for the rest of its
// life. It holds the deadlines and limits:
//   until the head of a request is there        handshake_timeout, not prolonged by single bytes
//   its body                                    twice that
//   the answer of the handler                   idle_timeout, then 503
//   between requests, and while nothing is read idle_timeout
//   a WebSocket that says nothing               ping every ping_interval, gone after idle_timeout
//   after a close frame                         2 s
class Connection {
 public:
  Connection(ConnectionId id, const ConnectionHost& host, SocketStream::Kind kind,
             const TlsContext* tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] SocketStream& stream() noexcept { return stream_; }
  // After stream().accept().
  void start();
  void respond(HttpResponse response);
  void send(std::string_view text);
  void close(std::uint16_t code, std::string_view reason);

 private:
  enum class Phase : std::uint8_t {
    Reading,    // a request comes in, or none
    Waiting,    // for the handler's answer
    Streaming,  // a file
    Lingering,  // all is said; the peer reads it and closes
    Open,       // WebSocket
    Closing,    // a close frame is out
    Gone,
  };

  void on_bytes(std::string_view plain);
  void on_written();
  void on_end(SocketStream::End end);
  void process();
  void read_http();
  void read_websocket();
  void fail_request();
  void dispatch();
  void upgrade(const HttpRequest& request);
  void write_response(const HttpResponse& response);
  void finish_response();
  void linger();
  void set_linger_deadline();
  void start_file();
  void on_file_opened(tl::expected<FileBody::Info, int> info);
  void pump_file();
  void flush_websocket();
  void steer_reading();
  void end();

  // Moves the deadline; the timer is armed only when it would fire too late.
  void set_deadline(std::uint32_t milliseconds);
  void set_websocket_deadline();
  void on_timer();
  void on_deadline();

  ConnectionId id_;
  const ConnectionHost& host_;
  SocketStream stream_;
  Phase phase_ = Phase::Reading;
  std::string input_;
  bool processing_ = false;
  bool peer_ended_ = false;

  HttpParser parser_;
  bool head_seen_ = false;  // the deadline of this request's head is set
  bool body_seen_ = false;  // and of its body
  bool continue_sent_ = false;
  bool keep_alive_ = true;
  bool head_request_ = false;  // HEAD: no body goes out
  std::string range_;
  std::string if_range_;
  std::string if_none_match_;
  HttpResponse response_;  // while a file is streamed
  std::unique_ptr<FileBody> file_;
  std::uint64_t file_at_ = 0;
  std::uint64_t file_left_ = 0;

  std::unique_ptr<WebSocket> websocket_;
  bool websocket_over_ = false;  // on_close was called
  std::uint16_t close_code_ = WebSocket::kAbnormal;
  rtp::Time heard_at_{};
  rtp::Time pinged_at_{};

  rtp::Time deadline_{};
  rtp::Time timer_at_{};
  std::optional<server::Loop::TimerId> timer_;
};

}  // namespace parley::control
