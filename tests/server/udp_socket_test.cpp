#include "server/udp_socket.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

class UdpSocketTest : public ::testing::TestWithParam<const char*> {
 protected:
  static UdpSocket bound(std::string_view ip, int index) {
    auto socket = UdpSocket::bind(*TransportAddress::parse_ip(ip, 0), index);
    EXPECT_TRUE(socket.has_value());
    return std::move(*socket);
  }
  std::span<UdpSocket::Received> receive(UdpSocket& socket) {
    std::size_t read = 0;
    return socket.receive(pool, counters, read);
  }
  static void send(UdpSocket& from, const Path& path, std::string_view text, WorkerCounters& c) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
    const Datagram datagram{&path, {data, text.size()}};
    from.send({&datagram, 1}, c);
  }
  static std::string text(const rtp::Buffer& buffer) {
    return {buffer.bytes().begin(), buffer.bytes().end()};
  }
  WorkerCounters counters;
  rtp::PacketPool pool{256};
};

TEST_P(UdpSocketTest, AnswersFromTheAddressThatWasAsked) {
  const auto loopback = *TransportAddress::parse_ip(GetParam(), 0);
  UdpSocket wild = bound(loopback.is_v4() ? "0.0.0.0" : "::", 7);
  UdpSocket peer = bound(GetParam(), 1);
  const auto target = loopback.with_port(wild.local().port());
  send(peer, Path{peer.local(), target, 1}, "hello", counters);

  const auto got = receive(wild);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(text(got[0].datagram), "hello");
  EXPECT_EQ(got[0].path.remote, peer.local());
  EXPECT_TRUE(got[0].path.local.same_ip(loopback));
  EXPECT_EQ(got[0].path.local.port(), wild.local().port());
  EXPECT_EQ(got[0].path.socket, 7);

  send(wild, got[0].path, "answer", counters);
  const auto answer = receive(peer);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(text(answer[0].datagram), "answer");
  EXPECT_EQ(answer[0].path.remote, target);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, UdpSocketTest,
                         ::testing::Values("127.0.0.1", "127.0.0.2", "::1"));

TEST_F(UdpSocketTest, SendsAndReadsMoreThanOneBatch) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> bytes(1'200, 0x80);
  const std::vector<Datagram> out(150, Datagram{&path, bytes});
  a.send(out, counters);
  EXPECT_EQ(counters.packets_out.value(), 150U);
  EXPECT_EQ(counters.bytes_out.value(), 150U * 1'200U);
  std::size_t total = 0;
  for (std::size_t read = 1; read > 0;) {
    for (const auto& received : b.receive(pool, counters, read)) {
      EXPECT_EQ(received.datagram.size(), bytes.size());
      ++total;
    }
  }
  EXPECT_EQ(total, 150U);
}

TEST_F(UdpSocketTest, CountsADatagramThatIsTooLargeAndGoesOn) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> huge(65'508);
  const std::vector<std::uint8_t> small(10);
  const std::vector<Datagram> out{{&path, small}, {&path, huge}, {&path, small}};
  a.send(out, counters);
  EXPECT_EQ(counters.dropped(Drop::SendError), 1U);
  EXPECT_EQ(receive(b).size(), 2U);
}

TEST_F(UdpSocketTest, SurvivesAPortThatNobodyListensOn) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  TransportAddress nobody;
  {
    UdpSocket gone = bound("127.0.0.1", 2);
    nobody = gone.local();
  }
  const Path lost{a.local(), nobody, 0};
  const Path path{a.local(), b.local(), 0};
  for (int i = 0; i < 3; ++i) {
    send(a, lost, "into the void", counters);
    send(a, path, "still here", counters);
  }
  EXPECT_EQ(receive(b).size(), 3U);
  EXPECT_TRUE(receive(a).empty());
}

TEST_F(UdpSocketTest, DropsWhatIsLongerThanABuffer) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> big(1'501);
  const Datagram datagram{&path, big};
  a.send({&datagram, 1}, counters);
  EXPECT_TRUE(receive(b).empty());
  EXPECT_EQ(counters.dropped(Drop::UnknownKind), 1U);
}

TEST_F(UdpSocketTest, ReadsAndCountsWhenThePoolIsEmpty) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  send(a, Path{a.local(), b.local(), 0}, "lost", counters);
  rtp::PacketPool none(0);
  std::size_t read = 0;
  EXPECT_TRUE(b.receive(none, counters, read).empty());
  EXPECT_EQ(read, 1U);
  EXPECT_EQ(counters.dropped(Drop::PoolEmpty), 1U);
  EXPECT_TRUE(receive(b).empty());  // it is off the socket
}

TEST_F(UdpSocketTest, SaysWhyItCannotBind) {
  UdpSocket a = bound("127.0.0.1", 0);
  const auto again = UdpSocket::bind(a.local(), 1);
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().find(a.local().to_string()), std::string::npos) << again.error();
}

}  // namespace
}  // namespace parley::server
