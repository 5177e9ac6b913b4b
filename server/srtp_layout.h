#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/bytes.h"
#include "rtp/types.h"
#include "server/srtp.h"
#include "server/srtp_keys.h"

// Where the parts of an SRTP or SRTCP packet lie, and whether they can all be there. Looked at
// before any cipher sees a byte.
namespace parley::server {

inline constexpr std::size_t kSrtcpWord = 4;    // E flag and index
inline constexpr std::size_t kSrtcpHeader = 8;  // never encrypted
inline constexpr std::size_t kMinRtpHeader = 12;
inline constexpr std::uint32_t kSrtcpEncrypted = 0x8000'0000;  // the E flag

[[nodiscard]] constexpr bool is_aead(SrtpProfile profile) noexcept {
  return profile != SrtpProfile::AesCm128HmacSha1_80;
}
[[nodiscard]] constexpr std::size_t tag_size(SrtpProfile profile) noexcept {
  return is_aead(profile) ? 16 : 10;
}

// The size of fixed header, CSRCs and extension together, or nothing if it does not fit.
[[nodiscard]] constexpr std::optional<std::size_t> rtp_header_size(
    rtp::ConstBytes packet) noexcept {
  if (packet.size() < kMinRtpHeader || packet[0] >> 6 != 2) return std::nullopt;
  std::size_t size = kMinRtpHeader + 4 * std::size_t{packet[0] & 0x0FU};
  if ((packet[0] & 0x10) != 0) {
    if (packet.size() < size + 4) return std::nullopt;
    size += 4 + 4 * std::size_t{rtp::load16(packet, size + 2)};
  }
  if (packet.size() < size) return std::nullopt;
  return size;
}

[[nodiscard]] constexpr bool is_rtcp(rtp::ConstBytes packet) noexcept {
  return packet.size() >= kSrtcpHeader && packet[0] >> 6 == 2;
}

// Of a well-formed SRTCP packet: where E flag and index stand, behind the tag with AEAD (RFC 7714,
// section 9.2), else in front of it (RFC 3711, section 3.4).
[[nodiscard]] constexpr std::size_t srtcp_word_at(std::size_t size, SrtpProfile profile) noexcept {
  return size - kSrtcpWord - (is_aead(profile) ? 0 : tag_size(profile));
}

// All of WebRTC is encrypted, so SRTCP without the E flag is none.
[[nodiscard]] constexpr bool is_sealed(rtp::ConstBytes packet, SrtpKind kind,
                                       SrtpProfile profile) noexcept {
  const std::size_t tag = tag_size(profile);
  if (kind == SrtpKind::Rtp) {
    const std::optional<std::size_t> header = rtp_header_size(packet);
    return header && packet.size() >= *header + tag;
  }
  if (!is_rtcp(packet) || packet.size() < kSrtcpHeader + tag + kSrtcpWord) return false;
  return (rtp::load32(packet, srtcp_word_at(packet.size(), profile)) & kSrtcpEncrypted) != 0;
}

}  // namespace parley::server
