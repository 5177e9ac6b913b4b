// floor: what this machine can do at best for the traffic of an SFU. See --help.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <CLI/CLI.hpp>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/clock.h"
#include "bench/load/process.h"
#include "rtp/bytes.h"
#include "rtp/packet_builder.h"
#include "rtp/packet_pool.h"
#include "server/counters.h"
#include "server/srtp.h"
#include "server/udp_socket.h"

namespace {

using namespace parley;
using bench::Nanoseconds;

constexpr std::size_t kSpace = rtp::Buffer::kCapacity;
// At most this much is on the way to one receiver, so that no socket overflows.
constexpr std::size_t kMaxOutstanding = 2'048;

struct Options {
  std::size_t peers = 100;
  std::vector<std::size_t> runs{1, 2, 3, 4, 6, 8};
  std::vector<std::size_t> sizes{1'100, 172};
  double seconds = 1;
  int server_core = 0;
  int own_core = 1;
};

server::SrtpKeys keys(bool mirrored) {
  constexpr auto kProfile = server::SrtpProfile::AeadAes128Gcm;
  const auto one = [&](std::uint8_t fill) {
    const std::vector<std::uint8_t> key(server::key_size(kProfile), fill);
    const std::vector<std::uint8_t> salt(server::salt_size(kProfile), fill);
    return server::SrtpMasterKey(key, salt);
  };
  return {kProfile, one(mirrored ? 2 : 1), one(mirrored ? 1 : 2)};
}

server::SrtpSession session(bool mirrored) {
  auto made = server::SrtpSession::create(keys(mirrored));
  if (!made) throw std::runtime_error("no SRTP session");
  return std::move(*made);
}

// An RTP packet of exactly `size` bytes once it is sealed.
void write_packet(std::uint16_t seq, std::size_t size, rtp::Bytes out) {
  constexpr std::size_t kTag = 16;
  constexpr std::size_t kHeader = 12;
  static const std::array<std::uint8_t, 1'500> filler{};
  rtp::HeaderFields fields;
  fields.payload_type = rtp::PayloadType{96};
  fields.seq = rtp::Seq{seq};
  fields.ssrc = rtp::Ssrc{1};
  rtp::PacketBuilder builder(out, fields);
  builder.payload(rtp::ConstBytes(filler).first(size - kTag - kHeader));
  std::ignore = builder.finish();
}

// The clients' sockets, read on a core of their own as those of bench/load are: recvmmsg, no GRO.
class Receivers {
 public:
  Receivers(std::size_t count, const server::TransportAddress& server, int core)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    sockaddr_storage to{};
    const auto to_size = static_cast<socklen_t>(server.to(to));
    for (std::size_t i = 0; i < count; ++i) {
      const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      const int buffer = 4 << 20;
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
      sockaddr_in own{};
      own.sin_family = AF_INET;
      own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0 ||
          connect(fd, reinterpret_cast<sockaddr*>(&to), to_size) != 0) {
        throw std::runtime_error("no UDP socket");
      }
      socklen_t size = sizeof own;
      getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
      addresses_.push_back(*server::TransportAddress::from(reinterpret_cast<sockaddr*>(&own)));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
      fds_.push_back(fd);
    }
    thread_ = std::thread([this, core] {
      bench::pin_to(core);
      run();
    });
  }
  ~Receivers() {
    stop_ = true;
    thread_.join();
    for (const int fd : fds_) close(fd);
    close(epoll_);
  }
  Receivers(const Receivers&) = delete;
  Receivers& operator=(const Receivers&) = delete;

  [[nodiscard]] const std::vector<server::TransportAddress>& addresses() const {
    return addresses_;
  }
  [[nodiscard]] const std::vector<int>& fds() const { return fds_; }
  [[nodiscard]] std::uint64_t received() const { return received_.load(); }

 private:
  void run() {
    constexpr std::size_t kBatch = 32;
    std::array<std::array<std::uint8_t, 1'600>, kBatch> bytes;
    std::array<iovec, kBatch> vectors{};
    std::array<mmsghdr, kBatch> headers{};
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {bytes[i].data(), bytes[i].size()};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    std::array<epoll_event, 64> events;
    while (!stop_) {
      const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 20);
      for (int i = 0; i < ready; ++i) {
        int count = 0;
        do {
          count = recvmmsg(events[static_cast<std::size_t>(i)].data.fd, headers.data(), kBatch, 0,
                           nullptr);
          if (count > 0) received_ += static_cast<std::uint64_t>(count);
        } while (count == static_cast<int>(kBatch));
      }
    }
  }

  int epoll_;
  std::vector<int> fds_;
  std::vector<server::TransportAddress> addresses_;
  std::atomic<std::uint64_t> received_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

Nanoseconds thread_cpu() { return bench::read_clock(CLOCK_THREAD_CPUTIME_ID); }

class Floor {
 public:
  explicit Floor(const Options& options) : options_(options) {
    auto bound = server::UdpSocket::bind(*server::TransportAddress::parse_ip("127.0.0.1", 0), 0);
    if (!bound) throw std::runtime_error(bound.error());
    socket_.emplace(std::move(*bound));
    for (std::size_t i = 0; i < options_.peers; ++i) {
      near_.push_back(session(false));
      far_.push_back(session(true));
    }
  }

  // Seal and send: `run` packets of `size` bytes to each peer in turn, again and again.
  double send(std::size_t run, std::size_t size) {
    Receivers receivers(options_.peers, socket_->local(), options_.own_core);
    bench::pin_to(options_.server_core);
    std::vector<server::Path> paths;
    for (const auto& address : receivers.addresses()) {
      paths.push_back({socket_->local(), address, 0});
    }
    const std::size_t turn_peers = std::min(options_.peers, server::UdpSocket::kSendVectors / run);
    const std::size_t count = turn_peers * run;
    std::vector<std::array<std::uint8_t, kSpace>> space(count);
    std::vector<server::SealItem> items(count);
    std::vector<server::Datagram> out(count);
    server::Sealer sealer;
    server::WorkerCounters counters;
    Nanoseconds cpu = 0;
    std::uint64_t packets = 0;
    std::size_t peer = 0;
    const rtp::Time end = bench::steady_now() + limit();
    while (bench::steady_now() < end) {
      while (packets - receivers.received() > kMaxOutstanding && bench::steady_now() < end) {
        usleep(50);
      }
      const Nanoseconds before = thread_cpu();
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t to = (peer + i / run) % options_.peers;
        write_packet(next_seq(to), size, space[i]);
        items[i] = {&near_[to], space[i], size - 16, server::SrtpKind::Rtp, false};
      }
      if (sealer.seal(items) != count) throw std::runtime_error("a packet was not sealed");
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t to = (peer + i / run) % options_.peers;
        out[i] = {&paths[to], rtp::ConstBytes(space[i]).first(items[i].size), i % run != 0};
      }
      socket_->send(out, counters);
      cpu += thread_cpu() - before;
      packets += count;
      peer = (peer + turn_peers) % options_.peers;
    }
    return static_cast<double>(cpu) / 1e3 / static_cast<double>(packets);
  }

  // Receive and open: one packet of each peer at a time, as browsers send.
  double receive(std::size_t size) {
    Receivers receivers(options_.peers, socket_->local(), options_.own_core);
    rtp::PacketPool pool(4 * server::UdpSocket::kBatch);
    server::WorkerCounters counters;
    server::Sealer sealer;
    server::Opener opener;
    std::array<std::uint8_t, kSpace> packet{};
    std::vector<server::OpenItem> items;
    std::unordered_map<server::Path, std::size_t> peers;
    for (std::size_t i = 0; i < options_.peers; ++i) {
      peers[{socket_->local(), receivers.addresses()[i], 0}] = i;
    }
    Nanoseconds cpu = 0;
    std::uint64_t packets = 0;
    std::size_t peer = 0;
    const rtp::Time end = bench::steady_now() + limit();
    while (bench::steady_now() < end) {
      bench::pin_to(options_.own_core);  // the clients' work, not counted
      for (std::size_t i = 0; i < server::UdpSocket::kBatch; ++i) {
        write_packet(next_seq(peer), size, packet);
        server::SealItem item{&far_[peer], packet, size - 16, server::SrtpKind::Rtp, false};
        sealer.seal({&item, 1});
        std::ignore = ::send(receivers.fds()[peer], packet.data(), item.size, 0);
        peer = (peer + 1) % options_.peers;
      }
      bench::pin_to(options_.server_core);
      const Nanoseconds before = thread_cpu();
      bool more = false;
      const auto arrived = socket_->receive(pool, counters, more);
      items.clear();
      for (server::Arrived& one : arrived) {
        items.push_back({&near_[peers.at(one.path)], one.datagram.bytes()});
      }
      opener.open(items);
      for (server::Arrived& one : arrived) one.datagram.reset();
      cpu += thread_cpu() - before;
      packets += arrived.size();
      for (const auto& item : items) {
        if (!item.result) throw std::runtime_error("a packet did not open");
      }
    }
    return static_cast<double>(cpu) / 1e3 / static_cast<double>(packets);
  }

 private:
  [[nodiscard]] rtp::Duration limit() const {
    return rtp::Duration{static_cast<std::int64_t>(options_.seconds * 1e6)};
  }
  std::uint16_t next_seq(std::size_t peer) {
    seqs_.resize(options_.peers);
    return ++seqs_[peer];
  }

  Options options_;
  std::optional<server::UdpSocket> socket_;
  std::vector<server::SrtpSession> near_;
  std::vector<server::SrtpSession> far_;
  std::vector<std::uint16_t> seqs_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "floor: opens, seals and sends as parleyd does, with its sockets and its SRTP, and does "
      "nothing else; prints the processor time of a packet, kernel included, one JSON line each");
  app.add_option("--peers", options.peers, "receivers, each with a socket and keys of its own")
      ->check(CLI::Range(1, 5'000));
  app.add_option("--runs", options.runs, "packets to one receiver in a message (UDP GSO)")
      ->check(CLI::Range(1, 44))
      ->delimiter(',');
  app.add_option("--sizes", options.sizes, "bytes of a packet on the wire")
      ->check(CLI::Range(40, 1'400))
      ->delimiter(',');
  app.add_option("--seconds", options.seconds, "for each line");
  app.add_option("--server-core", options.server_core, "where the measured work runs");
  app.add_option("--own-core", options.own_core, "where the receivers run");
  CLI11_PARSE(app, argc, argv);
  prctl(PR_SET_TIMERSLACK, 1);
  try {
    for (const std::size_t size : options.sizes) {
      for (const std::size_t run : options.runs) {
        Floor floor(options);
        std::printf(
            "{\"floor\":\"send\",\"peers\":%zu,\"bytes\":%zu,\"run\":%zu,\"us_per_packet\":%.3f}\n",
            options.peers, size, run, floor.send(run, size));
        std::fflush(stdout);
      }
      Floor floor(options);
      std::printf("{\"floor\":\"receive\",\"peers\":%zu,\"bytes\":%zu,\"us_per_packet\":%.3f}\n",
                  options.peers, size, floor.receive(size));
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "floor: %s\n", error.what());
    return 1;
  }
  return 0;
}
