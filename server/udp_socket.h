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

  // Datagrams that are there now, as many as one system call takes. Valid until the next call; the
  // caller may move the Buffers out. `more`: there may be more than these, or than the pool had
  // room for.
  [[nodiscard]] std::span<Arrived> receive(rtp::PacketPool& pool, WorkerCounters& counters,
                                           bool& more);
  // The path of each must be one of this socket. Runs go as one message where the kernel can.
  void send(std::span<const Datagram> datagrams, WorkerCounters& counters);
  // Whether runs go as one message: the kernel offers it, the configuration wants it, and the
  // network card has not refused it.
  [[nodiscard]] bool segments() const noexcept { return segments_; }
  void set_segments(bool wanted) noexcept { segments_ = segments_ && wanted; }
  // From now on the kernel may hand over equal datagrams of one sender as one message (UDP GRO,
  // Linux 5.0). They are cut up again here, at the price of a copy and of half a megabyte. False
  // when the kernel does not know it.
  bool merge_received();

  [[nodiscard]] int fd() const noexcept { return fd_; }
  // The address it is bound to, with the real port.
  [[nodiscard]] const TransportAddress& local() const noexcept { return local_; }

 private:
  struct Batch;   // the kernel's structures
  struct Merged;  // and those for messages of many datagrams
  UdpSocket(int fd, const TransportAddress& local, int index);
  [[nodiscard]] std::size_t send_batch(std::span<const Datagram> datagrams, bool in_runs,
                                       WorkerCounters& counters);
  [[nodiscard]] std::span<Arrived> receive_merged(rtp::PacketPool& pool, WorkerCounters& counters,
                                                  bool& more);
  void fill_message(std::size_t message, std::size_t vector, std::span<const Datagram> run);
  void on_run_refused(std::span<const Datagram> run, WorkerCounters& counters);

  int fd_ = -1;
  TransportAddress local_;
  int index_ = 0;
  bool segments_ = false;
  int refused_in_a_row_ = 0;
  std::unique_ptr<Batch> batch_;
  std::unique_ptr<Merged> merged_;
};

}  // namespace parley::server
