#include "server/srtp.h"

#include <algorithm>
#include <deque>

#include <gtest/gtest.h>

#include "tests/server/hex.h"
#include "tests/server/srtp_reference.h"

namespace parley::server {
namespace {

using rtp::ConstBytes;
using test::hex;
using test::Octets;

constexpr SrtpProfile kProfiles[] = {SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm,
                                     SrtpProfile::AesCm128HmacSha1_80};

constexpr SrtpEngine kEngines[] = {SrtpEngine::IpsecMb, SrtpEngine::OpenSsl, SrtpEngine::LibSrtp};

SrtpMasterKey master(SrtpProfile profile, std::uint8_t seed) {
  Octets key(key_size(profile));
  Octets salt(salt_size(profile));
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(seed + 7 * i);
  for (std::size_t i = 0; i < salt.size(); ++i)
    salt[i] = static_cast<std::uint8_t>(seed ^ (i << 2));
  return {key, salt};
}

Octets rtp_packet(std::uint16_t seq, std::uint32_t ssrc = 0xCAFE, std::size_t payload = 50) {
  Octets packet(12 + payload);
  packet[0] = 0x80;
  packet[1] = 96;
  rtp::store16(packet, 2, seq);
  rtp::store32(packet, 8, ssrc);
  for (std::size_t i = 12; i < packet.size(); ++i) packet[i] = static_cast<std::uint8_t>(i + seq);
  return packet;
}

// Each engine opens what each other seals: two judges for each, and one of them by other authors.
struct Engines {
  SrtpEngine ours;
  SrtpEngine theirs;
};

// Two sessions that talk to each other.
struct Ends {
  Ends(const Engines& engines, SrtpProfile profile,
       std::size_t max_streams = SrtpSession::kMaxStreams)
      : ours(*SrtpSession::create({profile, master(profile, 1), master(profile, 99)},
                                  SrtpSession::kMaxStreams, engines.ours)),
        theirs(*SrtpSession::create({profile, master(profile, 99), master(profile, 1)}, max_streams,
                                    engines.theirs)) {}

  Octets seal(const Octets& packet, SrtpKind kind = SrtpKind::Rtp) {
    Octets buffer = packet;
    buffer.resize(packet.size() + Sealer::kOverhead);
    SealItem item{&ours, buffer, packet.size(), kind};
    EXPECT_EQ(Sealer().seal({&item, 1}), 1U);
    buffer.resize(item.size);
    return buffer;
  }
  tl::expected<Octets, OpenError> open(Octets sealed, SrtpKind kind = SrtpKind::Rtp) {
    const auto size = Opener().open(theirs, sealed, kind);
    if (!size) return tl::unexpected(size.error());
    sealed.resize(*size);
    return sealed;
  }
  SrtpSession ours;
  SrtpSession theirs;
};

class Srtp : public testing::TestWithParam<Engines> {};

std::string pair_name(const testing::TestParamInfo<Engines>& info) {
  return std::string(name_of(info.param.ours)) + "_to_" + std::string(name_of(info.param.theirs));
}

std::vector<Engines> all_pairs() {
  std::vector<Engines> pairs;
  for (const SrtpEngine ours : kEngines) {
    for (const SrtpEngine theirs : kEngines) {
      // On a processor that lacks it, another would be tested under its name.
      if (available(ours) == ours && available(theirs) == theirs) pairs.push_back({ours, theirs});
    }
  }
  return pairs;
}
INSTANTIATE_TEST_SUITE_P(Engines, Srtp, testing::ValuesIn(all_pairs()), pair_name);

const Octets kReport =
    hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61"
        "deadbeef deadbeef deadbeef deadbeef deadbeef");

TEST(SrtpReference, DerivesTheKeysOfRfc3711AppendixB3) {
  const Octets key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
  const Octets salt = hex("0EC675AD498AFEEBB6960B3AABE6");
  EXPECT_EQ(test::derive(key, salt, 0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
  EXPECT_EQ(test::derive(key, salt, 2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
  EXPECT_EQ(test::derive(key, salt, 1, 94), hex(R"(
      CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
      E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
      6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2)"));
}

TEST(SrtpReference, SealsThePacketsOfRfc7714) {
  const Octets packet =
      hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976"
          "69736120 696e2070 61727465 73207472 6573");
  const Octets salt = hex("517569642070726f2071756f");
  Octets key(32);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  const ConstBytes key128 = ConstBytes(key).first(16);
  const ConstBytes body128 = ConstBytes(packet);
  EXPECT_EQ(test::gcm_seal_rtp(key128, salt, body128, 0),
            hex(  // section 16.1.1
                "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f"
                "42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce"));
  EXPECT_EQ(test::gcm_seal_rtp(key, salt, body128, 0),
            hex(  // section 16.2.1
                "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3"
                "b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13"));
  EXPECT_EQ(
      test::gcm_seal_rtcp(key128, salt, kReport, 0x5d4),
      hex(  // section 17.1
          "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1"
          "730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4"));
  EXPECT_EQ(
      test::gcm_seal_rtcp(key, salt, kReport, 0x5d4),
      hex(  // section 17.3
          "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1"
          "110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4"));
}

TEST_P(Srtp, SealsBitForBitAsTheReferenceDoes) {
  for (const SrtpProfile profile : kProfiles) {
    Ends ends(GetParam(), profile);
    const test::SessionKeys keys(profile, master(profile, 1));
    for (std::uint16_t seq = 65'500; seq != 100; ++seq) {
      const std::uint32_t roc = seq < 1'000 ? 1 : 0;
      Octets packet = rtp_packet(seq, 0xCAFE, seq % 200U);
      if (seq % 3 == 0) {  // with two CSRCs and an extension
        const Octets more = hex("00000001 00000002 BEDE0001 10AABB00");
        packet.insert(packet.begin() + 12, more.begin(), more.end());
        packet[0] = 0x92;
      }
      const Octets sealed = ends.seal(packet);
      EXPECT_EQ(sealed, test::seal_rtp(keys, packet, roc)) << seq;
      EXPECT_EQ(ends.open(sealed), packet);
    }
    for (std::uint32_t index = 1; index < 5; ++index) {
      const Octets sealed = ends.seal(kReport, SrtpKind::Rtcp);
      EXPECT_EQ(sealed, test::seal_rtcp(keys, kReport, index));
      EXPECT_EQ(ends.open(sealed, SrtpKind::Rtcp), kReport);
    }
  }
}

TEST_P(Srtp, SealsAndOpensEveryLengthUpToTheMtu) {
  for (const SrtpProfile profile : kProfiles) {
    Ends ends(GetParam(), profile);
    const test::SessionKeys keys(profile, master(profile, 1));
    for (std::uint16_t payload = 0; payload <= 1'460; ++payload) {
      const Octets packet = rtp_packet(static_cast<std::uint16_t>(payload + 1), 9, payload);
      const Octets sealed = ends.seal(packet);
      ASSERT_EQ(sealed, test::seal_rtp(keys, packet, 0)) << payload;
      ASSERT_EQ(ends.open(sealed), packet) << payload;
    }
  }
}

// What one turn of a busy worker has: many sessions of all profiles, media and reports, more than
// one batch of the cipher's, and some of it twice.
TEST_P(Srtp, SealsAndOpensALargeMixedBatchAsOneByOne) {
  std::deque<Ends> ends;
  std::vector<test::SessionKeys> keys;
  for (const SrtpProfile profile : kProfiles) {
    ends.emplace_back(GetParam(), profile);
    keys.emplace_back(profile, master(profile, 1));
  }
  std::deque<Octets> buffers;
  std::vector<SealItem> batch;
  std::vector<Octets> plain;
  std::vector<Octets> expected;
  std::array<std::uint32_t, 3> reports{};
  for (std::uint16_t i = 0; i < 600; ++i) {
    // Runs for one peer, as the egress orders them.
    const std::size_t peer = i / 7 % 3;
    const bool report = i % 11 == 3;
    plain.push_back(report ? kReport : rtp_packet(static_cast<std::uint16_t>(65'300 + i), 3, i));
    const std::uint32_t roc = 65'300 + i > 65'535 ? 1 : 0;
    expected.push_back(report ? test::seal_rtcp(keys[peer], plain.back(), ++reports[peer])
                              : test::seal_rtp(keys[peer], plain.back(), roc));
    Octets buffer = plain.back();
    buffer.resize(buffer.size() + Sealer::kOverhead);
    buffers.push_back(std::move(buffer));
    batch.push_back({&ends[peer].ours, buffers.back(), plain.back().size(),
                     report ? SrtpKind::Rtcp : SrtpKind::Rtp});
  }
  EXPECT_EQ(Sealer().seal(batch), batch.size());

  std::deque<Octets> twins;
  std::vector<OpenItem> arrived;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    buffers[i].resize(batch[i].size);
    ASSERT_EQ(buffers[i], expected[i]) << i;
    const std::size_t peer = i / 7 % 3;
    twins.push_back(buffers[i]);
    arrived.push_back({&ends[peer].theirs, buffers[i], batch[i].kind});
    if (i % 5 == 0) arrived.push_back({&ends[peer].theirs, twins.back(), batch[i].kind});
  }
  Opener().open(arrived);
  std::size_t next = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    ASSERT_EQ(arrived[next].result, plain[i].size()) << i;
    ASSERT_TRUE(std::equal(plain[i].begin(), plain[i].end(), arrived[next].buffer.begin())) << i;
    ++next;
    if (i % 5 != 0) continue;
    ASSERT_FALSE(arrived[next].result) << i;
    ASSERT_EQ(arrived[next++].result.error(), OpenError::Replay) << i;
  }
}

TEST_P(Srtp, FollowsTheRollOverWithLossAndReordering) {
  for (const SrtpProfile profile : {SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80}) {
    Ends ends(GetParam(), profile);
    std::uint32_t chance = 12'345;
    const auto next = [&] { return chance = chance * 1'664'525 + 1'013'904'223; };
    std::deque<Octets> held;
    std::size_t refused = 0;
    // Steps of 16 wrap often and still look like heavy loss to the window.
    std::uint32_t seq = 65'530;
    for (int i = 0; i < 20'000; ++i, seq += 1 + next() % 32) {
      Octets sealed = ends.seal(rtp_packet(static_cast<std::uint16_t>(seq), 7, 10));
      if (i > 0 && next() % 10 == 0) continue;  // lost
      held.push_back(std::move(sealed));
      if (i > 0 && held.size() < 4) continue;
      const auto pick = static_cast<std::ptrdiff_t>(next() % held.size());
      refused += ends.open(held[static_cast<std::size_t>(pick)]) ? 0U : 1U;
      held.erase(held.begin() + pick);
    }
    EXPECT_EQ(refused, 0U);
  }
}

TEST_P(Srtp, KeepsARollOverCounterForEachSsrc) {
  Ends ends(GetParam(), SrtpProfile::AeadAes128Gcm);
  for (std::uint32_t i = 0; i < 70'000; i += 100) {
    ASSERT_TRUE(ends.open(ends.seal(rtp_packet(static_cast<std::uint16_t>(i), 1))));
    ASSERT_TRUE(ends.open(ends.seal(rtp_packet(static_cast<std::uint16_t>(1 + i / 100), 2))));
  }
}

TEST_P(Srtp, RefusesReplaysNearAndFar) {
  for (const SrtpProfile profile : kProfiles) {
    Ends ends(GetParam(), profile);
    std::vector<Octets> sent;
    for (std::uint16_t seq = 1; seq <= 3'000; ++seq) {
      sent.push_back(ends.seal(rtp_packet(seq, 5, 4)));
      ASSERT_TRUE(ends.open(sent.back()));
      for (const std::size_t back : {1U, 64U, 128U, 1'000U, 1'024U, 2'500U}) {
        if (back > sent.size()) continue;
        const auto again = ends.open(sent[sent.size() - back]);
        ASSERT_FALSE(again);
        ASSERT_EQ(again.error(), OpenError::Replay) << seq << " back " << back;
      }
    }
    const Octets report = ends.seal(kReport, SrtpKind::Rtcp);
    EXPECT_TRUE(ends.open(report, SrtpKind::Rtcp));
    EXPECT_EQ(ends.open(report, SrtpKind::Rtcp).error(), OpenError::Replay);
  }
}

TEST_P(Srtp, TakesAPacketThatIsLateWithinTheWindow) {
  Ends ends(GetParam(), SrtpProfile::AeadAes128Gcm);
  ASSERT_TRUE(ends.open(ends.seal(rtp_packet(1))));
  const Octets late = ends.seal(rtp_packet(2));
  for (std::uint16_t seq = 3; seq < 1'000; ++seq) {
    ASSERT_TRUE(ends.open(ends.seal(rtp_packet(seq))));
  }
  EXPECT_TRUE(ends.open(late));
  EXPECT_FALSE(ends.open(late));
}

TEST_P(Srtp, AForgedPacketChangesNothing) {
  for (const SrtpProfile profile : kProfiles) {
    Ends ends(GetParam(), profile);
    const Octets first = ends.seal(rtp_packet(10));
    for (std::size_t bit = 0; bit < first.size() * 8; bit += 5) {
      Octets forged = first;
      forged[bit / 8] = static_cast<std::uint8_t>(forged[bit / 8] ^ 1U << bit % 8);
      const auto result = ends.open(forged);
      ASSERT_FALSE(result) << bit;
      ASSERT_NE(result.error(), OpenError::Replay) << bit;
    }
    EXPECT_EQ(ends.theirs.inbound_streams(), 0U);
    EXPECT_TRUE(ends.open(first));
    Octets far = ends.seal(rtp_packet(11));
    rtp::store16(far, 2, 40'000);  // would move the window if it were believed
    EXPECT_EQ(ends.open(far).error(), OpenError::Auth);
    EXPECT_TRUE(ends.open(ends.seal(rtp_packet(12))));
  }
}

TEST_P(Srtp, RefusesEveryTruncation) {
  for (const SrtpProfile profile : kProfiles) {
    Ends ends(GetParam(), profile);
    Octets packet = rtp_packet(10);
    const Octets more = hex("00000001 BEDE0002 10AABB00 00000000");
    packet.insert(packet.begin() + 12, more.begin(), more.end());
    packet[0] = 0x91;
    const Octets sealed = ends.seal(packet);
    const Octets report = ends.seal(kReport, SrtpKind::Rtcp);
    const auto cut = [](const Octets& whole, std::size_t size) {
      return Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    };
    for (std::size_t size = 0; size < sealed.size(); ++size) {
      EXPECT_FALSE(ends.open(cut(sealed, size))) << size;
    }
    for (std::size_t size = 0; size < report.size(); ++size) {
      EXPECT_FALSE(ends.open(cut(report, size), SrtpKind::Rtcp)) << size;
    }
    EXPECT_EQ(ends.theirs.inbound_streams(), 0U);
    EXPECT_TRUE(ends.open(sealed));
    EXPECT_TRUE(ends.open(report, SrtpKind::Rtcp));
  }
}

TEST_P(Srtp, RefusesSrtcpThatIsNotEncrypted) {
  for (const SrtpProfile profile : kProfiles) {
    Ends ends(GetParam(), profile);
    Octets report = ends.seal(kReport, SrtpKind::Rtcp);
    const std::size_t behind = profile == SrtpProfile::AesCm128HmacSha1_80 ? 10 : 0;
    report[report.size() - behind - 4] &= 0x7F;
    EXPECT_EQ(ends.open(report, SrtpKind::Rtcp).error(), OpenError::Malformed);
  }
}

TEST_P(Srtp, SealsABatchAndLeavesOutWhatIsNoPacket) {
  Ends ends(GetParam(), SrtpProfile::AeadAes128Gcm);
  Ends others(GetParam(), SrtpProfile::AeadAes256Gcm);
  std::array<Octets, 5> buffers;
  for (Octets& buffer : buffers) buffer.resize(200);
  const Octets packet = rtp_packet(1);
  const Octets next = rtp_packet(2);
  std::copy(packet.begin(), packet.end(), buffers[0].begin());
  std::copy(packet.begin(), packet.end(), buffers[1].begin());
  std::copy(kReport.begin(), kReport.end(), buffers[2].begin());
  buffers[3][0] = 0x9F;  // version 2, and a header longer than the packet
  std::copy(next.begin(), next.end(), buffers[4].begin());
  std::array<SealItem, 5> batch = {
      SealItem{&ends.ours, buffers[0], packet.size()},
      SealItem{&others.ours, buffers[1], packet.size()},
      SealItem{&ends.ours, buffers[2], kReport.size(), SrtpKind::Rtcp},
      SealItem{&ends.ours, buffers[3], 20},
      SealItem{&ends.ours, rtp::Bytes(buffers[4]).first(next.size() + 31), next.size()},
  };
  EXPECT_EQ(Sealer().seal(batch), 3U);
  EXPECT_TRUE(batch[0].sealed && batch[1].sealed && batch[2].sealed);
  EXPECT_FALSE(batch[3].sealed || batch[4].sealed);
  EXPECT_EQ(batch[0].size, packet.size() + 16);

  std::array<OpenItem, 3> arrived = {
      OpenItem{&ends.theirs, rtp::Bytes(buffers[0]).first(batch[0].size)},
      OpenItem{&others.theirs, rtp::Bytes(buffers[1]).first(batch[1].size)},
      OpenItem{&ends.theirs, rtp::Bytes(buffers[2]).first(batch[2].size), SrtpKind::Rtcp},
  };
  Opener().open(arrived);
  EXPECT_EQ(arrived[0].result, packet.size());
  EXPECT_EQ(arrived[1].result, packet.size());
  EXPECT_EQ(arrived[2].result, kReport.size());
  EXPECT_TRUE(std::equal(packet.begin(), packet.end(), buffers[1].begin()));
}

TEST_P(Srtp, NeverSealsANumberTwice) {
  Ends ends(GetParam(), SrtpProfile::AeadAes128Gcm);
  (void)ends.seal(rtp_packet(1));
  Octets again = rtp_packet(1);
  again.resize(again.size() + Sealer::kOverhead);
  SealItem item{&ends.ours, again, again.size() - Sealer::kOverhead};
  EXPECT_EQ(Sealer().seal({&item, 1}), 0U);
  EXPECT_FALSE(item.sealed);
}

TEST_P(Srtp, BoundsAndForgetsStreams) {
  Ends ends(GetParam(), SrtpProfile::AeadAes128Gcm, 3);
  for (std::uint32_t ssrc = 1; ssrc <= 3; ++ssrc) {
    EXPECT_TRUE(ends.open(ends.seal(rtp_packet(1, ssrc))));
  }
  const Octets fourth = ends.seal(rtp_packet(1, 4));
  EXPECT_EQ(ends.open(fourth).error(), OpenError::TooManyStreams);
  EXPECT_TRUE(ends.open(ends.seal(rtp_packet(2, 3))));
  EXPECT_EQ(ends.theirs.inbound_streams(), 3U);

  const Octets known = ends.seal(rtp_packet(2, 1));
  EXPECT_TRUE(ends.open(known));
  ends.theirs.forget_inbound(rtp::Ssrc(1));
  EXPECT_EQ(ends.theirs.inbound_streams(), 2U);
  EXPECT_TRUE(ends.open(known));  // libsrtp has really dropped its window
  ends.theirs.forget_inbound(rtp::Ssrc(2));
  EXPECT_TRUE(ends.open(fourth));

  ends.ours.forget_outbound(rtp::Ssrc(1));
  EXPECT_FALSE(ends.seal(rtp_packet(2, 1)).empty());  // would be refused as a second 2
}

TEST(SrtpKeys, RefusesKeysThatDoNotFitTheProfile) {
  const SrtpMasterKey small = master(SrtpProfile::AeadAes128Gcm, 1);
  EXPECT_FALSE(SrtpSession::create({SrtpProfile::AeadAes256Gcm, small, small}));
  EXPECT_FALSE(SrtpSession::create({SrtpProfile::AesCm128HmacSha1_80, small, small}));
  EXPECT_FALSE(SrtpSession::create({SrtpProfile::AeadAes128Gcm, small, SrtpMasterKey()}));
}

}  // namespace
}  // namespace parley::server
