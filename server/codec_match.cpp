#include "server/api.h"

namespace parley::server {
namespace {

std::uint32_t profile_of(const CodecParams& codec) noexcept { return codec.h264_profile >> 16; }

// Whether a decoder of H.264's profile `decoder` decodes `stream` (ITU-T H.264, annex A.2): High
// contains Main, and Main contains what browsers call Baseline, which has nothing that Constrained
// Baseline has not. The level and the constraint flags differ without harm.
bool contains(std::uint32_t decoder, std::uint32_t stream) noexcept {
  constexpr std::uint32_t kBaseline = 0x42;
  constexpr std::uint32_t kMain = 0x4d;
  constexpr std::uint32_t kHigh = 0x64;
  if (decoder == stream) return true;
  if (decoder == kHigh) return stream == kMain || stream == kBaseline;
  return decoder == kMain && stream == kBaseline;
}

}  // namespace

const CodecParams* match_codec(const CodecParams& wanted,
                               std::span<const CodecParams> offered) noexcept {
  const CodecParams* larger = nullptr;  // of H.264: a profile that contains the one that is wanted
  for (const CodecParams& candidate : offered) {
    if (candidate.codec != wanted.codec) continue;
    if (wanted.codec == rtp::Codec::Vp9 && candidate.vp9_profile != wanted.vp9_profile) continue;
    if (wanted.codec == rtp::Codec::H264) {
      if (candidate.packetization_mode != wanted.packetization_mode) continue;
      if (!contains(profile_of(candidate), profile_of(wanted))) continue;
      if (profile_of(candidate) != profile_of(wanted)) {
        if (larger == nullptr) larger = &candidate;
        continue;
      }
    }
    return &candidate;
  }
  return larger;
}

}  // namespace parley::server
