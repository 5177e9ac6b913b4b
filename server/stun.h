#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "rtp/types.h"
#include "server/address.h"

struct evp_mac_ctx_st;

// STUN messages as ICE uses them (RFC 8489; attributes of RFC 8445, section 16.1): a reader that
// trusts nothing and a writer. Who may send what, and when, is the business of ice.h.
namespace parley::server {

enum class StunClass : std::uint8_t { Request, Indication, Success, Error };
using StunTransaction = std::array<std::uint8_t, 12>;

enum class StunError : std::uint8_t {
  Truncated,       // shorter than its header or an attribute says
  NotStun,         // no magic cookie, or the first two bits are set
  BadLength,       // not a multiple of four, or not the size of the datagram
  BadAttribute,    // an attribute of the wrong size, or an unknown address family
  BadFingerprint,  // FINGERPRINT does not match, or something follows it
};

// The key of MESSAGE-INTEGRITY: a password, with the HMAC-SHA1 state prepared once. Move-only; one
// thread at a time.
class StunKey {
 public:
  static constexpr std::size_t kTagSize = 20;
  using Tag = std::array<std::uint8_t, kTagSize>;

  explicit StunKey(std::string_view password);
  // HMAC-SHA1 over the two parts, one after the other. All zero if OpenSSL has no memory.
  [[nodiscard]] Tag tag(rtp::ConstBytes first, rtp::ConstBytes second) const noexcept;

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_mac_ctx_st, Free> context_;
};

// One message, read in place: its views are into the datagram, which must outlive it. Attributes
// behind MESSAGE-INTEGRITY are not read, except FINGERPRINT (RFC 8489, section 14.5).
struct StunMessage {
  static constexpr std::size_t kHeaderSize = 20;
  static constexpr std::size_t kMaxUnknown = 8;  // more unknown attributes are not listed
  static constexpr std::uint16_t kBinding = 0x001;

  [[nodiscard]] static tl::expected<StunMessage, StunError> parse(
      rtp::ConstBytes datagram) noexcept;
  // In constant time. False too when there is no MESSAGE-INTEGRITY.
  [[nodiscard]] bool verify(const StunKey& key) const noexcept;

  rtp::ConstBytes bytes;
  StunClass cls = StunClass::Request;
  std::uint16_t method = 0;
  StunTransaction transaction{};
  std::optional<std::string_view> username;
  std::optional<std::uint32_t> priority;
  std::optional<std::uint64_t> ice_controlling;
  std::optional<std::uint64_t> ice_controlled;
  std::optional<TransportAddress> xor_mapped_address;
  std::optional<std::uint16_t> error_code;
  std::optional<std::size_t> integrity_at;  // offset of the attribute's header
  bool use_candidate = false;
  bool fingerprint = false;  // present, and right
  // Comprehension-required attributes that we do not know: answer 420 with these.
  std::array<std::uint16_t, kMaxUnknown> unknown{};
  std::size_t unknown_count = 0;
};

// Writes one message into the caller's bytes. What does not fit makes finish() return nothing.
class StunWriter {
 public:
  StunWriter(rtp::Bytes out, StunClass cls, const StunTransaction& transaction) noexcept;

  StunWriter& username(std::string_view remote_ufrag, std::string_view local_ufrag) noexcept;
  StunWriter& priority(std::uint32_t value) noexcept;
  StunWriter& use_candidate() noexcept;
  StunWriter& ice_controlling(std::uint64_t tie_breaker) noexcept;
  StunWriter& ice_controlled(std::uint64_t tie_breaker) noexcept;
  StunWriter& xor_mapped_address(const TransportAddress& address) noexcept;
  StunWriter& error_code(std::uint16_t code, std::string_view reason) noexcept;
  StunWriter& unknown_attributes(const StunMessage& request) noexcept;
  // Any attribute, value zero-padded to four bytes.
  StunWriter& attribute(std::uint16_t type, rtp::ConstBytes value) noexcept;
  // Adds MESSAGE-INTEGRITY and FINGERPRINT; the message, or nothing if it did not fit.
  [[nodiscard]] rtp::ConstBytes finish(const StunKey& key) noexcept;

 private:
  rtp::Bytes open(std::uint16_t type, std::size_t size) noexcept;
  void set_length(std::size_t attributes) noexcept;

  rtp::Bytes out_;
  std::size_t size_ = 0;
  bool overflow_ = false;
};

}  // namespace parley::server
