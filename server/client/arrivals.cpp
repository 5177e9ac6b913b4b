#include "server/client/arrivals.h"

#include <algorithm>
#include <array>

#include "rtp/extension_reader.h"
#include "rtp/extensions.h"
#include "rtp/packet.h"
#include "rtp/rtcp_writer.h"

namespace parley::client {

void Arrivals::on_datagram(rtp::ConstBytes datagram, std::uint8_t id, rtp::Time now) noexcept {
  // The padding is encrypted: without its bit nobody looks at it.
  constexpr std::uint8_t kPadding = 0x20;
  std::array<std::uint8_t, 256> head;  // the header with all the extensions that parley writes
  const std::size_t size = std::min(datagram.size(), head.size());
  if (size == 0) return;
  std::copy_n(datagram.begin(), size, head.begin());
  head[0] &= static_cast<std::uint8_t>(~kPadding);
  rtp::ExtensionMap map;
  map.set(rtp::Extension::TransportCc, id);
  const auto packet = rtp::Packet::parse(rtp::Bytes(head.data(), size));
  if (!packet) return;
  if (const auto number = rtp::ExtensionReader(*packet, map).transport_cc()) {
    on_packet(*number, now);
  }
}

std::optional<rtp::Time> Arrivals::next_deadline() const noexcept {
  return recorder_.pending() ? std::optional(next_) : std::nullopt;
}

void Arrivals::tick(rtp::Time now, Client& client) {
  if (!recorder_.pending() || now < next_) return;
  next_ = now + interval_;
  while (recorder_.pending()) {
    std::array<std::uint8_t, 1'200> bytes{};
    rtp::RtcpWriter out(bytes);
    const std::size_t size = recorder_.build(sender_, sender_, out.room());
    if (size == 0) return;
    out.advance(size);
    client.send_rtcp(out.written());
  }
}

}  // namespace parley::client
