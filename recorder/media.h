#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::recorder {

// A place on a recording's time line: time since start(). Every file of a recording uses the same.
using Offset = rtp::Duration;

// Why nothing came before a packet. None: there is no gap, or one that is normal (Opus sends little
// in pauses, a still screen sends nothing).
enum class GapReason : std::uint8_t { None, Muted, Loss, Overflow, ClockJump };

constexpr std::string_view to_string(GapReason reason) noexcept {
  switch (reason) {
    case GapReason::None:
      return "none";
    case GapReason::Muted:
      return "muted";
    case GapReason::Loss:
      return "loss";
    case GapReason::Overflow:
      return "overflow";
    case GapReason::ClockJump:
      return "clock_jump";
  }
  return "none";
}

// A frame of video or a packet of Opus, ready for a muxer.
struct MediaPacket {
  Offset time{};
  rtp::Duration duration{};  // zero: not known
  bool key_frame = false;
  GapReason gap_before = GapReason::None;
  std::vector<std::uint8_t> bytes;
};

// What a file's header must say about its video, read from a key frame.
struct VideoFormat {
  rtp::Codec codec = rtp::Codec::Vp8;
  rtp::Resolution resolution{};
  std::vector<std::uint8_t>
      headers;                    // H.264: SPS and PPS with start codes; AV1: sequence header OBU
  unsigned rotation_degrees = 0;  // clockwise, to show it upright: 0, 90, 180, 270
};

// The two streams that a file can have.
enum class Stream : std::uint8_t { Audio, Video };
constexpr std::size_t kStreams = 2;
constexpr std::size_t index(Stream stream) noexcept { return static_cast<std::size_t>(stream); }

// A stretch of a file without the media of one of its tracks.
struct Gap {
  std::int64_t start_ms = 0;  // on the recording's time line
  std::int64_t length_ms = 0;
  std::string reason;  // muted, loss, overflow, clock_jump
  friend bool operator==(const Gap&, const Gap&) = default;
};

constexpr std::int64_t to_ms(rtp::Duration d) noexcept { return d.count() / 1'000; }

}  // namespace parley::recorder
