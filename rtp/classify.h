#pragma once

#include <cstdint>

#include "rtp/types.h"

namespace parley::rtp {

enum class DatagramKind : std::uint8_t { Unknown, Stun, Dtls, Rtp, Rtcp };

// Tells what one UDP datagram carries by its first bytes (RFC 7983 and RFC 9443, section 3), and
// refuses what is too short for even an empty message of its kind:
//
//                  +----------------+
//                  |        [0..3] -+--> STUN         20 bytes: its header
//                  |      [16..19] -+--> ZRTP         never spoken here
//     packet  -->  |      [20..63] -+--> DTLS         13 bytes: a record header
//                  |      [64..79] -+--> TURN channel never spoken here
//                  |    [128..191] -+--> RTP/RTCP     12 / 8 bytes
//                  +----------------+    (RTCP if the second byte is 192..223, RFC 5761)
[[nodiscard]] constexpr DatagramKind classify(ConstBytes datagram) noexcept {
  constexpr std::size_t kMinStun = 20;
  constexpr std::size_t kMinDtls = 13;
  constexpr std::size_t kMinRtp = 12;
  constexpr std::size_t kMinRtcp = 8;
  const auto at_least = [&](std::size_t size, DatagramKind kind) {
    return datagram.size() >= size ? kind : DatagramKind::Unknown;
  };
  if (datagram.size() < kMinRtcp) return DatagramKind::Unknown;
  const std::uint8_t first = datagram[0];
  if (first <= 3) return at_least(kMinStun, DatagramKind::Stun);
  if (first >= 20 && first <= 63) return at_least(kMinDtls, DatagramKind::Dtls);
  if (first < 128 || first > 191) return DatagramKind::Unknown;
  const bool rtcp = datagram[1] >= 192 && datagram[1] <= 223;
  return rtcp ? DatagramKind::Rtcp : at_least(kMinRtp, DatagramKind::Rtp);
}

}  // namespace parley::rtp
