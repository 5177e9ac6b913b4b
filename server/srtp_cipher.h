#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "rtp/types.h"
#include "server/srtp_kdf.h"

// The ciphers of SRTP without its rules: what to encrypt, what to authenticate and with which IV is
// decided by srtp.cpp, and is the same for SRTP and SRTCP. Two libraries do it: libipsec-mb, which
// works on many packets at once, where the processor has what it needs, and OpenSSL everywhere.
namespace parley::server {

// The expanded keys of one direction, as one library wants them.
class SrtpCipherKey {
 public:
  virtual ~SrtpCipherKey() = default;
  // Memory, as far as it is not hidden in the library.
  [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
};

// One packet, in place.
struct SrtpJob {
  static constexpr std::size_t kMaxTag = 16;

  SrtpCipherKey* key = nullptr;
  std::array<std::uint8_t, 16> iv{};  // AEAD uses 12 of it (RFC 7714), AES-CM all (RFC 3711, 4.1.1)
  // Authenticated: with AEAD what stands beside the text; with HMAC the whole, text included.
  rtp::ConstBytes authenticated;
  rtp::Bytes text;
  // Out when sealing, in when opening. It may be where `authenticated` ends in bytes that are
  // signed but not sent.
  std::array<std::uint8_t, kMaxTag> tag{};
  bool ok = false;  // out: opened
};

class SrtpCipher {
 public:
  static constexpr std::size_t kMaxBatch = 64;

  virtual ~SrtpCipher() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // nullptr when the library refuses.
  [[nodiscard]] virtual std::unique_ptr<SrtpCipherKey> expand(const SrtpSessionKeys& keys) = 0;
  // At most kMaxBatch jobs, all of one profile. Any thread, but a key only on one at a time.
  virtual void seal(SrtpProfile profile, std::span<SrtpJob> jobs) noexcept = 0;
  // Text of jobs that are not ok is undefined.
  virtual void open(SrtpProfile profile, std::span<SrtpJob> jobs) noexcept = 0;
};

// Each lives as long as the process. The first is nullptr where the library or the processor lacks.
[[nodiscard]] SrtpCipher* ipsec_mb_cipher() noexcept;
[[nodiscard]] SrtpCipher* openssl_cipher() noexcept;

}  // namespace parley::server
