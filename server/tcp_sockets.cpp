#include "server/tcp_sockets.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "rtp/classify.h"

namespace parley::server {
namespace {

using std::chrono::milliseconds;

constexpr rtp::Duration kSecond{1'000'000};
constexpr std::size_t kMinPacket = 8;  // the shortest that rtp::classify knows
static_assert(TcpSockets::kReadBytes / (kFrameHeader + kMinPacket) <= TcpSockets::kReadPackets);

std::string sentence(std::string_view what, const TransportAddress& address) {
  return "cannot " + std::string(what) + " TCP " + address.to_string() + ": " +
         std::strerror(errno) + " (ice.tcp.enabled: false does without)";
}

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// Who counts as one: an address, or a network of IPv6 as one customer has it.
TransportAddress source_of(const TransportAddress& remote) {
  if (remote.is_v4()) return remote.with_port(0);
  std::array<std::uint8_t, 16> ip{};
  std::copy_n(remote.ip().begin(), 8, ip.begin());
  return TransportAddress::v6(ip, 0);
}

std::optional<TransportAddress> local_of(int fd) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) return std::nullopt;
  return TransportAddress::from(reinterpret_cast<const sockaddr*>(&name));
}

}  // namespace

TcpSockets::TcpSockets(const config::Ice& config)
    : limits_(config.tcp),
      check_timeout_(milliseconds(config.tcp.check_timeout_ms)),
      // Spare connections are checked more rarely than consent needs it, by Chromium every 25 s.
      idle_timeout_(2 * milliseconds(config.consent_timeout_ms)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  batch_.reserve(kMaxBatch);
}

TcpSockets::~TcpSockets() = default;

tl::expected<void, std::string> TcpSockets::listen(const TransportAddress& address) {
  assert(static_cast<int>(listeners_.size()) < Path::kFirstTcp);
  const bool v4 = address.is_v4();
  FileDescriptor fd(
      ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!epoll_ || !fd) return tl::unexpected(sentence("open", address));
  // A server that starts again must not wait for connections of its former life.
  if (!set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
      (!v4 && !set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1))) {
    return tl::unexpected(sentence("set up", address));
  }
  sockaddr_storage name{};
  const auto length = static_cast<socklen_t>(address.to(name));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) {
    return tl::unexpected(sentence("bind", address));
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return tl::unexpected(sentence("listen on", address));
  watch(fd.get(), static_cast<int>(listeners_.size()), EPOLLIN, false);
  listeners_.push_back({std::move(fd), address});
  return {};
}

void TcpSockets::watch(int fd, int number, std::uint32_t events, bool known) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.fd = number;  // ours, not the system's
  ::epoll_ctl(epoll_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

std::span<Arrived> TcpSockets::receive(rtp::Time now, rtp::PacketPool& pool,
                                       WorkerCounters& counters, bool& more) {
  batch_.clear();
  std::array<epoll_event, kEvents> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEvents, 0);
  more = count == static_cast<int>(kEvents);
  for (int i = 0; i < count; ++i) {
    // What finds no room is there again at the next call.
    if (batch_.size() + kReadPackets > kMaxBatch) {
      more = true;
      break;
    }
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const int number = event.data.fd;
    if (number < Path::kFirstTcp) {
      accept_from(now, listeners_[static_cast<std::size_t>(number)], counters);
    } else {
      on_event(number, event.events, pool, counters);
    }
  }
  return batch_;
}

void TcpSockets::accept_from(rtp::Time now, Listener& listener, WorkerCounters& counters) {
  for (std::size_t i = 0; i < kAcceptsPerCall && !paused_; ++i) {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    FileDescriptor fd(::accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&name), &length,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EAGAIN) return;
      // Most errors are of the one connection, which is gone. Without descriptors the others would
      // wake the loop for ever.
      const bool none_left =
          errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      counters.tcp_refused.add();
      if (none_left) pause_listeners(now);
      continue;
    }
    const auto remote = TransportAddress::from(reinterpret_cast<const sockaddr*>(&name));
    if (!remote || !admits(now, source_of(*remote), counters)) {
      counters.tcp_refused.add();
      continue;
    }
    const Path path{local_of(fd.get()).value_or(listener.local), *remote, next_number_};
    add(now, std::move(fd), path, counters);
  }
}

void TcpSockets::add(rtp::Time now, FileDescriptor fd, const Path& path, WorkerCounters& counters) {
  set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, kNotSentBytes);
  watch(fd.get(), path.socket, EPOLLIN, false);
  connections_[path.socket] =
      std::make_unique<TcpConnection>(std::move(fd), path, limits_.max_queue_bytes, now);
  ++per_source_[source_of(path.remote)];
  // Two thousand million connections later the first number is free again.
  next_number_ =
      next_number_ == std::numeric_limits<int>::max() ? Path::kFirstTcp : next_number_ + 1;
  counters.tcp_accepted.add();
  counters.tcp_connections.set(connections_.size());
  next_sweep_ = std::min(next_sweep_, now + kSweepInterval);
}

bool TcpSockets::admits(rtp::Time now, const TransportAddress& source, WorkerCounters& counters) {
  if (now - accepts_since_ >= kSecond) {
    accepts_since_ = now;
    accepts_ = 0;
  }
  if (accepts_ >= limits_.max_accepts_per_s) return false;
  const auto found = per_source_.find(source);
  if (found != per_source_.end() && found->second >= limits_.max_connections_per_address) {
    return false;
  }
  if (connections_.size() >= limits_.max_connections && !make_room(counters)) return false;
  ++accepts_;
  return true;
}

// A crowd that only connects must not keep out who comes to talk: the oldest of those that have
// proven nothing goes.
bool TcpSockets::make_room(WorkerCounters& counters) {
  const TcpConnection* oldest = nullptr;
  for (const auto& [number, connection] : connections_) {
    if (connection->served) continue;
    if (oldest == nullptr || connection->accepted < oldest->accepted) oldest = connection.get();
  }
  if (oldest == nullptr) return false;
  counters.tcp_unproven.add();
  close(oldest->path().socket, counters);
  return true;
}

void TcpSockets::pause_listeners(rtp::Time now) {
  paused_ = true;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    watch(listeners_[i].fd.get(), static_cast<int>(i), 0, true);
  }
  next_sweep_ = std::min(next_sweep_, now + kSweepInterval);
}

void TcpSockets::on_event(int number, std::uint32_t events, rtp::PacketPool& pool,
                          WorkerCounters& counters) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;  // closed for another's sake after it was told of
  TcpConnection& connection = *found->second;
  const bool lives =
      ((events & EPOLLOUT) == 0 || flush(connection)) &&
      ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0 || read(connection, pool, counters));
  if (!lives) close(number, counters);
}

bool TcpSockets::read(TcpConnection& connection, rtp::PacketPool& pool, WorkerCounters& counters) {
  const auto bytes = connection.read(bytes_);
  if (!bytes) return false;
  counters.bytes_in.add(bytes->size());
  rtp::ConstBytes rest = *bytes;
  while (const auto packet = connection.reader.next(rest)) {
    if (!take(connection, *packet, pool, counters)) return false;
  }
  if (connection.reader.failed()) counters.tcp_broken.add();
  return !connection.reader.failed();
}

// False when the connection has had its chance.
bool TcpSockets::take(TcpConnection& connection, rtp::ConstBytes packet, rtp::PacketPool& pool,
                      WorkerCounters& counters) {
  counters.packets_in.add();
  if (!connection.served) {
    if (++connection.strange > kMaxStrange) {
      counters.drop(Drop::TcpStranger);
      counters.tcp_unproven.add();
      return false;
    }
    if (rtp::classify(packet) != rtp::DatagramKind::Stun) {
      counters.drop(Drop::TcpStranger);
      return true;
    }
  }
  if (packet.size() < kMinPacket) {
    counters.drop(Drop::UnknownKind);
    return true;
  }
  rtp::Buffer buffer = pool.take();
  if (!buffer) {
    counters.drop(Drop::PoolEmpty);
    return true;
  }
  std::copy(packet.begin(), packet.end(), buffer.storage().begin());
  buffer.resize(packet.size());
  batch_.push_back({connection.path(), std::move(buffer)});
  return true;
}

void TcpSockets::send(rtp::Time now, std::span<const Datagram> packets, WorkerCounters& counters) {
  for (const Datagram& packet : packets) {
    const auto found = connections_.find(packet.path->socket);
    if (found == connections_.end()) {
      counters.drop(Drop::TcpClosed);
      continue;
    }
    TcpConnection& connection = *found->second;
    if (!connection.push(packet.bytes)) {
      counters.drop(Drop::TcpFull);
      continue;
    }
    counters.packets_out.add();
    counters.bytes_out.add(packet.bytes.size());
    connection.served = now;
    // Where the kernel has no room it tells when it has.
    if (connection.watched || std::exchange(connection.dirty, true)) continue;
    dirty_.push_back(packet.path->socket);
  }
  for (const int number : dirty_) {
    TcpConnection& connection = *connections_.at(number);
    connection.dirty = false;
    counters.send_messages.add();
    if (!flush(connection)) close(number, counters);
  }
  dirty_.clear();
}

// Nobody is to be woken for room that nobody waits for.
bool TcpSockets::flush(TcpConnection& connection) {
  if (!connection.flush()) return false;
  if (connection.blocked() == connection.watched) return true;
  connection.watched = connection.blocked();
  watch(connection.fd(), connection.path().socket, EPOLLIN | (connection.watched ? EPOLLOUT : 0U),
        true);
  return true;
}

void TcpSockets::tick(rtp::Time now, WorkerCounters& counters) {
  if (now < next_sweep_) return;
  if (std::exchange(paused_, false)) {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      watch(listeners_[i].fd.get(), static_cast<int>(i), EPOLLIN, true);
    }
  }
  std::vector<int> over;
  for (const auto& [number, connection] : connections_) {
    if (!connection->served && now - connection->accepted >= check_timeout_) {
      counters.tcp_unproven.add();
    } else if (connection->served && now - *connection->served >= idle_timeout_) {
      counters.tcp_idle.add();
    } else {
      continue;
    }
    over.push_back(number);
  }
  for (const int number : over) close(number, counters);
  next_sweep_ = connections_.empty() ? rtp::Time::max() : now + kSweepInterval;
}

void TcpSockets::close(int number, WorkerCounters& counters) {
  const auto found = connections_.find(number);
  const Path path = found->second->path();
  if (found->second->served) closed_.push_back(path);
  const auto source = per_source_.find(source_of(path.remote));
  if (--source->second == 0) per_source_.erase(source);
  connections_.erase(found);  // closes it, which also takes it out of the epoll
  counters.tcp_connections.set(connections_.size());
}

void TcpSockets::take_closed(std::vector<Path>& into) {
  into.clear();
  into.swap(closed_);
}

}  // namespace parley::server
