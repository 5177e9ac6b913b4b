// A whole worker in memory: P publishers, each seen and heard by V viewers. Only the worker's own
// time counts; the clients' sealing and opening does not. See bench/README.md.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <benchmark/benchmark.h>

#include "config/config.h"
#include "server/certificate.h"
#include "server/client/arrivals.h"
#include "server/client/client.h"
#include "server/client/synthetic.h"
#include "server/counters.h"
#include "server/dtls.h"
#include "server/random.h"
#include "server/worker.h"

namespace {

using namespace parley;
using std::chrono::milliseconds;

constexpr rtp::Duration kTurn{5'000};
constexpr std::uint8_t kTransportCc = 3;  // the id of the header extension

// Of this thread: what else runs on the machine does not count.
double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

rtp::Mid mid(const std::string& text) { return *rtp::Mid::from(text); }

server::CodecParams vp8() {
  server::CodecParams codec;
  codec.codec = rtp::Codec::Vp8;
  codec.pt = rtp::PayloadType{96};
  codec.rtx_pt = rtp::PayloadType{97};
  codec.nack = codec.pli = true;
  return codec;
}

server::CodecParams opus() {
  server::CodecParams codec;
  codec.pt = rtp::PayloadType{111};
  codec.clock_rate_hz = 48'000;
  return codec;
}

class Bench {
 public:
  // What the viewers offered and do about the way to them.
  enum class Feedback : std::uint8_t { None, Offered, Told };

  Bench(std::size_t publishers, std::size_t viewers, Feedback feedback)
      : feedback_(feedback),
        certificate_(server::Certificate::make(1'700'000'000'000)),
        dtls_(certificate_),
        worker_({}, dtls_, server::seeded_random(1), counters_) {
    worker_.on_command(now_, server::OpenRoom{server::RoomId{1}});
    for (std::size_t i = 0; i < publishers + viewers; ++i) add(i, i < publishers, publishers);
    for (int i = 0; i < 4'000 && counters_.connected.value() < peers_.size(); ++i) turn();
    for (auto& peer : peers_) {
      if (peer->video) peer->video->start(now_);
      if (peer->audio) peer->audio->start(now_);
    }
    for (std::size_t v = publishers; v < peers_.size(); ++v) {
      for (std::size_t p = 0; p < publishers; ++p) {
        assign(v, "v" + std::to_string(p), 2 * p + 2);
        assign(v, "a" + std::to_string(p), 2 * p + 1);
      }
    }
    for (int i = 0; i < 200; ++i) turn();  // a second to settle
  }

  // One turn of 5 ms; the seconds of CPU that the worker took.
  double turn() {
    now_ += kTurn;
    collect();
    double took = 0;
    for (bool full = true, first = true; full; first = false) {
      const double began = cpu_seconds();
      full = first ? worker_.on_datagrams(now_, arrived_) : worker_.go_on(now_);
      if (!full && worker_.next_deadline() <= now_) worker_.tick(now_);
      const auto out = worker_.flush();
      took += cpu_seconds() - began;
      deliver(out);
    }
    worker_.take_events(events_);
    return took;
  }
  [[nodiscard]] const server::WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] bool all_connected() const { return counters_.connected.value() == peers_.size(); }

 private:
  void deliver(std::span<const server::Datagram> datagrams) {
    for (const server::Datagram& datagram : datagrams) {
      Peer& peer = *peers_[datagram.path->remote.port() - 1U];
      // Viewers need not open what they get; only the handshake and the checks matter.
      if (peer.viewer && (datagram.bytes[0] & 0xc0) == 0x80) {
        if (feedback_ == Feedback::Told) {
          peer.arrivals.on_datagram(datagram.bytes, kTransportCc, now_);
        }
        continue;
      }
      std::ignore = peer.client->on_datagram(now_, datagram.bytes);
    }
  }
  struct Peer {
    bool viewer = false;
    server::Path path;
    std::unique_ptr<client::Client> client;
    client::TransportSequence transport;
    client::Arrivals arrivals{milliseconds(100), rtp::Ssrc{1}};  // ten times a second, as browsers
    std::unique_ptr<client::SyntheticVideo> video;
    std::unique_ptr<client::SyntheticAudio> audio;
  };

  void add(std::size_t i, bool publishes, std::size_t publishers) {
    const std::string n = std::to_string(i);
    auto peer = std::make_unique<Peer>();
    peer->viewer = !publishes;
    peer->path = {address_,
                  server::TransportAddress::v4({10, 0, 0, 1}, static_cast<std::uint16_t>(i + 1)),
                  0};
    server::PeerParams params;
    params.local = {"server" + n, "server-password-server-" + n};
    params.remote = {"client" + n, "client-password-client-" + n};
    params.fingerprints = {certificate_.fingerprint()};
    params.cname = "bench";
    rtp::ExtensionMap extensions;
    extensions.set(rtp::Extension::AudioLevel, 1);
    extensions.set(rtp::Extension::TransportCc, kTransportCc);
    extensions.set(rtp::Extension::Mid, 4);
    if (publishes) publish(i, *peer, params, extensions);
    for (std::size_t p = 0; !publishes && p < publishers; ++p) {
      for (const bool video : {false, true}) {
        server::SlotSection slot;
        slot.mid = mid((video ? "v" : "a") + std::to_string(p));
        slot.kind = video ? rtp::MediaKind::Video : rtp::MediaKind::Audio;
        slot.ssrc = rtp::Ssrc{static_cast<std::uint32_t>(100'000 + p * 4 + (video ? 2 : 0))};
        slot.rtx_ssrc = rtp::Ssrc{slot.ssrc.value + 1};
        slot.codecs = {video ? vp8() : opus()};
        slot.codecs[0].transport_cc = feedback_ != Feedback::None;
        slot.extensions = extensions;
        params.slots.push_back(slot);
      }
    }
    peer->client = std::make_unique<client::Client>(
        dtls_,
        client::ClientParams{params.remote, params.local, {certificate_.fingerprint()}, address_},
        server::seeded_random(i + 7));
    worker_.on_command(now_, server::SetPeer{server::RoomId{1}, server::PeerId{i + 1}, params});
    peer->client->start(now_);
    peers_.push_back(std::move(peer));
  }

  static void publish(std::size_t i, Peer& peer, server::PeerParams& params,
                      const rtp::ExtensionMap& extensions) {
    const auto base = static_cast<std::uint32_t>(1'000 + i * 10);
    server::PublishSection audio;
    audio.track = server::TrackNo{static_cast<std::uint32_t>(2 * i + 1)};
    audio.mid = mid("0");
    audio.codecs = {opus()};
    audio.extensions = extensions;
    server::PublishSection video = audio;
    video.track = server::TrackNo{static_cast<std::uint32_t>(2 * i + 2)};
    video.mid = mid("1");
    video.kind = rtp::MediaKind::Video;
    video.codecs = {vp8()};
    params.publishes = {audio, video};
    client::SyntheticVideo::Options v;
    client::SyntheticVideo::Layer layer;
    layer.ssrc = rtp::Ssrc{base + 1};
    v.layers = {layer};
    v.mid = mid("1");
    v.extensions = {.mid = 4, .rid = 0, .transport_cc = kTransportCc, .audio_level = 0};
    peer.video = std::make_unique<client::SyntheticVideo>(v, peer.transport);
    client::SyntheticAudio::Options a;
    a.ssrc = rtp::Ssrc{base};
    a.mid = mid("0");
    a.extensions = {.mid = 4, .rid = 0, .transport_cc = kTransportCc, .audio_level = 1};
    peer.audio = std::make_unique<client::SyntheticAudio>(a, peer.transport);
  }

  void assign(std::size_t peer, const std::string& slot, std::size_t track) {
    worker_.on_command(now_,
                       server::Assign{server::PeerId{peer + 1}, mid(slot),
                                      server::TrackNo{static_cast<std::uint32_t>(track)}, 720});
  }

  // What the clients send in this turn, already in Buffers, as a socket would have it.
  void collect() {
    arrived_.clear();
    for (auto& peer : peers_) {
      peer->client->tick(now_);
      peer->arrivals.tick(now_, *peer->client);
      const auto send = [&](rtp::ConstBytes packet) { peer->client->send_rtp(packet); };
      if (peer->video) peer->video->poll(now_, send);
      if (peer->audio) peer->audio->poll(now_, send);
      while (const auto bytes = peer->client->poll_transmit()) {
        rtp::Buffer buffer = worker_.pool().take();
        if (!buffer) return;
        std::copy(bytes->begin(), bytes->end(), buffer.storage().begin());
        buffer.resize(bytes->size());
        arrived_.push_back({peer->path, std::move(buffer)});
      }
    }
  }

  Feedback feedback_;
  rtp::Time now_{std::chrono::seconds(100)};
  server::TransportAddress address_ = server::TransportAddress::v4({192, 0, 2, 1}, 40'000);
  server::Certificate certificate_;
  server::DtlsContext dtls_;
  server::WorkerCounters counters_;
  server::Worker worker_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<server::Arrived> arrived_;
  std::vector<server::Event> events_;
};

void Room(benchmark::State& state) {
  Bench bench(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)),
              static_cast<Bench::Feedback>(state.range(2)));
  if (!bench.all_connected()) return state.SkipWithError("not all connected");
  const std::uint64_t before = bench.counters().media_out.value();
  const std::uint64_t in = bench.counters().media_in.value();
  double busy = 0;
  for (auto _ : state) {
    const double took = bench.turn();
    busy += took;
    state.SetIterationTime(std::max(took, 1e-7));
  }
  const double seconds = static_cast<double>(state.iterations()) * 5e-3;
  const auto sent = static_cast<double>(bench.counters().media_out.value() - before);
  state.counters["out_per_s"] = sent / seconds;
  state.counters["in_per_s"] =
      static_cast<double>(bench.counters().media_in.value() - in) / seconds;
  state.counters["ns_per_out"] = busy * 1e9 / std::max(sent, 1.0);
  state.counters["core_share"] = busy / seconds;
}
BENCHMARK(Room)
    ->ArgNames({"publishers", "viewers", "feedback"})
    ->Args({1, 1, 0})
    ->Args({4, 4, 0})
    ->Args({1, 100, 0})
    ->Args({1, 100, 1})
    ->Args({1, 100, 2})
    ->Args({1, 500, 0})
    ->Args({1, 500, 1})
    ->Args({1, 500, 2})
    ->Args({10, 50, 0})
    ->Args({10, 50, 1})
    ->Args({10, 50, 2})
    ->UseManualTime()
    ->Iterations(1'000)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
