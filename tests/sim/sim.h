#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
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

namespace parley::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

// True while the worker has control: for the test that counts its allocations.
inline thread_local bool worker_running = false;

struct PeerOptions {
  bool audio = true;
  bool video = true;
  std::size_t layers = 1;  // of the video; more than one is simulcast
  std::size_t audio_slots = 0;
  std::size_t video_slots = 0;
  std::uint32_t first_ssrc = 0;  // of what it publishes; 0: its own range
  server::RoomId room{1};
  Link up{};
  Link down{};
};

class Sim;

// A browser as far as the wire goes: a client with synthetic media, answering NACK and PLI, asking
// for what it misses, reporting as browsers do.
class SimPeer {
 public:
  SimPeer(Sim& sim, std::size_t index, const PeerOptions& options);

  [[nodiscard]] server::PeerId id() const { return id_; }
  [[nodiscard]] server::TrackNo audio_track() const { return audio_track_; }
  [[nodiscard]] server::TrackNo video_track() const { return video_track_; }
  [[nodiscard]] server::PeerParams params() const { return params_; }
  [[nodiscard]] Receiver& audio_slot(std::size_t i) { return audio_slots_[i]; }
  [[nodiscard]] Receiver& video_slot(std::size_t i) { return video_slots_[i]; }
  [[nodiscard]] rtp::Mid audio_mid(std::size_t i) const { return audio_slots_[i].mid; }
  [[nodiscard]] rtp::Mid video_mid(std::size_t i) const { return video_slots_[i].mid; }

  void start(rtp::Time now);
  void on_datagram(rtp::Time now, rtp::ConstBytes bytes);
  void tick(rtp::Time now);
  [[nodiscard]] rtp::Time next_deadline() const;
  void send_pli(std::size_t video_slot);
  void restart_ice(rtp::Time now);

  client::Client client;
  client::SyntheticVideo video;
  client::SyntheticAudio audio;
  PeerOptions options;
  server::TransportAddress address;
  bool media = true;                // sends its media
  bool silent = false;              // sends nothing at all any more, as if its cable was cut
  std::uint64_t plis = 0;           // received, all streams
  std::uint64_t nacked = 0;         // numbers that were asked from us
  std::uint64_t feedbacks = 0;      // transport-cc
  std::uint64_t unknown_ssrcs = 0;  // packets of streams that were never announced
  std::optional<rtp::Time> first_report;
  std::optional<rtp::Time> connected_at;

 private:
  friend class Sim;
  static server::PeerParams make_params(std::size_t index, const PeerOptions& options,
                                        const server::Certificate& certificate);
  void on_rtp(rtp::Time now, rtp::ConstBytes packet);
  void on_rtcp(rtp::Time now, rtp::ConstBytes packet);
  void resend(rtp::Ssrc ssrc, rtp::Seq seq);
  void report(rtp::Time now);
  void ask_missing(rtp::Time now);
  [[nodiscard]] Receiver* receiver_of(rtp::Ssrc ssrc, bool& rtx);

  Sim& sim_;
  server::PeerId id_;
  server::TrackNo audio_track_;
  server::TrackNo video_track_;
  server::PeerParams params_;
  std::deque<Receiver> audio_slots_;
  std::deque<Receiver> video_slots_;
  client::TransportSequence& transport_;
  std::uint16_t rtx_seq_ = 1;
  rtp::Time next_report_{};
  rtp::Time next_nack_{};
  bool media_started_ = false;
};

// A whole worker and its peers on virtual time.
class Sim {
 public:
  explicit Sim(std::uint64_t seed, config::Config config = {});
  ~Sim();

  SimPeer& add_peer(const PeerOptions& options);
  // All the others' tracks into this peer's slots, in order.
  void assign_all(SimPeer& watcher, std::uint32_t max_height = 720);
  void assign(SimPeer& watcher, rtp::Mid slot, std::optional<server::TrackNo> track,
              std::uint32_t max_height = 720);
  void command(server::Command command);
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
  // Called for each datagram that leaves the worker, if set.
  std::function<void(const server::Datagram&)> on_sent;

 private:
  void step(rtp::Time until);
  void deliver(Network::InFlight datagram);
  void drain_client(SimPeer& peer, std::size_t index);
  void end_turn();

  std::vector<std::unique_ptr<SimPeer>> peers_;
  std::deque<client::TransportSequence> transports_;
  std::vector<server::Event> taken_;
  friend class SimPeer;
};

}  // namespace parley::sim
