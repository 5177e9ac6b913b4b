#include "server/srtp_kdf.h"

#include <algorithm>
#include <memory>

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace parley::server {
namespace {

// RFC 3711, section 4.3.1: encryption, authentication, salt; SRTCP's three follow.
constexpr std::uint8_t kLabelEncryption = 0;
constexpr std::uint8_t kLabelAuthentication = 1;
constexpr std::uint8_t kLabelSalt = 2;
constexpr std::uint8_t kRtcpLabels = 3;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};

// RFC 3711, section 4.3.3: the key stream of AES in counter mode under the master key, from
// (salt XOR label * 2^48) * 2^16; the key derivation rate is 0.
bool derive(const SrtpMasterKey& master, std::uint8_t label, rtp::Bytes out) noexcept {
  std::array<std::uint8_t, 16> iv{};
  std::copy(master.salt().begin(), master.salt().end(), iv.begin());
  iv[7] = static_cast<std::uint8_t>(iv[7] ^ label);
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  const EVP_CIPHER* cipher = master.key().size() == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
  const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context(EVP_CIPHER_CTX_new());
  int size = 0;
  return context &&
         EVP_EncryptInit_ex(context.get(), cipher, nullptr, master.key().data(), iv.data()) == 1 &&
         EVP_EncryptUpdate(context.get(), out.data(), &size, out.data(),
                           static_cast<int>(out.size())) == 1;
}

}  // namespace

SrtpSessionKeys::~SrtpSessionKeys() {
  OPENSSL_cleanse(encryption.data(), encryption.size());
  OPENSSL_cleanse(salt.data(), salt.size());
  OPENSSL_cleanse(authentication.data(), authentication.size());
}

bool derive_srtp_keys(SrtpProfile profile, const SrtpMasterKey& master, bool rtcp,
                      SrtpSessionKeys& into) noexcept {
  const auto label = [&](std::uint8_t first) {
    return static_cast<std::uint8_t>(rtcp ? first + kRtcpLabels : first);
  };
  into.profile = profile;
  into.encryption_size = key_size(profile);
  return derive(master, label(kLabelEncryption),
                rtp::Bytes(into.encryption).first(key_size(profile))) &&
         derive(master, label(kLabelSalt), rtp::Bytes(into.salt).first(salt_size(profile))) &&
         (profile != SrtpProfile::AesCm128HmacSha1_80 ||
          derive(master, label(kLabelAuthentication), into.authentication));
}

}  // namespace parley::server
