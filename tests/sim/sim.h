#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "rtp/types.h"
#include "server/api.h"
#include "server/certificate.h"
#include "server/client/client.h"
#include "server/client/synthetic.h"
#include "server/counters.h"
#include "server/dtls.h"
#include "server/worker.h"
#include "tests/sim/network.h"
#include "tests/sim/receiver.h"
#include "tests/sim/sim_peer.h"

namespace parley::sim {

// True while the worker has control: for the test that counts its allocations.
inline thread_local bool worker_running = false;

// A whole worker and its peers on virtual time. There may be more workers, which are woken as their
// threads would be; room 1 is open on all of them.
class Sim {
 public:
  explicit Sim(std::uint64_t seed, config::Config config = {}, std::size_t workers = 1);
  ~Sim();

  SimPeer& add_peer(const PeerOptions& options);
  // All the others' tracks into this peer's slots, in order.
  void assign_all(SimPeer& watcher, std::uint32_t max_height = 720);
  void assign(SimPeer& watcher, rtp::Mid slot, std::optional<server::TrackNo> track,
              std::uint32_t max_height = 720);
  void command(server::Command command, std::size_t number = 0);
  // What a peer publishes is to be had on another worker, too.
  void mirror(const SimPeer& publisher, std::size_t to);
  [[nodiscard]] server::TransportAddress address_of(std::size_t number) const {
    return server_address.with_port(static_cast<std::uint16_t>(server_address.port() + number));
  }
  [[nodiscard]] server::WorkerCounters& counters_of(std::size_t number) {
    return number == 0 ? counters : others_[number - 1]->counters;
  }
  void run_for(rtp::Duration duration);
  // Until `done` says so; false if it does not within `limit`.
  bool run_until(const std::function<bool()>& done, rtp::Duration limit = seconds(10));
  bool connect_all() {
    return run_until([this] {
      for (const auto& peer : peers_) {
        if (!peer->silent && !peer->client.connected()) return false;
      }
      return true;
    });
  }
  // A datagram from anywhere.
  void inject(const server::TransportAddress& from, rtp::ConstBytes bytes);

  template <class T>
  [[nodiscard]] std::vector<T> events_of() const {
    std::vector<T> found;
    for (const server::Event& event : events) {
      if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
    }
    return found;
  }

  const std::uint64_t seed;
  config::Config config;
  rtp::Time now;
  Dice dice;
  Network network;
  server::Certificate certificate;
  server::Certificate client_certificate;
  server::DtlsContext server_dtls;
  server::DtlsContext client_dtls;
  server::WorkerCounters counters;
  server::Worker worker;
  server::TransportAddress server_address;
  std::vector<server::Event> events;
  // Workers and peers look at what there is once in so long, and take it all at once; 0: as it
  // comes.
  rtp::Duration turn{0};
  // Called for each datagram that leaves the worker, if set.
  std::function<void(const server::Datagram&)> on_sent;

 private:
  void step(rtp::Time until);
  void deliver(Network::InFlight datagram);
  void drain_client(SimPeer& peer, std::size_t index);
  void read(std::size_t number);
  void send(std::size_t number);
  void end_turn();
  void end_turn(std::size_t number);
  [[nodiscard]] server::Worker& worker_at(std::size_t number) {
    return number == 0 ? worker : others_[number - 1]->worker;
  }

  // All but the first.
  struct Other {
    Other(const config::Config& config, const server::DtlsContext& dtls, std::uint64_t seed)
        : worker(config, dtls, server::seeded_random(seed), counters) {}
    server::WorkerCounters counters;
    server::Worker worker;
  };
  std::vector<std::unique_ptr<Other>> others_;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  std::deque<client::TransportSequence> transports_;
  std::map<std::size_t, std::vector<server::Arrived>> arrived_;  // by worker, to be read
  std::vector<server::Event> taken_;
  std::vector<std::size_t> wakes_;
  friend class SimPeer;
};

}  // namespace parley::sim
