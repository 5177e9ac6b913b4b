#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "rtp/bytes.h"
#include "rtp/types.h"
#include "server/srtp_keys.h"

// SRTP written a second time, straight from RFC 3711 and RFC 7714 on OpenSSL, to judge the engine
// by. It is judged itself by the vectors of those RFCs.
namespace parley::test {

using Octets = std::vector<std::uint8_t>;

inline Octets aes_ctr(rtp::ConstBytes key, const std::array<std::uint8_t, 16>& iv,
                      rtp::ConstBytes text) {
  Octets out(text.size());
  EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
  int size = 0;
  EVP_EncryptInit_ex(c, key.size() == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), nullptr,
                     key.data(), iv.data());
  EVP_EncryptUpdate(c, out.data(), &size, text.data(), static_cast<int>(text.size()));
  EVP_CIPHER_CTX_free(c);
  return out;
}

inline Octets aes_gcm(rtp::ConstBytes key, rtp::ConstBytes iv, rtp::ConstBytes aad,
                      rtp::ConstBytes text) {
  Octets out(text.size() + 16);
  EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
  int size = 0;
  EVP_EncryptInit_ex(c, key.size() == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), nullptr,
                     key.data(), iv.data());
  EVP_EncryptUpdate(c, nullptr, &size, aad.data(), static_cast<int>(aad.size()));
  EVP_EncryptUpdate(c, out.data(), &size, text.data(), static_cast<int>(text.size()));
  EVP_EncryptFinal_ex(c, out.data() + size, &size);
  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, out.data() + text.size());
  EVP_CIPHER_CTX_free(c);
  return out;
}

inline Octets hmac_sha1(rtp::ConstBytes key, rtp::ConstBytes text, std::size_t size) {
  Octets out(20);
  unsigned int made = 0;
  HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), text.data(), text.size(), out.data(),
       &made);
  out.resize(size);
  return out;
}

// RFC 3711, section 4.3.1 and 4.3.3, with a key derivation rate of 0.
inline Octets derive(rtp::ConstBytes key, rtp::ConstBytes salt, std::uint8_t label,
                     std::size_t size) {
  std::array<std::uint8_t, 16> iv{};
  std::copy(salt.begin(), salt.end(), iv.begin());
  iv[7] ^= label;
  return aes_ctr(key, iv, Octets(size));
}

inline std::size_t header_size(rtp::ConstBytes packet) {
  std::size_t size = 12 + 4U * (packet[0] & 15U);
  if ((packet[0] & 16U) != 0) size += 4 + 4U * rtp::load16(packet, size + 2);
  return size;
}

struct SessionKeys {
  server::SrtpProfile profile;
  Octets rtp_key, rtp_auth, rtp_salt, rtcp_key, rtcp_auth, rtcp_salt;

  SessionKeys(server::SrtpProfile p, const server::SrtpMasterKey& master) : profile(p) {
    const auto make = [&](std::uint8_t label, std::size_t size) {
      return derive(master.key(), master.salt(), label, size);
    };
    rtp_key = make(0, server::key_size(p));
    rtp_auth = make(1, 20);
    rtp_salt = make(2, server::salt_size(p));
    rtcp_key = make(3, server::key_size(p));
    rtcp_auth = make(4, 20);
    rtcp_salt = make(5, server::salt_size(p));
  }
};

inline void xor_at(rtp::Bytes bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes[at + i] = static_cast<std::uint8_t>(bytes[at + i] ^ (value >> (8 * (size - 1 - i))));
  }
}

inline Octets gcm_seal_rtp(rtp::ConstBytes key, rtp::ConstBytes salt, rtp::ConstBytes packet,
                           std::uint32_t roc) {
  Octets iv(salt.begin(), salt.end());  // RFC 7714, section 8.1
  xor_at(iv, 2, rtp::load32(packet, 8), 4);
  xor_at(iv, 6, roc, 4);
  xor_at(iv, 10, rtp::load16(packet, 2), 2);
  const std::size_t head = header_size(packet);
  Octets out(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(head));
  const Octets sealed = aes_gcm(key, iv, packet.first(head), packet.subspan(head));
  out.insert(out.end(), sealed.begin(), sealed.end());
  return out;
}

inline Octets gcm_seal_rtcp(rtp::ConstBytes key, rtp::ConstBytes salt, rtp::ConstBytes packet,
                            std::uint32_t index) {
  Octets iv(salt.begin(), salt.end());  // RFC 7714, section 9.1
  xor_at(iv, 2, rtp::load32(packet, 4), 4);
  xor_at(iv, 8, index, 4);
  Octets trailer(4);
  rtp::store32(trailer, 0, 0x80000000U | index);
  Octets aad(packet.begin(), packet.begin() + 8);
  aad.insert(aad.end(), trailer.begin(), trailer.end());
  Octets out(packet.begin(), packet.begin() + 8);
  const Octets sealed = aes_gcm(key, iv, aad, packet.subspan(8));
  out.insert(out.end(), sealed.begin(), sealed.end());
  out.insert(out.end(), trailer.begin(), trailer.end());
  return out;
}

inline Octets cm_seal(rtp::ConstBytes key, rtp::ConstBytes salt, rtp::ConstBytes auth,
                      rtp::ConstBytes packet, std::uint64_t index, bool rtcp) {
  std::array<std::uint8_t, 16> iv{};  // RFC 3711, section 4.1.1
  std::copy(salt.begin(), salt.end(), iv.begin());
  xor_at(iv, 4, rtp::load32(packet, rtcp ? 4 : 8), 4);
  xor_at(iv, 8, index, 6);
  const std::size_t head = rtcp ? 8 : header_size(packet);
  Octets out(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(head));
  const Octets sealed = aes_ctr(key, iv, packet.subspan(head));
  out.insert(out.end(), sealed.begin(), sealed.end());
  Octets word(4);
  const auto low = static_cast<std::uint32_t>(index);
  rtp::store32(word, 0, rtcp ? 0x80000000U | low : static_cast<std::uint32_t>(index >> 16));
  Octets signed_part = out;
  signed_part.insert(signed_part.end(), word.begin(), word.end());
  if (rtcp) out = signed_part;  // on the wire with SRTCP, only implied with SRTP
  const Octets tag = hmac_sha1(auth, signed_part, 10);
  out.insert(out.end(), tag.begin(), tag.end());
  return out;
}

inline Octets seal_rtp(const SessionKeys& k, rtp::ConstBytes packet, std::uint32_t roc) {
  if (k.profile != server::SrtpProfile::AesCm128HmacSha1_80) {
    return gcm_seal_rtp(k.rtp_key, k.rtp_salt, packet, roc);
  }
  const std::uint64_t index = std::uint64_t{roc} << 16 | rtp::load16(packet, 2);
  return cm_seal(k.rtp_key, k.rtp_salt, k.rtp_auth, packet, index, false);
}

inline Octets seal_rtcp(const SessionKeys& k, rtp::ConstBytes packet, std::uint32_t index) {
  if (k.profile != server::SrtpProfile::AesCm128HmacSha1_80) {
    return gcm_seal_rtcp(k.rtcp_key, k.rtcp_salt, packet, index);
  }
  return cm_seal(k.rtcp_key, k.rtcp_salt, k.rtcp_auth, packet, index, true);
}

}  // namespace parley::test
