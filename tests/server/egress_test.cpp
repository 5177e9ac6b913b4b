#include "server/egress.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/packet.h"
#include "rtp/packet_builder.h"

namespace parley::server {
namespace {

SrtpKeys keys(bool mirrored) {
  std::array<std::uint8_t, 16> key{};
  std::array<std::uint8_t, 12> salt{};
  key.fill(1);
  const SrtpMasterKey a(key, salt);
  key.fill(2);
  const SrtpMasterKey b(key, salt);
  return {SrtpProfile::AeadAes128Gcm, mirrored ? b : a, mirrored ? a : b};
}

class EgressTest : public ::testing::Test {
 protected:
  static Path path(std::uint16_t port) {
    return {TransportAddress::v4({127, 0, 0, 1}, 40'000),
            TransportAddress::v4({127, 0, 0, 1}, port), 0};
  }
  void write(Lane& lane, std::uint16_t seq) {
    const rtp::Bytes out = egress.reserve();
    ASSERT_FALSE(out.empty());
    rtp::HeaderFields fields;
    fields.seq = rtp::Seq{seq};
    fields.ssrc = rtp::Ssrc{5};
    rtp::PacketBuilder builder(out, fields);
    builder.payload(std::array<std::uint8_t, 3>{1, 2, 3});
    egress.commit(lane, Outgoing::Media, builder.finish());
  }
  // A packet of `size` bytes.
  void write_sized(Egress& to, Lane& lane, std::size_t size, Outgoing what = Outgoing::Media) {
    const rtp::Bytes out = to.reserve();
    ASSERT_GE(out.size(), size);
    rtp::HeaderFields fields;
    fields.seq = rtp::Seq{++seq_};
    fields.ssrc = rtp::Ssrc{5};
    rtp::PacketBuilder builder(out, fields);
    builder.payload(std::vector<std::uint8_t>(size - rtp::Packet::kFixedHeaderSize, 7));
    to.commit(lane, what, builder.finish());
  }
  // What leaves for these sizes, as plain sizes: "100 +100 | 50" is a run of two and a single one.
  // Each packet is opened and must be the one written, but for its padding.
  std::string runs(const std::vector<std::size_t>& sizes, Outgoing what = Outgoing::Media) {
    return runs(egress, sizes, what);
  }
  std::string runs(Egress& through, const std::vector<std::size_t>& sizes, Outgoing what) {
    auto near = SrtpSession::create(keys(false));
    auto far = SrtpSession::create(keys(true));
    Lane lane;
    lane.session = &*near;
    lane.path = path(1);
    for (const std::size_t size : sizes) write_sized(through, lane, size, what);
    std::string text;
    std::size_t i = 0;
    for (const Datagram& datagram : through.flush()) {
      std::vector<std::uint8_t> copy(datagram.bytes.begin(), datagram.bytes.end());
      const auto size = Opener().open(*far, copy, SrtpKind::Rtp);
      EXPECT_TRUE(size.has_value());
      copy.resize(size.value_or(0));
      const auto packet = rtp::Packet::parse(copy);
      EXPECT_TRUE(packet.has_value());
      EXPECT_EQ(packet->payload().size() + rtp::Packet::kFixedHeaderSize, sizes[i++]);
      if (!text.empty()) text += datagram.joins ? " +" : " | ";
      text += std::to_string(*size);
    }
    EXPECT_EQ(i, sizes.size());
    return text;
  }
  std::uint16_t seq_ = 0;
  WorkerCounters counters;
  Egress egress{counters};
};

TEST_F(EgressTest, GroupsByPeerAndKeepsTheOrderWithinOne) {
  auto one = SrtpSession::create(keys(false));
  auto two = SrtpSession::create(keys(false));
  auto far = SrtpSession::create(keys(true));
  Lane a;
  a.session = &*one;
  a.path = path(1);
  Lane b;
  b.session = &*two;
  b.path = path(2);
  for (std::uint16_t i = 1; i <= 3; ++i) {
    write(a, i);
    write(b, static_cast<std::uint16_t>(10 + i));
  }
  const auto out = egress.flush();
  ASSERT_EQ(out.size(), 6U);
  Opener opener;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(*out[i].path, a.path);
    EXPECT_EQ(*out[3 + i].path, b.path);
    std::vector<std::uint8_t> copy(out[i].bytes.begin(), out[i].bytes.end());
    copy.reserve(copy.size() + 64);
    const auto size = opener.open(*far, copy, SrtpKind::Rtp);
    ASSERT_TRUE(size.has_value());
    EXPECT_EQ(rtp::Packet::parse(rtp::Bytes(copy).first(*size))->seq(),
              rtp::Seq{static_cast<std::uint16_t>(1 + i)});
  }
  EXPECT_TRUE(egress.flush().empty());
}

TEST_F(EgressTest, MakesRunsOfEqualSize) {
  EXPECT_EQ(runs({100, 100, 100}), "100 +100 +100");
  EXPECT_EQ(runs({100}), "100");
  EXPECT_EQ(counters.padding_bytes.value(), 0U);
}

TEST_F(EgressTest, PadsWhatIsNearlyEqualToTheLargest) {
  EXPECT_EQ(runs({1'101, 1'100, 1'102, 1'098}), "1102 +1102 +1102 +1102");
  EXPECT_EQ(counters.padding_bytes.value(), 1U + 2U + 4U);
  EXPECT_EQ(runs({1'100, 1'104}), "1104 +1104");
}

TEST_F(EgressTest, EndsARunWithASmallerOneAndBeforeALargerOne) {
  EXPECT_EQ(runs({1'100, 1'101, 300, 1'100}), "1101 +1101 +300 | 1100");
  EXPECT_EQ(runs({100, 1'100, 1'100}), "100 | 1100 +1100");
  EXPECT_EQ(runs({1'098, 1'100, 1'103}), "1100 +1100 | 1103") << "1098 cannot become 1103";
}

TEST_F(EgressTest, NeverPadsARetransmission) {
  EXPECT_EQ(runs({1'101, 1'100, 1'101, 1'101}, Outgoing::Retransmission),
            "1101 +1100 | 1101 +1101");
  EXPECT_EQ(counters.padding_bytes.value(), 0U);
}

TEST_F(EgressTest, BoundsARun) {
  const std::string text = runs(std::vector<std::size_t>(Egress::kMaxRun + 2, 200));
  EXPECT_EQ(std::count(text.begin(), text.end(), '|'), 1);
  EXPECT_TRUE(text.ends_with("| 200 +200")) << text;
}

TEST_F(EgressTest, WithoutPaddingOnlyEqualOnesJoin) {
  Egress unpadded(counters, 0);
  EXPECT_EQ(runs(unpadded, {1'100, 1'101, 1'101}, Outgoing::Media), "1100 | 1101 +1101");
  EXPECT_EQ(counters.padding_bytes.value(), 0U);
}

TEST_F(EgressTest, KeepsReportsOutOfRuns) {
  auto session = SrtpSession::create(keys(false));
  Lane lane;
  lane.session = &*session;
  lane.path = path(1);
  write_sized(egress, lane, 100);
  const std::array<std::uint8_t, 8> report{0x80, 201, 0, 1, 0, 0, 0, 9};
  std::copy(report.begin(), report.end(), egress.reserve().begin());
  egress.commit(lane, Outgoing::Report, report.size());
  write_sized(egress, lane, 100);
  for (const Datagram& datagram : egress.flush()) EXPECT_FALSE(datagram.joins);
}

TEST_F(EgressTest, SendsPlainDatagramsFirstAndAsTheyAre) {
  auto session = SrtpSession::create(keys(false));
  Lane lane;
  lane.session = &*session;
  lane.path = path(1);
  write(lane, 1);
  const std::array<std::uint8_t, 4> stun{1, 1, 0, 0};
  egress.send_plain(path(9), stun);
  const auto out = egress.flush();
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(*out[0].path, path(9));
  EXPECT_TRUE(std::equal(out[0].bytes.begin(), out[0].bytes.end(), stun.begin(), stun.end()));
}

TEST_F(EgressTest, ForgetsALaneThatGoesAway) {
  auto session = SrtpSession::create(keys(false));
  Lane lane;
  lane.session = &*session;
  write(lane, 1);
  egress.forget(lane);
  EXPECT_TRUE(egress.flush().empty());
}

TEST_F(EgressTest, DropsAndCountsWhenTheTurnIsFullAndWantsAFlushLongBefore) {
  std::size_t sent = 0;
  std::size_t wanted_at = 0;
  const std::vector<std::uint8_t> bytes(1'200);
  while (counters.dropped(Drop::EgressFull) == 0) {
    if (egress.wants_flush() && wanted_at == 0) wanted_at = sent;
    egress.send_plain(path(1), bytes);
    ++sent;
  }
  EXPECT_GT(wanted_at * 1'300, Egress::kFlushBytes);
  EXPECT_LT(wanted_at * 1'200, Egress::kFlushBytes * 2);
  EXPECT_LT(wanted_at, sent * 3 / 4);
  EXPECT_EQ(egress.flush().size(), sent - 1);
  egress.send_plain(path(1), bytes);
  EXPECT_EQ(egress.flush().size(), 1U);
}

}  // namespace
}  // namespace parley::server
