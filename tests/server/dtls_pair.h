#pragma once

#include <memory>
#include <vector>

#include "server/certificate.h"
#include "server/dtls.h"
#include "tests/server/lossy_link.h"

namespace parley::test {

inline constexpr std::int64_t kWallMs = 1'790'000'000'000;  // some day of 2026

// A certificate with its context, made once per program: making one takes milliseconds.
struct Identity {
  server::Certificate certificate = server::Certificate::make(kWallMs);
  server::DtlsContext context{certificate};
};
inline Identity& server_identity() {
  static Identity identity;
  return identity;
}
inline Identity& client_identity() {
  static Identity identity;
  return identity;
}

// A server and a client with a link between them, driven on virtual time.
struct DtlsPair {
  using Expected = std::vector<server::Fingerprint>;

  explicit DtlsPair(LossyLink::Options up_options = {}, LossyLink::Options down_options = {},
                    Expected server_expects = {client_identity().certificate.fingerprint()},
                    Expected client_expects = {server_identity().certificate.fingerprint()})
      : server(server_identity().context, server::DtlsRole::Server, std::move(server_expects)),
        client(client_identity().context, server::DtlsRole::Client, std::move(client_expects)),
        up(up_options),
        down(down_options) {}

  void flush() {
    while (const auto datagram = client.poll_transmit()) up.send(now, *datagram);
    while (const auto datagram = server.poll_transmit()) down.send(now, *datagram);
  }
  void step(rtp::Duration by = rtp::Duration{5'000}) {
    now += by;
    while (const auto datagram = up.poll(now)) server.on_datagram(now, *datagram), flush();
    while (const auto datagram = down.poll(now)) client.on_datagram(now, *datagram), flush();
    server.tick(now);
    client.tick(now);
    flush();
  }
  [[nodiscard]] bool connected() const {
    return server.state() == server::Dtls::State::Connected &&
           client.state() == server::Dtls::State::Connected;
  }
  // True if both ends are connected within that time.
  bool run(rtp::Duration limit = rtp::Duration{15'000'000}) {
    const rtp::Time end = now + limit;
    client.start(now);
    flush();
    while (!connected() && now < end) step();
    return connected();
  }

  server::Dtls server;
  server::Dtls client;
  LossyLink up;
  LossyLink down;
  rtp::Time now{rtp::Duration{1'000'000}};
};

}  // namespace parley::test
