// load: real clients against a real parleyd, and what a delivered packet costs it. See --help.

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load/parley_target.h"
#include "bench/load/peer.h"
#include "bench/load/process.h"
#include "bench/peers/janus/janus_target.h"
#include "server/certificate.h"
#include "server/client/pcap.h"
#include "server/loop.h"

namespace {

using namespace parley;
using bench::Nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

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
  std::string more_config;
  bool metered = false;
  std::string recordings;
  bool tell = false;
};

// Everything there is at one moment.
struct Snapshot {
  rtp::Time at;
  Nanoseconds server_cpu = 0;
  Nanoseconds own_cpu = 0;
  std::uint64_t sent = 0;
  std::int64_t lost = 0;
  std::optional<bench::Target::Counters> counters;
};

std::unique_ptr<bench::Target> make_target(const Options& options) {
  if (options.peer == "parley") {
    return std::make_unique<bench::ParleyTarget>(options.server, options.more_config,
                                                 options.metered, options.recordings);
  }
  if (options.peer == "janus") return std::make_unique<bench::JanusTarget>(0);
  if (options.peer == "janus-loop") return std::make_unique<bench::JanusTarget>(1);
  throw std::runtime_error("unknown peer " + options.peer);
}

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        folder_(std::filesystem::temp_directory_path() /
                ("parley-load-" + std::to_string(getpid()))),
        target_(make_target(options)),
        server_((std::filesystem::create_directories(folder_), target_->configure(folder_)),
                options.server_core, target_->ready()),
        certificate_(server::Certificate::make(server::Loop::wall_ms())),
        dtls_(certificate_),
        fingerprint_(certificate_.fingerprint_text()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!options.profile.empty() &&
        SSL_CTX_set_tlsext_use_srtp(dtls_.get(), options.profile.c_str()) != 0) {
      throw std::runtime_error("unknown SRTP profile " + options.profile);
    }
    auto capture = client::read_pcap(options.capture);
    if (!capture) throw std::runtime_error("cannot read " + options.capture);
    load_capture(*capture);
  }
  ~Load() {
    peers_.clear();
    close(epoll_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void run() {
    if (options_.shape == "storm") return run_storm();
    idle_rss_ = server_.resident_bytes();
    const Snapshot before_joins = snapshot();
    build(options_.shape, options_.count);
    run_until([this] { return all_connected(); }, seconds(60), "all peers connected");
    const Snapshot joined = snapshot();
    release_media();
    run_for(seconds(options_.warmup_s));
    received_ = {};
    const Snapshot begin = snapshot();
    run_for(seconds(options_.run_s));
    if (received_.packets == 0) throw std::runtime_error("nothing was delivered");
    report(before_joins, joined, begin, snapshot());
  }

  // Calls go on while N others join at once, two to a room.
  void run_storm() {
    if (options_.peer != "parley") throw std::runtime_error("storm is for parley only");
    build("rooms", kRunningCalls);
    run_until([this] { return all_connected(); }, seconds(60), "all peers connected");
    release_media();
    run_for(seconds(options_.warmup_s));
    const Snapshot quiet = snapshot();
    run_for(seconds(options_.run_s));

    const std::size_t first = peers_.size();
    for (std::size_t i = 0; i < options_.count; ++i) {
      if (i % 2 == 0) target_->make_room(storm_room(i));
      add(storm_room(i), "participant", one_to_one());
    }
    received_ = {};
    const Snapshot begin = snapshot();
    for (const Waiting& one : std::exchange(waiting_, {})) {
      joining_.push_back(make_peer(one));
      turn(0);
    }
    const auto all_there = [&] {
      return joining_.empty() && peers_.size() == first + options_.count && all_connected();
    };
    run_until(all_there, seconds(60), "the storm's peers connected");
    const Snapshot end = snapshot();

    const auto took_ns = static_cast<double>((end.at - begin.at).count()) * 1e3;
    std::vector<double> took_ms;
    for (std::size_t i = first; i < peers_.size(); ++i) {
      took_ms.push_back(static_cast<double>((*peers_[i]->connected_at() - begin.at).count()) / 1e3);
    }
    std::sort(took_ms.begin(), took_ms.end());
    const auto quantile = [&](double q) {
      return took_ms[static_cast<std::size_t>(q * static_cast<double>(took_ms.size() - 1))];
    };
    // What the running calls cost is not the joins'.
    const auto rate = static_cast<double>(begin.server_cpu - quiet.server_cpu) /
                      static_cast<double>((begin.at - quiet.at).count());
    const double joins_cpu = static_cast<double>(end.server_cpu - begin.server_cpu) -
                             rate * static_cast<double>((end.at - begin.at).count());
    std::printf(
        "{\"shape\":\"storm\",\"count\":%zu,\"join_ms\":{\"p50\":%.0f,\"p99\":%.0f,\"max\":%.0f},"
        "\"server_cpu_ms_per_join\":%.2f,\"running_calls\":{\"packets\":%llu,\"lost\":%lld,"
        "\"latency_us\":{\"p50\":%.0f,\"p99\":%.0f}},\"server_core_share\":%.2f,"
        "\"generator_core_share\":%.2f}\n",
        took_ms.size(), quantile(0.5), quantile(0.99), took_ms.back(),
        joins_cpu / 1e6 / static_cast<double>(took_ms.size()),
        static_cast<unsigned long long>(received_.packets),
        static_cast<long long>(end.lost - begin.lost), received_.latency.quantile_us(0.5),
        received_.latency.quantile_us(0.99),
        static_cast<double>(end.server_cpu - begin.server_cpu) / took_ns,
        static_cast<double>(end.own_cpu - begin.own_cpu) / took_ns);
  }

 private:
  static constexpr rtp::Duration kStartsWithin{1'000'000};
  static constexpr std::size_t kRunningCalls = 5;
  static constexpr std::size_t kSweeps = 5;  // until each peer was looked after once
  static std::string storm_room(std::size_t joiner) {
    return "storm-" + std::to_string(joiner / 2);
  }

  static bench::Shape one_to_one() { return {true, true, 1, 1}; }

  void build(const std::string& shape, std::size_t n) {
    if (shape == "fanout") {
      target_->make_room("one");
      add("one", "host", {false, true, 0, 0});
      for (std::size_t i = 0; i < n; ++i) add("one", "observer", {false, false, 0, 1});
    } else if (shape == "audio") {
      constexpr std::size_t kVoices = 3;
      target_->make_room("one");
      for (std::size_t i = 0; i < kVoices; ++i) add("one", "host", {true, false, 0, 0});
      for (std::size_t i = 0; i < n; ++i) add("one", "observer", {false, false, kVoices, 0});
    } else if (shape == "rooms") {
      for (std::size_t i = 0; i < n; ++i) {
        target_->make_room("room-" + std::to_string(i));
        add("room-" + std::to_string(i), "host", one_to_one());
        add("room-" + std::to_string(i), "participant", one_to_one());
      }
    } else if (shape == "mesh") {
      target_->make_room("one");
      for (std::size_t i = 0; i < n; ++i) add("one", "participant", {true, true, n - 1, n - 1});
    } else {
      throw std::runtime_error("unknown shape " + shape);
    }
    // Who sends comes first: where sending and receiving are two connections, the second asks for
    // what is there.
    std::stable_partition(waiting_.begin(), waiting_.end(),
                          [](const Waiting& one) { return one.shape.sends(); });
    bool senders_are_there = false;
    for (const Waiting& one : waiting_) {
      if (!one.shape.sends() && !std::exchange(senders_are_there, true)) {
        run_until([this] { return all_connected(); }, seconds(60), "all publishers connected");
        run_for(milliseconds(300));  // the server's side of it may take a little longer
      }
      auto peer = make_peer(one);
      while (!peer->advance()) peer->wait();
      start(std::move(peer));
      turn(0);
    }
    waiting_.clear();
  }

  // A connection that is still to be made.
  struct Waiting {
    std::string room;
    std::size_t participant = 0;
    std::string role;
    bench::Shape shape;
  };
  void add(const std::string& room, const std::string& role, const bench::Shape& participant) {
    const std::size_t number = participants_++;
    for (const bench::Shape& shape : target_->connections(participant)) {
      waiting_.push_back({room, number, role, shape});
    }
  }

  std::unique_ptr<bench::Peer> make_peer(const Waiting& one) {
    using rtp::MediaKind;
    const std::size_t index = next_index_++;
    const auto ssrc = static_cast<std::uint32_t>(1'000 + index * 10);
    bench::Target::Endpoint endpoint{
        one.room, one.participant, one.role, {}, bench::Peer::credentials(index), fingerprint_};
    auto& lines = endpoint.lines;
    const auto add_line = [&](MediaKind kind, std::uint32_t media, std::uint32_t rtx) {
      lines.push_back({std::to_string(lines.size()), kind, rtp::Ssrc{media}, rtp::Ssrc{rtx}});
    };
    if (one.shape.send_audio) add_line(MediaKind::Audio, ssrc, 0);
    if (one.shape.send_video) add_line(MediaKind::Video, ssrc + 1, ssrc + 2);
    for (std::size_t i = 0; i < one.shape.audio_slots; ++i) add_line(MediaKind::Audio, 0, 0);
    for (std::size_t i = 0; i < one.shape.video_slots; ++i) add_line(MediaKind::Video, 0, 0);
    auto peer = std::make_unique<bench::Peer>(dtls_, index);
    if (one.shape.send_video) peer->publish_video(player(ssrc + 1));
    if (one.shape.send_audio) {
      client::SyntheticAudio::Options audio;
      audio.ssrc = rtp::Ssrc{ssrc};
      audio.pt = client::kOpusType;
      audio.extensions = {.mid = 0,
                          .rid = 0,
                          .transport_cc = client::kTransportCcId,
                          .audio_level = client::kAudioLevelId};
      peer->publish_audio(audio);
    }
    peer->enter(target_->enter(std::move(endpoint)));
    return peer;
  }

  void start(std::unique_ptr<bench::Peer> peer) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = peer.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, peer->fd(), &event);
    peer->start(bench::steady_now());
    if (peer->publishes()) {
      publishers_.push_back(peer.get());
      publish_at_.push_back(peer->next_deadline());
    }
    if (options_.tell) peer->tell_arrivals();
    peers_.push_back(std::move(peer));
  }

  // Calls do not begin together: each has its own moments for a picture, a voice packet, a key
  // frame.
  void release_media() {
    const rtp::Time now = bench::steady_now();
    for (std::size_t i = 0; i < publishers_.size(); ++i) {
      const rtp::Time at = now + kStartsWithin * i / publishers_.size();
      publishers_[i]->publish_from(at);
      publish_at_[i] = at;
    }
  }

  void advance_joins() {
    for (auto& peer : joining_) {
      if (peer->advance()) start(std::move(peer));
    }
    std::erase(joining_, nullptr);
  }

  // The captured stream with the most packets: the top layer, about 2 Mbit/s, as it was paced.
  void load_capture(const std::vector<client::CapturedDatagram>& capture) {
    captured_ = client::RtpPlayer(capture, {}).captured_ssrcs().front();
    client::RtpPlayer::Options options;
    options.streams[captured_.value] = {
        .ssrc = {}, .pt = client::kVp8Type, .clock_rate_hz = 90'000, .rtx_of = {}};
    options.transport_cc = client::kTransportCcId;
    player_.emplace(capture, options);
  }
  [[nodiscard]] client::RtpPlayer player(std::uint32_t ssrc) const {
    client::RtpPlayer player = *player_;
    player.rename(captured_, rtp::Ssrc{ssrc});
    return player;
  }

  [[nodiscard]] bool all_connected() const {
    return std::all_of(peers_.begin(), peers_.end(),
                       [](const auto& peer) { return peer->connected(); });
  }

  // Reads what is there, waits for at most `wait` for it, and sends what is due.
  void turn(Nanoseconds wait) {
    std::array<epoll_event, 256> events;
    const timespec patience{0, static_cast<long>(wait)};
    const int count =
        epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &patience, nullptr);
    const rtp::Time now = bench::steady_now();
    for (int i = 0; i < count; ++i) {
      static_cast<bench::Peer*>(events[static_cast<std::size_t>(i)].data.ptr)
          ->on_readable(now, received_);
    }
    for (std::size_t i = 0; i < publishers_.size(); ++i) {
      if (publish_at_[i] > now) continue;
      publishers_[i]->tick(now);
      publish_at_[i] = publishers_[i]->next_deadline();
    }
    if (now < next_sweep_) return;
    next_sweep_ = now + milliseconds(joining_.empty() ? 20 : 2);
    advance_joins();
    // A few at a time: while this thread is busy with something else, what is to be published waits
    // and goes out in a burst that no browser would send.
    const std::size_t first = sweep_++ % kSweeps;
    for (std::size_t i = first; i < peers_.size(); i += kSweeps) {
      if (peers_[i]->next_deadline() <= now) peers_[i]->tick(now);
      peers_[i]->drain_signalling();
    }
    for (std::size_t i = first; i < publishers_.size(); i += kSweeps) {
      publish_at_[i] = publishers_[i]->next_deadline();
    }
  }

  Nanoseconds until_next(rtp::Time end) const {
    const rtp::Time now = bench::steady_now();
    rtp::Time at = std::min(end, next_sweep_);
    for (const rtp::Time due : publish_at_) at = std::min(at, due);
    return std::max<Nanoseconds>((at - now).count() * 1'000, 0);
  }

  void run_for(rtp::Duration duration) {
    const rtp::Time end = bench::steady_now() + duration;
    while (bench::steady_now() < end) turn(until_next(end));
  }
  template <class Done>
  void run_until(const Done& done, rtp::Duration limit, const char* what) {
    const rtp::Time end = bench::steady_now() + limit;
    while (!done()) {
      if (bench::steady_now() > end) throw std::runtime_error(std::string("never: ") + what);
      turn(1'000'000);
    }
  }

  Snapshot snapshot() const {
    Snapshot s;
    s.at = bench::steady_now();
    s.server_cpu = server_.cpu();
    s.own_cpu = bench::own_cpu();
    for (const auto& peer : peers_) {
      s.sent += peer->sent();
      s.lost += peer->lost();
    }
    s.counters = target_->counters();
    return s;
  }

  // What all clients and the server agreed on.
  [[nodiscard]] std::string profile() const {
    const auto agreed = peers_.front()->profile();
    if (!agreed) return "none";
    switch (*agreed) {
      case server::SrtpProfile::AeadAes128Gcm:
        return "AEAD_AES_128_GCM";
      case server::SrtpProfile::AeadAes256Gcm:
        return "AEAD_AES_256_GCM";
      case server::SrtpProfile::AesCm128HmacSha1_80:
        return "AES_CM_128_HMAC_SHA1_80";
    }
    return "none";
  }

  static std::string of_counters(const Snapshot& begin, const Snapshot& end) {
    if (!begin.counters || !end.counters) return {};
    const double out = std::max(end.counters->packets_out - begin.counters->packets_out, 1.0);
    const double messages = end.counters->messages_out - begin.counters->messages_out;
    const auto kib = [](double bytes, double count) {
      return bytes / 1'024 / std::max(count, 1.0);
    };
    std::array<char, 240> text{};
    std::snprintf(text.data(), text.size(),
                  "\"packets_per_message\":%.2f,\"bytes_per_packet\":%.0f,\"in_per_out\":%.3f,"
                  "\"state_kib_per_peer\":%.1f,\"kib_per_stream\":%.1f,",
                  out / std::max(messages, 1.0),
                  (end.counters->bytes_out - begin.counters->bytes_out) / out,
                  (end.counters->packets_in - begin.counters->packets_in) / out,
                  kib(end.counters->peer_bytes, end.counters->peers),
                  kib(end.counters->stream_bytes, end.counters->streams));
    return text.data();
  }

  void report(const Snapshot& start, const Snapshot& joined, const Snapshot& begin,
              const Snapshot& end) const {
    const double took_s = std::chrono::duration<double>(end.at - begin.at).count();
    const auto delivered = static_cast<double>(received_.packets);
    const auto share = [&](Nanoseconds cpu) { return static_cast<double>(cpu) / 1e9 / took_s; };
    const double peers = static_cast<double>(participants_);
    const Nanoseconds cpu = end.server_cpu - begin.server_cpu;
    const double busy = share(end.own_cpu - begin.own_cpu);
    std::printf(
        "{\"peer\":\"%s\",\"profile\":\"%s\",\"shape\":\"%s\",\"count\":%zu,\"participants\":%zu,"
        "\"seconds\":%.1f,\"sent_per_s\":%.0f,"
        "\"delivered_per_s\":%.0f,\"server_cpu_us_per_packet\":%.3f,\"server_core_share\":%.3f,"
        "%s"
        "\"lost\":%lld,\"refused\":%llu,\"latency_us\":{\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f},"
        "\"server_kib_per_peer\":%.1f,\"server_cpu_ms_per_join\":%.2f,\"generator_core_share\":%."
        "2f,"
        "\"generator_is_the_limit\":%s}\n",
        options_.peer.c_str(), profile().c_str(), options_.shape.c_str(), options_.count,
        participants_, took_s, static_cast<double>(end.sent - begin.sent) / took_s,
        delivered / took_s, static_cast<double>(cpu) / 1e3 / std::max(delivered, 1.0), share(cpu),
        of_counters(begin, end).c_str(), static_cast<long long>(end.lost - begin.lost),
        static_cast<unsigned long long>(received_.refused), received_.latency.quantile_us(0.5),
        received_.latency.quantile_us(0.99), received_.latency.quantile_us(0.999),
        (static_cast<double>(server_.resident_bytes()) - static_cast<double>(idle_rss_)) / 1'024.0 /
            peers,
        static_cast<double>(joined.server_cpu - start.server_cpu) / 1e6 / peers, busy,
        busy > 0.9 ? "true" : "false");
  }

  Options options_;
  std::filesystem::path folder_;
  std::unique_ptr<bench::Target> target_;
  bench::ServerProcess server_;
  server::Certificate certificate_;
  server::DtlsContext dtls_;
  std::string fingerprint_;
  int epoll_;
  std::optional<client::RtpPlayer> player_;  // of which each publisher gets a copy
  rtp::Ssrc captured_;
  std::vector<std::unique_ptr<bench::Peer>> peers_;
  std::vector<bench::Peer*> publishers_;
  std::vector<rtp::Time> publish_at_;                  // when each is due
  std::vector<std::unique_ptr<bench::Peer>> joining_;  // not started yet
  std::vector<Waiting> waiting_;
  std::size_t participants_ = 0;
  std::size_t next_index_ = 0;
  bench::Received received_;
  rtp::Time next_sweep_{};
  std::size_t sweep_ = 0;
  std::uint64_t idle_rss_ = 0;
};

void raise_file_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "load: real clients against a parleyd of its own, on loopback; prints one JSON line");
  app.add_option("shape", options.shape,
                 "fanout (one video to N), rooms (N one-to-one calls), mesh (N all to all), audio "
                 "(three voices to N), storm (N join at once while calls go on)");
  app.add_option("count", options.count, "N");
  app.add_option("--seconds", options.run_s, "how long to measure");
  app.add_option("--warmup", options.warmup_s, "seconds before that");
  app.add_option("--server-core", options.server_core, "where the server runs");
  app.add_option("--own-core", options.own_core, "where the clients run");
  app.add_option(
      "--peer", options.peer,
      "what to load: parley, janus (a thread for each connection), janus-loop (one event "
      "loop); Debian has the package janus");
  app.add_option("--server", options.server, "the parleyd to start");
  app.add_option("--profile", options.profile,
                 "the only SRTP profile that clients offer, as OpenSSL names it: "
                 "SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80");
  app.add_option("--capture", options.capture, "RTP of a browser, to be played by publishers");
  app.add_option("--config", options.more_config, "more YAML for parleyd");
  app.add_flag("--metered", options.metered,
               "of parley: with a limited account of minutes and a backend that gets the events");
  app.add_option("--record", options.recordings,
                 "of parley: a folder into which all calls are recorded");
  app.add_flag("--tell", options.tell,
               "receivers tell what arrives by transport-cc feedback, ten times a second");
  CLI11_PARSE(app, argc, argv);
  raise_file_limit();
  prctl(PR_SET_TIMERSLACK, 1);
  try {
    Load load(options);
    bench::pin_to(options.own_core);
    load.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
  }
  return 0;
}
