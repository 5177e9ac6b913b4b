#include "server/udp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/egress.h"

namespace parley::server {
namespace {

// Room for one IP_PKTINFO or IPV6_PKTINFO and one UDP_SEGMENT or UDP_GRO, aligned as the kernel
// wants it.
struct alignas(cmsghdr) Control {
  std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))> bytes{};
};

std::string sentence(std::string_view what, const TransportAddress& address) {
  return "cannot " + std::string(what) + " UDP " + address.to_string() + ": " +
         std::strerror(errno);
}

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// The kernel wrote into all of it at the last read.
void prepare_read(msghdr& header, iovec& vector, sockaddr_storage& address, Control& control) {
  header = {};
  header.msg_name = &address;
  header.msg_namelen = sizeof address;
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
}

// Of which size the datagrams of a message are; all of it if the kernel merged none.
std::size_t segment_size_of(msghdr& header, std::size_t message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    if (size > 0) return static_cast<std::size_t>(size);
  }
  return message;
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

// Adds one control message behind those that are there.
template <class Value>
void add_control(msghdr& header, Control& control, int level, int type, const Value& value) {
  const std::size_t before = header.msg_control == nullptr ? 0 : header.msg_controllen;
  header.msg_control = control.bytes.data();
  header.msg_controllen = before + CMSG_SPACE(sizeof value);
  auto* c = reinterpret_cast<cmsghdr*>(&control.bytes[before]);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(c), &value, sizeof value);
}

// Makes the datagram leave from `source`.
void set_source(msghdr& header, Control& control, const TransportAddress& source) {
  if (source.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.ip().data(), source.ip().size());
    add_control(header, control, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.ip().data(), source.ip().size());
    info.ipi6_ifindex = source.scope();
    add_control(header, control, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

// How many of the datagrams leave as one message.
std::size_t run_length(std::span<const Datagram> datagrams) {
  const std::size_t most = std::min(datagrams.size(), Egress::kMaxRun);
  std::size_t length = 1;
  while (length < most && datagrams[length].joins) ++length;
  return length;
}

// What the kernel says when it cannot cut a message up: too old, a card without checksums, a
// segment larger than the path's MTU.
bool is_segment_error(int error) {
  return error == EINVAL || error == EIO || error == EOPNOTSUPP || error == EMSGSIZE;
}

}  // namespace

struct UdpSocket::Batch {
  // For reading; the first `used` have to be made ready again.
  std::array<mmsghdr, kBatch> read_headers{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_storage, kBatch> senders{};
  std::array<Control, kBatch> read_controls{};
  std::size_t used = kBatch;
  // For sending.
  std::array<mmsghdr, kBatch> headers{};
  std::array<sockaddr_storage, kBatch> addresses{};
  std::array<Control, kBatch> controls{};
  std::array<iovec, kSendVectors> send_vectors{};
  std::array<std::uint16_t, kBatch> runs{};  // datagrams of each message sent
  std::array<rtp::Buffer, kBatch> buffers;   // taken ahead of the read
  std::array<Arrived, kBatch> received;
  // Datagrams for which the pool has no room are read into this and forgotten: left in the socket
  // they would wake the loop for ever.
  std::array<std::uint8_t, rtp::Buffer::kMaxDatagram> spill{};
};

struct UdpSocket::Merged {
  static constexpr std::size_t kMessages = 8;
  static constexpr std::size_t kMessageBytes = 65'536;
  static constexpr std::size_t kMaxSegments = 64;

  Merged() { arrived.reserve(kMessages * kMaxSegments); }
  std::array<mmsghdr, kMessages> headers{};
  std::array<iovec, kMessages> vectors{};
  std::array<sockaddr_storage, kMessages> addresses{};
  std::array<Control, kMessages> controls{};
  std::array<std::array<std::uint8_t, kMessageBytes>, kMessages> bytes;
  std::vector<Arrived> arrived;
};

UdpSocket::UdpSocket(int fd, const TransportAddress& local, int index)
    : fd_(fd), local_(local), index_(index), batch_(std::make_unique<Batch>()) {}

UdpSocket::UdpSocket(UdpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      local_(other.local_),
      index_(other.index_),
      segments_(other.segments_),
      refused_in_a_row_(other.refused_in_a_row_),
      batch_(std::move(other.batch_)),
      merged_(std::move(other.merged_)) {}

UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(local_, other.local_);
  std::swap(index_, other.index_);
  std::swap(segments_, other.segments_);
  std::swap(refused_in_a_row_, other.refused_in_a_row_);
  std::swap(batch_, other.batch_);
  std::swap(merged_, other.merged_);
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

  // A kernel that knows the option can cut a message into datagrams (Linux 4.18).
  socket.segments_ = set(fd, IPPROTO_UDP, UDP_SEGMENT, 0);

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

std::span<Arrived> UdpSocket::receive(rtp::PacketPool& pool, WorkerCounters& counters, bool& more) {
  if (merged_) return receive_merged(pool, counters, more);
  Batch& b = *batch_;
  bool spills = false;
  for (std::size_t i = 0; i < b.used; ++i) {
    if (!b.buffers[i]) b.buffers[i] = pool.take();
    spills = spills || !b.buffers[i];
    b.vectors[i].iov_base = b.buffers[i] ? b.buffers[i].storage().data() : b.spill.data();
    b.vectors[i].iov_len = rtp::Buffer::kMaxDatagram;
    prepare_read(b.read_headers[i].msg_hdr, b.vectors[i], b.senders[i], b.read_controls[i]);
  }
  const int count = ::recvmmsg(fd_, b.read_headers.data(), kBatch, 0, nullptr);
  // EAGAIN: nothing there. Anything else (ECONNREFUSED by an ICMP message, ...) concerns one
  // datagram and was taken off the socket by being told.
  const std::size_t read = count > 0 ? static_cast<std::size_t>(count) : 0;
  b.used = spills || count < 0 ? kBatch : read;
  more = read == kBatch;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < read; ++i) {
    counters.packets_in.add();
    counters.bytes_in.add(b.read_headers[i].msg_len);
    if (!b.buffers[i]) {
      counters.drop(Drop::PoolEmpty);
      continue;
    }
    msghdr& header = b.read_headers[i].msg_hdr;
    const auto remote = TransportAddress::from(reinterpret_cast<sockaddr*>(&b.senders[i]));
    if ((header.msg_flags & MSG_TRUNC) != 0 || !remote) {
      counters.drop(Drop::UnknownKind);
      continue;
    }
    Arrived& received = b.received[kept++];
    received.path.remote = *remote;
    received.path.local = destination_of(header, local_);
    received.path.socket = index_;
    received.datagram = std::move(b.buffers[i]);
    received.datagram.resize(b.read_headers[i].msg_len);
  }
  return std::span(b.received).first(kept);
}

bool UdpSocket::merge_received() {
  if (!set(fd_, IPPROTO_UDP, UDP_GRO, 1)) return false;
  merged_ = std::make_unique<Merged>();
  return true;
}

std::span<Arrived> UdpSocket::receive_merged(rtp::PacketPool& pool, WorkerCounters& counters,
                                             bool& more) {
  Merged& m = *merged_;
  for (std::size_t i = 0; i < Merged::kMessages; ++i) {
    m.vectors[i] = {m.bytes[i].data(), m.bytes[i].size()};
    prepare_read(m.headers[i].msg_hdr, m.vectors[i], m.addresses[i], m.controls[i]);
  }
  const int count = ::recvmmsg(fd_, m.headers.data(), Merged::kMessages, 0, nullptr);
  more = count == static_cast<int>(Merged::kMessages);
  m.arrived.clear();
  for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
    msghdr& header = m.headers[i].msg_hdr;
    rtp::ConstBytes message = rtp::ConstBytes(m.bytes[i]).first(m.headers[i].msg_len);
    counters.bytes_in.add(message.size());
    const std::size_t segment = segment_size_of(header, message.size());
    const auto remote = TransportAddress::from(reinterpret_cast<sockaddr*>(&m.addresses[i]));
    const Path path{destination_of(header, local_), remote.value_or(TransportAddress{}), index_};
    while (!message.empty()) {
      const rtp::ConstBytes one = message.first(std::min(segment, message.size()));
      message = message.subspan(one.size());
      counters.packets_in.add();
      rtp::Buffer buffer = pool.take();
      if (!buffer) {
        counters.drop(Drop::PoolEmpty);
      } else if (one.size() > rtp::Buffer::kMaxDatagram || !remote ||
                 m.arrived.size() == m.arrived.capacity()) {
        counters.drop(Drop::UnknownKind);
      } else {
        std::copy(one.begin(), one.end(), buffer.storage().begin());
        buffer.resize(one.size());
        m.arrived.push_back({path, std::move(buffer)});
      }
    }
  }
  return m.arrived;
}

void UdpSocket::send(std::span<const Datagram> datagrams, WorkerCounters& counters) {
  while (!datagrams.empty()) {
    datagrams = datagrams.subspan(send_batch(datagrams, segments_, counters));
  }
}

void UdpSocket::fill_message(std::size_t message, std::size_t vector,
                             std::span<const Datagram> run) {
  Batch& b = *batch_;
  for (std::size_t i = 0; i < run.size(); ++i) {
    // sendmmsg takes its bytes as not const and does not write them.
    b.send_vectors[vector + i].iov_base = const_cast<std::uint8_t*>(run[i].bytes.data());
    b.send_vectors[vector + i].iov_len = run[i].bytes.size();
  }
  const Path& path = *run.front().path;
  msghdr& header = b.headers[message].msg_hdr;
  header = {};
  header.msg_name = &b.addresses[message];
  header.msg_namelen = static_cast<socklen_t>(path.remote.to(b.addresses[message]));
  header.msg_iov = &b.send_vectors[vector];
  header.msg_iovlen = run.size();
  if (local_.is_unspecified()) set_source(header, b.controls[message], path.local);
  if (run.size() == 1) return;
  const auto size = static_cast<std::uint16_t>(run.front().bytes.size());
  add_control(header, b.controls[message], IPPROTO_UDP, UDP_SEGMENT, size);
}

// How many are dealt with, sent or dropped; at least one.
std::size_t UdpSocket::send_batch(std::span<const Datagram> datagrams, bool in_runs,
                                  WorkerCounters& counters) {
  Batch& b = *batch_;
  std::size_t messages = 0;
  std::size_t filled = 0;
  while (filled < datagrams.size() && messages < kBatch) {
    const auto rest = datagrams.subspan(filled);
    const std::size_t run = in_runs ? run_length(rest) : 1;
    if (filled + run > kSendVectors) break;
    fill_message(messages, filled, rest.first(run));
    b.runs[messages++] = static_cast<std::uint16_t>(run);
    filled += run;
  }
  const int count =
      ::sendmmsg(fd_, b.headers.data(), static_cast<unsigned>(messages), MSG_NOSIGNAL);
  if (count > 0) {
    std::size_t sent = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      sent += b.runs[i];
      if (b.runs[i] == 1) continue;
      counters.run_datagrams.add(b.runs[i]);
      refused_in_a_row_ = 0;
    }
    counters.send_messages.add(static_cast<std::uint64_t>(count));
    counters.packets_out.add(sent);
    for (std::size_t i = 0; i < sent; ++i) counters.bytes_out.add(datagrams[i].bytes.size());
    return sent;
  }
  if (errno == EAGAIN || errno == ENOBUFS) {
    // The rest would fare no better, and media that waits is worth nothing.
    counters.drop(Drop::SendAgain, filled);
    return filled;
  }
  if (b.runs[0] > 1 && is_segment_error(errno)) {
    const std::size_t run = b.runs[0];
    on_run_refused(datagrams.first(run), counters);
    return run;
  }
  counters.drop(Drop::SendError, b.runs[0]);  // EMSGSIZE, ENETUNREACH, ...: this one only
  return b.runs[0];
}

void UdpSocket::on_run_refused(std::span<const Datagram> run, WorkerCounters& counters) {
  counters.runs_refused.add();
  if (++refused_in_a_row_ >= kMaxRefused) segments_ = false;
  while (!run.empty()) run = run.subspan(send_batch(run, false, counters));
}

}  // namespace parley::server
