#include "server/tcp_sockets.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include "server/udp_socket.h"
#include "tests/server/tcp_client.h"

namespace parley::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Packet = std::vector<std::uint8_t>;

// As rtp::classify sees them; what is in them matters to nobody here.
Packet stun(std::uint8_t mark = 0) {
  Packet packet(20, mark);
  packet[0] = 0;
  return packet;
}
Packet media(std::size_t size, std::uint8_t mark) {
  Packet packet(size, mark);
  packet[0] = 0x80;
  packet[1] = 96;
  return packet;
}

class TcpSocketsTest : public ::testing::TestWithParam<const char*> {
 protected:
  TcpSocketsTest() { config.ice.tcp.max_queue_bytes = 65'536; }

  void open(const char* ip = "127.0.0.1") {
    tcp = std::make_unique<TcpSockets>(config.ice);
    // A port that is free for UDP is nearly always free.
    const auto bind = *TransportAddress::parse_ip(ip, 0);
    for (int tries = 0; tries < 8; ++tries) {
      server = UdpSocket::bind(bind, 0)->local();
      if (tcp->listen(server)) return;
    }
    FAIL() << "no port to listen on";
  }
  // Reads until `done` says so; false if nothing came for a long time before.
  bool run_until(const std::function<bool()>& done) {
    for (;;) {
      bool more = true;
      while (more) {
        for (Arrived& arrived : tcp->receive(now, pool, counters, more)) {
          const rtp::ConstBytes bytes = arrived.datagram.bytes();
          got.push_back({arrived.path, {bytes.begin(), bytes.end()}});
        }
      }
      if (done()) return true;
      if (!readable(5'000)) return false;
    }
  }
  bool run_until_got(std::size_t count) {
    return run_until([&] { return got.size() >= count; });
  }
  bool readable(int ms) const {
    pollfd poll{tcp->fd(), POLLIN, 0};
    return ::poll(&poll, 1, ms) == 1;
  }
  void send(const Path& path, const Packet& packet) {
    const Datagram datagram{&path, packet};
    tcp->send(now, {&datagram, 1}, counters);
  }
  // A connection over which a check was answered, and its path.
  Path proven(test::TcpClient& client) {
    const std::size_t before = got.size();
    client.send(stun());
    EXPECT_TRUE(run_until_got(before + 1));
    send(got.back().path, stun(1));
    return got.back().path;
  }
  std::vector<Path> closed() {
    std::vector<Path> paths;
    tcp->take_closed(paths);
    return paths;
  }

  struct Got {
    Path path;
    Packet packet;
  };
  config::Config config;
  WorkerCounters counters;
  rtp::PacketPool pool{2'048};
  rtp::Time now{seconds(100)};
  std::unique_ptr<TcpSockets> tcp;
  TransportAddress server;
  std::vector<Got> got;
};

TEST_P(TcpSocketsTest, CarriesPacketsBothWays) {
  open(GetParam());
  const bool v4 = server.is_v4();
  const auto target = TransportAddress::parse_ip(v4 ? "127.0.0.1" : "::1", server.port());
  test::TcpClient a(*target);
  test::TcpClient b(*target);
  a.send(stun(1));
  b.send(stun(2));
  ASSERT_TRUE(run_until_got(2));
  EXPECT_NE(got[0].path.socket, got[1].path.socket);
  for (const Got& one : got) {
    EXPECT_TRUE(one.path.is_tcp());
    EXPECT_EQ(one.path.local, *target);
    EXPECT_EQ(one.path.remote, (one.packet == stun(1) ? a : b).local());
    send(one.path, one.packet);
    send(one.path, media(1'200, 7));
  }
  for (test::TcpClient* client : {&a, &b}) {
    std::vector<Packet> packets;
    while (packets.size() < 2 && client->wait_readable()) client->read(packets);
    EXPECT_EQ(packets, (std::vector<Packet>{stun(client == &a ? 1 : 2), media(1'200, 7)}));
  }
  EXPECT_EQ(counters.tcp_connections.value(), 2U);
  EXPECT_EQ(counters.tcp_accepted.value(), 2U);
  EXPECT_EQ(counters.packets_in.value(), 2U);
  EXPECT_EQ(counters.packets_out.value(), 4U);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, TcpSocketsTest,
                         ::testing::Values("127.0.0.1", "0.0.0.0", "::1", "::"));

TEST_F(TcpSocketsTest, TakesManyPacketsOfOneReadAndOneOfManyReads) {
  open();
  test::TcpClient client(server);
  const Path path = proven(client);
  Packet stream;
  for (std::uint8_t i = 0; i < 200; ++i) {
    const Packet packet = media(1'200, i);
    stream.insert(stream.end(), {0x04, 0xB0});
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  client.send_raw(stream);
  ASSERT_TRUE(run_until_got(201));
  client.send_raw({{0x00}});
  client.send_raw({{0x0C, 0x80}});
  const Packet rest(11, 9);
  client.send_raw(rest);
  ASSERT_TRUE(run_until_got(202));
  for (std::uint8_t i = 0; i < 200; ++i) EXPECT_EQ(got[1U + i].packet, media(1'200, i));
  EXPECT_EQ(got.back().packet.size(), 12U);
  EXPECT_EQ(got.back().path, path);
}

TEST_F(TcpSocketsTest, ABatchIsNeverLargerThanAWorkerTakes) {
  open();
  std::deque<test::TcpClient> clients;
  Packet stream;
  for (int i = 0; i < 2'000; ++i) {
    const Packet packet{0, 8, 0x80, 200, 0, 0, 0, 0, 0, 0};  // the shortest that is any
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  for (int i = 0; i < 5; ++i) (void)proven(clients.emplace_back(server));
  for (const test::TcpClient& client : clients) client.send_raw(stream);
  std::size_t total = 0;
  std::size_t largest = 0;
  while (total < 10'000 && readable(5'000)) {
    bool more = false;
    const std::size_t batch = tcp->receive(now, pool, counters, more).size();
    largest = std::max(largest, batch);
    total += batch;
  }
  EXPECT_EQ(total, 10'000U);
  EXPECT_LE(largest, TcpSockets::kMaxBatch);
}

TEST_F(TcpSocketsTest, TakesOnlyStunFromAStranger) {
  open();
  test::TcpClient client(server);
  client.send(media(100, 1));
  client.send(Packet(100, 0x16));
  client.send(stun());
  ASSERT_TRUE(run_until_got(1));
  EXPECT_EQ(got[0].packet, stun());
  EXPECT_EQ(counters.dropped(Drop::TcpStranger), 2U);
  send(got[0].path, stun());
  client.send(media(100, 1));
  ASSERT_TRUE(run_until_got(2));
  EXPECT_EQ(got[1].packet, media(100, 1));
}

TEST_F(TcpSocketsTest, AStrangerWhoGoesOnIsCutOff) {
  open();
  test::TcpClient client(server);
  for (std::uint32_t i = 0; i <= TcpSockets::kMaxStrange; ++i) client.send(stun());
  ASSERT_TRUE(run_until([&] { return tcp->connections() == 0 && !got.empty(); }));
  EXPECT_EQ(got.size(), TcpSockets::kMaxStrange);
  EXPECT_EQ(counters.tcp_unproven.value(), 1U);
  EXPECT_TRUE(closed().empty()) << "the worker never knew it";
}

TEST_F(TcpSocketsTest, WhoProvesNothingInTimeIsCutOffHoweverHeTrickles) {
  open();
  test::TcpClient silent(server);
  test::TcpClient trickling(server);
  test::TcpClient good(server);
  ASSERT_TRUE(run_until([&] { return tcp->connections() == 3; }));
  (void)proven(good);
  for (int i = 0; i < 49; ++i) {
    now += milliseconds(100);
    trickling.send_raw({{0}});
    ASSERT_TRUE(run_until([&] { return !readable(0); }));
    if (tcp->next_deadline() <= now) tcp->tick(now, counters);
  }
  EXPECT_EQ(tcp->connections(), 3U);
  now += seconds(1);
  tcp->tick(now, counters);
  EXPECT_EQ(tcp->connections(), 1U);
  EXPECT_EQ(counters.tcp_unproven.value(), 2U);
  std::vector<Packet> packets;
  EXPECT_TRUE(silent.wait_readable());
  silent.read(packets);
  EXPECT_TRUE(silent.closed());
}

TEST_F(TcpSocketsTest, AConnectionThatNoPeerUsesAnyMoreIsClosed) {
  open();
  test::TcpClient used(server);
  test::TcpClient left(server);
  const Path path = proven(used);
  const Path gone = proven(left);
  for (int i = 0; i < 60; ++i) {
    now += seconds(1);
    send(path, stun());
    tcp->tick(now, counters);
  }
  EXPECT_EQ(counters.tcp_idle.value(), 1U);
  EXPECT_EQ(closed(), std::vector<Path>{gone});
  EXPECT_EQ(tcp->connections(), 1U);
}

TEST_F(TcpSocketsTest, TellsOfAConnectionThatWasClosed) {
  open();
  auto client = std::make_unique<test::TcpClient>(server);
  const Path path = proven(*client);
  client->send(media(100, 1));  // the last of it is not lost
  client.reset();
  ASSERT_TRUE(run_until([&] { return tcp->connections() == 0; }));
  EXPECT_EQ(got.back().packet, media(100, 1));
  EXPECT_EQ(closed(), std::vector<Path>{path});
  EXPECT_EQ(tcp->next_deadline() < rtp::Time::max(), true);
  tcp->tick(now + seconds(1), counters);
  EXPECT_EQ(tcp->next_deadline(), rtp::Time::max());
  send(path, stun());
  EXPECT_EQ(counters.dropped(Drop::TcpClosed), 1U);
  EXPECT_EQ(counters.tcp_connections.value(), 0U);
}

TEST_F(TcpSocketsTest, ANumberIsNotGivenTwice) {
  open();
  std::optional<int> last;
  for (int i = 0; i < 3; ++i) {
    test::TcpClient client(server);
    const Path path = proven(client);
    EXPECT_NE(path.socket, last);
    last = path.socket;
  }
}

TEST_F(TcpSocketsTest, ALengthThatNoPacketHasEndsTheConnection) {
  open();
  test::TcpClient client(server);
  (void)proven(client);
  client.send_raw({{0xFF, 0xFF}});
  ASSERT_TRUE(run_until([&] { return tcp->connections() == 0; }));
  EXPECT_EQ(counters.tcp_broken.value(), 1U);
  EXPECT_EQ(closed().size(), 1U);
}

TEST_F(TcpSocketsTest, RefusesMoreConnectionsThanAnAddressMayHave) {
  config.ice.tcp.max_connections_per_address = 2;
  open("0.0.0.0");
  const auto target = *TransportAddress::parse_ip("127.0.0.1", server.port());
  std::deque<test::TcpClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(target);
  ASSERT_TRUE(run_until([&] { return counters.tcp_refused.value() == 1; }));
  EXPECT_EQ(tcp->connections(), 2U);
  clients.pop_front();
  ASSERT_TRUE(run_until([&] { return tcp->connections() == 1; }));
  clients.emplace_back(target);
  EXPECT_TRUE(run_until([&] { return tcp->connections() == 2; })) << "there is room again";
}

TEST_F(TcpSocketsTest, ACrowdOfStrangersMakesRoomForWhoComes) {
  config.ice.tcp.max_connections = 3;
  open();
  test::TcpClient good(server);
  const Path path = proven(good);
  std::deque<test::TcpClient> strangers;
  for (int i = 0; i < 10; ++i) {
    now += milliseconds(1);
    strangers.emplace_back(server);
    ASSERT_TRUE(run_until([&] { return counters.tcp_accepted.value() == std::size_t(i) + 2; }));
  }
  EXPECT_EQ(tcp->connections(), 3U);
  EXPECT_EQ(counters.tcp_unproven.value(), 8U);
  (void)proven(strangers.back());
  (void)proven(strangers[8]);
  test::TcpClient late(server);
  ASSERT_TRUE(run_until([&] { return counters.tcp_refused.value() == 1; }));
  EXPECT_TRUE(closed().empty()) << "nobody who is served has to go";
  send(path, stun());
  EXPECT_EQ(counters.dropped(Drop::TcpClosed), 0U);
}

TEST_F(TcpSocketsTest, AcceptsSoManyASecond) {
  config.ice.tcp.max_accepts_per_s = 5;
  open();
  std::deque<test::TcpClient> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(server);
  ASSERT_TRUE(run_until([&] { return counters.tcp_refused.value() == 15; }));
  EXPECT_EQ(tcp->connections(), 5U);
  now += seconds(1);
  clients.emplace_back(server);
  EXPECT_TRUE(run_until([&] { return tcp->connections() == 6; }));
}

TEST_F(TcpSocketsTest, WithoutDescriptorsItWaitsInsteadOfSpinning) {
  open();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  test::TcpClient client(server);
  const int next = ::fcntl(0, F_DUPFD, 0);  // the lowest that is free
  ASSERT_GE(next, 0);
  ::close(next);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool refused = run_until([&] { return counters.tcp_refused.value() == 1; });
  const bool spins = readable(0);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(refused);
  EXPECT_FALSE(spins);
  now += seconds(1);
  ASSERT_LE(tcp->next_deadline(), now);
  tcp->tick(now, counters);
  EXPECT_TRUE(run_until([&] { return tcp->connections() == 1; }));
}

TEST_F(TcpSocketsTest, ASlowReceiverMissesMediaButGetsWholePacketsAndItsChecks) {
  open();
  test::TcpClient slow(server, 4'096);
  const Path path = proven(slow);
  std::uint8_t mark = 0;
  // Until both the kernel and the queue are full.
  while (counters.dropped(Drop::TcpFull) < 10 && counters.packets_out.value() < 100'000) {
    send(path, media(1'200, ++mark));
  }
  EXPECT_EQ(counters.dropped(Drop::TcpFull), 10U);
  const std::uint64_t sent = counters.packets_out.value();
  send(path, stun(77));
  EXPECT_EQ(counters.packets_out.value(), sent + 1) << "a check's answer finds room";
  std::vector<Packet> packets;
  while (packets.size() < sent + 1 && slow.wait_readable()) {
    slow.read(packets);
    ASSERT_TRUE(run_until([&] { return !readable(0); }));  // goes on as there is room
  }
  ASSERT_EQ(packets.size(), sent + 1);
  EXPECT_EQ(packets.back(), stun(77));
  for (std::size_t i = 1; i < sent; ++i) {
    ASSERT_EQ(packets[i], media(1'200, static_cast<std::uint8_t>(i)));
  }
  send(path, media(1'200, 1));
  EXPECT_EQ(counters.dropped(Drop::TcpFull), 10U);
  EXPECT_FALSE(readable(0)) << "nobody is woken for room that nobody waits for";
}

TEST_F(TcpSocketsTest, SaysWhyItCannotListen) {
  open();
  TcpSockets second(config.ice);
  const auto listening = second.listen(server);
  ASSERT_FALSE(listening.has_value());
  EXPECT_NE(listening.error().find("cannot bind TCP " + server.to_string()), std::string::npos);
  EXPECT_NE(listening.error().find("ice.tcp.enabled"), std::string::npos);
}

}  // namespace
}  // namespace parley::server
