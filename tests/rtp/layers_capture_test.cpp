#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/dependency_descriptor.h"
#include "rtp/extension_reader.h"
#include "rtp/forwarder.h"
#include "rtp/packet.h"
#include "rtp/packet_info.h"
#include "rtp/packet_layers.h"
#include "rtp/sequence.h"
#include "tests/rtp/pcap.h"

// The layers of real Chromium's SVC: for each decode target that it announces, a slot with that
// limit gets all that the target needs, and whole pictures with one marker each.
namespace parley::rtp {
namespace {

struct Frame {
  PacketInfo info;
  std::optional<DependencyDescriptor> descriptor;
};

struct Played {
  std::vector<Frame> packets;
  DependencyStructure structure;
};

Played play(const std::string& file, std::uint8_t pt, Codec codec) {
  Played played;
  ExtensionMap map;
  map.set(Extension::DependencyDescriptor, 12);
  DependencyReader reader;
  DependencyReader again;
  SeqUnwrapper unwrapper;
  for (CapturedPacket& captured : read_test_pcap(file)) {
    const auto packet = Packet::parse(captured.bytes);
    if (!packet || packet->payload_type() != PayloadType{pt}) continue;
    const ExtensionReader extensions(*packet, map);
    const auto element = extensions.find(Extension::DependencyDescriptor);
    Frame frame;
    frame.info = make_packet_info(*packet, unwrapper.unwrap(packet->seq()), codec, extensions,
                                  captured.at, {});
    const PacketLayers of_payload = frame.info.layers;
    frame.info.layers = read_layers(reader, *element);
    if (of_payload.known) {
      EXPECT_EQ(of_payload.spatial, frame.info.layers.spatial);
      EXPECT_EQ(of_payload.temporal, frame.info.layers.temporal);
      EXPECT_EQ(of_payload.frame_end, frame.info.layers.frame_end);
    }
    frame.descriptor = again.read(*element);
    played.packets.push_back(frame);
  }
  played.structure = *reader.structure();
  return played;
}

void expect_all_targets(const Played& played) {
  ASSERT_EQ(played.structure.decode_target_count, 9);
  constexpr Source kSource{1, 0};
  for (std::size_t target = 0; target < played.structure.decode_target_count; ++target) {
    SCOPED_TRACE(target);
    const DependencyStructure::Layer highest = played.structure.targets[target];
    Forwarder forwarder(MediaKind::Video, 90'000, Seq{1}, RtpTimestamp{1});
    forwarder.set_target(kSource, {highest.spatial_id, highest.temporal_id});
    std::map<std::uint32_t, int> markers;
    std::set<std::uint32_t> pictures;
    std::int64_t next = 1;
    std::size_t dropped = 0;
    for (const Frame& frame : played.packets) {
      const auto rewrite = forwarder.on_packet(frame.info, kSource);
      if (!rewrite) {
        EXPECT_EQ(frame.descriptor->decode_target(target), DecodeTarget::NotPresent);
        ++dropped;
        continue;
      }
      EXPECT_EQ(rewrite->seq.value, next++);
      pictures.insert(rewrite->timestamp.value);
      markers[rewrite->timestamp.value] += rewrite->marker ? 1 : 0;
    }
    EXPECT_EQ(dropped == 0, highest.spatial_id == 2 && highest.temporal_id == 2);
    EXPECT_GT(pictures.size(), 40U);
    pictures.erase(std::prev(pictures.end()));  // the capture ends within it
    for (const std::uint32_t picture : pictures) EXPECT_EQ(markers[picture], 1);
  }
}

TEST(LayersOnCapture, Vp9KeepsWhatEachTargetNeeds) {
  expect_all_targets(play("vp9svc-sent.pcap", 98, Codec::Vp9));
}

TEST(LayersOnCapture, Av1KeepsWhatEachTargetNeeds) {
  expect_all_targets(play("av1svc-sent.pcap", 45, Codec::Av1));
}

}  // namespace
}  // namespace parley::rtp
