#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/latency.h"
#include "bench/load/signalling.h"
#include "rtp/receive_stream.h"
#include "server/client/client.h"
#include "server/client/rtp_player.h"
#include "server/client/synthetic.h"
#include "server/dtls.h"

namespace parley::bench {

// What all receivers saw, since it was last taken.
struct Received {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t opened = 0;   // authenticated and decrypted
  std::uint64_t refused = 0;  // of those, did not authenticate
  LatencyHistogram latency;   // publisher's send call to the receiver's kernel stamp
};

// One endpoint on a UDP socket of its own, as a browser has one: real ICE, DTLS and SRTP. It never
// asks the kernel for UDP_GRO nor sends with UDP_SEGMENT, either of which would make the server
// look cheaper than it is. Of 16 received packets it opens one.
class Peer {
 public:
  static constexpr std::uint64_t kOpenEvery = 16;

  // `lines` is what it sends or wants; the offer says so.
  Peer(const server::DtlsContext& dtls, const std::string& fingerprint, std::size_t index,
       std::vector<Line> lines);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Joins the room through the server's front door.
  void join(std::uint16_t port, const std::string& secret, const std::string& room,
            const std::string& role);
  void start(rtp::Time now);
  // Nothing is published before: a played capture answers no request for a key frame, so whoever is
  // to see it must be there when it begins.
  void release_media() noexcept { released_ = true; }
  void publish_video(client::RtpPlayer player) { player_.emplace(std::move(player)); }
  void publish_audio(client::SyntheticAudio::Options options);

  // Everything that is there on the socket.
  void on_readable(rtp::Time now, Received& received);
  // Sends what is due and answers timers.
  void tick(rtp::Time now);
  [[nodiscard]] rtp::Time next_deadline() const;
  void drain_signalling() { signalling_->drain(); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool connected() const noexcept { return client_->connected(); }
  [[nodiscard]] bool publishes() const noexcept { return player_ || audio_; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  // Packets that never came, by the gaps in the numbers of what did, since the beginning.
  [[nodiscard]] std::int64_t lost() const;

 private:
  void on_rtp(rtp::Time now, rtp::Bytes datagram, Nanoseconds stamp, Received& received);
  void send_media(rtp::ConstBytes packet);
  void send_reports(rtp::Time now);
  void flush();

  const server::DtlsContext& dtls_;
  std::string fingerprint_;
  std::size_t index_;
  std::vector<Line> lines_;
  int fd_ = -1;
  std::unique_ptr<Signalling> signalling_;
  std::optional<client::Client> client_;
  std::optional<client::RtpPlayer> player_;
  client::TransportSequence transport_;
  std::optional<client::SyntheticAudio> audio_;
  std::unordered_map<std::uint32_t, rtp::ReceiveStream> streams_;
  bool released_ = false;
  bool media_started_ = false;
  rtp::Time next_report_{};
  std::uint64_t counted_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace parley::bench
