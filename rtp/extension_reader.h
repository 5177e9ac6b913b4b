#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "rtp/extensions.h"
#include "rtp/packet.h"
#include "rtp/types.h"

namespace parley::rtp {

struct ExtensionElement {
  std::uint8_t id = 0;
  ConstBytes data{};
};

// Walks the elements of one header extension in the order of the wire (RFC 8285). Which form they
// have is told by the profile of each packet: browsers mix both in one stream. Padding is skipped;
// an element that claims more bytes than there are ends the walk.
class ExtensionWalk {
 public:
  ExtensionWalk(std::uint16_t profile, ConstBytes data) noexcept;
  explicit ExtensionWalk(const Packet& packet) noexcept
      : ExtensionWalk(packet.extension_profile(), packet.extension_data()) {}

  [[nodiscard]] std::optional<ExtensionElement> next() noexcept;

 private:
  enum class Form : std::uint8_t { None, OneByte, TwoByte };
  ConstBytes rest_;
  Form form_;
};

// RFC 6464: 0 is the loudest, 127 is digital silence.
struct AudioLevel {
  std::uint8_t minus_dbov = 127;
  bool voice = false;  // the sender's own voice activity detection
  friend constexpr bool operator==(AudioLevel, AudioLevel) = default;
};

// 3GPP TS 26.114, section 7.4.5: turn the picture clockwise by this to show it upright.
struct VideoOrientation {
  std::uint16_t rotation_degrees = 0;  // 0, 90, 180, 270
  bool flipped = false;                // mirrored horizontally
  bool back_camera = false;
  friend constexpr bool operator==(VideoOrientation, VideoOrientation) = default;
};

// When the first sample of the frame was captured, by the capturing system's clock.
struct AbsCaptureTime {
  NtpTime captured{};
  std::optional<std::int64_t> clock_offset{};  // 32.32 seconds: sender's clock - capturer's clock
  friend constexpr bool operator==(const AbsCaptureTime&, const AbsCaptureTime&) = default;
};

// Seconds modulo 64 in 6.18 fixed point.
using AbsSendTime = Strong<struct AbsSendTimeTag, std::uint32_t>;

// The extensions of one packet by their meaning. Walks once, then answers at once. It points into
// the packet. An element of a wrong size counts as absent; of two with one id the first counts.
class ExtensionReader {
 public:
  ExtensionReader(const Packet& packet, const ExtensionMap& map) noexcept;

  [[nodiscard]] std::optional<ConstBytes> find(Extension extension) const noexcept;

  [[nodiscard]] std::optional<AudioLevel> audio_level() const noexcept;
  [[nodiscard]] std::optional<Mid> mid() const noexcept;
  [[nodiscard]] std::optional<Rid> rid() const noexcept;
  [[nodiscard]] std::optional<Rid> repaired_rid() const noexcept;
  [[nodiscard]] std::optional<Seq> transport_cc() const noexcept;
  [[nodiscard]] std::optional<AbsSendTime> abs_send_time() const noexcept;
  [[nodiscard]] std::optional<VideoOrientation> video_orientation() const noexcept;
  [[nodiscard]] std::optional<AbsCaptureTime> abs_capture_time() const noexcept;

 private:
  struct Place {
    std::uint32_t at = 0;
    std::uint8_t size = 0;
    bool present = false;
  };
  ConstBytes data_;
  std::array<Place, kExtensionCount> places_{};
};

}  // namespace parley::rtp
