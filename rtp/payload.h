#pragma once

#include <cstdint>
#include <optional>

#include "rtp/picture_numbers.h"
#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// What one RTP payload says about its frame, whatever the codec: all that forwarding, layer choice
// and recording need to know. A fact that the payload does not tell has its default.
struct PayloadInfo {
  bool key_frame = false;  // the first packet that a decoder can start with; always for audio
  bool lacks_parameter_sets = false;  // a key frame's packet without an SPS (H264) or VPS (H265)
  bool frame_start = false;           // H264 and H265: may be true twice in a frame, see h264.h
  bool frame_end = false;             // VP9 and audio only; elsewhere the marker bit tells
  bool layer_sync = false;            // VP8 Y, VP9 U: a receiver may step up to temporal_id here
  bool has_layers = false;  // the two ids below were in the payload; Chromium's VP8 leaves them to
                            // the dependency descriptor when that is negotiated
  std::uint8_t temporal_id = 0;
  std::uint8_t spatial_id = 0;
  Resolution resolution{};  // 0x0 where not said
  PictureFields picture{};  // VP8 and VP9
};

// Nothing when the payload is empty or malformed: such a packet is dropped. RED is described by its
// primary block, taken for Opus.
[[nodiscard]] std::optional<PayloadInfo> describe(Codec codec, ConstBytes payload) noexcept;

}  // namespace parley::rtp
