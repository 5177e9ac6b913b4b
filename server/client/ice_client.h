#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "rtp/types.h"
#include "server/api.h"
#include "server/random.h"
#include "server/stun.h"

namespace parley::client {

// The controlling ICE agent of a client with one remote candidate, as a browser behaves towards a
// lite server (RFC 8445): it checks, nominates, renews consent (RFC 7675) and answers the server's
// own checks. Where datagrams go is the caller's business.
class IceClient {
 public:
  // When to send USE-CANDIDATE: in the first check, as Firefox does, or after the first answer,
  // as Chromium does.
  enum class Nomination : std::uint8_t { AtOnce, AfterAnswer };

  static constexpr rtp::Duration kFirstRetry{50'000};  // doubles up to kMaxRetry
  static constexpr rtp::Duration kMaxRetry{500'000};
  static constexpr rtp::Duration kConsentInterval{2'500'000};

  IceClient(server::IceCredentials local, server::IceCredentials remote,
            server::RandomSource random, Nomination nomination = Nomination::AfterAnswer);

  void start(rtp::Time now);
  void restart(rtp::Time now, server::IceCredentials local, server::IceCredentials remote);
  // The address of the client has changed: check from there at once.
  void moved(rtp::Time now);
  // The reply to send, if any; valid until the next call. Answers end the check they answer.
  [[nodiscard]] rtp::ConstBytes on_stun(rtp::Time now, const server::TransportAddress& from,
                                        rtp::ConstBytes datagram);
  // The check that is due, or nothing; valid until the next call.
  [[nodiscard]] rtp::ConstBytes poll_transmit(rtp::Time now);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept;

  [[nodiscard]] bool connected() const noexcept { return answered_; }   // a check was answered
  [[nodiscard]] bool nominated() const noexcept { return nominated_; }  // and a nominating one
  [[nodiscard]] std::optional<rtp::Time> last_answer() const noexcept { return last_answer_; }
  // Our own address as the server sees it.
  [[nodiscard]] const std::optional<server::TransportAddress>& mapped() const noexcept {
    return mapped_;
  }
  // For tests: no further checks nor answers, as if the client had died.
  void stop() noexcept { next_.reset(), stopped_ = true; }

 private:
  server::IceCredentials local_;
  server::IceCredentials remote_;
  server::StunKey local_key_;
  server::StunKey remote_key_;
  server::RandomSource random_;
  Nomination nomination_;
  std::uint64_t tie_breaker_ = 0;
  server::StunTransaction transaction_{};
  bool outstanding_ = false;
  bool nominating_ = false;
  bool answered_ = false;
  bool nominated_ = false;
  bool stopped_ = false;
  rtp::Duration retry_ = kFirstRetry;
  std::optional<rtp::Time> next_;
  std::optional<rtp::Time> last_answer_;
  std::optional<server::TransportAddress> mapped_;
  std::array<std::uint8_t, 1'200> out_{};
};

}  // namespace parley::client
