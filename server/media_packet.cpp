#include "server/media_packet.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "rtp/bytes.h"
#include "rtp/packet_builder.h"
#include "rtp/picture_numbers.h"
#include "rtp/sequence.h"

namespace parley::server {
namespace {

using rtp::Extension;

// Those that describe the media; the others describe the publisher's path to us or his own labels.
constexpr std::array kEndToEnd = {
    Extension::AudioLevel,  Extension::VideoOrientation, Extension::PlayoutDelay,
    Extension::ContentType, Extension::ColorSpace,       Extension::AbsCaptureTime,
};

constexpr std::size_t kOsnSize = 2;
constexpr std::size_t kMaxRedHeaders = 64;

void write_descriptor(const MediaPacket& media, const rtp::Rewrite& rewrite, const SlotHeader& slot,
                      rtp::ExtensionWriter& out) {
  const auto descriptor = media.extensions.find(Extension::DependencyDescriptor);
  if (!descriptor) return;
  rtp::DescriptorEdit edit;
  edit.frame_number = rewrite.frame_number;
  const rtp::PacketLayers& layers = media.info.layers;
  // Of a structure that is no longer in force we could not tell the targets.
  if (layers.mask_at != 0 && media.descriptors != nullptr &&
      media.descriptors->number() == layers.structure) {
    const rtp::DependencyStructure& structure = *media.descriptors->structure();
    edit.target_count = structure.decode_target_count;
    edit.mask_at = layers.mask_at;
    edit.active_targets =
        rtp::targets_within(structure, rewrite.limit) & media.descriptors->active_targets();
  }
  std::array<std::uint8_t, 255 + rtp::kDescriptorGrowth> edited{};
  const std::size_t size = rtp::rewrite_descriptor(*descriptor, edit, edited);
  if (size == 0) return;
  out.add(slot.extensions.id(Extension::DependencyDescriptor), rtp::ConstBytes(edited).first(size));
}

void write_extensions(const MediaPacket& media, const rtp::Rewrite& rewrite, const SlotHeader& slot,
                      rtp::ExtensionWriter& out) {
  out.add(slot.extensions.id(Extension::Mid), slot.mid.view());
  if (slot.transport) {
    out.add_transport_cc(slot.extensions.id(Extension::TransportCc), *slot.transport);
  }
  for (const Extension extension : kEndToEnd) {
    const std::uint8_t id = slot.extensions.id(extension);
    if (id == 0) continue;
    if (const auto data = media.extensions.find(extension)) out.add(id, *data);
  }
  if (slot.extensions.id(Extension::DependencyDescriptor) == 0 || !media.info.frame_number) return;
  if (!rewrite.empty) write_descriptor(media, rewrite, slot, out);
}

// `track` must live until they are written.
rtp::HeaderFields header_fields(const rtp::Rewrite& rewrite, const SlotHeader& slot, rtp::Seq seq,
                                const rtp::Ssrc& track) noexcept {
  return {.payload_type = slot.payload_type,
          .seq = seq,
          .timestamp = rewrite.timestamp,
          .ssrc = slot.ssrc,
          .marker = rewrite.marker,
          .csrcs = {&track, 1}};
}

std::size_t write(const MediaPacket& media, const rtp::Rewrite& rewrite, const SlotHeader& slot,
                  rtp::Seq seq, bool retransmission, rtp::Bytes out) noexcept {
  const rtp::Ssrc track{media.source.track};
  rtp::PacketBuilder builder(out, header_fields(rewrite, slot, seq, track));
  write_extensions(media, rewrite, slot, builder.extensions());
  if (retransmission) {
    std::array<std::uint8_t, kOsnSize> original{};
    rtp::store16(original, 0, rtp::to_wire(rewrite.seq).value);
    builder.payload(original);
  }
  if (!rewrite.empty) builder.payload(media.packet.payload());
  const std::size_t size = builder.finish();
  const bool pictures = media.info.codec == rtp::Codec::Vp8 || media.info.codec == rtp::Codec::Vp9;
  if (size > 0 && pictures && !rewrite.empty) {
    const std::size_t before = retransmission ? kOsnSize : 0;
    rtp::rewrite(media.info.picture, rewrite.picture, builder.written_payload().subspan(before));
  }
  return size;
}

}  // namespace

std::size_t write_forwarded(const MediaPacket& media, const rtp::Rewrite& rewrite,
                            const SlotHeader& slot, rtp::Bytes out) noexcept {
  return write(media, rewrite, slot, rtp::to_wire(rewrite.seq), false, out);
}

std::size_t write_redundant(const MediaPacket& media, const rtp::Rewrite& rewrite,
                            const SlotHeader& slot, std::span<const rtp::RedBlock> redundant,
                            rtp::PayloadType primary, rtp::Bytes out) noexcept {
  std::array<std::uint8_t, kMaxRedHeaders> headers;
  const std::size_t headers_size = rtp::write_red_headers(redundant, primary, headers);
  if (headers_size == 0) return 0;
  const rtp::Ssrc track{media.source.track};
  rtp::PacketBuilder builder(out, header_fields(rewrite, slot, rtp::to_wire(rewrite.seq), track));
  write_extensions(media, rewrite, slot, builder.extensions());
  builder.payload(rtp::ConstBytes(headers).first(headers_size));
  for (const rtp::RedBlock& block : redundant) builder.payload(block.data);
  builder.payload(media.packet.payload());
  return builder.finish();
}

std::size_t write_retransmission(const MediaPacket& media, const rtp::Rewrite& rewrite,
                                 const SlotHeader& slot, rtp::Seq seq, rtp::Bytes out) noexcept {
  return write(media, rewrite, slot, seq, true, out);
}

std::size_t write_probe(const SlotHeader& slot, rtp::Seq seq, rtp::RtpTimestamp timestamp,
                        rtp::Bytes out) noexcept {
  const rtp::HeaderFields fields{
      .payload_type = slot.payload_type, .seq = seq, .timestamp = timestamp, .ssrc = slot.ssrc};
  rtp::PacketBuilder builder(out, fields);
  builder.extensions().add(slot.extensions.id(Extension::Mid), slot.mid.view());
  if (slot.transport) {
    builder.extensions().add_transport_cc(slot.extensions.id(Extension::TransportCc),
                                          *slot.transport);
  }
  builder.padding(255);
  return builder.finish();
}

std::optional<std::size_t> unwrap_retransmission(rtp::Bytes datagram, rtp::Ssrc ssrc,
                                                 rtp::PayloadType type) noexcept {
  auto packet = rtp::Packet::parse(datagram);
  if (!packet || packet->payload().size() <= kOsnSize) return std::nullopt;
  packet->set_seq(rtp::Seq{rtp::load16(packet->payload(), 0)});
  packet->set_ssrc(ssrc);
  packet->set_payload_type(type);
  const std::size_t at = packet->header_size();
  std::memmove(&datagram[at], &datagram[at + kOsnSize], datagram.size() - at - kOsnSize);
  return datagram.size() - kOsnSize;
}

}  // namespace parley::server
