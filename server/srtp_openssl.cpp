#include <array>
#include <memory>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "server/srtp_cipher.h"

namespace parley::server {
namespace {

constexpr int kAeadIv = 12;
constexpr int kAeadTag = 16;
constexpr std::size_t kHmacTag = 10;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
};

// Contexts that keep the expanded key from packet to packet.
struct Key final : SrtpCipherKey {
  std::size_t bytes() const noexcept override { return sizeof *this; }
  std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> cipher{EVP_CIPHER_CTX_new()};
  std::unique_ptr<EVP_MAC_CTX, FreeMac> mac;  // AES_CM profiles only
};

Key& key_of(const SrtpJob& job) noexcept { return *static_cast<Key*>(job.key); }

const EVP_CIPHER* cipher_of(const SrtpSessionKeys& keys) noexcept {
  switch (keys.profile) {
    case SrtpProfile::AeadAes128Gcm:
      return EVP_aes_128_gcm();
    case SrtpProfile::AeadAes256Gcm:
      return EVP_aes_256_gcm();
    case SrtpProfile::AesCm128HmacSha1_80:
      return EVP_aes_128_ctr();
  }
  return nullptr;
}

bool add_mac(const SrtpSessionKeys& keys, Key& key) noexcept {
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  if (hmac == nullptr) return false;
  key.mac.reset(EVP_MAC_CTX_new(hmac));
  std::array<char, 5> digest{"SHA1"};
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  return key.mac && EVP_MAC_init(key.mac.get(), keys.authentication.data(),
                                 keys.authentication.size(), params.data()) == 1;
}

int length(rtp::ConstBytes bytes) noexcept { return static_cast<int>(bytes.size()); }

// Counter mode is its own inverse.
bool count_over(SrtpJob& job) noexcept {
  EVP_CIPHER_CTX* const c = key_of(job).cipher.get();
  int size = 0;
  return EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, job.iv.data()) == 1 &&
         EVP_EncryptUpdate(c, job.text.data(), &size, job.text.data(), length(job.text)) == 1;
}

bool sign(const SrtpJob& job, rtp::Bytes full_tag) noexcept {
  EVP_MAC_CTX* const mac = key_of(job).mac.get();
  std::size_t size = 0;
  return EVP_MAC_init(mac, nullptr, 0, nullptr) == 1 &&
         EVP_MAC_update(mac, job.authenticated.data(), job.authenticated.size()) == 1 &&
         EVP_MAC_final(mac, full_tag.data(), &size, full_tag.size()) == 1;
}

bool seal_aead(SrtpJob& job) noexcept {
  EVP_CIPHER_CTX* const c = key_of(job).cipher.get();
  int size = 0;
  return EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, job.iv.data()) == 1 &&
         EVP_EncryptUpdate(c, nullptr, &size, job.authenticated.data(),
                           length(job.authenticated)) == 1 &&
         EVP_EncryptUpdate(c, job.text.data(), &size, job.text.data(), length(job.text)) == 1 &&
         EVP_EncryptFinal_ex(c, job.text.data() + size, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kAeadTag, job.tag.data()) == 1;
}

bool open_aead(SrtpJob& job) noexcept {
  EVP_CIPHER_CTX* const c = key_of(job).cipher.get();
  int size = 0;
  return EVP_DecryptInit_ex(c, nullptr, nullptr, nullptr, job.iv.data()) == 1 &&
         EVP_DecryptUpdate(c, nullptr, &size, job.authenticated.data(),
                           length(job.authenticated)) == 1 &&
         EVP_DecryptUpdate(c, job.text.data(), &size, job.text.data(), length(job.text)) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kAeadTag, job.tag.data()) == 1 &&
         EVP_DecryptFinal_ex(c, job.text.data() + size, &size) == 1;
}

bool seal_cm(SrtpJob& job) noexcept {
  std::array<std::uint8_t, SrtpSessionKeys::kAuthSize> full{};
  if (!count_over(job) || !sign(job, full)) return false;
  std::copy_n(full.begin(), kHmacTag, job.tag.begin());
  return true;
}

bool open_cm(SrtpJob& job) noexcept {
  std::array<std::uint8_t, SrtpSessionKeys::kAuthSize> full{};
  return sign(job, full) && CRYPTO_memcmp(full.data(), job.tag.data(), kHmacTag) == 0 &&
         count_over(job);
}

class OpenSslCipher final : public SrtpCipher {
 public:
  std::string_view name() const noexcept override { return "openssl"; }

  std::unique_ptr<SrtpCipherKey> expand(const SrtpSessionKeys& keys) override {
    auto key = std::make_unique<Key>();
    const bool aead = keys.profile != SrtpProfile::AesCm128HmacSha1_80;
    EVP_CIPHER_CTX* const c = key->cipher.get();
    const bool made =
        c != nullptr &&
        EVP_EncryptInit_ex(c, cipher_of(keys), nullptr, keys.encryption.data(), nullptr) == 1 &&
        (aead ? EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, kAeadIv, nullptr) == 1
              : add_mac(keys, *key));
    if (!made) return nullptr;
    return key;
  }
  void seal(SrtpProfile profile, std::span<SrtpJob> jobs) noexcept override {
    const bool aead = profile != SrtpProfile::AesCm128HmacSha1_80;
    for (SrtpJob& job : jobs) job.ok = aead ? seal_aead(job) : seal_cm(job);
  }
  void open(SrtpProfile profile, std::span<SrtpJob> jobs) noexcept override {
    const bool aead = profile != SrtpProfile::AesCm128HmacSha1_80;
    for (SrtpJob& job : jobs) job.ok = aead ? open_aead(job) : open_cm(job);
  }
};

}  // namespace

SrtpCipher* openssl_cipher() noexcept {
  static OpenSslCipher cipher;
  return &cipher;
}

}  // namespace parley::server
