#include "rtp/opus.h"

#include <array>

namespace parley::rtp {
namespace {

constexpr std::uint32_t kMaxSamples = 5'760;  // 120 ms

// RFC 6716, table 2: samples of a frame at 48 kHz by the configuration number.
constexpr std::uint16_t frame_samples_of(unsigned config) noexcept {
  constexpr std::array<std::uint16_t, 4> kSilk{480, 960, 1920, 2880};
  constexpr std::array<std::uint16_t, 2> kHybrid{480, 960};
  constexpr std::array<std::uint16_t, 4> kCelt{120, 240, 480, 960};
  if (config < 12) return kSilk[config % 4];
  if (config < 16) return kHybrid[config % 2];
  return kCelt[config % 4];
}

}  // namespace

//  0 1 2 3 4 5 6 7
// +-+-+-+-+-+-+-+-+
// | config  |s| c |   c: 0 one frame, 1 and 2 two, 3 as many as the next byte says
// +-+-+-+-+-+-+-+-+
// |v|p|     M     |   only if c = 3
std::optional<OpusPacket> OpusPacket::parse(ConstBytes payload) noexcept {
  if (payload.empty()) return std::nullopt;
  const std::uint8_t toc = payload[0];
  OpusPacket packet;
  packet.channels = (toc & 0x04) != 0 ? 2 : 1;
  packet.frame_samples = frame_samples_of(toc >> 3);
  const unsigned code = toc & 0x03U;
  if (code == 3) {
    if (payload.size() < 2) return std::nullopt;
    packet.frame_count = payload[1] & 0x3f;
    if (packet.frame_count == 0) return std::nullopt;
  } else {
    packet.frame_count = code == 0 ? 1 : 2;
  }
  if (packet.samples() > kMaxSamples) return std::nullopt;
  packet.dtx = payload.size() <= 2;
  return packet;
}

}  // namespace parley::rtp
