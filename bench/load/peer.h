#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/latency.h"
#include "bench/load/target.h"
#include "rtp/receive_stream.h"
#include "server/client/arrivals.h"
#include "server/client/client.h"
#include "server/client/rtp_player.h"
#include "server/client/sdp.h"
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

  Peer(const server::DtlsContext& dtls, std::size_t index);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] static server::IceCredentials credentials(std::size_t index);
  // Joins through the server's front door, for which `entry` has the credentials above.
  void enter(std::unique_ptr<Entry> entry) { entry_ = std::move(entry); }
  // Goes on with it as far as the server has answered. True when it is in: then start().
  [[nodiscard]] bool advance();
  void wait() const { entry_->wait(); }
  void start(rtp::Time now);
  // Nothing is published before `at`: a played capture answers no request for a key frame, so
  // whoever is to see it must be there when it begins.
  void publish_from(rtp::Time at) noexcept { publish_from_ = at; }
  void publish_video(client::RtpPlayer player) { player_.emplace(std::move(player)); }
  void publish_audio(client::SyntheticAudio::Options options);

  // By transport-cc feedback every 100 ms, as a browser does, where the server asks for it.
  void tell_arrivals();

  // Everything that is there on the socket.
  void on_readable(rtp::Time now, Received& received);
  // Sends what is due and answers timers.
  void tick(rtp::Time now);
  [[nodiscard]] rtp::Time next_deadline() const;
  void drain_signalling() { entry_->drain(); }

  [[nodiscard]] Entry::Told told() const { return entry_->told(); }
  // How many it has received something of.
  [[nodiscard]] std::size_t streams() const noexcept { return streams_.size(); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool connected() const noexcept { return client_ && client_->connected(); }
  // When it was first seen to be.
  [[nodiscard]] std::optional<rtp::Time> connected_at() const noexcept { return connected_at_; }
  [[nodiscard]] std::optional<server::SrtpProfile> profile() const { return client_->profile(); }
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
  std::size_t index_;
  int fd_ = -1;
  std::unique_ptr<Entry> entry_;
  std::optional<rtp::Time> connected_at_;
  std::optional<client::Client> client_;
  std::optional<client::RtpPlayer> player_;
  client::TransportSequence transport_;
  std::optional<client::SyntheticAudio> audio_;
  std::unordered_map<std::uint32_t, rtp::ReceiveStream> streams_;
  std::optional<rtp::Time> publish_from_;
  bool media_started_ = false;
  rtp::Time next_report_{};
  std::unique_ptr<client::Arrivals> arrivals_;
  std::uint64_t counted_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace parley::bench
