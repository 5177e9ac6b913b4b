#include "server/server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/packet_builder.h"
#include "server/certificate.h"
#include "server/client/client.h"
#include "server/counters.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/random.h"
#include "server/udp_socket.h"
#include "tests/server/tcp_client.h"

namespace parley::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

config::Config local_config(std::uint32_t workers) {
  config::Config config;
  config.workers.count = workers;
  config.ice.port_base = 0;  // the kernel chooses
  config.ice.bind = {"0.0.0.0", "::"};
  config.media.pool_packets = 512;
  return config;
}

// A client on a real socket, driven by the control loop.
class LiveClient {
 public:
  LiveClient(Loop& loop, const PeerParams& params, Fingerprint server, const Candidate& candidate)
      : loop_(loop),
        certificate_(Certificate::make(Loop::wall_ms())),
        context_(certificate_),
        server_(*TransportAddress::parse_ip(candidate.ip, candidate.port)),
        tcp_(candidate.tcp),
        socket_(*UdpSocket::bind(
            *TransportAddress::parse_ip(server_.is_v4() ? "127.0.0.1" : "::1", 0), 0)),
        client(context_, {params.remote, params.local, {std::move(server)}, server_},
               system_random()) {}

  [[nodiscard]] Fingerprint fingerprint() const { return certificate_.fingerprint(); }
  void start() {
    connect();
    client.start(Loop::now());
    step();
  }
  // The connection is cut; the client comes back over another, of TCP or UDP.
  void reconnect(bool tcp) {
    connection_.reset();
    tcp_ = tcp;
    connect();
    client.moved(Loop::now());
  }

 private:
  void connect() {
    if (tcp_) connection_ = std::make_unique<test::TcpClient>(server_);
  }
  // Reads what is there and ticks, every 2 ms.
  void step() {
    const rtp::Time now = Loop::now();
    read(now);
    client.tick(now);
    while (const auto bytes = client.poll_transmit()) send(*bytes);
    loop_.at(now + milliseconds(2), [this] { step(); });
  }
  void read(rtp::Time now) {
    if (connection_) {
      std::vector<std::vector<std::uint8_t>> packets;
      connection_->read(packets);
      for (auto& packet : packets) std::ignore = client.on_datagram(now, packet);
      return;
    }
    bool more = false;
    for (auto& received : socket_.receive(pool_, counters_, more)) {
      std::ignore = client.on_datagram(now, received.datagram.bytes());
    }
  }
  void send(rtp::ConstBytes bytes) {
    if (connection_) return connection_->send(bytes);
    const Path path{socket_.local(), server_, 0};
    const Datagram datagram{&path, bytes};
    socket_.send({&datagram, 1}, counters_);
  }

  Loop& loop_;
  Certificate certificate_;
  DtlsContext context_;
  TransportAddress server_;
  bool tcp_;
  rtp::PacketPool pool_{128};
  WorkerCounters counters_;
  UdpSocket socket_;
  std::unique_ptr<test::TcpClient> connection_;

 public:
  client::Client client;
};

PeerParams params_for(int n) {
  PeerParams params;
  const std::string text = std::to_string(n);
  params.local = {"server" + text, "a-long-server-password-" + text};
  params.remote = {"client" + text, "a-long-client-password-" + text};
  params.cname = "test";
  return params;
}

Fingerprint parse_fingerprint(const std::string& text) {
  Fingerprint fingerprint;
  for (std::size_t i = text.find(' ') + 1; i < text.size(); i += 3) {
    fingerprint.digest.push_back(
        static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return fingerprint;
}

TEST(Server, ConnectsAClientToEachWorkerOnEachCandidate) {
  Loop control;
  Metrics metrics;
  std::vector<PeerId> connected;
  std::vector<std::size_t> by_worker;
  auto server = Server::start(local_config(2), control, metrics,
                              [&](std::size_t worker, std::vector<Event> events) {
                                for (const Event& event : events) {
                                  if (const auto* one = std::get_if<PeerConnected>(&event)) {
                                    connected.push_back(one->peer);
                                    by_worker.push_back(worker);
                                  }
                                }
                              });
  ASSERT_TRUE(server.has_value()) << server.error();
  ASSERT_EQ((*server)->workers().size(), 2U);
  const Fingerprint fingerprint = parse_fingerprint((*server)->fingerprint());

  std::vector<std::unique_ptr<LiveClient>> clients;
  std::size_t wanted = 0;
  for (std::size_t worker = 0; worker < 2; ++worker) {
    ASSERT_TRUE((*server)->post(worker, OpenRoom{RoomId{worker + 1}}));
    for (const Candidate& candidate : (*server)->workers()[worker].candidates) {
      const auto address = TransportAddress::parse_ip(candidate.ip, candidate.port);
      ASSERT_TRUE(address.has_value());
      if (!address->is_loopback()) continue;  // this test stays on this machine
      const int n = static_cast<int>(++wanted);
      PeerParams params = params_for(n);
      clients.push_back(std::make_unique<LiveClient>(control, params, fingerprint, candidate));
      params.fingerprints = {clients.back()->fingerprint()};
      ASSERT_TRUE((*server)->post(
          worker, SetPeer{RoomId{worker + 1}, PeerId{static_cast<std::uint64_t>(n)}, params}));
      clients.back()->start();
    }
  }
  ASSERT_GE(wanted, 4U) << "UDP and TCP on two workers";
  std::function<void()> watch = [&] {
    if (connected.size() == wanted) return control.stop();
    control.at(Loop::now() + milliseconds(2), watch);
  };
  control.at(Loop::now(), watch);
  control.at(Loop::now() + seconds(20), [&] { control.stop(); });
  control.run();
  EXPECT_EQ(connected.size(), wanted);
  EXPECT_TRUE(std::count(by_worker.begin(), by_worker.end(), 0U) > 0);
  EXPECT_TRUE(std::count(by_worker.begin(), by_worker.end(), 1U) > 0);
  EXPECT_NE(metrics.render().find("parley_worker_connected_total{worker=\"1\"}"),
            std::string::npos);
  EXPECT_EQ(metrics.render().find("parley_worker_tcp_accepted_total{worker=\"1\"} 0"),
            std::string::npos);
  (*server)->stop();
}

CodecParams codec(rtp::MediaKind kind) {
  CodecParams params;
  if (kind == rtp::MediaKind::Audio) {
    params.pt = rtp::PayloadType{111};
    params.clock_rate_hz = 48'000;
  } else {
    params.codec = rtp::Codec::Vp8;
    params.pt = rtp::PayloadType{96};
    params.nack = params.pli = true;
  }
  return params;
}

PublishSection publish_section(rtp::MediaKind kind, std::uint32_t number) {
  PublishSection section;
  section.track = TrackNo{number};
  section.mid = *rtp::Mid::from(std::to_string(number));
  section.kind = kind;
  section.codecs = {codec(kind)};
  section.ssrcs = {{rtp::Ssrc{number}, std::nullopt}};
  return section;
}

SlotSection slot_section(rtp::MediaKind kind, std::uint32_t number) {
  SlotSection section;
  section.mid = *rtp::Mid::from(std::to_string(number));
  section.kind = kind;
  section.ssrc = rtp::Ssrc{1'000 + number};
  section.rtx_ssrc = rtp::Ssrc{2'000 + number};
  section.codecs = {codec(kind)};
  return section;
}

rtp::ConstBytes sound(std::span<std::uint8_t> packet, std::uint16_t seq) {
  rtp::HeaderFields fields;
  fields.payload_type = rtp::PayloadType{111};
  fields.seq = rtp::Seq{seq};
  fields.timestamp = rtp::RtpTimestamp{seq * 960U};
  fields.ssrc = rtp::Ssrc{1};
  rtp::PacketBuilder builder(packet, fields);
  builder.payload(std::array<std::uint8_t, 3>{0xfc, 0xff, 0xfe});
  return rtp::ConstBytes(packet).first(builder.finish());
}

// Sound crosses one way, the wish for a key frame the other.
TEST(Server, TracksCrossBetweenTheThreadsOfTwoWorkers) {
  constexpr auto kAudio = rtp::MediaKind::Audio;
  constexpr auto kVideo = rtp::MediaKind::Video;
  Loop control;
  Metrics metrics;
  std::size_t connected = 0;
  config::Config config = local_config(2);
  config.ice.bind = {"127.0.0.1"};
  auto server =
      Server::start(config, control, metrics, [&](std::size_t, const std::vector<Event>& events) {
        for (const Event& event : events) {
          if (std::holds_alternative<PeerConnected>(event)) ++connected;
        }
      });
  ASSERT_TRUE(server.has_value()) << server.error();
  const Fingerprint fingerprint = parse_fingerprint((*server)->fingerprint());
  std::array<PeerParams, 2> params{params_for(1), params_for(2)};
  params[0].publishes = {publish_section(kAudio, 1), publish_section(kVideo, 2)};
  params[1].slots = {slot_section(kAudio, 1), slot_section(kVideo, 2)};
  std::vector<std::unique_ptr<LiveClient>> clients;
  for (std::size_t worker = 0; worker < 2; ++worker) {
    clients.push_back(std::make_unique<LiveClient>(
        control, params[worker], fingerprint, (*server)->workers()[worker].candidates.front()));
    params[worker].fingerprints = {clients.back()->fingerprint()};
    ASSERT_TRUE((*server)->post(worker, OpenRoom{RoomId{1}}));
    ASSERT_TRUE((*server)->post(worker, SetPeer{RoomId{1}, PeerId{worker + 1}, params[worker]}));
  }
  for (const PublishSection& section : params[0].publishes) {
    auto relay = make_relay(0, 1, section.kind);
    ASSERT_TRUE((*server)->post(0, OpenRelay{section.track, relay}));
    ASSERT_TRUE((*server)->post(1, OpenMirror{RoomId{1}, section, std::move(relay)}));
    ASSERT_TRUE((*server)->post(1, Assign{PeerId{2}, section.mid, section.track, 720}));
  }
  for (const auto& client : clients) client->start();

  constexpr std::uint64_t kPackets = 200;
  std::uint16_t seq = 0;
  std::function<void()> watch = [&] {
    if (clients[1]->client.counters().rtp_received >= kPackets) return control.stop();
    std::array<std::uint8_t, 200> packet{};
    if (connected == 2) clients[0]->client.send_rtp(sound(packet, ++seq));
    control.at(Loop::now() + milliseconds(2), watch);
  };
  control.at(Loop::now(), watch);
  control.at(Loop::now() + seconds(20), [&] { control.stop(); });
  control.run();
  EXPECT_GE(clients[1]->client.counters().rtp_received, kPackets);
  (*server)->stop();
  const std::string text = metrics.render();
  EXPECT_NE(text.find("parley_worker_bad_commands_total{worker=\"0\"} 0"), std::string::npos);
  EXPECT_NE(text.find("parley_worker_bad_commands_total{worker=\"1\"} 0"), std::string::npos);
  EXPECT_EQ(text.find("parley_worker_relayed_in_total{worker=\"1\"} 0"), std::string::npos);
}

// Over TCP, over another connection after the first was cut, over UDP after that one was cut; the
// other one is on IPv6 where the machine has it. Nobody joins again.
TEST(Server, MediaGoesOnOverAnotherConnectionOrUdpWhenTcpIsCut) {
  constexpr std::uint64_t kPackets = 50;
  Loop control;
  Metrics metrics;
  std::size_t connected = 0;
  std::size_t closed = 0;
  auto server = Server::start(local_config(1), control, metrics,
                              [&](std::size_t, const std::vector<Event>& events) {
                                for (const Event& event : events) {
                                  connected += std::holds_alternative<PeerConnected>(event);
                                  closed += std::holds_alternative<PeerClosed>(event);
                                }
                              });
  ASSERT_TRUE(server.has_value()) << server.error();
  const Fingerprint fingerprint = parse_fingerprint((*server)->fingerprint());
  std::array<PeerParams, 2> params{params_for(1), params_for(2)};
  params[0].publishes = {publish_section(rtp::MediaKind::Audio, 1)};
  params[1].slots = {slot_section(rtp::MediaKind::Audio, 1)};
  ASSERT_TRUE((*server)->post(0, OpenRoom{RoomId{1}}));
  std::vector<Candidate> over_tcp;
  for (const Candidate& candidate : (*server)->workers()[0].candidates) {
    const auto address = TransportAddress::parse_ip(candidate.ip, candidate.port);
    if (candidate.tcp && address->is_loopback()) over_tcp.push_back(candidate);
  }
  ASSERT_FALSE(over_tcp.empty());
  std::vector<std::unique_ptr<LiveClient>> clients;
  for (std::size_t i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<LiveClient>(control, params[i], fingerprint,
                                                   i == 0 ? over_tcp.front() : over_tcp.back()));
    params[i].fingerprints = {clients.back()->fingerprint()};
    ASSERT_TRUE((*server)->post(0, SetPeer{RoomId{1}, PeerId{i + 1}, params[i]}));
  }
  ASSERT_TRUE((*server)->post(0, Assign{PeerId{2}, params[1].slots.front().mid, TrackNo{1}, 0}));
  for (const auto& client : clients) client->start();

  std::uint16_t seq = 0;
  std::uint64_t wanted = kPackets;
  int cuts = 0;
  std::function<void()> watch = [&] {
    const std::uint64_t received = clients[1]->client.counters().rtp_received;
    if (received >= wanted) {
      if (cuts == 4) return control.stop();
      // Each of them: first to another connection, then to UDP.
      clients[static_cast<std::size_t>(cuts) % 2]->reconnect(cuts < 2);
      ++cuts;
      wanted = received + kPackets;
    }
    std::array<std::uint8_t, 200> packet{};
    if (connected == 2) clients[0]->client.send_rtp(sound(packet, ++seq));
    control.at(Loop::now() + milliseconds(2), watch);
  };
  control.at(Loop::now(), watch);
  control.at(Loop::now() + seconds(20), [&] { control.stop(); });
  control.run();
  EXPECT_GE(clients[1]->client.counters().rtp_received, wanted);
  EXPECT_EQ(cuts, 4);
  EXPECT_EQ(closed, 0U);
  (*server)->stop();
  EXPECT_NE(metrics.render().find("parley_worker_tcp_accepted_total{worker=\"0\"} 4"),
            std::string::npos);
}

TEST(Server, WithoutTcpThereIsNoCandidateOfIt) {
  Loop control;
  Metrics metrics;
  config::Config config = local_config(1);
  config.ice.tcp.enabled = false;
  auto server = Server::start(config, control, metrics, [](auto, auto) {});
  ASSERT_TRUE(server.has_value());
  for (const Candidate& one : (*server)->workers()[0].candidates) EXPECT_FALSE(one.tcp);
}

TEST(Server, RefusesACommandForAWorkerThatIsNotThere) {
  Loop control;
  Metrics metrics;
  auto server = Server::start(local_config(1), control, metrics, [](auto, auto) {});
  ASSERT_TRUE(server.has_value());
  EXPECT_TRUE((*server)->post(0, OpenRoom{RoomId{1}}));
  EXPECT_FALSE((*server)->post(1, OpenRoom{RoomId{1}}));
}

TEST(Server, CarriesOutWhatWasPostedBeforeItWasStopped) {
  Loop control;
  Metrics metrics;
  auto server = Server::start(local_config(1), control, metrics, [](auto, auto) {});
  ASSERT_TRUE(server.has_value());
  for (std::uint64_t i = 1; i <= 1'000; ++i) {
    ASSERT_TRUE((*server)->post(0, OpenRoom{RoomId{i}}));
  }
  (*server)->stop();
  EXPECT_NE(metrics.render().find("parley_worker_rooms{worker=\"0\"} 1000"), std::string::npos);
}

// A connection that some program has made may have the number by chance.
TEST(Server, StartsWithoutTcpWhereThatPortIsTaken) {
  const FileDescriptor taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage name{};
  auto length = static_cast<socklen_t>(TransportAddress::parse_ip("127.0.0.1", 0)->to(name));
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<const sockaddr*>(&name), length), 0);
  ASSERT_EQ(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&name), &length), 0);
  Loop control;
  Metrics metrics;
  config::Config config = local_config(1);
  config.ice.bind = {"127.0.0.1"};
  config.ice.port_base = TransportAddress::from(reinterpret_cast<const sockaddr*>(&name))->port();
  const auto server = Server::start(config, control, metrics, [](auto, auto) {});
  ASSERT_TRUE(server.has_value()) << server.error();
  const auto& candidates = (*server)->workers()[0].candidates;
  EXPECT_FALSE(candidates.empty());
  for (const Candidate& one : candidates) EXPECT_FALSE(one.tcp);
  (*server)->stop();
}

TEST(Server, SaysWhyAPortCannotBeBound) {
  Loop control;
  Metrics metrics;
  const auto taken = UdpSocket::bind(*TransportAddress::parse_ip("127.0.0.1", 0), 0);
  ASSERT_TRUE(taken.has_value());
  config::Config config = local_config(1);
  config.ice.bind = {"127.0.0.1"};
  config.ice.port_base = taken->local().port();
  auto server = Server::start(config, control, metrics, [](auto, auto) {});
  ASSERT_FALSE(server.has_value());
  EXPECT_NE(server.error().find("127.0.0.1"), std::string::npos);
  config.ice.bind = {"localhost"};
  server = Server::start(config, control, metrics, [](auto, auto) {});
  ASSERT_FALSE(server.has_value());
  EXPECT_NE(server.error().find("localhost"), std::string::npos);
}

}  // namespace
}  // namespace parley::server
