// load: real clients against a real parleyd, and what a delivered packet costs it. See --help.

#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load/peer.h"
#include "bench/load/process.h"
#include "bench/load/signalling.h"
#include "server/certificate.h"
#include "server/client/pcap.h"
#include "server/loop.h"

namespace {

using namespace parley;
using bench::Nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kSecret = "a secret of the load generator, long enough";

struct Options {
  std::string shape = "fanout";
  std::size_t count = 50;
  int run_s = 10;
  int warmup_s = 3;
  int server_core = 0;
  int own_core = 1;
  std::string server = "build/release/bin/parleyd";
  std::string capture = "tests/data/rtp/vp8sim-sent.pcap";
  std::string more_config;
};

// Everything there is at one moment.
struct Snapshot {
  rtp::Time at;
  Nanoseconds server_cpu = 0;
  Nanoseconds own_cpu = 0;
  std::uint64_t sent = 0;
  std::int64_t lost = 0;
  std::uint64_t datagrams = 0;
  std::uint64_t messages = 0;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        folder_(std::filesystem::temp_directory_path() /
                ("parley-load-" + std::to_string(getpid()))),
        server_((std::filesystem::create_directories(folder_), write_config(),
                 std::vector<std::string>{options.server, "--config",
                                          (folder_ / "parley.yaml").string()}),
                options.server_core, "listening"),
        certificate_(server::Certificate::make(server::Loop::wall_ms())),
        dtls_(certificate_),
        fingerprint_(certificate_.fingerprint_text()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    auto capture = client::read_pcap(options.capture);
    if (!capture) throw std::runtime_error("cannot read " + options.capture);
    capture_ = std::move(*capture);
  }
  ~Load() {
    peers_.clear();
    close(epoll_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void run() {
    idle_rss_ = server_.resident_bytes();
    const Snapshot before_joins = snapshot();
    build();
    run_until([this] { return all_connected(); }, seconds(60), "all peers connected");
    const Snapshot joined = snapshot();
    for (const auto& peer : peers_) peer->release_media();
    run_for(seconds(options_.warmup_s));
    received_ = {};
    const Snapshot begin = snapshot();
    run_for(seconds(options_.run_s));
    if (received_.packets == 0) throw std::runtime_error("nothing was delivered");
    report(before_joins, joined, begin, snapshot());
  }

 private:
  static constexpr std::uint16_t kPort = 17'080;

  void write_config() const {
    std::ofstream(folder_ / "parley.yaml")
        << "control: {listen: [\"127.0.0.1:" << kPort
        << "\"], max_connections_per_address: 10000}\n"
        << "workers: {count: 1}\nice: {port_base: 41000, bind: [\"127.0.0.1\"]}\n"
        << "rooms: {max_participants: 10000}\n"
        << "recording: {directory: \"" << (folder_ / "recordings").string() << "\"}\n"
        << "store: {file: \"" << (folder_ / "parley.db").string() << "\"}\n"
        << "auth: {api_keys: [{id: load, secrets: [\"" << kSecret << "\"]}]}\n"
        << options_.more_config << "\n";
  }

  void make_room(const std::string& name) {
    using control::Json;
    bench::call_api(
        kPort, kSecret, "room.create",
        Json::object({{"tenant", "load"}, {"name", name}, {"max_participants", 5'000}}));
  }

  void build() {
    const std::size_t n = options_.count;
    if (options_.shape == "fanout" || options_.shape == "audio") {
      const bool video = options_.shape == "fanout";
      const std::size_t publishers = video ? 1 : 3;
      make_room("one");
      for (std::size_t i = 0; i < n; ++i)
        add("one", "observer", false, false, publishers, !video, video);
      for (std::size_t i = 0; i < publishers; ++i)
        add("one", "host", !video, video, 0, false, false);
    } else if (options_.shape == "rooms") {
      for (std::size_t i = 0; i < n; ++i) {
        make_room("room-" + std::to_string(i));
        add("room-" + std::to_string(i), "host", true, true, 1, true, true);
        add("room-" + std::to_string(i), "participant", true, true, 1, true, true);
      }
    } else if (options_.shape == "mesh") {
      make_room("one");
      for (std::size_t i = 0; i < n; ++i) add("one", "participant", true, true, n - 1, true, true);
    } else {
      throw std::runtime_error("unknown shape " + options_.shape);
    }
  }

  void add(const std::string& room, const std::string& role, bool send_audio, bool send_video,
           std::size_t slots, bool audio_slots, bool video_slots) {
    using rtp::MediaKind;
    const std::size_t index = peers_.size();
    const auto ssrc = static_cast<std::uint32_t>(1'000 + index * 10);
    std::vector<bench::Line> lines;
    const auto mid = [&] { return std::to_string(lines.size()); };
    if (send_audio) lines.push_back({mid(), MediaKind::Audio, rtp::Ssrc{ssrc}, {}});
    if (send_video) {
      lines.push_back({mid(), MediaKind::Video, rtp::Ssrc{ssrc + 1}, rtp::Ssrc{ssrc + 2}});
    }
    for (std::size_t i = 0; i < slots; ++i) {
      if (audio_slots) lines.push_back({mid(), MediaKind::Audio, {}, {}});
      if (video_slots) lines.push_back({mid(), MediaKind::Video, {}, {}});
    }
    auto peer = std::make_unique<bench::Peer>(dtls_, fingerprint_, index, std::move(lines));
    peer->join(kPort, kSecret, room, role);
    if (send_video) peer->publish_video(player(ssrc + 1));
    if (send_audio) {
      client::SyntheticAudio::Options audio;
      audio.ssrc = rtp::Ssrc{ssrc};
      audio.pt = bench::kOpusType;
      audio.extensions = {.mid = 0,
                          .rid = 0,
                          .transport_cc = bench::kTransportCcId,
                          .audio_level = bench::kAudioLevelId};
      peer->publish_audio(audio);
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = peer.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, peer->fd(), &event);
    peer->start(bench::steady_now());
    if (peer->publishes()) publishers_.push_back(peer.get());
    peers_.push_back(std::move(peer));
    turn(0);
  }

  // The captured stream with the most packets: the top layer, about 2 Mbit/s, as it was paced.
  client::RtpPlayer player(std::uint32_t ssrc) const {
    client::RtpPlayer all(capture_, {});
    client::RtpPlayer::Options options;
    options.streams[all.captured_ssrcs().front().value] = {
        .ssrc = rtp::Ssrc{ssrc}, .pt = bench::kVp8Type, .clock_rate_hz = 90'000, .rtx_of = {}};
    options.transport_cc = bench::kTransportCcId;
    return client::RtpPlayer(capture_, options);
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
    for (bench::Peer* publisher : publishers_) {
      if (publisher->next_deadline() <= now) publisher->tick(now);
    }
    if (now < next_sweep_) return;
    next_sweep_ = now + milliseconds(20);
    for (const auto& peer : peers_) {
      if (peer->next_deadline() <= now) peer->tick(now);
    }
    if (now < next_drain_) return;
    next_drain_ = now + milliseconds(500);
    for (const auto& peer : peers_) peer->drain_signalling();
  }

  Nanoseconds until_next(rtp::Time end) const {
    const rtp::Time now = bench::steady_now();
    rtp::Time at = std::min(end, next_sweep_);
    for (const bench::Peer* publisher : publishers_) at = std::min(at, publisher->next_deadline());
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
    return s;
  }

  void report(const Snapshot& start, const Snapshot& joined, const Snapshot& begin,
              const Snapshot& end) const {
    const double took_s = std::chrono::duration<double>(end.at - begin.at).count();
    const auto delivered = static_cast<double>(received_.packets);
    const auto share = [&](Nanoseconds cpu) { return static_cast<double>(cpu) / 1e9 / took_s; };
    const double peers = static_cast<double>(peers_.size());
    const Nanoseconds cpu = end.server_cpu - begin.server_cpu;
    const double busy = share(end.own_cpu - begin.own_cpu);
    std::printf(
        "{\"shape\":\"%s\",\"count\":%zu,\"peers\":%zu,\"seconds\":%.1f,\"sent_per_s\":%.0f,"
        "\"delivered_per_s\":%.0f,\"server_cpu_us_per_packet\":%.3f,\"server_core_share\":%.3f,"
        "\"lost\":%lld,\"refused\":%llu,\"latency_us\":{\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f},"
        "\"server_kib_per_peer\":%.1f,\"server_cpu_ms_per_join\":%.2f,\"generator_core_share\":%."
        "2f,"
        "\"generator_is_the_limit\":%s}\n",
        options_.shape.c_str(), options_.count, peers_.size(), took_s,
        static_cast<double>(end.sent - begin.sent) / took_s, delivered / took_s,
        static_cast<double>(cpu) / 1e3 / std::max(delivered, 1.0), share(cpu),
        static_cast<long long>(end.lost - begin.lost),
        static_cast<unsigned long long>(received_.refused), received_.latency.quantile_us(0.5),
        received_.latency.quantile_us(0.99), received_.latency.quantile_us(0.999),
        (static_cast<double>(server_.resident_bytes()) - static_cast<double>(idle_rss_)) / 1'024.0 /
            peers,
        static_cast<double>(joined.server_cpu - start.server_cpu) / 1e6 / peers, busy,
        busy > 0.9 ? "true" : "false");
  }

  Options options_;
  std::filesystem::path folder_;
  bench::ServerProcess server_;
  server::Certificate certificate_;
  server::DtlsContext dtls_;
  std::string fingerprint_;
  int epoll_;
  std::vector<client::CapturedDatagram> capture_;
  std::vector<std::unique_ptr<bench::Peer>> peers_;
  std::vector<bench::Peer*> publishers_;
  bench::Received received_;
  rtp::Time next_sweep_{};
  rtp::Time next_drain_{};
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
                 "(three voices to N)");
  app.add_option("count", options.count, "N");
  app.add_option("--seconds", options.run_s, "how long to measure");
  app.add_option("--warmup", options.warmup_s, "seconds before that");
  app.add_option("--server-core", options.server_core, "where the server runs");
  app.add_option("--own-core", options.own_core, "where the clients run");
  app.add_option("--server", options.server, "the parleyd to start");
  app.add_option("--capture", options.capture, "RTP of a browser, to be played by publishers");
  app.add_option("--config", options.more_config, "more YAML for the server");
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
