#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "rtp/dependency_descriptor.h"
#include "rtp/nack_tracker.h"
#include "rtp/packet.h"
#include "rtp/receive_stream.h"
#include "rtp/rtcp.h"
#include "rtp/sequence.h"
#include "rtp/types.h"
#include "server/client/synthetic.h"
#include "tests/rtp/svc_source.h"
#include "tests/sim/picture_decoder.h"

namespace parley::sim {

// What a browser would see of one slot: it notes everything that must never happen in it, whatever
// the server does behind (numbers that jump, time that runs back, pictures out of order).
class Receiver {
 public:
  Receiver(rtp::MediaKind slot_kind, rtp::Mid slot_mid, rtp::Ssrc media, rtp::Ssrc rtx)
      : kind(slot_kind),
        mid(slot_mid),
        ssrc(media),
        rtx_ssrc(rtx),
        stats(slot_kind == rtp::MediaKind::Audio ? 48'000 : 90'000) {}

  static constexpr rtp::PayloadType kRed{63};

  void on_packet(rtp::Time now, const rtp::Packet& packet, bool retransmission);

  void on_descriptor(rtp::ConstBytes element);

  struct Frame {
    rtp::Time at;
    std::uint32_t track = 0;  // CSRC
    rtp::RtpTimestamp timestamp;
    client::SyntheticFrame frame;
    rtp::Codec codec = rtp::Codec::Vp8;
  };

  const rtp::MediaKind kind;
  const rtp::Mid mid;
  const rtp::Ssrc ssrc;
  const rtp::Ssrc rtx_ssrc;

  rtp::ReceiveStream stats;
  rtp::NackTracker nack;
  std::uint64_t packets = 0;
  std::uint64_t recovered = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t key_frames = 0;
  std::uint64_t sender_reports = 0;
  std::optional<rtp::Time> last_packet;
  std::uint32_t last_track = 0;
  std::vector<Frame> frames;
  // Audio: what there is to be played, by (stream, frame), from packets and from the redundancy
  // within others.
  std::map<std::pair<std::uint32_t, std::uint32_t>, rtp::RtpTimestamp> sounds;
  std::uint64_t red_packets = 0;
  std::uint64_t red_blocks = 0;  // redundant ones
  std::uint64_t red_faults = 0;  // cannot be read, of another stream, or at another time
  std::map<std::uint32_t, std::uint64_t> packets_of_track;
  PictureDecoder pictures;  // of VP8
  // Of a publisher with layers inside his encoding.
  struct LayerPacket {
    rtp::Time at;
    rtp::SvcStamp stamp;
    bool marker = false;
  };
  std::vector<LayerPacket> layer_packets;
  rtp::SvcDecoder decoder;
  rtp::DependencyReader descriptors;
  std::uint64_t unread_descriptors = 0;

  // Sequence numbers never received between the first and the last.
  [[nodiscard]] std::size_t missing() const;
  [[nodiscard]] std::size_t expected() const;
  // The longest time between two frames since `since`.
  [[nodiscard]] rtp::Duration longest_pause(rtp::Time since) const;
  // Frames in the order of their timestamps: time that stood still or ran back, or picture ids that
  // were not the next.
  [[nodiscard]] std::size_t timestamp_faults() const;
  [[nodiscard]] std::size_t picture_id_faults() const;

 private:
  void on_sound(const rtp::Packet& packet, rtp::ConstBytes payload);
  void note_frame(const Frame& frame);

  rtp::SeqUnwrapper unwrapper_;
  rtp::TimestampUnwrapper times_;
  std::set<std::int64_t> seen_;
  std::map<std::int64_t, rtp::ExtTimestamp> time_of_;  // by sequence number
  std::map<std::int64_t, std::uint16_t> picture_of_;   // by timestamp
};

}  // namespace parley::sim
