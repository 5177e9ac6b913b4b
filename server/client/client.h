#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rtp/types.h"
#include "server/address.h"
#include "server/client/ice_client.h"
#include "server/dtls.h"
#include "server/random.h"
#include "server/srtp.h"

// The other end: what a browser does on the wire, as one value without a socket or a clock. The
// simulator, the benchmarks and the probe stand on it.
namespace parley::client {

struct ClientParams {
  server::IceCredentials local;
  server::IceCredentials remote;                  // from the server's answer
  std::vector<server::Fingerprint> fingerprints;  // of the server's certificate
  server::TransportAddress server;                // its candidate
  IceClient::Nomination nomination = IceClient::Nomination::AfterAnswer;
};

// Controlling ICE, DTLS in the client role, SRTP both ways. Feed it datagrams and time; after each
// call drain poll_transmit(). RTP and RTCP go in and come out plain.
class Client {
 public:
  static constexpr std::size_t kMaxDatagram = 1'500;
  static constexpr std::size_t kMaxQueued = 1'024;  // datagrams waiting for poll_transmit()

  enum class State : std::uint8_t { Checking, Handshaking, Connected, Failed, Closed };
  struct Received {
    enum class Kind : std::uint8_t { None, Rtp, Rtcp } kind = Kind::None;
    rtp::ConstBytes packet;  // plain; valid until the next call
  };
  struct Counters {
    std::uint64_t rtp_received = 0;
    std::uint64_t rtcp_received = 0;
    std::uint64_t rtp_sent = 0;
    std::uint64_t rtcp_sent = 0;
    std::uint64_t open_failures = 0;    // SRTP that did not authenticate, or was a replay
    std::uint64_t queue_overflows = 0;  // datagrams dropped because nobody polled
    std::uint64_t unknown = 0;          // datagrams of no kind we know
  };

  // The context must outlive the client.
  Client(const server::DtlsContext& context, ClientParams params, server::RandomSource random);

  void start(rtp::Time now);
  // A datagram from the server's address. What it carried, opened, if it was media.
  Received on_datagram(rtp::Time now, rtp::ConstBytes datagram);
  void tick(rtp::Time now);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept;
  // The next datagram for the server, valid until the next call on the client.
  [[nodiscard]] std::optional<rtp::ConstBytes> poll_transmit();

  // One plain packet. False before Connected, when it is none, or when the queue is full.
  bool send_rtp(rtp::ConstBytes packet);
  bool send_rtcp(rtp::ConstBytes packet);
  // Data of an application, where the server takes it: packets of SCTP, at most Dtls::kMaxData
  // long.
  void expect_data() noexcept { dtls_->expect_data(); }
  bool send_data(rtp::ConstBytes packet);
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take_data() { return dtls_->take_data(); }
  // The same network, another address: a NAT that forgot us.
  void moved(rtp::Time now) { ice_.moved(now); }
  void restart_ice(rtp::Time now, server::IceCredentials local, server::IceCredentials remote) {
    ice_.restart(now, std::move(local), std::move(remote));
  }
  // Sends close_notify.
  void close();

  [[nodiscard]] State state() const noexcept;
  [[nodiscard]] bool connected() const noexcept { return state() == State::Connected; }
  [[nodiscard]] server::Dtls::Failure failure() const noexcept { return dtls_->failure(); }
  [[nodiscard]] std::optional<server::SrtpProfile> profile() const noexcept { return profile_; }
  [[nodiscard]] const server::TransportAddress& server() const noexcept { return params_.server; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] IceClient& ice() noexcept { return ice_; }

 private:
  struct Datagram {
    std::array<std::uint8_t, kMaxDatagram + server::Sealer::kOverhead> bytes;
    std::size_t size = 0;
  };
  void on_dtls(rtp::Time now, rtp::ConstBytes datagram);
  Received on_media(rtp::ConstBytes datagram, server::SrtpKind kind);
  void drain_dtls();
  [[nodiscard]] Datagram* queue_slot() noexcept;
  void queue(rtp::ConstBytes datagram);
  bool send(rtp::ConstBytes packet, server::SrtpKind kind);

  ClientParams params_;
  IceClient ice_;
  std::unique_ptr<server::Dtls> dtls_;  // on the heap so that a Client can move
  std::optional<server::SrtpSession> srtp_;
  std::optional<server::SrtpProfile> profile_;
  server::Sealer sealer_;
  server::Opener opener_;
  bool dtls_started_ = false;
  std::vector<Datagram> queue_;  // a ring that grows up to kMaxQueued
  std::size_t queue_head_ = 0;
  std::size_t queue_size_ = 0;
  std::array<std::uint8_t, kMaxDatagram + server::Sealer::kOverhead> opened_{};
  Counters counters_;
};

}  // namespace parley::client
