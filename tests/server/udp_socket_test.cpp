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
  std::span<Arrived> receive(UdpSocket& socket) {
    bool more = false;
    return socket.receive(pool, counters, more);
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
  for (bool more = true; more;) {
    for (const auto& received : b.receive(pool, counters, more)) {
      EXPECT_EQ(received.datagram.size(), bytes.size());
      ++total;
    }
  }
  EXPECT_EQ(total, 150U);
}

TEST_P(UdpSocketTest, SendsARunAsOneMessage) {
  const auto loopback = *TransportAddress::parse_ip(GetParam(), 0);
  UdpSocket a = bound(loopback.is_v4() ? "0.0.0.0" : "::", 0);
  UdpSocket b = bound(GetParam(), 1);
  if (!a.segments()) GTEST_SKIP() << "the kernel has no UDP_SEGMENT";
  const Path path{loopback.with_port(a.local().port()), b.local(), 0};
  const std::vector<std::uint8_t> large(1'100, 1);
  const std::vector<std::uint8_t> small(90, 2);
  const std::vector<Datagram> out{{&path, large, false}, {&path, large, true},
                                  {&path, small, true},  {&path, small, false},
                                  {&path, large, false}, {&path, large, true}};
  a.send(out, counters);
  EXPECT_EQ(counters.packets_out.value(), 6U);
  EXPECT_EQ(counters.send_messages.value(), 3U);
  EXPECT_EQ(counters.run_datagrams.value(), 5U);
  EXPECT_EQ(counters.runs_refused.value(), 0U);
  const auto got = receive(b);
  ASSERT_EQ(got.size(), out.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_TRUE(std::equal(out[i].bytes.begin(), out[i].bytes.end(),
                           got[i].datagram.bytes().begin(), got[i].datagram.bytes().end()));
    EXPECT_EQ(got[i].path.remote, path.local);
  }
}

TEST_F(UdpSocketTest, SendsMoreRunsThanOneCallTakes) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> bytes(200, 0x80);
  std::vector<Datagram> out;
  for (std::size_t i = 0; i < 2'000; ++i) out.push_back({&path, bytes, i % 40 != 0});
  a.send(out, counters);
  EXPECT_EQ(counters.packets_out.value() + counters.dropped(Drop::SendAgain), out.size());
  std::size_t total = 0;
  for (bool more = true; more;) {
    for (const auto& received : b.receive(pool, counters, more)) {
      EXPECT_EQ(received.datagram.size(), bytes.size());
      ++total;
    }
  }
  EXPECT_EQ(total, out.size());
}

// Segments larger than the path's MTU are refused as a run; one by one they go in fragments.
TEST_F(UdpSocketTest, SendsOneByOneWhatTheKernelWillNotCut) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  if (!a.segments()) GTEST_SKIP() << "the kernel has no UDP_SEGMENT";
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> large(66'000 / 2, 1);  // two are more than a message can be
  const std::vector<std::uint8_t> small(10, 2);
  for (int i = 0; i < 10; ++i) {
    const std::vector<Datagram> out{
        {&path, large, false}, {&path, large, true}, {&path, small, false}};
    a.send(out, counters);
  }
  EXPECT_EQ(counters.packets_out.value(), 30U);
  EXPECT_EQ(counters.runs_refused.value(), 8U) << "then none is tried any more";
  EXPECT_FALSE(a.segments());
}

TEST_F(UdpSocketTest, SendsNoRunsWhereTheyAreNotWanted) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  a.set_segments(false);
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> bytes(100, 1);
  const std::vector<Datagram> out{{&path, bytes, false}, {&path, bytes, true}};
  a.send(out, counters);
  EXPECT_EQ(counters.send_messages.value(), 2U);
  EXPECT_EQ(receive(b).size(), 2U);
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
  bool more = false;
  EXPECT_TRUE(b.receive(none, counters, more).empty());
  EXPECT_EQ(counters.dropped(Drop::PoolEmpty), 1U);
  EXPECT_TRUE(receive(b).empty());  // it is off the socket
}

// On loopback what left as a run comes as one message.
TEST_P(UdpSocketTest, CutsUpWhatTheKernelMerged) {
  const auto loopback = *TransportAddress::parse_ip(GetParam(), 0);
  UdpSocket a = bound(GetParam(), 0);
  UdpSocket b = bound(loopback.is_v4() ? "0.0.0.0" : "::", 1);
  if (!a.segments() || !b.merge_received()) GTEST_SKIP() << "the kernel has no UDP GRO";
  const Path path{a.local(), loopback.with_port(b.local().port()), 0};
  std::vector<std::vector<std::uint8_t>> packets;
  for (std::uint8_t i = 0; i < 100; ++i) packets.emplace_back(i % 10 == 9 ? 90 : 1'100, i);
  std::vector<Datagram> out;
  for (std::size_t i = 0; i < packets.size(); ++i) out.push_back({&path, packets[i], i % 10 != 0});
  a.send(out, counters);
  send(a, path, "alone", counters);
  std::size_t at = 0;
  for (bool more = true; more;) {
    for (const Arrived& one : b.receive(pool, counters, more)) {
      EXPECT_EQ(one.path.remote, a.local());
      EXPECT_TRUE(one.path.local.same_ip(loopback));
      if (at == packets.size()) {
        EXPECT_EQ(text(one.datagram), "alone");
      } else {
        EXPECT_TRUE(std::equal(packets[at].begin(), packets[at].end(), one.datagram.bytes().begin(),
                               one.datagram.bytes().end()))
            << at;
      }
      ++at;
    }
  }
  EXPECT_EQ(at, packets.size() + 1);
  EXPECT_EQ(counters.packets_in.value(), at);
}

TEST_F(UdpSocketTest, CountsMergedDatagramsForWhichThereIsNoRoom) {
  UdpSocket a = bound("127.0.0.1", 0);
  UdpSocket b = bound("127.0.0.1", 1);
  if (!a.segments() || !b.merge_received()) GTEST_SKIP() << "the kernel has no UDP GRO";
  const Path path{a.local(), b.local(), 0};
  const std::vector<std::uint8_t> bytes(500, 1);
  const std::vector<Datagram> out{
      {&path, bytes, false}, {&path, bytes, true}, {&path, bytes, true}};
  a.send(out, counters);
  rtp::PacketPool small(2);
  EXPECT_EQ(
      [&] {
        bool more = false;
        return b.receive(small, counters, more).size();
      }(),
      2U);
  EXPECT_EQ(counters.dropped(Drop::PoolEmpty), 1U);
  bool more = false;
  std::ignore = b.receive(small, counters, more);  // gives the buffers back before their pool goes
}

TEST_F(UdpSocketTest, SaysWhyItCannotBind) {
  UdpSocket a = bound("127.0.0.1", 0);
  const auto again = UdpSocket::bind(a.local(), 1);
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().find(a.local().to_string()), std::string::npos) << again.error();
}

}  // namespace
}  // namespace parley::server
