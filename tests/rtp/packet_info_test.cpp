#include "rtp/packet_info.h"

#include <chrono>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/sequence.h"
#include "tests/rtp/pcap.h"

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

constexpr Time kNow{milliseconds(60'000)};

PacketInfo info_of(std::vector<std::uint8_t> wire, Codec codec,
                   std::optional<Time> capture = std::nullopt, const ExtensionMap& map = {}) {
  const auto packet = Packet::parse(wire);
  EXPECT_TRUE(packet);
  return make_packet_info(*packet, ExtSeq{70'000}, codec, ExtensionReader(*packet, map), kNow,
                          capture);
}

std::vector<std::uint8_t> packet(std::initializer_list<std::uint8_t> payload) {
  std::vector<std::uint8_t> wire{0x80, 0xe0, 0x11, 0x70, 0, 0, 0x03, 0x04, 1, 2, 3, 4};
  // One by one: GCC 12 warns of a range inserted here when it optimises.
  for (const std::uint8_t byte : payload) wire.push_back(byte);
  return wire;
}

// RFC 7741: X|S, I|L|T|K, 15-bit picture id, TL0PICIDX, TID|Y|KEYIDX, then a key frame of 640x360.
const std::initializer_list<std::uint8_t> kVp8Key{0x90, 0xf0, 0x92, 0x34, 0x56, 0x27, 0x10, 0,
                                                  0,    0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};

TEST(MakePacketInfo, TellsAVp8KeyFrameAndItsNumbers) {
  const PacketInfo info = info_of(packet(kVp8Key), Codec::Vp8);
  EXPECT_EQ(info.seq, ExtSeq{70'000});
  EXPECT_EQ(info.timestamp, RtpTimestamp{0x0304});
  EXPECT_TRUE(info.marker);
  EXPECT_TRUE(info.key_frame);
  EXPECT_TRUE(info.frame_start);
  EXPECT_EQ(info.width, 640);
  EXPECT_EQ(info.height, 360);
  EXPECT_EQ(info.picture.picture_id, 0x1234);
  EXPECT_EQ(info.picture.tl0_picture_index, 0x56);
  EXPECT_EQ(info.picture.key_index, 7);
  EXPECT_EQ(info.payload_at, 12);
  EXPECT_EQ(info.payload_size, 16);
  EXPECT_FALSE(info.padding_only);
}

TEST(MakePacketInfo, StartsNobodyOnABrokenPayload) {
  const PacketInfo info = info_of(packet({0x90}), Codec::Vp8);
  EXPECT_FALSE(info.key_frame);
  EXPECT_FALSE(info.frame_start);
}

TEST(MakePacketInfo, StartsH264OnlyWithParameterSets) {
  EXPECT_FALSE(info_of(packet({0x65, 0x88, 0x84}), Codec::H264).key_frame) << "a bare IDR slice";
  EXPECT_TRUE(info_of(packet({0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8}), Codec::H264)
                  .key_frame);
}

TEST(MakePacketInfo, TellsPaddingFromMedia) {
  auto wire = packet({0, 0, 0, 4});
  wire[0] |= 0x20;
  const PacketInfo info = info_of(wire, Codec::Vp8);
  EXPECT_TRUE(info.padding_only);
  EXPECT_EQ(info.payload_size, 0);
}

TEST(MakePacketInfo, ReadsAudioLevelAndFrameNumber) {
  ExtensionMap map;
  map.set(Extension::AudioLevel, 1);
  map.set(Extension::DependencyDescriptor, 12);
  const std::vector<std::uint8_t> wire{0x90, 0x6f, 0,    1,    0,    0, 0,    1,    0,
                                       0,    0,    1,    0xbe, 0xde, 0, 2,    0x10, 0x9e,
                                       0xc2, 0xc0, 0x12, 0x34, 0,    0, 0xf8, 0xff, 0xfe};
  const PacketInfo info = info_of(wire, Codec::Opus, std::nullopt, map);
  EXPECT_EQ(info.audio_level, 0x1e);
  EXPECT_EQ(info.frame_number, 0x1234);
  EXPECT_TRUE(info.key_frame) << "audio may start anywhere";
  EXPECT_FALSE(info_of(wire, Codec::Opus).audio_level) << "not negotiated";
}

TEST(MakePacketInfo, DoesNotBelieveACaptureTimeFarFromTheArrival) {
  const auto capture = [](std::int64_t ms) {
    return info_of(packet(kVp8Key), Codec::Vp8, kNow + milliseconds(ms)).capture;
  };
  EXPECT_EQ(capture(-50), kNow - milliseconds(50));
  EXPECT_FALSE(capture(-10'001));
  EXPECT_FALSE(capture(1'001));
  EXPECT_FALSE(info_of(packet(kVp8Key), Codec::Vp8).capture);
}

// What Chromium really sends: every frame has a start, and every stream begins with a key frame of
// the size that its encoding has.
TEST(MakePacketInfo, ReadsTheCapturesOfChromium) {
  struct Case {
    const char* file;
    Codec codec;
    std::uint8_t pt;
    std::size_t streams;
  };
  for (const Case& c :
       {Case{"vp8sim-sent.pcap", Codec::Vp8, 96, 3}, Case{"h264sim-sent.pcap", Codec::H264, 102, 3},
        Case{"vp9svc-sent.pcap", Codec::Vp9, 98, 1}, Case{"av1svc-sent.pcap", Codec::Av1, 45, 1}}) {
    SCOPED_TRACE(c.file);
    std::map<std::uint32_t, std::vector<PacketInfo>> streams;
    for (CapturedPacket& captured : read_test_pcap(c.file)) {
      const auto parsed = Packet::parse(captured.bytes);
      if (!parsed || parsed->payload_type() != PayloadType{c.pt}) continue;
      streams[parsed->ssrc().value].push_back(
          make_packet_info(*parsed, ExtSeq{parsed->seq().value}, c.codec,
                           ExtensionReader(*parsed, {}), captured.at, std::nullopt));
    }
    EXPECT_EQ(streams.size(), c.streams);
    for (const auto& [ssrc, infos] : streams) {
      EXPECT_TRUE(infos.front().key_frame);
      EXPECT_GE(infos.front().height, 135);
      for (std::size_t i = 1; i < infos.size(); ++i) {
        const bool begins = infos[i - 1].marker && !infos[i].padding_only;
        EXPECT_TRUE(!begins || infos[i].frame_start) << i;
      }
    }
  }
}

}  // namespace
}  // namespace parley::rtp
