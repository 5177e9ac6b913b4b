#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "server/api.h"

struct x509_st;
struct evp_pkey_st;

namespace parley::server {

// The process's DTLS certificate: ECDSA P-256, self-signed, made anew at every start, because the
// fingerprint in the SDP is all that vouches for it (RFC 8827, section 6.5). P-256 keeps the
// server's flight in one datagram. Immutable: workers may share it.
class Certificate {
 public:
  // Startup only: throws std::runtime_error when OpenSSL cannot. `wall_ms` is since the epoch.
  [[nodiscard]] static Certificate make(std::int64_t wall_ms);

  [[nodiscard]] Fingerprint fingerprint() const;  // SHA-256
  // "sha-256 AB:CD:...", as an a=fingerprint line has it (RFC 8122).
  [[nodiscard]] std::string fingerprint_text() const;
  [[nodiscard]] x509_st* x509() const noexcept { return x509_.get(); }
  [[nodiscard]] evp_pkey_st* key() const noexcept { return key_.get(); }

 private:
  struct Free {
    void operator()(x509_st* certificate) const noexcept;
    void operator()(evp_pkey_st* key) const noexcept;
  };
  Certificate() = default;

  std::unique_ptr<evp_pkey_st, Free> key_;
  std::unique_ptr<x509_st, Free> x509_;
  std::array<std::uint8_t, 32> sha256_{};
};

}  // namespace parley::server
