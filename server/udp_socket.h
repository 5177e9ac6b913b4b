#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "rtp/packet_pool.h"
#include "server/address.h"
#include "server/counters.h"
#include "server/datagram.h"

namespace parley::server {

// One bound UDP socket, read and written in batches. On a wildcard address it asks the kernel where
// each datagram was sent to, and answers from there: else a host with several addresses would
// answer from one the peer never talked to. No error of a single datagram ever closes it or makes
// it spin; what cannot be sent is dropped and counted.
class UdpSocket {
 public:
  static constexpr std::size_t kBatch = 64;         // datagrams per system call
  static constexpr std::size_t kSendVectors = 512;  // datagrams per system call, in runs
  static constexpr int kMaxRefused = 8;             // runs in a row, then no more are tried
  static constexpr int kBufferBytes = 4 * 1024 * 1024;

  // `index` goes into every Path of this socket. Port 0 lets the kernel choose. The error is a
  // sentence for an operator.
  [[nodiscard]] static tl::expected<UdpSocket, std::string> bind(const TransportAddress& address,
                                                                 int index);
  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;
  ~UdpSocket();

  // At most kBatch datagrams that are there now; fewer means that there are no more. Valid until
  // the next call; the caller may move the Buffers out. `read` says how many the kernel gave, even
  // if the pool had no room for them.
  [[nodiscard]] std::span<Arrived> receive(rtp::PacketPool& pool, WorkerCounters& counters,
                                           std::size_t& read);
  // The path of each must be one of this socket. Runs go as one message where the kernel can.
  void send(std::span<const Datagram> datagrams, WorkerCounters& counters);
  // Whether runs go as one message: the kernel offers it, the configuration wants it, and the
  // network card has not refused it.
  [[nodiscard]] bool segments() const noexcept { return segments_; }
  void set_segments(bool wanted) noexcept { segments_ = segments_ && wanted; }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  // The address it is bound to, with the real port.
  [[nodiscard]] const TransportAddress& local() const noexcept { return local_; }

 private:
  struct Batch;  // the kernel's structures
  UdpSocket(int fd, const TransportAddress& local, int index);
  [[nodiscard]] std::size_t send_batch(std::span<const Datagram> datagrams, bool in_runs,
                                       WorkerCounters& counters);
  void fill_message(std::size_t message, std::size_t vector, std::span<const Datagram> run);
  void on_run_refused(std::span<const Datagram> run, WorkerCounters& counters);

  int fd_ = -1;
  TransportAddress local_;
  int index_ = 0;
  bool segments_ = false;
  int refused_in_a_row_ = 0;
  std::unique_ptr<Batch> batch_;
};

}  // namespace parley::server
