#include "server/media_packet.h"

#include <array>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/packet_builder.h"

namespace parley::server {
namespace {

using rtp::Extension;

struct MediaPacketTest : ::testing::Test {
  MediaPacketTest() {
    theirs.set(Extension::Mid, 1);
    theirs.set(Extension::TransportCc, 2);
    theirs.set(Extension::Rid, 3);
    theirs.set(Extension::VideoOrientation, 5);
    ours.set(Extension::Mid, 9);
    ours.set(Extension::TransportCc, 8);
    ours.set(Extension::Rid, 7);
    ours.set(Extension::VideoOrientation, 20);  // needs the two-byte form
    rtp::HeaderFields fields;
    fields.payload_type = rtp::PayloadType{96};
    fields.seq = rtp::Seq{1'000};
    fields.timestamp = rtp::RtpTimestamp{5};
    fields.ssrc = rtp::Ssrc{77};
    fields.marker = true;
    rtp::PacketBuilder builder(received, fields);
    builder.extensions().add(1, std::string_view("0"));
    builder.extensions().add_transport_cc(2, rtp::Seq{4});
    builder.extensions().add(3, std::string_view("h"));
    builder.extensions().add(5, rtp::ConstBytes(std::array<std::uint8_t, 1>{1}));
    // VP8: X, S; I, L, T and K; a 15-bit picture id.
    builder.payload(std::array<std::uint8_t, 9>{0x90, 0xf0, 0x81, 0x02, 7, 0x23, 0x01, 9, 9});
    builder.padding(4);
    size = builder.finish();
    packet = rtp::Packet::parse(rtp::Bytes(received).first(size));
    extensions.emplace(*packet, theirs);
    info = rtp::make_packet_info(*packet, rtp::ExtSeq{1'000}, rtp::Codec::Vp8, *extensions, {}, {});
    codec.pt = rtp::PayloadType{96};
    codec.codec = rtp::Codec::Vp8;
    rewrite.seq = rtp::ExtSeq{65'536 + 3};
    rewrite.timestamp = rtp::RtpTimestamp{600};
    rewrite.marker = true;
    rewrite.vp8 = {0x1234, 99, 21};
  }
  [[nodiscard]] MediaPacket media() const {
    return {*packet, info, *extensions, codec, rtp::Source{4'711, 0}};
  }
  [[nodiscard]] SlotHeader slot() const {
    return {rtp::Ssrc{500}, rtp::PayloadType{120}, *rtp::Mid::from("v0"), ours};
  }
  rtp::ExtensionMap theirs;
  rtp::ExtensionMap ours;
  std::array<std::uint8_t, 1'500> received{};
  std::size_t size = 0;
  tl::expected<rtp::Packet, rtp::ParseError> packet = tl::unexpected(rtp::ParseError::Truncated);
  rtp::PacketInfo info;
  std::optional<rtp::ExtensionReader> extensions;
  CodecParams codec;
  rtp::Rewrite rewrite;
  std::array<std::uint8_t, 1'472> out{};
};

TEST_F(MediaPacketTest, SpeaksTheReceiversNumbersAndIds) {
  const std::size_t written = write_forwarded(media(), rewrite, slot(), out);
  const auto sent = rtp::Packet::parse(rtp::Bytes(out).first(written));
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->ssrc(), rtp::Ssrc{500});
  EXPECT_EQ(sent->payload_type(), rtp::PayloadType{120});
  EXPECT_EQ(sent->seq(), rtp::Seq{3});
  EXPECT_EQ(sent->timestamp(), rtp::RtpTimestamp{600});
  EXPECT_TRUE(sent->marker());
  ASSERT_EQ(sent->csrc_count(), 1U);
  EXPECT_EQ(sent->csrc(0), rtp::Ssrc{4'711});
  EXPECT_EQ(sent->padding_size(), 0U);
  const rtp::ExtensionReader read(*sent, ours);
  EXPECT_EQ(read.mid(), rtp::Mid::from("v0"));
  ASSERT_TRUE(read.video_orientation().has_value());
  EXPECT_EQ(read.video_orientation()->rotation_degrees, 90);
  EXPECT_FALSE(read.transport_cc().has_value());
  EXPECT_FALSE(read.rid().has_value());
  const std::vector<std::uint8_t> payload(sent->payload().begin(), sent->payload().end());
  EXPECT_EQ(payload, (std::vector<std::uint8_t>{0x90, 0xf0, 0x92, 0x34, 99, 0x35, 0x01, 9, 9}));
}

TEST_F(MediaPacketTest, ARetransmissionSaysTheFirstNumberBeforeThePayload) {
  const std::size_t written = write_retransmission(media(), rewrite, slot(), rtp::Seq{50}, out);
  const auto sent = rtp::Packet::parse(rtp::Bytes(out).first(written));
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->seq(), rtp::Seq{50});
  EXPECT_EQ(rtp::load16(sent->payload(), 0), 3);
  EXPECT_EQ(rtp::load16(sent->payload(), 4), 0x9234);

  // And back: exactly what was forwarded.
  const auto original =
      unwrap_retransmission(rtp::Bytes(out).first(written), rtp::Ssrc{500}, rtp::PayloadType{120});
  ASSERT_TRUE(original.has_value());
  std::array<std::uint8_t, 1'472> forwarded{};
  const std::size_t expected = write_forwarded(media(), rewrite, slot(), forwarded);
  ASSERT_EQ(*original, expected);
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected),
                         forwarded.begin()));
}

TEST_F(MediaPacketTest, RetransmissionsWithoutAnOriginalAreRefused) {
  for (std::size_t payload = 0; payload <= 3; ++payload) {
    rtp::PacketBuilder builder(out, rtp::HeaderFields{});
    builder.payload(rtp::ConstBytes(received).first(payload));
    const std::size_t written = builder.finish();
    const auto result =
        unwrap_retransmission(rtp::Bytes(out).first(written), rtp::Ssrc{1}, rtp::PayloadType{1});
    EXPECT_EQ(result.has_value(), payload == 3) << payload;
  }
}

TEST_F(MediaPacketTest, WhatDoesNotFitIsNotWritten) {
  EXPECT_EQ(write_forwarded(media(), rewrite, slot(), rtp::Bytes(out).first(20)), 0U);
}

CodecParams h264(std::uint32_t profile, std::uint8_t mode, std::uint8_t type) {
  CodecParams codec;
  codec.codec = rtp::Codec::H264;
  codec.h264_profile = profile;
  codec.packetization_mode = mode;
  codec.pt = rtp::PayloadType{type};
  return codec;
}

TEST(MatchCodec, PrefersTheSameProfileAndNeverMixesPacketization) {
  const std::array offered = {h264(0x640c1f, 1, 1), h264(0x42e01f, 0, 2), h264(0x42e01f, 1, 3)};
  EXPECT_EQ(match_codec(h264(0x42001f, 1, 9), offered), &offered[2]);
  EXPECT_EQ(match_codec(h264(0x42001f, 0, 9), offered), &offered[1]);
  EXPECT_EQ(match_codec(h264(0x4d001f, 1, 9), offered), &offered[0]);  // near enough
  EXPECT_EQ(match_codec(CodecParams{}, offered), nullptr);
}

}  // namespace
}  // namespace parley::server
