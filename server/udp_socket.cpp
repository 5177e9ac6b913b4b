#include "server/udp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace parley::server {
namespace {

// Room for one IP_PKTINFO or IPV6_PKTINFO, aligned as the kernel wants it.
struct alignas(cmsghdr) Control {
  std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> bytes{};
};

std::string sentence(std::string_view what, const TransportAddress& address) {
  return "cannot " + std::string(what) + " UDP " + address.to_string() + ": " +
         std::strerror(errno);
}

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// Where the datagram was sent to, if the kernel told.
TransportAddress destination_of(msghdr& header, const TransportAddress& local) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::array<std::uint8_t, 4> ip{};
      std::memcpy(ip.data(), &info.ipi_addr, ip.size());
      return TransportAddress::v4(ip, local.port());
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::array<std::uint8_t, 16> ip{};
      std::memcpy(ip.data(), &info.ipi6_addr, ip.size());
      return TransportAddress::v6(ip, local.port(), info.ipi6_ifindex);
    }
  }
  return local;
}

// Makes the datagram leave from `source`.
void set_source(msghdr& header, Control& control, const TransportAddress& source) {
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  if (source.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.ip().data(), source.ip().size());
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
    header.msg_controllen = CMSG_SPACE(sizeof info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.ip().data(), source.ip().size());
    info.ipi6_ifindex = source.scope();
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
    header.msg_controllen = CMSG_SPACE(sizeof info);
  }
}

}  // namespace

struct UdpSocket::Batch {
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_storage, kBatch> addresses{};
  std::array<Control, kBatch> controls{};
  std::array<rtp::Buffer, kBatch> buffers;  // taken ahead of the read
  std::array<Received, kBatch> received;
  // Datagrams for which the pool has no room are read into this and forgotten: left in the socket
  // they would wake the loop for ever.
  std::array<std::uint8_t, rtp::Buffer::kMaxDatagram> spill{};
};

UdpSocket::UdpSocket(int fd, const TransportAddress& local, int index)
    : fd_(fd), local_(local), index_(index), batch_(std::make_unique<Batch>()) {}

UdpSocket::UdpSocket(UdpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      local_(other.local_),
      index_(other.index_),
      batch_(std::move(other.batch_)) {}

UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(local_, other.local_);
  std::swap(index_, other.index_);
  std::swap(batch_, other.batch_);
  return *this;
}

UdpSocket::~UdpSocket() {
  if (fd_ >= 0) ::close(fd_);
}

tl::expected<UdpSocket, std::string> UdpSocket::bind(const TransportAddress& address, int index) {
  const bool v4 = address.is_v4();
  const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return tl::unexpected(sentence("open", address));
  UdpSocket socket(fd, address, index);
  if (!v4 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
    return tl::unexpected(sentence("set up", address));
  }
  // Best effort: the kernel clips them to net.core.[rw]mem_max.
  set(fd, SOL_SOCKET, SO_RCVBUF, kBufferBytes);
  set(fd, SOL_SOCKET, SO_SNDBUF, kBufferBytes);
  const bool told = !address.is_unspecified() || (v4 ? set(fd, IPPROTO_IP, IP_PKTINFO, 1)
                                                     : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
  if (!told) return tl::unexpected(sentence("set up", address));

  sockaddr_storage name{};
  auto length = static_cast<socklen_t>(address.to(name));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), length) != 0) {
    return tl::unexpected(sentence("bind", address));
  }
  length = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    return tl::unexpected(sentence("name", address));
  }
  socket.local_ =
      TransportAddress::from(reinterpret_cast<const sockaddr*>(&name)).value_or(address);
  return socket;
}

std::span<UdpSocket::Received> UdpSocket::receive(rtp::PacketPool& pool, WorkerCounters& counters,
                                                  std::size_t& read) {
  Batch& b = *batch_;
  for (std::size_t i = 0; i < kBatch; ++i) {
    if (!b.buffers[i]) b.buffers[i] = pool.take();
    b.vectors[i].iov_base = b.buffers[i] ? b.buffers[i].storage().data() : b.spill.data();
    b.vectors[i].iov_len = rtp::Buffer::kMaxDatagram;
    msghdr& header = b.headers[i].msg_hdr;
    header = {};
    header.msg_name = &b.addresses[i];
    header.msg_namelen = sizeof b.addresses[i];
    header.msg_iov = &b.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = b.controls[i].bytes.data();
    header.msg_controllen = b.controls[i].bytes.size();
  }
  const int count = ::recvmmsg(fd_, b.headers.data(), kBatch, 0, nullptr);
  // EAGAIN: nothing there. Anything else (ECONNREFUSED by an ICMP message, ...) concerns one
  // datagram and was taken off the socket by being told.
  read = count > 0 ? static_cast<std::size_t>(count) : 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < read; ++i) {
    counters.packets_in.add();
    counters.bytes_in.add(b.headers[i].msg_len);
    if (!b.buffers[i]) {
      counters.drop(Drop::PoolEmpty);
      continue;
    }
    msghdr& header = b.headers[i].msg_hdr;
    const auto remote = TransportAddress::from(reinterpret_cast<sockaddr*>(&b.addresses[i]));
    if ((header.msg_flags & MSG_TRUNC) != 0 || !remote) {
      counters.drop(Drop::UnknownKind);
      continue;
    }
    Received& received = b.received[kept++];
    received.path.remote = *remote;
    received.path.local = destination_of(header, local_);
    received.path.socket = index_;
    received.datagram = std::move(b.buffers[i]);
    received.datagram.resize(b.headers[i].msg_len);
  }
  return std::span(b.received).first(kept);
}

void UdpSocket::send(std::span<const Datagram> datagrams, WorkerCounters& counters) {
  while (!datagrams.empty()) {
    const auto batch = datagrams.first(std::min(datagrams.size(), kBatch));
    datagrams = datagrams.subspan(send_batch(batch, counters));
  }
}

// How many of the batch are dealt with, sent or dropped; at least one.
std::size_t UdpSocket::send_batch(std::span<const Datagram> datagrams, WorkerCounters& counters) {
  Batch& b = *batch_;
  const bool pin_source = local_.is_unspecified();
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    const Datagram& datagram = datagrams[i];
    // sendmmsg takes its bytes as not const and does not write them.
    b.vectors[i].iov_base = const_cast<std::uint8_t*>(datagram.bytes.data());
    b.vectors[i].iov_len = datagram.bytes.size();
    msghdr& header = b.headers[i].msg_hdr;
    header = {};
    header.msg_name = &b.addresses[i];
    header.msg_namelen = static_cast<socklen_t>(datagram.path->remote.to(b.addresses[i]));
    header.msg_iov = &b.vectors[i];
    header.msg_iovlen = 1;
    if (pin_source) set_source(header, b.controls[i], datagram.path->local);
  }
  const int count =
      ::sendmmsg(fd_, b.headers.data(), static_cast<unsigned>(datagrams.size()), MSG_NOSIGNAL);
  if (count > 0) {
    const auto sent = static_cast<std::size_t>(count);
    counters.packets_out.add(sent);
    for (std::size_t i = 0; i < sent; ++i) counters.bytes_out.add(datagrams[i].bytes.size());
    return sent;
  }
  if (errno == EAGAIN || errno == ENOBUFS) {
    // The rest would fare no better, and media that waits is worth nothing.
    counters.drop(Drop::SendAgain, datagrams.size());
    return datagrams.size();
  }
  counters.drop(Drop::SendError);  // EMSGSIZE, ENETUNREACH, ...: this one only
  return 1;
}

}  // namespace parley::server
