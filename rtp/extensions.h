#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rtp/types.h"

namespace parley::rtp {

// The header extensions parley knows by meaning. Anything else is never negotiated. The bytes of a
// packet are read by ExtensionReader and written by ExtensionWriter; this page is only the names.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // GCC warns of Mid and Rid, though the enum is scoped
enum class Extension : std::uint8_t {
  AudioLevel,            // RFC 6464
  AbsSendTime,           // webrtc.org experiment
  TransportCc,           // draft-holmer-rmcat-transport-wide-cc-extensions-01
  Mid,                   // RFC 9143
  Rid,                   // RFC 8852
  RepairedRid,           // RFC 8852
  VideoOrientation,      // 3GPP TS 26.114
  TimeOffset,            // RFC 5450
  PlayoutDelay,          // webrtc.org experiment
  ContentType,           // webrtc.org experiment
  VideoTiming,           // webrtc.org experiment
  ColorSpace,            // webrtc.org experiment
  DependencyDescriptor,  // AV1 RTP specification, appendix A
  LayersAllocation,      // webrtc.org experiment
  AbsCaptureTime,        // webrtc.org experiment
};
#pragma GCC diagnostic pop
inline constexpr std::size_t kExtensionCount = 15;

[[nodiscard]] std::string_view uri_of(Extension extension) noexcept;
[[nodiscard]] std::optional<Extension> extension_of(std::string_view uri) noexcept;

// Which id one peer's offer gave each extension (RFC 8285: 1..14 fit the one-byte form, up to 255
// the two-byte form; 0 means "not negotiated").
class ExtensionMap {
 public:
  constexpr void set(Extension extension, std::uint8_t id) noexcept {
    ids_[static_cast<std::size_t>(extension)] = id;
  }
  [[nodiscard]] constexpr std::uint8_t id(Extension extension) const noexcept {
    return ids_[static_cast<std::size_t>(extension)];
  }
  [[nodiscard]] constexpr std::optional<Extension> find(std::uint8_t id) const noexcept {
    for (std::size_t i = 0; id != 0 && i < ids_.size(); ++i) {
      if (ids_[i] == id) return static_cast<Extension>(i);
    }
    return std::nullopt;
  }
  friend constexpr bool operator==(const ExtensionMap&, const ExtensionMap&) = default;

 private:
  std::array<std::uint8_t, kExtensionCount> ids_{};
};

}  // namespace parley::rtp
