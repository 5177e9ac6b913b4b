#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/json.h"
#include "rtp/types.h"
#include "server/address.h"
#include "server/api.h"

namespace parley::bench {

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

// A minimal offer as browsers write it: BUNDLE, rtcp-mux, Opus and VP8 with RTX.
[[nodiscard]] std::string make_offer(const std::vector<Line>& lines,
                                     const server::IceCredentials& local,
                                     const std::string& fingerprint);

// The server's side of the answer.
struct Remote {
  server::IceCredentials credentials;
  std::vector<server::Fingerprint> fingerprints;
  server::TransportAddress address;  // of its first candidate
};
[[nodiscard]] Remote read_answer(const std::string& sdp);

// A WebSocket of one participant. Requests wait for their answers; notifications are thrown away
// by drain(), which also answers pings. Errors throw: a benchmark cannot go on without its server.
class Signalling {
 public:
  explicit Signalling(std::uint16_t port);
  ~Signalling();
  Signalling(const Signalling&) = delete;
  Signalling& operator=(const Signalling&) = delete;

  // The result of a request.
  control::Json ask(const std::string& method, control::Json params);
  void drain();
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }

 private:
  void send(std::string_view bytes) const;
  bool read_more(bool wait);

  int fd_ = -1;
  std::int64_t last_id_ = 0;
  std::string input_;
  std::uint64_t bytes_received_ = 0;
};

// One request to the control API.
control::Json call_api(std::uint16_t port, const std::string& secret, const std::string& method,
                       control::Json params);
[[nodiscard]] std::string sign_token(const std::string& secret, control::Json claims);

}  // namespace parley::bench
