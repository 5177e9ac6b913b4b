#include "rtp/extensions.h"

#include <algorithm>

namespace parley::rtp {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, kExtensionCount> kUris{
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "urn:3gpp:video-orientation",
    "urn:ietf:params:rtp-hdrext:toffset",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
};
static_assert(!kUris.back().empty());

}  // namespace

std::string_view uri_of(Extension extension) noexcept {
  return kUris[static_cast<std::size_t>(extension)];
}

std::optional<Extension> extension_of(std::string_view uri) noexcept {
  const auto found = std::find(kUris.begin(), kUris.end(), uri);
  if (found == kUris.end()) return std::nullopt;
  return static_cast<Extension>(found - kUris.begin());
}

}  // namespace parley::rtp
