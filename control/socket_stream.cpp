#include "control/socket_stream.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <uv.h>

namespace parley::control {
namespace {

constexpr std::size_t kReadBytes = 65'536;

// libuv reads into it and gives it back before anybody else reads: one per thread is enough.
std::array<char, kReadBytes>& read_buffer() {
  static thread_local std::array<char, kReadBytes> buffer;
  return buffer;
}

}  // namespace

// Lives until libuv has closed it, which is after the stream may be gone.
struct SocketStream::Handle {
  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  uv_shutdown_t shutdown{};
  SocketStream* owner = nullptr;

  Handle() : tcp{} {}
  static Handle& of(void* data) { return *static_cast<Handle*>(data); }
  [[nodiscard]] uv_handle_t* base() { return reinterpret_cast<uv_handle_t*>(&tcp); }
  [[nodiscard]] uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }
  void close() {
    if (uv_is_closing(base())) return;
    uv_close(base(), [](uv_handle_t* closed) {
      Handle* self = &of(closed->data);
      if (self->owner != nullptr) self->owner->events_.on_closed();  // may destroy the owner
      delete self;  // nobody else knows it any more
    });
  }
};

// The bytes of one write must stay until libuv says so.
struct SocketStream::Write {
  uv_write_t request{};
  std::string bytes;
  Handle* handle = nullptr;
};

SocketStream::SocketStream(uv_loop_s* loop, Kind kind, const TlsContext* tls, Events events)
    : events_(std::move(events)), handle_(new Handle) {
  handle_->owner = this;
  if (kind == Kind::Local) {
    handle_->pipe = {};
    uv_pipe_init(loop, &handle_->pipe, 0);
  } else {
    uv_tcp_init(loop, &handle_->tcp);
  }
  handle_->base()->data = handle_;
  if (tls != nullptr) tls_ = std::make_unique<TlsStream>(*tls);
}

SocketStream::~SocketStream() {
  handle_->owner = nullptr;
  handle_->close();
}

bool SocketStream::accept(uv_stream_s* server) {
  if (uv_accept(server, handle_->stream()) != 0) return false;
  if (uv_handle_get_type(handle_->base()) == UV_NAMED_PIPE) {
    name_local_peer();
  } else {
    uv_tcp_nodelay(&handle_->tcp, 1);
    name_peer();
  }
  return !remote_address_.empty();
}

void SocketStream::name_peer() {
  sockaddr_storage address{};
  int size = sizeof address;
  if (uv_tcp_getpeername(&handle_->tcp, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    remote_network_ = remote_address_ = text.data();
    return;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text.data(), text.size());
    remote_network_ = remote_address_ = text.data();
    return;
  }
  inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  remote_address_ = text.data();
  std::fill(std::begin(v6->sin6_addr.s6_addr) + 8, std::end(v6->sin6_addr.s6_addr),
            std::uint8_t{0});
  inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  remote_network_ = std::string(text.data()) + "/64";
}

void SocketStream::name_local_peer() {
  uv_os_fd_t fd = -1;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (uv_fileno(handle_->base(), &fd) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return;
  }
  remote_network_ = remote_address_ = "unix:" + std::to_string(peer.uid);
}

void SocketStream::start_reading() {
  if (closing_ || ended_) return;
  uv_read_start(
      handle_->stream(),
      [](uv_handle_t*, std::size_t, uv_buf_t* buffer) {
        *buffer = uv_buf_init(read_buffer().data(), kReadBytes);
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
        SocketStream* self = Handle::of(stream->data).owner;
        if (self != nullptr && size != 0) self->read(buffer->base, size);
      });
}

void SocketStream::stop_reading() {
  if (!closing_) uv_read_stop(handle_->stream());
}

void SocketStream::read(const char* bytes, std::ptrdiff_t size) {
  if (size < 0) {
    ended_ = true;
    uv_read_stop(handle_->stream());
    return events_.on_end(size == UV_EOF ? End::Eof : End::Error);
  }
  const std::string_view received(bytes, static_cast<std::size_t>(size));
  if (!tls_) return events_.on_bytes(received);

  std::string plain;
  const TlsStream::Status status = tls_->receive(received, plain);
  tls_->take_output(wire_);  // the handshake's answer, or an alert
  flush();
  if (!plain.empty()) events_.on_bytes(plain);
  if (status == TlsStream::Status::Ok || closing_) return;
  ended_ = true;
  uv_read_stop(handle_->stream());
  events_.on_end(status == TlsStream::Status::Closed ? End::Eof : End::TlsFailed);
}

void SocketStream::write(std::string_view plain) {
  if (closing_ || shutdown_wanted_) return;
  if (tls_) {
    // False only before the handshake or on a broken stream, which on_end has reported.
    if (!tls_->send(plain)) return;
    tls_->take_output(wire_);
  } else {
    wire_ += plain;
  }
  flush();
}

void SocketStream::flush() {
  // One write at a time: what comes meanwhile goes together in the next.
  if (closing_ || in_flight_ > 0) return;
  if (wire_.empty()) {
    if (!shutdown_wanted_ || shutdown_sent_) return;
    shutdown_sent_ = true;
    uv_shutdown(&handle_->shutdown, handle_->stream(), [](uv_shutdown_t*, int) {});
    return;
  }
  // Owned by libuv until the callback, which runs in any case, also when the handle is closed.
  auto* write = new Write{{}, std::move(wire_), handle_};
  wire_.clear();
  in_flight_ = write->bytes.size();
  write->request.data = write;
  const uv_buf_t buffer =
      uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  const int result =
      uv_write(&write->request, handle_->stream(), &buffer, 1, [](uv_write_t* request, int status) {
        const std::unique_ptr<Write> done(static_cast<Write*>(request->data));
        SocketStream* self = done->handle->owner;
        if (self != nullptr) self->written(status);
      });
  if (result != 0) {
    delete write;  // libuv has not taken it
    in_flight_ = 0;
    wire_.clear();
    ended_ = true;
    events_.on_end(End::Error);
  }
}

void SocketStream::written(int status) {
  in_flight_ = 0;
  if (closing_) return;
  if (status != 0) {
    if (ended_) return close();
    ended_ = true;
    return events_.on_end(End::Error);
  }
  flush();
  events_.on_written();
}

void SocketStream::shutdown_when_written() {
  if (shutdown_wanted_ || closing_) return;
  if (tls_) {
    tls_->shutdown();
    tls_->take_output(wire_);
  }
  shutdown_wanted_ = true;
  flush();
}

void SocketStream::close() {
  if (closing_) return;
  closing_ = true;
  handle_->close();
}

bool SocketStream::established() const noexcept { return !tls_ || tls_->established(); }

}  // namespace parley::control
