#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "rtp/packet_pool.h"
#include "rtp/types.h"
#include "server/address.h"
#include "server/counters.h"
#include "server/datagram.h"
#include "server/file_descriptor.h"
#include "server/tcp_connection.h"

struct epoll_event;

namespace parley::server {

// The TCP half of a worker's port (ICE-TCP, RFC 6544: we listen, the client connects): to the
// worker each connection is one more socket that packets come from and go to, with a number from
// Path::kFirstTcp up.
//
// Anybody can connect, so a connection costs 2 KB until a check with a valid integrity has come
// over it, may bring only STUN till then and not much of it, and is closed when that does not come
// in time, or when no peer has used it for long. Nothing here ever waits for a connection: a
// receiver that is too slow misses media, and no read takes more than its share of a turn.
class TcpSockets {
 public:
  static constexpr std::size_t kEvents = 32;  // per call
  // One read of one connection, in bytes and in packets that are long enough to be any.
  static constexpr std::size_t kReadBytes = 4'800;
  static constexpr std::size_t kReadPackets = 480;
  static constexpr std::size_t kMaxBatch = 512;  // packets, as Context::kMaxWaiting wants it
  static constexpr std::size_t kAcceptsPerCall = 16;
  static constexpr std::uint32_t kMaxStrange = 16;  // packets before a valid check
  static constexpr rtp::Duration kSweepInterval{1'000'000};
  // What the kernel takes but has not sent yet: what waits longer is better dropped here.
  static constexpr int kNotSentBytes = 64 * 1024;

  explicit TcpSockets(const config::Ice& config);
  ~TcpSockets();
  TcpSockets(const TcpSockets&) = delete;
  TcpSockets& operator=(const TcpSockets&) = delete;

  // The error is a sentence for an operator.
  [[nodiscard]] tl::expected<void, std::string> listen(const TransportAddress& address);

  // Packets that are there now, of many connections. Valid until the next call; the caller may move
  // the Buffers out. `more`: another call may find more.
  [[nodiscard]] std::span<Arrived> receive(rtp::Time now, rtp::PacketPool& pool,
                                           WorkerCounters& counters, bool& more);
  // The path of each must be that of a connection, which may be gone.
  void send(rtp::Time now, std::span<const Datagram> packets, WorkerCounters& counters);
  // Closes what has had its time. Call at next_deadline().
  void tick(rtp::Time now, WorkerCounters& counters);
  [[nodiscard]] rtp::Time next_deadline() const noexcept { return next_sweep_; }
  // Swaps the paths that have proven themselves and were closed since into `into`.
  void take_closed(std::vector<Path>& into);

  // Readable when receive() has something to do.
  [[nodiscard]] int fd() const noexcept { return epoll_.get(); }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

 private:
  struct Listener {
    FileDescriptor fd;
    TransportAddress local;
  };
  using Connections = std::unordered_map<int, std::unique_ptr<TcpConnection>>;

  void watch(int fd, int number, std::uint32_t events, bool known) noexcept;
  void accept_from(rtp::Time now, Listener& listener, WorkerCounters& counters);
  void add(rtp::Time now, FileDescriptor fd, const Path& path, WorkerCounters& counters);
  [[nodiscard]] bool admits(rtp::Time now, const TransportAddress& source,
                            WorkerCounters& counters);
  [[nodiscard]] bool make_room(WorkerCounters& counters);
  void pause_listeners(rtp::Time now);
  void on_event(int number, std::uint32_t events, rtp::PacketPool& pool, WorkerCounters& counters);
  [[nodiscard]] bool read(TcpConnection& connection, rtp::PacketPool& pool,
                          WorkerCounters& counters);
  [[nodiscard]] bool take(TcpConnection& connection, rtp::ConstBytes packet, rtp::PacketPool& pool,
                          WorkerCounters& counters);
  [[nodiscard]] bool flush(TcpConnection& connection);
  void close(int number, WorkerCounters& counters);

  const config::IceTcp limits_;
  const rtp::Duration check_timeout_;
  const rtp::Duration idle_timeout_;
  FileDescriptor epoll_;
  std::vector<Listener> listeners_;
  Connections connections_;
  std::unordered_map<TransportAddress, std::uint32_t> per_source_;
  int next_number_ = Path::kFirstTcp;
  rtp::Time next_sweep_ = rtp::Time::max();
  bool paused_ = false;
  rtp::Time accepts_since_{};
  std::uint32_t accepts_ = 0;  // since then
  std::vector<Arrived> batch_;
  std::vector<int> dirty_;    // scratch of send()
  std::vector<Path> closed_;  // to be told
  std::array<std::uint8_t, kReadBytes> bytes_{};
};

}  // namespace parley::server
