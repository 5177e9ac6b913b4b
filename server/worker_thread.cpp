#include "server/worker_thread.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include <uv.h>

#include "server/dtls.h"
#include "server/loop.h"
#include "server/mailbox.h"
#include "server/random.h"
#include "server/turn_pace.h"
#include "server/worker.h"

namespace parley::server {

struct WorkerThread::Impl {
  // A socket as the loop watches it.
  struct Watched {
    Impl* owner = nullptr;
    UdpSocket socket;
    uv_poll_t poll{};
    std::vector<Datagram> out;  // scratch: what leaves by this socket
  };

  Impl(const config::Config& config, const Certificate& certificate, Sockets bound, TakeEvents take,
       WakeWorker wake)
      : dtls(certificate),
        worker(config, dtls, system_random(), counters),
        tcp(std::move(bound.tcp)),
        mailbox(kMaxCommands),
        pace(std::chrono::milliseconds(config.egress.coalesce_ms)),
        take_events(std::move(take)),
        wake_worker(std::move(wake)) {
    for (UdpSocket& socket : bound.udp) {
      sockets.push_back(std::make_unique<Watched>(Watched{this, std::move(socket), {}, {}}));
    }
  }

  void start() {
    for (const auto& watched : sockets) {
      watched->poll.data = watched.get();
      [[maybe_unused]] int rc = uv_poll_init(loop.uv(), &watched->poll, watched->socket.fd());
      assert(rc == 0);
      rc = uv_poll_start(&watched->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
        auto* self = static_cast<Watched*>(poll->data);
        self->owner->on_readable(*self);
      });
      assert(rc == 0);
    }
    if (tcp) {
      tcp_poll.data = this;
      [[maybe_unused]] int rc = uv_poll_init(loop.uv(), &tcp_poll, tcp->fd());
      assert(rc == 0);
      rc = uv_poll_start(&tcp_poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
        static_cast<Impl*>(poll->data)->on_tcp_readable();
      });
      assert(rc == 0);
    }
    turn_end.data = this;
    uv_prepare_init(loop.uv(), &turn_end);
    uv_prepare_start(&turn_end, [](uv_prepare_t* p) { static_cast<Impl*>(p->data)->end_turn(); });
    timer.data = this;
    uv_timer_init(loop.uv(), &timer);
  }

  // Everything since the loop last slept is one turn.
  void begin_turn() {
    if (!turn_began) turn_began = Loop::now();
  }

  void on_readable(Watched& watched) {
    begin_turn();
    for (int batch = 0; batch < kMaxBatches; ++batch) {
      bool more = false;
      const auto received = watched.socket.receive(worker.pool(), counters, more);
      take_batch(Loop::now(), received);  // one reading of the clock per batch
      if (!more) break;
    }
  }

  void on_tcp_readable() {
    begin_turn();
    for (int batch = 0; batch < kMaxTcpBatches; ++batch) {
      bool more = false;
      const rtp::Time now = Loop::now();
      take_batch(now, tcp->receive(now, worker.pool(), counters, more));
      forget_closed();
      if (!more) break;
    }
  }

  void take_batch(rtp::Time now, std::span<Arrived> received) {
    bool full = worker.on_datagrams(now, received);
    for (; full; full = worker.go_on(now)) send();
    if (worker.wants_flush()) send();
  }

  // After what came over them was taken.
  void forget_closed() {
    tcp->take_closed(closed);
    for (const Path& path : closed) worker.on_path_closed(path);
  }

  void on_commands() {
    begin_turn();
    if (!commands_left()) take_commands();
  }

  [[nodiscard]] bool commands_left() const { return next_command < commands.size(); }

  void take_commands() {
    // Before the box is emptied: a command that comes in between wakes the loop again.
    woken.store(false);
    commands.clear();
    next_command = 0;
    mailbox.take(commands);
  }

  // So many that media does not wait for them; the rest in the next turn.
  void carry_out_commands() {
    const rtp::Time now = Loop::now();
    const std::size_t end = std::min(commands.size(), next_command + kCommandsPerTurn);
    for (; next_command < end; ++next_command) {
      worker.on_command(now, std::move(commands[next_command]));
      if (worker.wants_flush()) send();
    }
    if (!commands_left()) take_commands();  // what came meanwhile
  }

  void on_relays() {
    begin_turn();
    relays_woken.store(false);  // as on_commands()
    for (bool more = worker.on_relays(Loop::now()); more; more = worker.on_relays(Loop::now())) {
      send();
    }
  }

  void end_turn() {
    if (commands_left()) {
      begin_turn();
      carry_out_commands();
    }
    const rtp::Time now = Loop::now();
    if (worker.next_deadline() <= now) {
      begin_turn();
      worker.tick(now);
    }
    if (tcp) tcp->tick(now, counters);
    // The others begin while this one still sends.
    worker.take_wakes(wakes);
    for (const std::size_t number : wakes) wake_worker(number);
    send();
    if (tcp) forget_closed();
    worker.take_events(events);
    if (!events.empty()) {
      const std::size_t count = events.size();
      if (!take_events(std::move(events))) counters.events_lost.add(count);
      events = {};
    }
    if (turn_began) wait_for_more();
    turn_began.reset();
    arm(Loop::now());
  }

  void wait_for_more() {
    const rtp::Time ended = Loop::now();
    counters.turn.add(ended - *turn_began);
    const rtp::Duration wait = pace.after_turn(ended - *turn_began, ended);
    if (wait.count() > 0) std::this_thread::sleep_for(wait);
  }

  void arm(rtp::Time now) {
    rtp::Time at = commands_left() ? now : worker.next_deadline();
    if (tcp) at = std::min(at, tcp->next_deadline());
    if (at == rtp::Time::max()) {
      uv_timer_stop(&timer);
      armed_for = at;
      return;
    }
    if (at == armed_for && uv_is_active(reinterpret_cast<uv_handle_t*>(&timer)) != 0) return;
    armed_for = at;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(at - now).count();
    uv_update_time(loop.uv());
    // The turn's end does the work; the timer only has to end the sleep.
    uv_timer_start(
        &timer, [](uv_timer_t*) {}, ms > 0 ? static_cast<std::uint64_t>(ms) : 0, 0);
  }

  void send() {
    const auto datagrams = worker.flush();
    if (datagrams.empty()) return;
    for (const Datagram& datagram : datagrams) {
      if (datagram.path->is_tcp()) [[unlikely]] {
        tcp_out.push_back(datagram);
      } else {
        sockets[static_cast<std::size_t>(datagram.path->socket)]->out.push_back(datagram);
      }
    }
    if (!tcp_out.empty()) send_tcp();
    for (const auto& watched : sockets) {
      if (!watched->out.empty()) watched->socket.send(watched->out, counters);
      watched->out.clear();
    }
  }

  void send_tcp() {
    tcp->send(Loop::now(), tcp_out, counters);
    tcp_out.clear();
  }

  void run() {
    start();
    loop.run();
    if (!commands_left()) take_commands();
    while (commands_left()) carry_out_commands();
    send();  // goodbyes of rooms closed last
    for (const auto& watched : sockets) {
      uv_close(reinterpret_cast<uv_handle_t*>(&watched->poll), nullptr);
    }
    if (tcp) uv_close(reinterpret_cast<uv_handle_t*>(&tcp_poll), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&turn_end), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    uv_run(loop.uv(), UV_RUN_NOWAIT);  // lets them close before their memory goes
  }

  WorkerCounters counters;
  DtlsContext dtls;
  Loop loop;
  Worker worker;
  std::vector<std::unique_ptr<Watched>> sockets;  // after the worker: they hold Buffers of its pool
  std::unique_ptr<TcpSockets> tcp;                // likewise
  uv_poll_t tcp_poll{};
  std::vector<Datagram> tcp_out;  // scratch
  std::vector<Path> closed;       // scratch
  Mailbox<Command> mailbox;
  std::atomic<bool> woken{false};
  std::atomic<bool> relays_woken{false};
  TurnPace pace;
  TakeEvents take_events;
  WakeWorker wake_worker;
  uv_prepare_t turn_end{};
  uv_timer_t timer{};
  rtp::Time armed_for = rtp::Time::max();
  std::optional<rtp::Time> turn_began;
  std::vector<Command> commands;
  std::size_t next_command = 0;
  std::vector<Event> events;
  std::vector<std::size_t> wakes;
  std::thread thread;
};

WorkerThread::WorkerThread(const config::Config& config, const Certificate& certificate,
                           Sockets sockets, TakeEvents take_events, WakeWorker wake_worker)
    : impl_(std::make_unique<Impl>(config, certificate, std::move(sockets), std::move(take_events),
                                   std::move(wake_worker))) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

WorkerThread::~WorkerThread() { stop(); }

void WorkerThread::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->loop.stop();
  impl_->thread.join();
}

bool WorkerThread::post(Command command) {
  if (!impl_->mailbox.put(std::move(command))) return false;
  // One wake-up for all that waits. If the loop cannot take it the next command tries again.
  if (!impl_->woken.exchange(true)) {
    if (!impl_->loop.post([impl = impl_.get()] { impl->on_commands(); })) impl_->woken = false;
  }
  return true;
}

void WorkerThread::look_at_relays() {
  if (impl_->relays_woken.exchange(true)) return;
  if (!impl_->loop.post([impl = impl_.get()] { impl->on_relays(); })) impl_->relays_woken = false;
}

const WorkerCounters& WorkerThread::counters() const noexcept { return impl_->counters; }

}  // namespace parley::server
