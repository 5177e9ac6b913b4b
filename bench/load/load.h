#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/peer.h"
#include "bench/load/process.h"
#include "bench/load/target.h"
#include "server/certificate.h"
#include "server/client/pcap.h"

namespace parley::bench {

struct Options {
  std::string shape = "fanout";
  std::size_t count = 50;
  int run_s = 10;
  int warmup_s = 5;
  int server_core = 0;
  int own_core = 1;
  std::string peer = "parley";
  std::string server = "build/release/bin/parleyd";
  std::string profile;
  std::string capture = "tests/data/rtp/vp8sim-sent.pcap";
  std::size_t layer = 0;  // of the capture, by its packets
  std::size_t voices = 3;
  std::size_t workers = 1;
  std::string more_config;
  bool metered = false;
  std::string recordings;
  bool tell = false;
};

// Real clients against a real server: who joins, in which shape, and what came of it. Errors throw.
class Load {
 public:
  explicit Load(const Options& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Prints one JSON line.
  void run();

 private:
  static constexpr rtp::Duration kStartsWithin{1'000'000};
  static constexpr std::size_t kSweeps = 5;  // until each peer was looked after once

  // Everything there is at one moment.
  struct Snapshot {
    rtp::Time at;
    Nanoseconds server_cpu = 0;
    Nanoseconds own_cpu = 0;
    std::uint64_t sent = 0;
    std::int64_t lost = 0;
    std::optional<Target::Counters> counters;
  };
  // A connection that is still to be made.
  struct Waiting {
    std::string room;
    std::size_t participant = 0;
    std::string role;
    Shape shape;
  };

  // ---- runs (runs.cpp)
  void run_shape();
  // Calls go on while N others join at once, two to a room.
  void run_storm();
  // N in one room, of whom a few send and all receive; all but those come at once.
  void run_hall();
  // Puts those who wait in `waiting_` there.
  void build(const std::string& shape, std::size_t n);
  // The reason why nobody else gets into the hall.
  [[nodiscard]] std::string one_more();
  // When each of those from `first` on was connected, in ms after `since`, in order.
  [[nodiscard]] std::vector<double> connected_ms(std::size_t first, rtp::Time since) const;
  void report(const Snapshot& start, const Snapshot& joined, const Snapshot& begin,
              const Snapshot& end, const std::string& more = {}) const;
  // What the server counted meanwhile.
  [[nodiscard]] static std::string of_counters(const Snapshot& begin, const Snapshot& end);
  // What all clients and the server agreed on.
  [[nodiscard]] std::string profile() const;

  // ---- who is there (load.cpp)
  void add(const std::string& room, const std::string& role, const Shape& participant);
  // All of `waiting_`, one after the other, those who send first.
  void come();
  // All of `waiting_`, at once. Returns when all are connected.
  void come_at_once();
  [[nodiscard]] std::unique_ptr<Peer> make_peer(const Waiting& one);
  void start(std::unique_ptr<Peer> peer);
  void release_media();
  void advance_joins();
  void load_capture(const std::vector<client::CapturedDatagram>& capture);
  [[nodiscard]] client::RtpPlayer player(std::uint32_t ssrc) const;
  [[nodiscard]] bool all_connected() const;
  [[nodiscard]] Snapshot snapshot() const;

  // ---- time (load.cpp)
  // Reads what is there, waits for at most `wait` for it, and sends what is due.
  void turn(Nanoseconds wait);
  [[nodiscard]] Nanoseconds until_next(rtp::Time end) const;
  void run_for(rtp::Duration duration);
  template <class Done>
  void run_until(const Done& done, rtp::Duration limit, const char* what);

  Options options_;
  std::filesystem::path folder_;
  std::unique_ptr<Target> target_;
  ServerProcess server_;
  server::Certificate certificate_;
  server::DtlsContext dtls_;
  std::string fingerprint_;
  int epoll_;
  std::optional<client::RtpPlayer> player_;  // of which each publisher gets a copy
  rtp::Ssrc captured_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<Peer*> publishers_;
  std::vector<rtp::Time> publish_at_;           // when each is due
  std::vector<std::unique_ptr<Peer>> joining_;  // not started yet
  std::vector<Waiting> waiting_;
  std::size_t participants_ = 0;
  std::size_t next_index_ = 0;
  Received received_;
  rtp::Time next_sweep_{};
  std::size_t sweep_ = 0;
  std::uint64_t idle_rss_ = 0;
};

}  // namespace parley::bench
