#include "server/sctp.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "rtp/bytes.h"

// Packets of a peer into an association that has been through its handshake with another one. The
// input is cut into packets by two bytes of length in front of each; the first bit of them asks for
// the right ports, tag and checksum, without which nothing is looked at.
namespace {

using namespace parley;
using server::SctpAssociation;

std::uint32_t crc32c(rtp::ConstBytes bytes) {
  std::uint32_t crc = 0xffff'ffff;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f6'3b78U : 0U);
  }
  return ~crc;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto a = SctpAssociation::open(5'000);
  const auto b = SctpAssociation::open(5'000);
  std::vector<std::uint8_t> last;
  for (int round = 0; round < 6; ++round) {
    for (const auto& packet : a->take_packets()) {
      b->on_packet(packet);
      last = packet;
    }
    for (const auto& packet : b->take_packets()) a->on_packet(packet);
  }
  static rtp::Time now{};
  rtp::ConstBytes rest(data, size);
  while (rest.size() > 2) {
    const std::uint16_t head = rtp::load16(rest, 0);
    const std::size_t length = std::min<std::size_t>(head & 0x07ff, rest.size() - 2);
    std::vector<std::uint8_t> packet(rest.begin() + 2,
                                     rest.begin() + 2 + static_cast<std::ptrdiff_t>(length));
    rest = rest.subspan(2 + length);
    if ((head & 0x8000) != 0 && packet.size() >= 12 && last.size() >= 12) {
      std::copy_n(last.begin(), 8, packet.begin());  // ports and verification tag
      rtp::store32(packet, 8, 0);
      const std::uint32_t crc = crc32c(packet);  // little endian (RFC 9260, appendix A)
      for (std::size_t i = 0; i < 4; ++i) packet[8 + i] = static_cast<std::uint8_t>(crc >> 8 * i);
    }
    b->on_packet(packet);
    now += rtp::Duration{(head & 0x7800) * 8};
    SctpAssociation::advance(now);
    (void)b->take_messages();
    (void)b->take_resets();
    for (const auto& answer : b->take_packets()) a->on_packet(answer);
  }
  return 0;
}
