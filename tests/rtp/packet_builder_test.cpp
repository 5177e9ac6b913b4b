#include "rtp/packet_builder.h"

#include <array>

#include <gtest/gtest.h>

#include "rtp/extension_reader.h"
#include "rtp/packet.h"
#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

constexpr std::array<Ssrc, 1> kCsrcs{Ssrc{77}};
constexpr HeaderFields kFields{PayloadType{96}, Seq{5}, RtpTimestamp{90'000},
                               Ssrc{0xcafe},    true,   kCsrcs};
constexpr std::array<std::uint8_t, 3> kPayload{1, 2, 3};

TEST(PacketBuilder, MakesWhatPacketReads) {
  std::array<std::uint8_t, 200> out{};
  PacketBuilder builder(out, kFields);
  EXPECT_TRUE(builder.extensions().add(4, "audio0"));
  builder.payload(kPayload);
  builder.payload(kPayload);
  builder.padding(5);
  const std::size_t size = builder.finish();
  ASSERT_EQ(size, 12U + 4 + 4 + 8 + 6 + 5);

  const auto packet = Packet::parse(Bytes(out).first(size));
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->payload_type(), PayloadType{96});
  EXPECT_EQ(packet->seq(), Seq{5});
  EXPECT_EQ(packet->timestamp(), RtpTimestamp{90'000});
  EXPECT_EQ(packet->ssrc(), Ssrc{0xcafe});
  EXPECT_TRUE(packet->marker());
  EXPECT_EQ(packet->csrc_count(), 1U);
  EXPECT_EQ(packet->csrc(0), Ssrc{77});
  EXPECT_EQ(packet->payload().size(), 6U);
  EXPECT_EQ(packet->padding_size(), 5U);
  ExtensionMap map;
  map.set(Extension::Mid, 4);
  EXPECT_EQ(ExtensionReader(*packet, map).mid(), Mid::from("audio0"));
}

TEST(PacketBuilder, LeavesTheExtensionAwayWhenThereIsNone) {
  std::array<std::uint8_t, 64> out{};
  PacketBuilder builder(out, {PayloadType{96}, Seq{5}, RtpTimestamp{1}, Ssrc{2}});
  EXPECT_FALSE(builder.extensions().add(0, "not negotiated"));
  builder.payload(kPayload);
  EXPECT_EQ(builder.written_payload().size(), 3U);
  EXPECT_EQ(builder.finish(), 15U);
  EXPECT_EQ(out[0], 0x80);
}

TEST(PacketBuilder, SaysZeroWhenAnythingDoesNotFit) {
  std::array<std::uint8_t, 64> reference{};
  PacketBuilder whole(reference, kFields);
  EXPECT_TRUE(whole.extensions().add(4, "0"));
  whole.payload(kPayload);
  whole.padding(2);
  const std::size_t needed = whole.finish();
  ASSERT_EQ(needed, 16U + 8 + 3 + 2);
  for (std::size_t room = 0; room < needed; ++room) {
    WireBytes out(room);
    PacketBuilder builder(out, kFields);
    const bool added = builder.extensions().add(4, "0");
    builder.payload(kPayload);
    builder.padding(2);
    // An extension without room is left away, and may be.
    EXPECT_EQ(builder.finish(), !added && room >= 21 ? 21U : 0U) << room;
  }
}

TEST(WriteHeader, RefusesMoreSourcesThanTheHeaderCounts) {
  std::array<std::uint8_t, 200> out{};
  const std::array<Ssrc, 16> sources{};
  HeaderFields fields = kFields;
  fields.csrcs = std::span(sources).first(15);
  EXPECT_EQ(write_header(fields, out), 72U);
  fields.csrcs = sources;
  EXPECT_EQ(write_header(fields, out), 0U);
}

}  // namespace
}  // namespace parley::rtp
