// One RTP packet: every question is asked, and what PacketBuilder makes of the answers must read
// back the same.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/classify.h"
#include "rtp/extension_reader.h"
#include "rtp/packet.h"
#include "rtp/packet_builder.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void rebuild(const Packet& packet) {
  std::array<Ssrc, Packet::kMaxCsrcs> csrcs{};
  for (std::size_t i = 0; i < packet.csrc_count(); ++i) csrcs[i] = packet.csrc(i);
  const HeaderFields fields{packet.payload_type(), packet.seq(),
                            packet.timestamp(),    packet.ssrc(),
                            packet.marker(),       std::span(csrcs).first(packet.csrc_count())};
  // The two-byte form may need twice the room of the one-byte form.
  std::vector<std::uint8_t> out(2 * packet.bytes().size() + 16);
  PacketBuilder builder(out, fields);
  std::size_t elements = 0;
  for (ExtensionWalk walk(packet); const auto element = walk.next(); ++elements) {
    require(builder.extensions().add(element->id, element->data));
  }
  builder.payload(packet.payload());
  builder.padding(static_cast<std::uint8_t>(packet.padding_size()));
  const auto copy = Packet::parse(Bytes(out).first(builder.finish()));
  require(copy.has_value());
  require(copy->ssrc() == packet.ssrc() && copy->seq() == packet.seq());
  require(copy->marker() == packet.marker() && copy->csrc_count() == packet.csrc_count());
  require(copy->payload().size() == packet.payload().size());
  require(copy->padding_size() == packet.padding_size());
  for (ExtensionWalk walk(*copy); walk.next(); --elements) {
  }
  require(elements == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  (void)classify(bytes);
  auto packet = Packet::parse(bytes);
  if (!packet) return 0;
  require(packet->header_size() + packet->payload().size() + packet->padding_size() == size);
  ExtensionMap map;
  for (std::size_t i = 0; i < kExtensionCount; ++i) {
    map.set(static_cast<Extension>(i), static_cast<std::uint8_t>(i + 1));
  }
  const ExtensionReader reader(*packet, map);
  (void)reader.audio_level();
  (void)reader.mid();
  (void)reader.rid();
  (void)reader.repaired_rid();
  (void)reader.transport_cc();
  (void)reader.abs_send_time();
  (void)reader.video_orientation();
  (void)reader.abs_capture_time();
  rebuild(*packet);
  packet->set_ssrc(Ssrc{1});
  packet->set_seq(Seq{2});
  packet->set_timestamp(RtpTimestamp{3});
  packet->set_payload_type(PayloadType{4});
  packet->set_marker(true);
  require(Packet::parse(bytes).has_value());
  return 0;
}
