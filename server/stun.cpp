#include "server/stun.h"

#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "rtp/bytes.h"

namespace parley::server {
namespace {

using rtp::Bytes;
using rtp::ConstBytes;
using rtp::load16;
using rtp::load32;
using rtp::store16;
using rtp::store32;

constexpr std::uint32_t kMagicCookie = 0x2112A442;
constexpr std::uint32_t kFingerprintMask = 0x5354554E;
constexpr std::size_t kAttributeHeader = 4;
constexpr std::size_t kFingerprintSize = 4;

enum Attribute : std::uint16_t {
  kUsername = 0x0006,
  kMessageIntegrity = 0x0008,
  kErrorCode = 0x0009,
  kUnknownAttributes = 0x000A,
  kRealm = 0x0014,
  kNonce = 0x0015,
  kMessageIntegritySha256 = 0x001C,
  kXorMappedAddress = 0x0020,
  kPriority = 0x0024,
  kUseCandidate = 0x0025,
  kFingerprint = 0x8028,
  kIceControlled = 0x8029,
  kIceControlling = 0x802A,
  kFirstOptional = 0x8000,
};

constexpr std::size_t padded(std::size_t size) noexcept { return (size + 3) & ~std::size_t{3}; }

// The CRC-32 of ISO/IEC 13239, reflected (as in Ethernet and zlib).
constexpr std::array<std::uint32_t, 256> make_crc_table() noexcept {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320 ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

std::uint32_t crc32(ConstBytes bytes) noexcept {
  std::uint32_t c = 0xFFFFFFFF;
  for (const std::uint8_t byte : bytes) c = kCrcTable[(c ^ byte) & 0xFF] ^ (c >> 8);
  return ~c;
}

std::uint64_t load64(ConstBytes b) noexcept {
  return std::uint64_t{load32(b, 0)} << 32 | load32(b, 4);
}

// The class is spread over two bits of the first 16 (RFC 8489, section 5):
//
//   0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
//   0  0 M11 M10 M9 M8 M7 C1 M6 M5 M4 C0 M3 M2 M1 M0
constexpr StunClass class_of(std::uint16_t type) noexcept {
  return static_cast<StunClass>((type >> 7 & 2) | (type >> 4 & 1));
}
constexpr std::uint16_t method_of(std::uint16_t type) noexcept {
  return static_cast<std::uint16_t>((type & 0xF) | (type >> 1 & 0x70) | (type >> 2 & 0xF80));
}
constexpr std::uint16_t type_of(StunClass cls) noexcept {  // of a Binding message
  const auto c = static_cast<std::uint16_t>(cls);
  return static_cast<std::uint16_t>((c & 2) << 7 | (c & 1) << 4 | StunMessage::kBinding);
}

//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  |0 0 0 0 0 0 0 0|    Family     |         X-Port                |
//  |                X-Address (32 or 128 bits)                     |
//
// X-Port and X-Address are exclusive-ored with magic cookie and transaction id (section 14.2).
std::optional<TransportAddress> read_xor_address(ConstBytes value, ConstBytes header) noexcept {
  if (value.size() < 8) return std::nullopt;
  const auto port = static_cast<std::uint16_t>(load16(value, 2) ^ load16(header, 4));
  const auto unmask = [&](auto ip) {
    for (std::size_t i = 0; i < ip.size(); ++i) {
      ip[i] = static_cast<std::uint8_t>(value[4 + i] ^ header[4 + i]);
    }
    return ip;
  };
  if (value[1] == 1 && value.size() == 8) {
    return TransportAddress::v4(unmask(std::array<std::uint8_t, 4>{}), port);
  }
  if (value[1] == 2 && value.size() == 20) {
    return TransportAddress::v6(unmask(std::array<std::uint8_t, 16>{}), port);
  }
  return std::nullopt;
}

// One attribute in front of MESSAGE-INTEGRITY into its field. False: it is not well-formed.
bool read_attribute(StunMessage& message, std::uint16_t type, ConstBytes value) noexcept {
  switch (type) {
    case kUsername:
      if (value.size() > 513) return false;  // RFC 8489, section 14.3: less than 509 + padding
      message.username = {reinterpret_cast<const char*>(value.data()), value.size()};
      return true;
    case kPriority:
      if (value.size() != 4) return false;
      message.priority = load32(value, 0);
      return true;
    case kUseCandidate:
      message.use_candidate = true;
      return value.empty();
    case kIceControlled:
      if (value.size() != 8) return false;
      message.ice_controlled = load64(value);
      return true;
    case kIceControlling:
      if (value.size() != 8) return false;
      message.ice_controlling = load64(value);
      return true;
    case kXorMappedAddress:
      message.xor_mapped_address = read_xor_address(value, message.bytes);
      return message.xor_mapped_address.has_value();
    case kErrorCode:
      if (value.size() < 4) return false;
      message.error_code = static_cast<std::uint16_t>((value[2] & 7) * 100 + value[3]);
      return true;
    case kUnknownAttributes:
    case kRealm:
    case kNonce:
      return true;  // known and of no use with short-term credentials
    default:
      if (type < kFirstOptional && message.unknown_count < StunMessage::kMaxUnknown) {
        message.unknown[message.unknown_count++] = type;
      }
      return true;
  }
}

}  // namespace

void StunKey::Free::operator()(evp_mac_ctx_st* context) const noexcept {
  EVP_MAC_CTX_free(context);
}

StunKey::StunKey(std::string_view password) {
  // Fetched once: it takes a lock and a search through OpenSSL's providers.
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  context_.reset(EVP_MAC_CTX_new(hmac));
  char digest[] = "SHA1";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  const auto* key = reinterpret_cast<const unsigned char*>(password.data());
  if (!context_ || EVP_MAC_init(context_.get(), key, password.size(), params) != 1)
    context_.reset();
}

StunKey::Tag StunKey::tag(ConstBytes first, ConstBytes second) const noexcept {
  Tag tag{};
  std::size_t size = 0;
  EVP_MAC_CTX* const context = context_.get();
  // Without a key EVP_MAC_init starts over with the one it has.
  if (context == nullptr || EVP_MAC_init(context, nullptr, 0, nullptr) != 1 ||
      EVP_MAC_update(context, first.data(), first.size()) != 1 ||
      EVP_MAC_update(context, second.data(), second.size()) != 1 ||
      EVP_MAC_final(context, tag.data(), &size, tag.size()) != 1) {
    return {};
  }
  return tag;
}

//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  |0 0|     STUN Message Type     |         Message Length        |
//  |                         Magic Cookie                          |
//  |                     Transaction ID (96 bits)                  |
//  then attributes:
//  |         Type                  |            Length             |
//  |                         Value (padded to 32 bits)       ....
tl::expected<StunMessage, StunError> StunMessage::parse(ConstBytes datagram) noexcept {
  if (datagram.size() < kHeaderSize) return tl::unexpected(StunError::Truncated);
  const std::uint16_t type = load16(datagram, 0);
  if ((type & 0xC000) != 0 || load32(datagram, 4) != kMagicCookie) {
    return tl::unexpected(StunError::NotStun);
  }
  const std::size_t length = load16(datagram, 2);
  if (length % 4 != 0 || kHeaderSize + length != datagram.size()) {
    return tl::unexpected(StunError::BadLength);
  }
  StunMessage message;
  message.bytes = datagram;
  message.cls = class_of(type);
  message.method = method_of(type);
  std::copy_n(datagram.begin() + 8, message.transaction.size(), message.transaction.begin());

  for (std::size_t at = kHeaderSize; at < datagram.size();) {
    if (datagram.size() - at < kAttributeHeader) return tl::unexpected(StunError::Truncated);
    const std::uint16_t attribute = load16(datagram, at);
    const std::size_t size = load16(datagram, at + 2);
    if (datagram.size() - at - kAttributeHeader < padded(size)) {
      return tl::unexpected(StunError::Truncated);
    }
    const ConstBytes value = datagram.subspan(at + kAttributeHeader, size);
    const std::size_t next = at + kAttributeHeader + padded(size);
    if (attribute == kFingerprint) {
      if (size != kFingerprintSize || next != datagram.size() ||
          load32(value, 0) != (crc32(datagram.first(at)) ^ kFingerprintMask)) {
        return tl::unexpected(StunError::BadFingerprint);
      }
      message.fingerprint = true;
    } else if (!message.integrity_at) {
      if (attribute == kMessageIntegrity) {
        if (size != StunKey::kTagSize) return tl::unexpected(StunError::BadAttribute);
        message.integrity_at = at;
      } else if (!read_attribute(message, attribute, value)) {
        return tl::unexpected(StunError::BadAttribute);
      }
    }
    at = next;
  }
  return message;
}

bool StunMessage::verify(const StunKey& key) const noexcept {
  if (!integrity_at) return false;
  // The tag is made as if the message ended with it (RFC 8489, section 14.5).
  std::array<std::uint8_t, 4> head{bytes[0], bytes[1]};
  store16(head, 2,
          static_cast<std::uint16_t>(*integrity_at + kAttributeHeader + StunKey::kTagSize -
                                     kHeaderSize));
  const StunKey::Tag tag = key.tag(head, bytes.subspan(4, *integrity_at - 4));
  return CRYPTO_memcmp(tag.data(), bytes.data() + *integrity_at + kAttributeHeader, tag.size()) ==
         0;
}

StunWriter::StunWriter(Bytes out, StunClass cls, const StunTransaction& transaction) noexcept
    : out_(out), overflow_(out.size() < StunMessage::kHeaderSize) {
  if (overflow_) return;
  store16(out_, 0, type_of(cls));
  store32(out_, 4, kMagicCookie);
  std::copy(transaction.begin(), transaction.end(), out_.begin() + 8);
  size_ = StunMessage::kHeaderSize;
  set_length(0);
}

void StunWriter::set_length(std::size_t attributes) noexcept {
  store16(out_, 2, static_cast<std::uint16_t>(attributes));
}

// Room for a value, zeroed with its padding, so that nothing of an older message gets out.
Bytes StunWriter::open(std::uint16_t type, std::size_t size) noexcept {
  const std::size_t needed = kAttributeHeader + padded(size);
  if (overflow_ || out_.size() - size_ < needed || size > 0x7FFF) {
    overflow_ = true;
    return {};
  }
  const Bytes place = out_.subspan(size_, needed);
  std::fill(place.begin(), place.end(), std::uint8_t{0});
  store16(place, 0, type);
  store16(place, 2, static_cast<std::uint16_t>(size));
  size_ += needed;
  set_length(size_ - StunMessage::kHeaderSize);
  return place.subspan(kAttributeHeader, size);
}

StunWriter& StunWriter::attribute(std::uint16_t type, ConstBytes value) noexcept {
  const Bytes place = open(type, value.size());
  if (!overflow_) std::copy(value.begin(), value.end(), place.begin());
  return *this;
}

StunWriter& StunWriter::username(std::string_view remote_ufrag,
                                 std::string_view local_ufrag) noexcept {
  const Bytes place = open(kUsername, remote_ufrag.size() + 1 + local_ufrag.size());
  if (overflow_) return *this;
  auto end = std::copy(remote_ufrag.begin(), remote_ufrag.end(), place.begin());
  *end++ = ':';
  std::copy(local_ufrag.begin(), local_ufrag.end(), end);
  return *this;
}

StunWriter& StunWriter::priority(std::uint32_t value) noexcept {
  const Bytes place = open(kPriority, 4);
  if (!overflow_) store32(place, 0, value);
  return *this;
}

StunWriter& StunWriter::use_candidate() noexcept { return attribute(kUseCandidate, {}); }

StunWriter& StunWriter::ice_controlling(std::uint64_t tie_breaker) noexcept {
  const Bytes place = open(kIceControlling, 8);
  if (overflow_) return *this;
  store32(place, 0, static_cast<std::uint32_t>(tie_breaker >> 32));
  store32(place, 4, static_cast<std::uint32_t>(tie_breaker));
  return *this;
}

StunWriter& StunWriter::ice_controlled(std::uint64_t tie_breaker) noexcept {
  const Bytes place = open(kIceControlled, 8);
  if (overflow_) return *this;
  store32(place, 0, static_cast<std::uint32_t>(tie_breaker >> 32));
  store32(place, 4, static_cast<std::uint32_t>(tie_breaker));
  return *this;
}

StunWriter& StunWriter::xor_mapped_address(const TransportAddress& address) noexcept {
  const ConstBytes ip = address.ip();
  const Bytes place = open(kXorMappedAddress, 4 + ip.size());
  if (overflow_) return *this;
  place[1] = address.is_v4() ? 1 : 2;
  store16(place, 2, static_cast<std::uint16_t>(address.port() ^ load16(out_, 4)));
  for (std::size_t i = 0; i < ip.size(); ++i) {
    place[4 + i] = static_cast<std::uint8_t>(ip[i] ^ out_[4 + i]);
  }
  return *this;
}

StunWriter& StunWriter::error_code(std::uint16_t code, std::string_view reason) noexcept {
  const Bytes place = open(kErrorCode, 4 + reason.size());
  if (overflow_) return *this;
  place[2] = static_cast<std::uint8_t>(code / 100);
  place[3] = static_cast<std::uint8_t>(code % 100);
  std::copy(reason.begin(), reason.end(), place.begin() + 4);
  return *this;
}

StunWriter& StunWriter::unknown_attributes(const StunMessage& request) noexcept {
  const Bytes place = open(kUnknownAttributes, 2 * request.unknown_count);
  if (overflow_) return *this;
  for (std::size_t i = 0; i < request.unknown_count; ++i) store16(place, 2 * i, request.unknown[i]);
  return *this;
}

ConstBytes StunWriter::finish(const StunKey& key) noexcept {
  const std::size_t body = size_;
  const Bytes integrity = open(kMessageIntegrity, StunKey::kTagSize);
  if (overflow_) return {};
  const StunKey::Tag tag = key.tag(out_.first(body), {});
  std::copy(tag.begin(), tag.end(), integrity.begin());

  const std::size_t before = size_;
  const Bytes fingerprint = open(kFingerprint, kFingerprintSize);
  if (overflow_) return {};
  store32(fingerprint, 0, crc32(out_.first(before)) ^ kFingerprintMask);
  return out_.first(size_);
}

}  // namespace parley::server
