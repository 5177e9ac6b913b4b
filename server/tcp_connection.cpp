#include "server/tcp_connection.h"

#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "rtp/classify.h"

namespace parley::server {
namespace {

bool only_waits() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

TcpConnection::TcpConnection(FileDescriptor fd, const Path& path, std::size_t queue_bytes,
                             rtp::Time now)
    : accepted(now), fd_(std::move(fd)), path_(path), queue_(queue_bytes) {}

std::optional<rtp::ConstBytes> TcpConnection::read(rtp::Bytes into) noexcept {
  const ssize_t count = ::recv(fd_.get(), into.data(), into.size(), 0);
  if (count > 0) return into.first(static_cast<std::size_t>(count));
  if (count < 0 && only_waits()) return rtp::ConstBytes{};
  return std::nullopt;
}

bool TcpConnection::push(rtp::ConstBytes packet) {
  const rtp::DatagramKind kind = rtp::classify(packet);
  const bool media = kind == rtp::DatagramKind::Rtp || kind == rtp::DatagramKind::Rtcp;
  return queue_.push(packet, media ? kReserved : 0);
}

bool TcpConnection::flush() noexcept {
  while (queue_.size() > 0) {
    const rtp::ConstBytes bytes = queue_.front();
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return only_waits();
    queue_.pop(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace parley::server
