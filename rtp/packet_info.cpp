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
  info.temporal_id = payload->temporal_id;
  info.width = payload->resolution.width;
  info.height = payload->resolution.height;
  if (payload->vp8) info.vp8 = *payload->vp8;
  return info;
}

}  // namespace parley::rtp
