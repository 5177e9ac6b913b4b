#include "rtp/packet_info.h"

#include <chrono>

#include "rtp/bytes.h"
#include "rtp/payload.h"

namespace parley::rtp {
namespace {

using std::chrono::seconds;

// A capture time that lies far from the arrival comes from reports that are wrong; arrival is the
// better guess then.
[[nodiscard]] std::optional<Time> plausible(std::optional<Time> capture, Time arrival) noexcept {
  if (!capture || *capture > arrival + seconds(1) || *capture < arrival - seconds(10)) {
    return std::nullopt;
  }
  return capture;
}

// Only where all packets tell it: AV1 has the ids in the first packet of a frame alone.
[[nodiscard]] PacketLayers layers_of(Codec codec, const PayloadInfo& payload) noexcept {
  PacketLayers layers;
  if ((codec != Codec::Vp8 && codec != Codec::Vp9) || !payload.has_layers) return layers;
  layers.known = true;
  layers.spatial = payload.spatial_id;
  layers.temporal = payload.temporal_id;
  layers.opens = payload.temporal_id;
  if (codec == Codec::Vp8) {
    layers.enterable = payload.layer_sync && payload.frame_start;
    return layers;
  }
  layers.frame_end = payload.frame_end;
  if (payload.layer_sync) layers.opens = LayerLimit::kAll;
  return layers;
}

}  // namespace

PacketInfo make_packet_info(const Packet& packet, ExtSeq seq, Codec codec,
                            const ExtensionReader& extensions, Time arrival,
                            std::optional<Time> capture) noexcept {
  PacketInfo info;
  info.seq = seq;
  info.timestamp = packet.timestamp();
  info.arrival = arrival;
  info.capture = plausible(capture, arrival);
  info.codec = codec;
  info.marker = packet.marker();
  info.payload_at = static_cast<std::uint16_t>(packet.header_size());
  info.payload_size = static_cast<std::uint16_t>(packet.payload().size());
  info.padding_only = info.payload_size == 0;

  // Fixed part of the descriptor: two flags, template id, then the frame number in 16 bits.
  if (const auto element = extensions.find(Extension::DependencyDescriptor);
      element && element->size() >= 3) {
    info.frame_number = load16(*element, 1);
  }
  if (const auto level = extensions.audio_level()) info.audio_level = level->minus_dbov;

  if (info.padding_only) return info;
  const auto payload = describe(codec, packet.payload());
  if (!payload) return info;
  // An H.264 picture without parameter sets starts no decoder that has never seen them, and after a
  // switch of source the ones it has seen are another's.
  info.key_frame = payload->key_frame && !payload->lacks_parameter_sets;
  info.frame_start = payload->frame_start;
  info.layers = layers_of(codec, *payload);
  info.width = payload->resolution.width;
  info.height = payload->resolution.height;
  info.picture = payload->picture;
  return info;
}

}  // namespace parley::rtp
