#pragma once

#include <array>
#include <cstdint>

#include "rtp/types.h"
#include "server/srtp_keys.h"

namespace parley::server {

// The keys of one direction for one of SRTP and SRTCP (RFC 3711, section 4.3; RFC 7714, section
// 11: the same derivation), wiped when they go.
struct SrtpSessionKeys {
  static constexpr std::size_t kAuthSize = 20;

  SrtpSessionKeys() = default;
  SrtpSessionKeys(const SrtpSessionKeys&) = delete;
  SrtpSessionKeys& operator=(const SrtpSessionKeys&) = delete;
  ~SrtpSessionKeys();

  SrtpProfile profile = SrtpProfile::AeadAes128Gcm;
  std::array<std::uint8_t, SrtpMasterKey::kMaxKeySize> encryption{};
  std::size_t encryption_size = 0;
  std::array<std::uint8_t, SrtpMasterKey::kMaxSaltSize> salt{};
  std::array<std::uint8_t, kAuthSize> authentication{};  // AES_CM profiles only
};

// False when OpenSSL refuses. `master` must have the sizes of the profile.
[[nodiscard]] bool derive_srtp_keys(SrtpProfile profile, const SrtpMasterKey& master, bool rtcp,
                                    SrtpSessionKeys& into) noexcept;

}  // namespace parley::server
