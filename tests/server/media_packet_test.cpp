#include "server/media_packet.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/packet_builder.h"
#include "tests/rtp/svc_source.h"

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
    rewrite.picture = {0x1234, 99, 21};
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

TEST_F(MediaPacketTest, ANumberThatIsWaitedForIsFilledWithoutAPayload) {
  rewrite.empty = true;
  rewrite.marker = false;
  const std::size_t written = write_forwarded(media(), rewrite, slot(), out);
  const auto sent = rtp::Packet::parse(rtp::Bytes(out).first(written));
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->seq(), rtp::Seq{3});
  EXPECT_TRUE(sent->payload().empty());
  const std::size_t again = write_retransmission(media(), rewrite, slot(), rtp::Seq{50}, out);
  EXPECT_EQ(rtp::Packet::parse(rtp::Bytes(out).first(again))->payload().size(), 2U);
}

TEST_F(MediaPacketTest, TheDescriptorTellsWhatTheSlotGets) {
  rtp::SvcSource source({.mode = {rtp::Codec::Av1, 2, 2}});
  std::vector<rtp::SvcPacket> key = source.next(true);
  theirs.set(Extension::DependencyDescriptor, 12);
  ours.set(Extension::DependencyDescriptor, 30);
  packet = rtp::Packet::parse(key.front().bytes);
  extensions.emplace(*packet, theirs);
  info = rtp::make_packet_info(*packet, rtp::ExtSeq{1}, rtp::Codec::Av1, *extensions, {}, {});
  rtp::DependencyReader reader;
  info.layers = rtp::read_layers(reader, *extensions->find(Extension::DependencyDescriptor));
  rewrite.frame_number = 0x4321;
  rewrite.limit = {0, rtp::LayerLimit::kAll};
  const MediaPacket key_packet{*packet, info, *extensions, codec, rtp::Source{1, 0}, &reader};
  const std::size_t written = write_forwarded(key_packet, rewrite, slot(), out);
  const auto sent = rtp::Packet::parse(rtp::Bytes(out).first(written));
  const rtp::ExtensionReader read(*sent, ours);
  const auto d = rtp::DependencyReader{}.read(*read.find(Extension::DependencyDescriptor));
  ASSERT_TRUE(d && d->key_frame());
  EXPECT_EQ(d->frame_number, 0x4321);
  EXPECT_EQ(d->active_targets, 0b0011U);
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

// ---- what describes the media goes through as it is

std::vector<std::uint8_t> noise(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::uint32_t state = 12'345;
  for (std::uint8_t& byte : bytes) {
    state = state * 1'664'525 + 1'013'904'223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

// A packet of a publisher and what a receiver gets of it, both with every extension there is.
struct PassThrough {
  PassThrough() {
    for (std::size_t i = 0; i < rtp::kExtensionCount; ++i) {
      theirs.set(static_cast<Extension>(i), static_cast<std::uint8_t>(20 + i));
      ours.set(static_cast<Extension>(i), static_cast<std::uint8_t>(60 - i));
    }
  }
  // `extension`: none for no data.
  rtp::Packet forward(rtp::Codec kind, const std::vector<std::uint8_t>& payload,
                      Extension extension = Extension::AudioLevel,
                      const std::vector<std::uint8_t>& data = {}) {
    rtp::PacketBuilder builder(received, {.payload_type = rtp::PayloadType{96}});
    if (!data.empty()) builder.extensions().add(theirs.id(extension), rtp::ConstBytes(data));
    builder.payload(payload);
    const auto packet = rtp::Packet::parse(rtp::Bytes(received).first(builder.finish()));
    const rtp::ExtensionReader extensions(*packet, theirs);
    info = rtp::make_packet_info(*packet, rtp::ExtSeq{1}, kind, extensions, {}, {});
    CodecParams codec;
    codec.codec = kind;
    const MediaPacket media{*packet, info, extensions, codec, {7, 0}};
    const SlotHeader slot{rtp::Ssrc{1}, rtp::PayloadType{100}, {}, ours};
    rtp::Rewrite rewrite;
    rewrite.seq = rtp::ExtSeq{9};
    const std::size_t size = write_forwarded(media, rewrite, slot, out);
    EXPECT_GT(size, 0U);
    return *rtp::Packet::parse(rtp::Bytes(out).first(size));
  }
  rtp::ExtensionMap theirs;
  rtp::ExtensionMap ours;
  rtp::PacketInfo info;
  std::array<std::uint8_t, 1'472> received{};
  std::array<std::uint8_t, 1'472> out{};
};

std::vector<std::uint8_t> copy_of(rtp::ConstBytes bytes) { return {bytes.begin(), bytes.end()}; }

TEST(PassThrough, ExtensionsThatDescribeTheMediaKeepTheirBytesUnderTheReceiversIds) {
  struct Case {
    Extension extension;
    std::size_t size;
  };
  for (const Case& one :
       {Case{Extension::AudioLevel, 1}, Case{Extension::VideoOrientation, 1},
        Case{Extension::PlayoutDelay, 3}, Case{Extension::ContentType, 1},
        Case{Extension::ColorSpace, 4}, Case{Extension::ColorSpace, 28},  // with HDR metadata
        Case{Extension::AbsCaptureTime, 8},
        Case{Extension::AbsCaptureTime, 16}}) {  // with the clock's offset
    PassThrough pass;
    const auto data = noise(one.size);
    const auto sent = pass.forward(rtp::Codec::Opus, noise(50), one.extension, data);
    const auto got = rtp::ExtensionReader(sent, pass.ours).find(one.extension);
    ASSERT_TRUE(got) << static_cast<int>(one.extension);
    EXPECT_EQ(copy_of(*got), data) << static_cast<int>(one.extension);
    EXPECT_EQ(copy_of(sent.payload()), noise(50));
  }
}

TEST(PassThrough, ExtensionsThatDescribeThePublishersWayDoNotGoOn) {
  for (const Extension extension :
       {Extension::AbsSendTime, Extension::TransportCc, Extension::Rid, Extension::RepairedRid,
        Extension::TimeOffset, Extension::VideoTiming, Extension::LayersAllocation}) {
    PassThrough pass;
    const auto sent = pass.forward(rtp::Codec::Opus, noise(50), extension, noise(3));
    EXPECT_FALSE(rtp::ExtensionReader(sent, pass.ours).find(extension))
        << static_cast<int>(extension);
  }
}

// SFrame and encoded transforms leave the beginning of a frame readable and encrypt the rest.
TEST(PassThrough, WhatIsEncryptedBehindTheHeadersKeepsEveryByte) {
  const std::vector<std::pair<rtp::Codec, std::vector<std::uint8_t>>> heads = {
      {rtp::Codec::Opus, {0x78}},
      {rtp::Codec::Vp9, {0x0c}},
      {rtp::Codec::H264, {0x65}},
      {rtp::Codec::H264, {0x7c, 0x85}},
      {rtp::Codec::Av1, {0x18, 0x0a}},
      {rtp::Codec::Vp8, {0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}},
  };
  for (const auto& [codec, head] : heads) {
    std::vector<std::uint8_t> payload = head;
    const auto secret = noise(900);
    payload.insert(payload.end(), secret.begin(), secret.end());
    PassThrough pass;
    EXPECT_EQ(copy_of(pass.forward(codec, payload).payload()), payload) << static_cast<int>(codec);
  }
}

TEST(PassThrough, OfVp8AndVp9OnlyTheNumbersOfTheDescriptorChange) {
  const std::vector<std::pair<rtp::Codec, std::vector<std::uint8_t>>> heads = {
      {rtp::Codec::Vp8, {0x90, 0xe0, 0x80, 0x05, 0x07, 0x20}},
      {rtp::Codec::Vp9, {0x8c, 0x80, 0x01}},
  };
  for (const auto& [codec, head] : heads) {
    std::vector<std::uint8_t> payload = head;
    const auto secret = noise(900);
    payload.insert(payload.end(), secret.begin(), secret.end());
    PassThrough pass;
    const auto sent = copy_of(pass.forward(codec, payload).payload());
    ASSERT_EQ(sent.size(), payload.size());
    const auto behind = static_cast<std::ptrdiff_t>(head.size());
    EXPECT_TRUE(std::equal(sent.begin() + behind, sent.end(), payload.begin() + behind));
  }
}

// A payload of which nothing can be read goes through as it is; only, nobody starts to decode
// there.
TEST(PassThrough, WhatCannotBeReadIsForwardedAndStartsNobody) {
  for (const rtp::Codec codec :
       {rtp::Codec::Vp9, rtp::Codec::H264, rtp::Codec::H265, rtp::Codec::Av1, rtp::Codec::Opus}) {
    for (std::uint8_t first = 0; first < 255; ++first) {
      // VP9 with a picture id or, where it is not flexible, layers: those numbers are ours.
      const bool numbered = (first & 0x80) != 0 || (first & 0x30) == 0x20;
      if (codec == rtp::Codec::Vp9 && numbered) continue;
      auto payload = noise(40);
      payload[0] = first;
      PassThrough pass;
      ASSERT_EQ(copy_of(pass.forward(codec, payload).payload()), payload);
    }
    PassThrough pass;
    const std::vector<std::uint8_t> broken{0xff};
    EXPECT_EQ(copy_of(pass.forward(codec, broken).payload()), broken);
    EXPECT_FALSE(pass.info.key_frame) << static_cast<int>(codec);
  }
}

// Stereo, redundancy of the codec's own (FEC) and pauses (DTX) are inside: no byte is looked at but
// the first.
TEST(PassThrough, OpusKeepsStereoFecAndPauses) {
  for (const std::uint8_t toc : std::array<std::uint8_t, 6>{0x7c, 0x4b, 0x0b, 0x08, 0xfc, 0x03}) {
    for (const std::size_t size : std::array<std::size_t, 5>{1, 2, 3, 160, 1'275}) {
      auto payload = noise(size);
      payload[0] = toc;
      PassThrough pass;
      EXPECT_EQ(copy_of(pass.forward(rtp::Codec::Opus, payload).payload()), payload);
      EXPECT_FALSE(pass.info.padding_only) << "a pause is a packet";
    }
  }
}

TEST_F(MediaPacketTest, RedundancyStandsInFrontOfThePayloadAsItIs) {
  const std::array<std::uint8_t, 3> older{1, 2, 3};
  const std::array<std::uint8_t, 2> old{4, 5};
  const std::array<rtp::RedBlock, 2> blocks{
      rtp::RedBlock{rtp::PayloadType{111}, 1'920, older, false},
      rtp::RedBlock{rtp::PayloadType{111}, 960, old, false}};
  info.codec = rtp::Codec::Opus;
  const std::size_t written =
      write_redundant(media(), rewrite, slot(), blocks, rtp::PayloadType{111}, out);
  const auto sent = rtp::Packet::parse(rtp::Bytes(out).first(written));
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->payload_type(), rtp::PayloadType{120});
  EXPECT_EQ(sent->seq(), rtp::Seq{3});
  EXPECT_EQ(sent->timestamp(), rtp::RtpTimestamp{600});
  EXPECT_EQ(rtp::ExtensionReader(*sent, ours).mid(), rtp::Mid::from("v0"));
  auto red = rtp::RedReader::parse(sent->payload());
  ASSERT_TRUE(red);
  EXPECT_EQ(copy_of(red->next()->data), copy_of(older));
  EXPECT_EQ(red->next()->timestamp_offset, 960U);
  EXPECT_EQ(copy_of(red->primary().data), copy_of(packet->payload()));
  EXPECT_EQ(red->primary().payload_type, rtp::PayloadType{111});
  for (const std::size_t room : {std::size_t{20}, written - 1}) {
    EXPECT_EQ(write_redundant(media(), rewrite, slot(), blocks, rtp::PayloadType{111},
                              rtp::Bytes(out).first(room)),
              0U);
  }
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
  EXPECT_EQ(match_codec(h264(0x4d001f, 1, 9), offered), &offered[0]) << "High contains Main";
  EXPECT_EQ(match_codec(CodecParams{}, offered), nullptr);
}

TEST(MatchCodec, GivesNobodyAProfileThatHeDidNotOffer) {
  const std::array baseline = {h264(0x42e01f, 1, 3)};
  EXPECT_EQ(match_codec(h264(0x4d001f, 1, 9), baseline), nullptr);
  EXPECT_EQ(match_codec(h264(0x64001f, 1, 9), baseline), nullptr);
  const std::array main = {h264(0x4d001f, 1, 4)};
  EXPECT_EQ(match_codec(h264(0x42001f, 1, 9), main), &main[0]);
  EXPECT_EQ(match_codec(h264(0x640c1f, 1, 9), main), nullptr);
  EXPECT_EQ(match_codec(h264(0xf4001f, 1, 9), main), nullptr) << "High 4:4:4";
}

}  // namespace
}  // namespace parley::server
