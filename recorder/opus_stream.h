#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "rtp/types.h"

namespace parley::recorder {

// What a file needs to say about Opus, and silence to put where the microphone was mute: players
// keep sound and picture together only if the sound goes on.

constexpr std::uint32_t kOpusRate = 48'000;
constexpr std::size_t kOpusHeadSize = 19;
// RTP always announces two channels; each packet says itself whether it uses them (RFC 7587).
constexpr std::uint8_t kOpusChannels = 2;

// The identification header (RFC 7845, section 5.1). Nothing to skip: we begin in mid-stream.
[[nodiscard]] std::array<std::uint8_t, kOpusHeadSize> opus_head() noexcept;

constexpr rtp::Duration kOpusFrame = std::chrono::milliseconds{20};
constexpr unsigned kMaxSilentFrames = 6;  // 120 ms, the most that one packet holds
// A packet of 1 to 6 frames of silence, 20 ms each.
[[nodiscard]] std::vector<std::uint8_t> opus_silence(unsigned frames);

// How long a packet plays; nothing if it is no Opus.
[[nodiscard]] rtp::Duration opus_duration(rtp::ConstBytes packet) noexcept;

}  // namespace parley::recorder
