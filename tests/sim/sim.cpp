#include "tests/sim/sim.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

namespace parley::sim {
namespace {

struct WorkerRuns {
  WorkerRuns() { worker_running = true; }
  ~WorkerRuns() { worker_running = false; }
};

constexpr std::size_t kStranger = 1'000'000;  // a link of its own for what inject() sends

}  // namespace

Sim::Sim(std::uint64_t run_seed, config::Config settings, std::size_t workers)
    : seed(run_seed),
      config(std::move(settings)),
      now(seconds(1'000)),
      dice(run_seed),
      network(run_seed + 1),
      certificate(server::Certificate::make(1'700'000'000'000)),
      client_certificate(server::Certificate::make(1'700'000'000'000)),
      server_dtls(certificate),
      client_dtls(client_certificate),
      worker(config, server_dtls, server::seeded_random(run_seed + 2), counters),
      server_address(server::TransportAddress::v4({192, 0, 2, 1}, 40'000)) {
  for (std::size_t i = 1; i < workers; ++i) {
    others_.push_back(std::make_unique<Other>(config, server_dtls, run_seed + 2 + i));
  }
  for (std::size_t i = 0; i < workers; ++i) {
    worker_at(i).on_command(now, server::OpenRoom{server::RoomId{1}});
  }
}

Sim::~Sim() {
  if (::testing::Test::HasFailure()) ADD_FAILURE() << "this run had the seed " << seed;
}

SimPeer& Sim::add_peer(const PeerOptions& options) {
  transports_.emplace_back();
  peers_.push_back(std::make_unique<SimPeer>(*this, peers_.size(), options));
  SimPeer& peer = *peers_.back();
  command(server::SetPeer{options.room, peer.id(), peer.params()}, options.worker);
  peer.start(now);
  return peer;
}

void Sim::assign(SimPeer& watcher, rtp::Mid slot, std::optional<server::TrackNo> track,
                 std::uint32_t max_height) {
  command(server::Assign{watcher.id(), slot, track, max_height}, watcher.options.worker);
}

void Sim::assign_all(SimPeer& watcher, std::uint32_t max_height) {
  std::size_t audio = 0;
  std::size_t video = 0;
  for (const auto& peer : peers_) {
    if (peer.get() == &watcher || peer->silent) continue;
    if (peer->options.audio && audio < watcher.options.audio_slots) {
      assign(watcher, watcher.audio_mid(audio++), peer->audio_track());
    }
    if (peer->options.video && video < watcher.options.video_slots) {
      assign(watcher, watcher.video_mid(video++), peer->video_track(), max_height);
    }
  }
}

void Sim::command(server::Command command, std::size_t number) {
  worker_at(number).on_command(now, std::move(command));
  end_turn();
}

void Sim::mirror(const SimPeer& publisher, std::size_t to) {
  const std::size_t from = publisher.options.worker;
  for (const server::PublishSection& section : publisher.params().publishes) {
    const auto relay = server::make_relay(from, to, section.kind);
    command(server::OpenRelay{section.track, relay}, from);
    command(server::OpenMirror{publisher.options.room, section, relay}, to);
  }
}

void Sim::inject(const server::TransportAddress& from, rtp::ConstBytes bytes) {
  network.send(now, {.delay = rtp::Duration(0)},
               {.to_server = true,
                .peer = kStranger,
                .client = from,
                .bytes = {bytes.begin(), bytes.end()}});
}

// A worker that is woken by another has its turn at the same moment.
void Sim::end_turn() {
  for (std::size_t i = 0; i <= others_.size(); ++i) end_turn(i);
}

void Sim::send(std::size_t number) {
  std::span<const server::Datagram> datagrams;
  {
    const WorkerRuns runs;
    datagrams = worker_at(number).flush();
  }
  for (const server::Datagram& datagram : datagrams) {
    if (on_sent) on_sent(datagram);
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      if (peers_[i]->address != datagram.path->remote) continue;
      network.send(now, peers_[i]->options.down,
                   {.to_server = false,
                    .peer = i,
                    .client = datagram.path->remote,
                    .bytes = {datagram.bytes.begin(), datagram.bytes.end()}});
    }
  }
}

void Sim::end_turn(std::size_t number) {
  server::Worker& turning = worker_at(number);
  {
    const WorkerRuns runs;
    if (turning.next_deadline() <= now) turning.tick(now);
    turning.take_wakes(wakes_);
  }
  send(number);
  turning.take_events(taken_);
  events.insert(events.end(), taken_.begin(), taken_.end());
  for (const std::size_t woken : std::vector(wakes_)) {
    const auto relays = [&] {
      const WorkerRuns runs;
      return worker_at(woken).on_relays(now);
    };
    while (relays()) send(woken);
    end_turn(woken);
  }
}

// As a worker's thread does.
void Sim::read(std::size_t number) {
  std::vector<server::Arrived> batch = std::exchange(arrived_[number], {});
  const auto worker_does = [&](const auto& work) {
    const WorkerRuns runs;
    return work(worker_at(number));
  };
  bool full =
      worker_does([&](server::Worker& reading) { return reading.on_datagrams(now, batch); });
  while (full) {
    send(number);
    full = worker_does([&](server::Worker& reading) { return reading.go_on(now); });
  }
}

void Sim::drain_client(SimPeer& peer, std::size_t index) {
  while (const auto datagram = peer.client.poll_transmit()) {
    if (peer.silent) continue;
    network.send(now, peer.options.up,
                 {.to_server = true,
                  .peer = index,
                  .client = peer.address,
                  .bytes = {datagram->begin(), datagram->end()}});
  }
}

void Sim::deliver(Network::InFlight datagram) {
  if (!datagram.to_server) {
    SimPeer& peer = *peers_[datagram.peer];
    // A NAT that has forgotten the old mapping drops what still comes to it.
    if (peer.address == datagram.client) peer.on_datagram(now, datagram.bytes);
    return;
  }
  const bool stranger = datagram.peer == kStranger;
  const std::size_t number = stranger ? 0 : peers_[datagram.peer]->options.worker;
  server::Worker& receiving = worker_at(number);
  rtp::Buffer buffer = receiving.pool().take();
  ASSERT_TRUE(buffer) << "the pool is empty, seed " << seed;
  std::copy(datagram.bytes.begin(), datagram.bytes.end(), buffer.storage().begin());
  buffer.resize(datagram.bytes.size());
  arrived_[number].push_back({{address_of(number), datagram.client, 0}, std::move(buffer)});
}

void Sim::step(rtp::Time until) {
  rtp::Time next = until;
  for (std::size_t i = 0; i <= others_.size(); ++i) {
    next = std::min(next, worker_at(i).next_deadline());
  }
  next = std::min(next, network.next().value_or(next));
  for (const auto& peer : peers_) next = std::min(next, peer->next_deadline());
  now = std::max(now, next);
  if (turn.count() > 0) now += (turn - now.time_since_epoch() % turn) % turn;
  while (auto datagram = network.poll(now)) deliver(std::move(*datagram));
  for (std::size_t i = 0; i <= others_.size(); ++i) read(i);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (!peers_[i]->silent) peers_[i]->tick(now);
    drain_client(*peers_[i], i);
  }
  end_turn();
}

void Sim::run_for(rtp::Duration duration) {
  const rtp::Time end = now + duration;
  while (now < end && !::testing::Test::HasFatalFailure()) step(end);
}

bool Sim::run_until(const std::function<bool()>& done, rtp::Duration limit) {
  const rtp::Time end = now + limit;
  while (!done()) {
    if (now >= end || ::testing::Test::HasFatalFailure()) return false;
    step(end);
  }
  return true;
}

}  // namespace parley::sim
