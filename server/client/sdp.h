#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rtp/types.h"
#include "server/address.h"
#include "server/api.h"

// A client's side of SDP, for whoever is none of the browsers: load generator, probe and tests.
namespace parley::client {

// What a client sends or wants, one m-line each.
struct Line {
  std::string mid;
  rtp::MediaKind kind = rtp::MediaKind::Video;
  rtp::Ssrc ssrc{};  // 0: it receives on this line
  rtp::Ssrc rtx_ssrc{};
};

inline constexpr rtp::PayloadType kOpusType{111};
inline constexpr rtp::PayloadType kVp8Type{96};
inline constexpr rtp::PayloadType kVp8RtxType{97};
// As browsers number them in the captures that are played.
inline constexpr std::uint8_t kAudioLevelId = 1;
inline constexpr std::uint8_t kTransportCcId = 3;
inline constexpr std::uint8_t kMidId = 4;

// A minimal offer as browsers write it: BUNDLE, rtcp-mux, Opus and VP8 with RTX. A server that
// would rather be the DTLS client must be told `setup` "active".
[[nodiscard]] std::string make_offer(const std::vector<Line>& lines,
                                     const server::IceCredentials& local,
                                     const std::string& fingerprint,
                                     const std::string& setup = "actpass");

// The server's side of its offer or answer.
struct Remote {
  server::IceCredentials credentials;
  std::vector<server::Fingerprint> fingerprints;
  server::TransportAddress address;  // of its first candidate
};
[[nodiscard]] Remote read_remote(const std::string& sdp);

// The answer of an endpoint that only receives to an offer of the server's: every m-line recvonly.
[[nodiscard]] std::string make_receiving_answer(const std::string& offer,
                                                const server::IceCredentials& local,
                                                const std::string& fingerprint);

}  // namespace parley::client
