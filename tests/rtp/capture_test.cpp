// What a real Chromium sent (tests/data/rtp): every packet is understood, and what the payload says
// agrees with the dependency descriptor beside it.
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "rtp/classify.h"
#include "rtp/dependency_descriptor.h"
#include "rtp/extension_reader.h"
#include "rtp/opus.h"
#include "rtp/packet.h"
#include "rtp/payload.h"
#include "rtp/rtcp_reader.h"
#include "rtp/twcc.h"
#include "tests/rtp/pcap.h"

namespace parley::rtp {
namespace {

constexpr PayloadType kOpus{111};

ExtensionMap capture_map() {
  ExtensionMap map;
  map.set(Extension::AudioLevel, 1);
  map.set(Extension::TransportCc, 3);
  map.set(Extension::Mid, 4);
  map.set(Extension::Rid, 10);
  map.set(Extension::RepairedRid, 11);
  map.set(Extension::DependencyDescriptor, 12);
  map.set(Extension::VideoOrientation, 13);
  return map;
}

struct Seen {
  int refused = 0;
  int audio = 0;
  int audio_levels = 0;
  int video = 0;
  int one_byte = 0;
  int two_byte = 0;
  int retransmitted = 0;
  int key_frames = 0;  // packets that begin one
  int frame_starts = 0;
  int markers = 0;
  int orientations = 0;
  int descriptors = 0;
  int start_mismatches = 0;  // payload and dependency descriptor disagree
  int layer_mismatches = 0;
  int feedbacks = 0;
  int statuses = 0;
  int sender_reports = 0;
  int receiver_reports = 0;
  std::set<std::string> mids, rids, repaired_rids, cnames;
  std::map<std::uint32_t, Resolution> resolutions;  // by SSRC
};

class Observer {
 public:
  Observer(Codec codec, PayloadType video) : codec_(codec), video_(video) {}

  Seen watch(const std::string& capture) {
    for (CapturedPacket& packet : read_test_pcap(capture)) {
      switch (classify(packet.bytes)) {
        case DatagramKind::Rtp:
          on_rtp(packet.bytes);
          break;
        case DatagramKind::Rtcp:
          on_rtcp(packet.bytes);
          break;
        case DatagramKind::Unknown:
        case DatagramKind::Stun:
        case DatagramKind::Dtls:
          ++seen_.refused;
          break;
      }
    }
    return seen_;
  }

 private:
  void on_rtp(Bytes bytes) {
    const auto packet = Packet::parse(bytes);
    if (!packet) {
      ++seen_.refused;
      return;
    }
    const ExtensionReader extensions(*packet, capture_map());
    if (const auto mid = extensions.mid()) seen_.mids.emplace(mid->view());
    if (const auto rid = extensions.rid()) seen_.rids.emplace(rid->view());
    if (const auto rid = extensions.repaired_rid()) seen_.repaired_rids.emplace(rid->view());
    if (packet->payload_type() == kOpus) {
      on_audio(*packet, extensions);
    } else if (packet->payload_type() == video_) {
      on_video(*packet, extensions);
    } else {
      ++seen_.retransmitted;
    }
  }

  void on_audio(const Packet& packet, const ExtensionReader& extensions) {
    const auto opus = OpusPacket::parse(packet.payload());
    if (!opus || opus->samples() != 960) ++seen_.refused;
    ++seen_.audio;
    if (extensions.audio_level()) ++seen_.audio_levels;
  }

  void on_video(const Packet& packet, const ExtensionReader& extensions) {
    ++seen_.video;
    ++(packet.extension_profile() == 0xbede ? seen_.one_byte : seen_.two_byte);
    if (extensions.video_orientation()) ++seen_.orientations;
    if (packet.marker()) ++seen_.markers;
    const auto info = describe(codec_, packet.payload());
    if (!info || !extensions.transport_cc()) {
      ++seen_.refused;
      return;
    }
    if (info->key_frame) ++seen_.key_frames;
    if (info->frame_start) ++seen_.frame_starts;
    if (info->resolution != Resolution{}) {
      seen_.resolutions[packet.ssrc().value] = info->resolution;
    }
    const auto element = extensions.find(Extension::DependencyDescriptor);
    const auto d = element ? readers_[packet.ssrc().value].read(*element) : std::nullopt;
    if (!d) return;
    ++seen_.descriptors;
    if (d->start_of_frame != info->frame_start) ++seen_.start_mismatches;
    if (info->has_layers &&
        (d->temporal_id != info->temporal_id || d->spatial_id != info->spatial_id)) {
      ++seen_.layer_mismatches;
    }
  }

  void on_rtcp(ConstBytes bytes) {
    RtcpReader reader(bytes);
    while (const auto message = reader.next()) {
      if (std::holds_alternative<SenderReport>(*message)) ++seen_.sender_reports;
      if (std::holds_alternative<ReceiverReport>(*message)) ++seen_.receiver_reports;
      if (const auto* source = std::get_if<SourceDescription>(&*message)) {
        seen_.cnames.emplace(source->cname);
      }
      const auto* feedback = std::get_if<TransportCc>(&*message);
      if (feedback == nullptr) continue;
      const auto parsed = TwccFeedback::parse(feedback->feedback);
      if (!parsed) {
        ++seen_.refused;
        continue;
      }
      ++seen_.feedbacks;
      auto cursor = parsed->statuses();
      while (cursor.next()) ++seen_.statuses;
    }
    seen_.refused += static_cast<int>(reader.malformed());
  }

  Codec codec_;
  PayloadType video_;
  std::map<std::uint32_t, DependencyReader> readers_;
  Seen seen_;
};

using Resolutions = std::map<std::uint32_t, Resolution>;

TEST(Capture, UnderstandsVp8Simulcast) {
  const Seen seen = Observer(Codec::Vp8, PayloadType{96}).watch("vp8sim-sent.pcap");
  EXPECT_EQ(seen.refused, 0);
  EXPECT_EQ(seen.video, 1487);
  EXPECT_EQ(seen.two_byte, 4) << "key frames, with their long descriptors";
  EXPECT_EQ(seen.one_byte, 1483);
  EXPECT_EQ(seen.key_frames, 4);
  EXPECT_EQ(seen.frame_starts, seen.markers);
  EXPECT_EQ(seen.descriptors, seen.video);
  EXPECT_EQ(seen.start_mismatches, 0);
  EXPECT_EQ(seen.retransmitted, 122);
  EXPECT_EQ(seen.orientations, 4);
  EXPECT_EQ(seen.rids, (std::set<std::string>{"h", "l", "m"}));
  EXPECT_EQ(seen.repaired_rids, (std::set<std::string>{"l"}));
  EXPECT_EQ(seen.mids, (std::set<std::string>{"0", "1"}));
  EXPECT_EQ(
      seen.resolutions,
      (Resolutions{{0x090e5b8c, {640, 360}}, {0x20fc24f7, {320, 180}}, {0xb1fe4551, {1280, 720}}}));
}

TEST(Capture, UnderstandsAudioAndRtcp) {
  const Seen seen = Observer(Codec::Vp8, PayloadType{96}).watch("vp8sim-sent.pcap");
  EXPECT_EQ(seen.audio, 306);
  EXPECT_EQ(seen.audio_levels, 306);
  EXPECT_EQ(seen.sender_reports, 34);
  EXPECT_EQ(seen.receiver_reports, 8);
  EXPECT_EQ(seen.feedbacks, 96);
  EXPECT_EQ(seen.statuses, 924);
  EXPECT_EQ(seen.cnames.size(), 1U);
}

TEST(Capture, UnderstandsVp9WithSpatialLayers) {
  const Seen seen = Observer(Codec::Vp9, PayloadType{98}).watch("vp9svc-sent.pcap");
  EXPECT_EQ(seen.refused, 0);
  EXPECT_EQ(seen.video, 1553);
  EXPECT_EQ(seen.two_byte, 2);
  EXPECT_EQ(seen.key_frames, 2);
  EXPECT_EQ(seen.descriptors, seen.video);
  EXPECT_EQ(seen.start_mismatches, 0);
  EXPECT_EQ(seen.layer_mismatches, 0);
  EXPECT_EQ(seen.resolutions, (Resolutions{{0xa5249d58, {1280, 720}}}));
}

TEST(Capture, UnderstandsH264Simulcast) {
  const Seen seen = Observer(Codec::H264, PayloadType{102}).watch("h264sim-sent.pcap");
  EXPECT_EQ(seen.refused, 0);
  EXPECT_EQ(seen.video, 1585);
  EXPECT_EQ(seen.key_frames, 8) << "parameter sets and IDR picture of four key frames";
  EXPECT_EQ(seen.frame_starts, seen.markers + 4);
  EXPECT_EQ(seen.start_mismatches, 4);
  EXPECT_EQ(
      seen.resolutions,
      (Resolutions{{0x7ffb83de, {1280, 720}}, {0x959d9a16, {320, 180}}, {0xdc819189, {640, 360}}}));
}

TEST(Capture, UnderstandsAv1WithSpatialLayers) {
  const Seen seen = Observer(Codec::Av1, PayloadType{45}).watch("av1svc-sent.pcap");
  EXPECT_EQ(seen.refused, 0);
  EXPECT_EQ(seen.video, 1577);
  EXPECT_EQ(seen.two_byte, 2);
  EXPECT_EQ(seen.key_frames, 2);
  EXPECT_EQ(seen.start_mismatches, 0);
  EXPECT_EQ(seen.layer_mismatches, 0);
  EXPECT_EQ(seen.resolutions, (Resolutions{{0x5dded2ee, {1280, 720}}}));
}

TEST(Capture, SurvivesEveryPacketCutAnywhere) {
  const Codec codecs[] = {Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1};
  int count = 0;
  for (const auto& packet : read_test_pcap("h264sim-sent.pcap")) {
    if (++count > 150) break;
    for (std::size_t size = 0; size < packet.bytes.size(); size += size < 80 ? 1 : 37) {
      std::vector<std::uint8_t> cut(packet.bytes.begin(),
                                    packet.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      RtcpReader reader(cut);
      while (reader.next()) {
      }
      const auto parsed = Packet::parse(cut);
      if (!parsed) continue;
      for (const Codec codec : codecs) (void)describe(codec, parsed->payload());
    }
  }
}

}  // namespace
}  // namespace parley::rtp
