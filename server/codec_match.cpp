#include "server/api.h"

namespace parley::server {

const CodecParams* match_codec(const CodecParams& wanted,
                               std::span<const CodecParams> offered) noexcept {
  const CodecParams* near = nullptr;
  for (const CodecParams& candidate : offered) {
    if (candidate.codec != wanted.codec) continue;
    if (wanted.codec == rtp::Codec::Vp9 && candidate.vp9_profile != wanted.vp9_profile) continue;
    if (wanted.codec == rtp::Codec::H264) {
      if (candidate.packetization_mode != wanted.packetization_mode) continue;
      // The level and the constraint flags differ without harm; the profile itself should not.
      if (candidate.h264_profile >> 16 != wanted.h264_profile >> 16) {
        if (near == nullptr) near = &candidate;
        continue;
      }
    }
    return &candidate;
  }
  return near;
}

}  // namespace parley::server
