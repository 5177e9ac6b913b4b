#include "server/stun.h"

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "tests/server/hex.h"

namespace parley::server {
namespace {

using rtp::ConstBytes;
using test::hex;

constexpr const char* kPassword = "VOkJxbRl1RmTxUk/WvJxBt";
const StunTransaction kTransaction = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                                      0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

// RFC 5769, section 2.1
std::vector<std::uint8_t> sample_request() {
  return hex(R"(
     00 01 00 58  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
     80 22 00 10  53 54 55 4e  20 74 65 73  74 20 63 6c  69 65 6e 74
     00 24 00 04  6e 00 01 ff
     80 29 00 08  93 2f f9 b1  51 26 3b 36
     00 06 00 09  65 76 74 6a  3a 68 36 76  59 20 20 20
     00 08 00 14  9a ea a7 0c  bf d8 cb 56  78 1e f2 b5  b2 d3 f2 49  c1 b5 71 a2
     80 28 00 04  e5 7a 3b cf)");
}
// Section 2.2
std::vector<std::uint8_t> sample_ipv4_response() {
  return hex(R"(
     01 01 00 3c  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
     80 22 00 0b  74 65 73 74  20 76 65 63  74 6f 72 20
     00 20 00 08  00 01 a1 47  e1 12 a6 43
     00 08 00 14  2b 91 f5 99  fd 9e 90 c3  8c 74 89 f9  2a f9 ba 53  f0 6b e7 d7
     80 28 00 04  c0 7d 4c 96)");
}
// Section 2.3
std::vector<std::uint8_t> sample_ipv6_response() {
  return hex(R"(
     01 01 00 48  21 12 a4 42  b7 e7 a7 01  bc 34 d6 86  fa 87 df ae
     80 22 00 0b  74 65 73 74  20 76 65 63  74 6f 72 20
     00 20 00 14  00 02 a1 47  01 13 a9 fa  a5 d3 f1 79  bc 25 f4 b5  be d2 b9 d9
     00 08 00 14  a3 82 95 4e  4b e6 7b f1  17 84 c9 7c  82 92 c2 75  bf e3 ed 41
     80 28 00 04  c8 fb 0b 4c)");
}

TEST(Stun, ReadsTheSampleRequestOfRfc5769) {
  const auto bytes = sample_request();
  const auto message = StunMessage::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->cls, StunClass::Request);
  EXPECT_EQ(message->method, StunMessage::kBinding);
  EXPECT_EQ(message->transaction, kTransaction);
  EXPECT_EQ(message->username, "evtj:h6vY");
  EXPECT_EQ(message->priority, 0x6e0001ffU);
  EXPECT_EQ(message->ice_controlled, 0x932ff9b151263b36U);
  EXPECT_FALSE(message->ice_controlling);
  EXPECT_FALSE(message->use_candidate);
  EXPECT_TRUE(message->fingerprint);
  EXPECT_EQ(message->unknown_count, 0U);
  EXPECT_TRUE(message->verify(StunKey(kPassword)));
  EXPECT_FALSE(message->verify(StunKey("VOkJxbRl1RmTxUk/WvJxBT")));
}

TEST(Stun, ReadsTheSampleResponsesOfRfc5769) {
  const StunKey key(kPassword);
  const auto v4 = sample_ipv4_response();
  const auto v6 = sample_ipv6_response();
  const auto first = StunMessage::parse(v4);
  const auto second = StunMessage::parse(v6);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->cls, StunClass::Success);
  EXPECT_EQ(first->xor_mapped_address, TransportAddress::parse("192.0.2.1:32853"));
  EXPECT_EQ(second->xor_mapped_address,
            TransportAddress::parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
  EXPECT_TRUE(first->verify(key));
  EXPECT_TRUE(second->verify(key));
}

TEST(Stun, RefusesEveryTruncation) {
  for (const auto& sample : {sample_request(), sample_ipv4_response(), sample_ipv6_response()}) {
    for (std::size_t size = 0; size < sample.size(); ++size) {
      const std::vector<std::uint8_t> cut(sample.begin(),
                                          sample.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(StunMessage::parse(cut)) << size;
      if (size < StunMessage::kHeaderSize || size % 4 != 0) continue;
      // With its own length made to fit, it may be STUN, but never an authenticated one.
      std::vector<std::uint8_t> honest = cut;
      rtp::store16(honest, 2, static_cast<std::uint16_t>(size - StunMessage::kHeaderSize));
      const auto message = StunMessage::parse(honest);
      EXPECT_FALSE(message && message->fingerprint) << size;
    }
  }
}

TEST(Stun, NoticesEveryFlippedBit) {
  const StunKey key(kPassword);
  const auto sample = sample_request();
  for (std::size_t bit = 0; bit < sample.size() * 8; ++bit) {
    auto broken = sample;
    broken[bit / 8] = static_cast<std::uint8_t>(broken[bit / 8] ^ 1U << bit % 8);
    const auto message = StunMessage::parse(broken);
    EXPECT_FALSE(message && message->fingerprint && message->verify(key)) << bit;
  }
}

TEST(Stun, WritesWhatItReads) {
  const StunKey key("secret of at least 22 chars");
  std::array<std::uint8_t, 512> out{};
  const auto address = TransportAddress::parse("[2001:db8::7]:9");
  StunWriter writer(out, StunClass::Request, kTransaction);
  const ConstBytes bytes = writer.username("there", "here")
                               .priority(77)
                               .use_candidate()
                               .ice_controlling(0x0102030405060708)
                               .xor_mapped_address(*address)
                               .finish(key);
  const auto message = StunMessage::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->username, "there:here");
  EXPECT_EQ(message->priority, 77U);
  EXPECT_TRUE(message->use_candidate);
  EXPECT_EQ(message->ice_controlling, 0x0102030405060708U);
  EXPECT_EQ(message->xor_mapped_address, address);
  EXPECT_TRUE(message->fingerprint);
  EXPECT_TRUE(message->verify(key));
}

TEST(Stun, WritesErrorsWithTheUnknownAttributesOfTheRequest) {
  const StunKey key("password");
  StunMessage request;
  request.unknown = {0x7001, 0x7002, 0x7003};
  request.unknown_count = 3;
  std::array<std::uint8_t, 256> out{};
  StunWriter writer(out, StunClass::Error, kTransaction);
  const ConstBytes bytes =
      writer.error_code(420, "Unknown Attribute").unknown_attributes(request).finish(key);
  const auto message = StunMessage::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->cls, StunClass::Error);
  EXPECT_EQ(message->error_code, 420);
  EXPECT_TRUE(message->verify(key));
}

TEST(Stun, LeaksNothingThroughPadding) {
  std::array<std::uint8_t, 256> out{};
  out.fill(0xEE);
  StunWriter writer(out, StunClass::Request, kTransaction);
  const ConstBytes bytes = writer.username("a", "b").finish(StunKey("password"));
  ASSERT_EQ(rtp::load16(bytes, 22), 3);  // "a:b"
  EXPECT_EQ(bytes[27], 0);
}

TEST(Stun, WritesNothingThatDoesNotFit) {
  for (std::size_t size = 0; size < 76; ++size) {
    std::vector<std::uint8_t> out(size);
    StunWriter writer(out, StunClass::Success, kTransaction);
    const ConstBytes bytes = writer.xor_mapped_address(*TransportAddress::parse("1.2.3.4:5"))
                                 .finish(StunKey("password"));
    EXPECT_EQ(bytes.empty(), size < 64) << size;
  }
}

TEST(Stun, IgnoresUnknownOptionalAttributesAndListsUnknownRequiredOnes) {
  const StunKey key("password");
  std::array<std::uint8_t, 512> out{};
  StunWriter writer(out, StunClass::Request, kTransaction);
  const std::array<std::uint8_t, 4> value = {1, 2, 3, 4};
  writer.attribute(0xC057, value);  // GOOG-NETWORK-INFO, as Chromium sends it
  for (std::uint16_t i = 0; i < 20; ++i)
    writer.attribute(static_cast<std::uint16_t>(0x7000 + i), {});
  const auto message = StunMessage::parse(writer.finish(key));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->unknown_count, StunMessage::kMaxUnknown);
  EXPECT_EQ(message->unknown[0], 0x7000);
}

TEST(Stun, DoesNotBelieveWhatStandsBehindTheIntegrity) {
  const StunKey key("password");
  std::array<std::uint8_t, 512> out{};
  StunWriter writer(out, StunClass::Request, kTransaction);
  const std::size_t signed_size = writer.priority(1).finish(key).size() - 8;  // no fingerprint
  std::vector<std::uint8_t> bytes(out.begin(),
                                  out.begin() + static_cast<std::ptrdiff_t>(signed_size));
  const auto extra = hex("00250000 00060004 65 76 3a 61");  // USE-CANDIDATE, USERNAME
  bytes.insert(bytes.end(), extra.begin(), extra.end());
  rtp::store16(bytes, 2, static_cast<std::uint16_t>(bytes.size() - StunMessage::kHeaderSize));
  const auto message = StunMessage::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->verify(key));
  EXPECT_FALSE(message->use_candidate);
  EXPECT_FALSE(message->username);
}

TEST(Stun, RefusesAttributesOfTheWrongSizeAndAFingerprintThatIsNotTheLast) {
  const char* const head = "0001 0008 2112a442 b7e7a701bc34d686fa87dfae";
  for (const char* attribute : {"00240003 00000000", "80290004 00000000", "80280003 00000000",
                                "00200004 00010000", "00090003 00000000", "00080004 00000000"}) {
    EXPECT_FALSE(StunMessage::parse(hex(std::string(head) + attribute))) << attribute;
  }
  auto trailing = sample_request();
  trailing.insert(trailing.end(), {0xC0, 0x57, 0, 0});
  rtp::store16(trailing, 2, static_cast<std::uint16_t>(trailing.size() - StunMessage::kHeaderSize));
  EXPECT_FALSE(StunMessage::parse(trailing));
}

TEST(Stun, TellsClassesAndMethodsApart) {
  auto bytes = hex("0001 0000 2112a442 b7e7a701bc34d686fa87dfae");
  const auto parse = [&](std::uint16_t type) {
    rtp::store16(bytes, 0, type);
    return StunMessage::parse(bytes);
  };
  EXPECT_EQ(parse(0x0011)->cls, StunClass::Indication);
  EXPECT_EQ(parse(0x0101)->cls, StunClass::Success);
  EXPECT_EQ(parse(0x0111)->cls, StunClass::Error);
  EXPECT_EQ(parse(0x0003)->method, 3);  // Allocate
  EXPECT_EQ(parse(0x3EEF)->method, 0xFFF);
  EXPECT_FALSE(parse(0x4001));
}

}  // namespace
}  // namespace parley::server
