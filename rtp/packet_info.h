#pragma once

#include <cstdint>
#include <optional>

#include "rtp/extension_reader.h"
#include "rtp/packet.h"
#include "rtp/packet_layers.h"
#include "rtp/picture_numbers.h"
#include "rtp/types.h"

namespace parley::rtp {

// What a Track finds out once about a received packet, for all its subscribers: every Forwarder
// decides from this alone and never looks into the bytes. Plain values, safe to store beside the
// Buffer (History does).
struct PacketInfo {
  ExtSeq seq;              // unwrapped per encoding
  RtpTimestamp timestamp;  // the publisher's
  Time arrival{};
  std::optional<Time> capture;  // on the server's time line, once a sender report has come
  Codec codec = Codec::Opus;
  bool marker = false;
  bool key_frame = false;     // a decoder can start with this very packet; always for audio
  bool frame_start = false;   // H.264: may be true twice in a frame
  bool padding_only = false;  // no payload: nothing to forward
  std::uint16_t width = 0;    // from a key frame that says it (VP8, H.264 SPS, ...), else 0
  std::uint16_t height = 0;
  std::uint16_t payload_at = 0;               // within the packet
  std::uint16_t payload_size = 0;             // without padding
  PacketLayers layers;                        // as the payload says; a descriptor knows better
  PictureFields picture;                      // VP8 and VP9: rewrite(info.picture, numbers, ...)
  std::optional<std::uint16_t> frame_number;  // dependency descriptor
  std::optional<std::uint8_t> audio_level;    // RFC 6464: 0 (loudest) .. 127, -dBov
};

// Pure: reads the packet's header, its extensions (already walked, once for everybody) and the
// start of its payload. A payload that is broken or of no known form gives neither key_frame nor
// frame_start, so that nobody starts on it. Call it after RTX was unwrapped, so that History and
// retransmissions see original packets. `capture` comes from the encoding's clock
// (rtp/clock_map.h).
[[nodiscard]] PacketInfo make_packet_info(const Packet& packet, ExtSeq seq, Codec codec,
                                          const ExtensionReader& extensions, Time arrival,
                                          std::optional<Time> capture) noexcept;

}  // namespace parley::rtp
