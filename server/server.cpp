#include "server/server.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include <malloc.h>

#include "server/certificate.h"
#include "server/local_addresses.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/srtp.h"
#include "server/tcp_sockets.h"
#include "server/udp_socket.h"
#include "server/worker_thread.h"

namespace parley::server {
namespace {

constexpr int kPortTries = 8;

// Where events go. shared_ptr with reason: a task posted to the control loop may run after the
// server is gone; then it finds `stopped`. Only the control loop's thread touches it.
struct EventSink {
  OnEvents on_events;
  bool stopped = false;
};

// The UDP sockets of one worker. A host without IPv6 is served over IPv4 alone, as long as anything
// could be bound.
tl::expected<std::vector<UdpSocket>, std::string> bind_udp(const config::Config& config,
                                                           std::size_t worker) {
  const config::Ice& ice = config.ice;
  const std::size_t port = ice.port_base == 0 ? 0 : ice.port_base + worker;
  if (port > 65'535)
    return tl::unexpected(std::string("ice.port_base leaves no port for a worker"));
  std::vector<UdpSocket> sockets;
  for (const std::string& text : ice.bind) {
    const auto address = TransportAddress::parse_ip(text, static_cast<std::uint16_t>(port));
    if (!address) return tl::unexpected("ice.bind: \"" + text + "\" is not an IP address");
    auto socket = UdpSocket::bind(*address, static_cast<int>(sockets.size()));
    if (socket) {
      socket->set_segments(config.egress.segmentation);
      if (config.ingress.merging && !socket->merge_received()) {
        log::warn("merging_skipped", {{"why", "the kernel has no UDP GRO"}});
      }
      sockets.push_back(std::move(*socket));
    } else if (address->is_v4() || !address->is_unspecified()) {
      return tl::unexpected(socket.error());
    } else {
      log::warn("bind_skipped", {{"address", text}, {"why", socket.error()}});
    }
  }
  if (sockets.empty()) return tl::unexpected(std::string("ice.bind names no usable address"));
  return sockets;
}

// All sockets of one worker: TCP wherever there is UDP. A port for TCP may be taken by chance, by a
// connection that some program of this machine has made: that must not keep the server from
// starting.
tl::expected<WorkerThread::Sockets, std::string> bind_all(const config::Config& config,
                                                          std::size_t worker) {
  // Where the kernel chooses the port it asks for no other protocol.
  for (int tries = config.ice.port_base == 0 ? kPortTries : 1;; --tries) {
    auto udp = bind_udp(config, worker);
    if (!udp) return tl::unexpected(udp.error());
    WorkerThread::Sockets sockets{std::move(*udp), nullptr};
    if (!config.ice.tcp.enabled) return sockets;
    sockets.tcp = std::make_unique<TcpSockets>(config.ice);
    tl::expected<void, std::string> listening;
    for (const UdpSocket& socket : sockets.udp) {
      if (listening) listening = sockets.tcp->listen(socket.local());
    }
    if (listening) return sockets;
    if (tries > 1) continue;
    log::warn("tcp_skipped", {{"worker", worker}, {"why", listening.error()}});
    sockets.tcp.reset();
    return sockets;
  }
}

std::vector<Candidate> candidates_of(const config::Ice& ice, const WorkerThread::Sockets& sockets,
                                     const std::vector<TransportAddress>& interfaces) {
  std::vector<TransportAddress> locals;
  for (const UdpSocket& socket : sockets.udp) locals.push_back(socket.local());
  std::vector<Candidate> all = candidates_for(locals, ice.announced_addresses, interfaces);
  if (!sockets.tcp) return all;
  for (std::size_t i = 0, udp = all.size(); i < udp; ++i) {
    Candidate candidate = all[i];
    candidate.tcp = true;
    all.push_back(std::move(candidate));
  }
  return all;
}

}  // namespace

struct Server::Impl {
  static constexpr rtp::Duration kTrimInterval{1'000'000};
  static constexpr int kQuietChecks = 2;
  static constexpr std::uint64_t kWave = 64;

  Impl(Loop& control_loop, OnEvents on_events)
      : control(control_loop),
        certificate(Certificate::make(Loop::wall_ms())),
        fingerprint(certificate.fingerprint_text()),
        sink(std::make_shared<EventSink>(EventSink{std::move(on_events), false})) {}

  // A handshake takes some 70 KiB and gives them back soon after. The next one takes the same
  // memory, but after a wave of joins much of it lies idle, and goes back to the system. That takes
  // tens of milliseconds, here and, because other threads' caches of page tables are flushed,
  // there: so once a wave, when it is over.
  void trim_after_waves() {
    std::uint64_t connected = 0;
    for (const auto& thread : threads) connected += thread->counters().connected.value();
    quiet_checks = connected == seen_connected ? quiet_checks + 1 : 0;
    seen_connected = connected;
    if (quiet_checks >= kQuietChecks && connected - trimmed_at >= kWave) {
      trimmed_at = connected;
      malloc_trim(0);
    }
    trim_timer = control.at(Loop::now() + kTrimInterval, [this] { trim_after_waves(); });
  }

  Loop& control;
  Certificate certificate;
  std::string fingerprint;
  std::shared_ptr<EventSink> sink;
  std::vector<WorkerInfo> infos;
  std::vector<std::unique_ptr<WorkerThread>> threads;
  std::uint64_t seen_connected = 0;
  std::uint64_t trimmed_at = 0;  // by the count of connections
  int quiet_checks = 0;
  std::optional<Loop::TimerId> trim_timer;
};

tl::expected<std::unique_ptr<Server>, std::string> Server::start(const config::Config& config,
                                                                 Loop& control, Metrics& metrics,
                                                                 OnEvents on_events) {
  auto impl = std::make_unique<Impl>(control, std::move(on_events));
  std::size_t count = config.workers.count;
  if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
  // All ports first: a port that is taken must not leave half a server behind.
  std::vector<WorkerThread::Sockets> sockets;
  const auto interfaces = interface_addresses();
  for (std::size_t i = 0; i < count; ++i) {
    auto bound = bind_all(config, i);
    if (!bound) return tl::unexpected(bound.error());
    impl->infos.push_back({candidates_of(config.ice, *bound, interfaces)});
    sockets.push_back(std::move(*bound));
  }
  const std::string engine(name_of(available(config.srtp.engine)));
  const bool segments = sockets.front().udp.front().segments();
  metrics.gauge("parley_media_info", "Always 1; the labels say how media is sealed and sent.",
                [] { return 1.0; },
                {{"srtp_engine", engine}, {"udp_segmentation", segments ? "on" : "off"}});
  log::info("media", {{"srtp_engine", engine}, {"udp_segmentation", segments ? "on" : "off"}});
  for (std::size_t i = 0; i < count; ++i) {
    auto take = [i, &control, sink = impl->sink](std::vector<Event> events) {
      return control.post([i, sink, events = std::move(events)]() mutable {
        if (!sink->stopped) sink->on_events(i, std::move(events));
      });
    };
    // All threads are there before anybody can name a relay.
    auto wake = [threads = &impl->threads](std::size_t worker) {
      (*threads)[worker]->look_at_relays();
    };
    impl->threads.push_back(std::make_unique<WorkerThread>(
        config, impl->certificate, std::move(sockets[i]), std::move(take), std::move(wake)));
    metrics.add_worker(i, impl->threads.back()->counters());
    log::info("worker_started",
              {{"worker", i},
               {"port", impl->infos[i].candidates.empty() ? 0 : impl->infos[i].candidates[0].port},
               {"candidates", impl->infos[i].candidates.size()}});
  }
  impl->trim_after_waves();
  return std::unique_ptr<Server>(new Server(std::move(impl)));  // a private constructor
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { stop(); }

bool Server::post(std::size_t worker, Command command) {
  return worker < impl_->threads.size() && impl_->threads[worker]->post(std::move(command));
}

const std::vector<WorkerInfo>& Server::workers() const noexcept { return impl_->infos; }

const std::string& Server::fingerprint() const noexcept { return impl_->fingerprint; }

void Server::stop() {
  impl_->sink->stopped = true;
  if (impl_->trim_timer) impl_->control.cancel(*impl_->trim_timer);
  impl_->trim_timer.reset();
  for (auto& thread : impl_->threads) thread->stop();
}

}  // namespace parley::server
