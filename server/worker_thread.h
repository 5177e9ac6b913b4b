#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "config/config.h"
#include "server/api.h"
#include "server/certificate.h"
#include "server/counters.h"
#include "server/tcp_sockets.h"
#include "server/udp_socket.h"

namespace parley::server {

// One worker on a thread of its own: its loop, its sockets, its mailbox. All it adds to the Worker
// is the outside world: when a datagram, a command or a deadline is there, it makes one turn, which
// ends with everything sent that came of it.
class WorkerThread {
 public:
  static constexpr std::size_t kMaxCommands = 16'384;
  // Carried out in one turn; what is left comes with the next, after the media that is there then.
  static constexpr std::size_t kCommandsPerTurn = 32;
  // Batches read from a socket in one turn; what is left wakes the loop again.
  static constexpr int kMaxBatches = 8;
  // And from all TCP connections together.
  static constexpr int kMaxTcpBatches = 2;

  // Called on the worker's thread at the end of a turn that had events. False: they are lost.
  using TakeEvents = std::function<bool(std::vector<Event>)>;
  // Called on the worker's thread at the end of a turn that put something into relays, with the
  // number of each worker that is to look: its look_at_relays() is to be called.
  using WakeWorker = std::function<void(std::size_t)>;

  // What a worker listens on. Without `tcp` there is none.
  struct Sockets {
    std::vector<UdpSocket> udp;
    std::unique_ptr<TcpSockets> tcp;
  };

  // Starts the thread. `certificate` must outlive it.
  WorkerThread(const config::Config& config, const Certificate& certificate, Sockets sockets,
               TakeEvents take_events, WakeWorker wake_worker);
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  // Any thread. False when kMaxCommands wait already.
  [[nodiscard]] bool post(Command command);
  // Any thread. Another worker has put something into a relay.
  void look_at_relays();
  // Ends the thread after what was posted before, and waits for it. The counters stay.
  void stop();
  [[nodiscard]] const WorkerCounters& counters() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::server
