#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "control/tls.h"

struct uv_loop_s;
struct uv_stream_s;

namespace parley::control {

// One accepted connection, by TCP or by a Unix socket, as a stream of plain bytes, with TLS inside
// when a context is given. It queues what the peer does not take yet and says how much that is; it
// knows no protocol and no time. It is to be destroyed after on_closed, or at any time without it.
class SocketStream {
 public:
  enum class End : std::uint8_t { Eof, Error, TlsFailed };
  // All run on the loop's thread and may call back, also close().
  struct Events {
    std::function<void(std::string_view plain)> on_bytes;
    std::function<void()> on_written;  // something left the queue
    std::function<void(End)> on_end;   // nothing more will be read
    std::function<void()> on_closed;   // after close(), once: the last event
  };

  enum class Kind : std::uint8_t { Tcp, Local };
  SocketStream(uv_loop_s* loop, Kind kind, const TlsContext* tls, Events events);
  ~SocketStream();
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  // Takes the connection that waits at `server`. False when it is gone already.
  [[nodiscard]] bool accept(uv_stream_s* server);
  void start_reading();
  void stop_reading();

  void write(std::string_view plain);
  // Bytes given to write() that the kernel has not taken.
  [[nodiscard]] std::size_t queued() const noexcept { return wire_.size() + in_flight_; }
  // Ends our direction when the queue is empty; reading goes on.
  void shutdown_when_written();
  void close();
  [[nodiscard]] bool closing() const noexcept { return closing_; }

  // TLS has shaken hands (always, without TLS).
  [[nodiscard]] bool established() const noexcept;
  // "127.0.0.1", v4-mapped addresses unmapped; and the same cut to /64 for IPv6, for limits. Of a
  // Unix socket both are "unix:" and the user id of the process at the other end.
  [[nodiscard]] const std::string& remote_address() const noexcept { return remote_address_; }
  [[nodiscard]] const std::string& remote_network() const noexcept { return remote_network_; }

 private:
  struct Handle;
  struct Write;
  void read(const char* bytes, std::ptrdiff_t size);
  void flush();
  void written(int status);
  void name_peer();
  void name_local_peer();

  Events events_;
  Handle* handle_;  // freed by its close callback, which libuv runs later
  std::unique_ptr<TlsStream> tls_;
  std::string wire_;  // not yet given to libuv
  std::size_t in_flight_ = 0;
  bool shutdown_wanted_ = false;
  bool shutdown_sent_ = false;
  bool closing_ = false;
  bool ended_ = false;
  std::string remote_address_;
  std::string remote_network_;
};

}  // namespace parley::control
