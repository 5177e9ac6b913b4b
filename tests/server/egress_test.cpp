#include "server/egress.h"

#include <algorithm>
#include <array>
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
    egress.commit(lane, SrtpKind::Rtp, builder.finish());
  }
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
  EXPECT_GT(wanted_at, 1'000U);
  EXPECT_LT(wanted_at, sent * 3 / 4);
  EXPECT_EQ(egress.flush().size(), sent - 1);
  egress.send_plain(path(1), bytes);
  EXPECT_EQ(egress.flush().size(), 1U);
}

}  // namespace
}  // namespace parley::server
