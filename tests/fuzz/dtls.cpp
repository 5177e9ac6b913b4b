#include "server/dtls.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include "rtp/bytes.h"

namespace {

using namespace parley;

constexpr std::int64_t kWallMs = 1'790'000'000'000;

server::DtlsContext& context() {
  static const server::Certificate certificate = server::Certificate::make(kWallMs);
  static server::DtlsContext shared(certificate);
  return shared;
}

void drain(server::Dtls& dtls) {
  for (int i = 0; i < 64; ++i) {
    const auto datagram = dtls.poll_transmit();
    if (!datagram) return;
    if (datagram->empty() || datagram->size() > server::Dtls::kMaxDatagram) std::abort();
  }
  std::abort();  // it never stops talking
}

}  // namespace

// Datagrams into a fresh server and a client that has said hello. The input is cut into datagrams
// by two bytes of length in front of each; the first bit of them says to whom it goes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rtp::ConstBytes rest(data, size);
  server::Dtls server(context(), server::DtlsRole::Server, {});
  std::optional<server::Dtls> client;
  rtp::Time now{};
  while (rest.size() > 2) {
    const std::uint16_t head = rtp::load16(rest, 0);
    const std::size_t length = std::min<std::size_t>(head & 0x07FF, rest.size() - 2);
    const rtp::ConstBytes datagram = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    if ((head & 0x8000) != 0 && !client) {
      client.emplace(context(), server::DtlsRole::Client, std::vector<server::Fingerprint>{});
      client->start(now);
    }
    server::Dtls& target = (head & 0x8000) != 0 ? *client : server;
    now += rtp::Duration{(head & 0x7800) * 32};
    if (target.on_datagram(now, datagram) == server::Dtls::State::Connected) std::abort();
    target.tick(now);
    drain(target);
  }
  return 0;
}
