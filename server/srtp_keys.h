#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "rtp/types.h"

namespace parley::server {

// DTLS-SRTP protection profiles by their IANA numbers (RFC 5764, section 4.1.2; RFC 7714,
// section 14.2), in our order of preference.
enum class SrtpProfile : std::uint16_t {
  AeadAes128Gcm = 0x0007,
  AeadAes256Gcm = 0x0008,
  AesCm128HmacSha1_80 = 0x0001,
};
[[nodiscard]] std::size_t key_size(SrtpProfile profile) noexcept;
[[nodiscard]] std::size_t salt_size(SrtpProfile profile) noexcept;

// A master key and its salt, wiped when it goes.
class SrtpMasterKey {
 public:
  static constexpr std::size_t kMaxKeySize = 32;
  static constexpr std::size_t kMaxSaltSize = 14;

  SrtpMasterKey() = default;
  // Sizes must be those of the profile in use.
  SrtpMasterKey(rtp::ConstBytes key, rtp::ConstBytes salt) noexcept;
  SrtpMasterKey(const SrtpMasterKey&) = default;
  SrtpMasterKey& operator=(const SrtpMasterKey&) = default;
  ~SrtpMasterKey();

  [[nodiscard]] rtp::ConstBytes key() const noexcept { return {key_.data(), key_size_}; }
  [[nodiscard]] rtp::ConstBytes salt() const noexcept { return {salt_.data(), salt_size_}; }

 private:
  std::array<std::uint8_t, kMaxKeySize> key_{};
  std::array<std::uint8_t, kMaxSaltSize> salt_{};
  std::size_t key_size_ = 0;
  std::size_t salt_size_ = 0;
};

// What a finished handshake yields (RFC 5764, section 4.2), already turned to our side.
struct SrtpKeys {
  SrtpProfile profile = SrtpProfile::AeadAes128Gcm;
  SrtpMasterKey send;
  SrtpMasterKey receive;
};

}  // namespace parley::server
