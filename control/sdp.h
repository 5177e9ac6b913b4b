#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "rtp/types.h"
#include "server/api.h"

namespace parley::control::sdp {

// Reads a client's session description (RFC 8866, as browsers write it: RFC 8829) into plain
// structs. It checks form and limits only; what we make of it is negotiation's business. Candidates
// are counted and never used: we are ICE-lite and learn addresses from checks. Unknown lines and
// attributes are passed over, as RFC 8866 section 5 wants.

inline constexpr std::size_t kMaxBytes = 262'144;
inline constexpr std::size_t kMaxLines = 8'000;
inline constexpr std::size_t kMaxSections = 64;
inline constexpr std::size_t kMaxCandidates = 64;  // per m-line; more are not even counted
inline constexpr std::size_t kMaxFormats = 128;    // there are no more payload types
inline constexpr std::size_t kMaxRids = 8;
inline constexpr std::size_t kMaxSsrcs = 64;  // per m-line
inline constexpr std::size_t kMaxExtensions = 64;
inline constexpr std::size_t kMaxFingerprints = 8;
inline constexpr std::size_t kMaxFeedback = 32;  // per payload type

enum class Direction : std::uint8_t { SendRecv, SendOnly, RecvOnly, Inactive };
enum class Setup : std::uint8_t { ActPass, Active, Passive, HoldConn };

[[nodiscard]] constexpr bool sends(Direction direction) noexcept {
  return direction == Direction::SendRecv || direction == Direction::SendOnly;
}
[[nodiscard]] constexpr bool receives(Direction direction) noexcept {
  return direction == Direction::SendRecv || direction == Direction::RecvOnly;
}

// One payload type of an m-line with all that is said of it.
struct Codec {
  rtp::PayloadType pt;
  std::string name;  // as written: "VP8", "rtx"; empty without a=rtpmap
  std::uint32_t clock_rate_hz = 0;
  std::uint32_t channels = 1;
  std::string fmtp;                   // everything after the payload type
  std::vector<std::string> feedback;  // "nack pli", also those given for `*`
};

struct HeaderExtension {  // RFC 8285
  std::uint16_t id = 0;
  std::optional<Direction> direction;  // Firefox: "a=extmap:9/sendonly ..."
  std::string uri;
};

struct SsrcGroup {  // FID: media, then its retransmissions (RFC 5576, RFC 4588)
  rtp::Ssrc media;
  rtp::Ssrc rtx;
};

// One m-line. What stands at session level and is missing here has been filled in.
struct Section {
  std::size_t line = 0;                // where its m= stands
  std::string media;                   // "audio", "video", "application"
  std::optional<rtp::MediaKind> kind;  // none for anything but audio and video
  std::uint16_t port = 0;
  std::string protocol;
  std::vector<std::string> formats;  // as written, to be repeated when it is rejected
  std::vector<Codec> codecs;         // in the order of `formats`, RTP only

  rtp::Mid mid;
  Direction direction = Direction::SendRecv;
  bool bundle_only = false;
  bool rtcp_mux = false;
  bool rtcp_rsize = false;
  std::vector<HeaderExtension> extensions;
  std::vector<rtp::Rid> rids_send;       // RFC 8851
  std::vector<rtp::Rid> simulcast_send;  // RFC 8853, in the order given; of alternatives the first
  std::vector<rtp::Ssrc> ssrcs;
  std::vector<SsrcGroup> fid_groups;
  std::string msid;
  std::optional<std::uint16_t> sctp_port;         // RFC 8841
  std::optional<std::uint64_t> max_message_size;  // of data channels; 0: any

  std::string ice_ufrag;
  std::string ice_pwd;
  std::vector<server::Fingerprint> fingerprints;  // those with an algorithm we know
  std::optional<Setup> setup;
  std::size_t candidates = 0;
};

struct Offer {
  std::vector<Section> sections;
  std::vector<rtp::Mid> bundle;  // the first BUNDLE group (RFC 9143)
  bool extmap_allow_mixed = false;
};

// The error is one line for people: `sdp line 17: duplicate mid "0"`.
[[nodiscard]] tl::expected<Offer, std::string> parse(std::string_view text);

}  // namespace parley::control::sdp
