#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "config/config.h"
#include "rtp/clock_map.h"
#include "rtp/dependency_descriptor.h"
#include "rtp/encoding_activity.h"
#include "rtp/history.h"
#include "rtp/keyframe_gate.h"
#include "rtp/nack_tracker.h"
#include "rtp/receive_stream.h"
#include "rtp/types.h"
#include "server/api.h"

namespace parley::server {

// One received encoding of a track: a simulcast layer, or all there is. It holds what is known of
// its media stream and of the stream of its retransmissions.
struct Encoding {
  Encoding(rtp::MediaKind kind, const CodecParams& codec, rtp::Rid encoding_rid,
           std::size_t history_packets, const config::Media& media)
      : rid(encoding_rid),
        nack_negotiated(codec.nack),
        keeps(kind == rtp::MediaKind::Video || codec.nack),
        receive(codec.clock_rate_hz),
        rtx_receive(codec.clock_rate_hz),
        gate(rtp::Duration(std::chrono::milliseconds(media.key_frame_interval_ms))),
        history(history_packets),
        clock(codec.clock_rate_hz),
        clock_rate_hz(codec.clock_rate_hz),
        video(kind == rtp::MediaKind::Video) {}

  // The publisher began anew: another SSRC, or other numbers on the same. Reports of a new SSRC
  // start from nothing.
  void restart(bool new_ssrc) {
    if (new_ssrc) receive = rtp::ReceiveStream(clock_rate_hz);
    nack.reset();
    history.clear();
    clock.reset();
    highest.reset();
    last_timestamp.reset();
    holed = false;
    structure_at.reset();
    if (descriptors) *descriptors = {};
  }

  rtp::Rid rid;
  std::optional<rtp::Ssrc> ssrc;  // once latched
  std::optional<rtp::Ssrc> rtx_ssrc;
  bool nack_negotiated;
  bool keeps;  // its packets, in the history
  rtp::ReceiveStream receive;
  rtp::ReceiveStream rtx_receive;
  rtp::NackTracker nack;
  rtp::KeyFrameGate gate;
  rtp::History history;
  rtp::EncodingClock clock;
  rtp::EncodingActivity activity;
  // unique_ptr with reason: large, and most encodings have no descriptors.
  std::unique_ptr<rtp::DependencyReader> descriptors;
  std::optional<rtp::ExtSeq> structure_at;          // which packet brought the one in force
  std::optional<rtp::ExtSeq> highest;               // that was passed on
  std::optional<rtp::RtpTimestamp> last_timestamp;  // of the last packet that was new
  bool holed = false;  // so much is missing that only a key frame helps
  std::uint32_t clock_rate_hz;
  bool video;
};

}  // namespace parley::server
