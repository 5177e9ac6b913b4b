#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "rtp/dependency_descriptor.h"
#include "rtp/extension_reader.h"
#include "rtp/extensions.h"
#include "rtp/forwarder.h"
#include "rtp/packet.h"
#include "rtp/packet_info.h"
#include "rtp/packet_pool.h"
#include "rtp/red.h"
#include "rtp/types.h"
#include "server/api.h"

namespace parley::server {

// One received packet on its way from its track to the subscribers: everything that is found out
// once for all of them. Views only; it lives for one call.
struct MediaPacket {
  const rtp::Packet& packet;
  const rtp::PacketInfo& info;
  const rtp::ExtensionReader& extensions;
  const CodecParams& codec;  // the publisher's
  rtp::Source source;
  // Who reads the dependency descriptors of its encoding, if it has any.
  const rtp::DependencyReader* descriptors = nullptr;
};

// A packet that came and waits to be handed out to the subscribers of its track. The track's
// history has the bytes, if it took them.
struct WaitingPacket {
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  rtp::Packet packet;
  rtp::ExtensionReader extensions;
  rtp::PacketInfo info;
  const CodecParams* codec = nullptr;
  rtp::Source source;
  const rtp::DependencyReader* descriptors = nullptr;
  // Who waited for this one gets what was kept behind it, up to here, again.
  std::optional<rtp::ExtSeq> replay_to;
  rtp::Buffer held;            // what the history did not take, or gave up for it
  std::uint32_t next = kNone;  // of the same track

  [[nodiscard]] MediaPacket media() const {
    return {packet, info, extensions, *codec, source, descriptors};
  }
};

// Where a forwarded packet goes, in the words of its receiver.
struct SlotHeader {
  rtp::Ssrc ssrc;
  rtp::PayloadType payload_type;
  rtp::Mid mid;
  const rtp::ExtensionMap& extensions;
  std::optional<rtp::Seq> transport{};  // transport-wide number, if the receiver tells of them
};

// Writes the packet as the receiver of a slot gets it and returns its size, 0 if it does not fit:
// the slot's own header (RFC 3550, section 5.1) with the track number as CSRC, the header
// extensions that make sense end to end under the receiver's ids, and the payload with its running
// numbers rewritten. The dependency descriptor tells the slot's own frame number, and as active the
// decode targets that the slot gets.
[[nodiscard]] std::size_t write_forwarded(const MediaPacket& media, const rtp::Rewrite& rewrite,
                                          const SlotHeader& slot, rtp::Bytes out) noexcept;

// The packet with the `redundant` blocks in front of the payload (RFC 2198): `slot` has the payload
// type of RED, `primary` is that of the payload itself.
[[nodiscard]] std::size_t write_redundant(const MediaPacket& media, const rtp::Rewrite& rewrite,
                                          const SlotHeader& slot,
                                          std::span<const rtp::RedBlock> redundant,
                                          rtp::PayloadType primary, rtp::Bytes out) noexcept;

// The packet as a retransmission (RFC 4588): `slot` names the RTX stream, `seq` is its own number,
// and the number that was sent the first time stands before the payload.
[[nodiscard]] std::size_t write_retransmission(const MediaPacket& media,
                                               const rtp::Rewrite& rewrite, const SlotHeader& slot,
                                               rtp::Seq seq, rtp::Bytes out) noexcept;

// A packet of the RTX stream without anything inside, to see whether more would pass: libwebrtc
// sends the same.
[[nodiscard]] std::size_t write_probe(const SlotHeader& slot, rtp::Seq seq,
                                      rtp::RtpTimestamp timestamp, rtp::Bytes out) noexcept;

// Undoes a retransmission in place: the original packet, at the same place, 2 bytes shorter. Its
// payload type and SSRC become those given. The new size; nothing when there is no original inside
// (a probe of padding).
[[nodiscard]] std::optional<std::size_t> unwrap_retransmission(rtp::Bytes datagram, rtp::Ssrc ssrc,
                                                               rtp::PayloadType type) noexcept;

}  // namespace parley::server
