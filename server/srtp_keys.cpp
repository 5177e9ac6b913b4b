#include "server/srtp_keys.h"

#include <algorithm>
#include <cassert>

#include <openssl/crypto.h>

namespace parley::server {

std::size_t key_size(SrtpProfile profile) noexcept {
  return profile == SrtpProfile::AeadAes256Gcm ? 32 : 16;
}

std::size_t salt_size(SrtpProfile profile) noexcept {
  return profile == SrtpProfile::AesCm128HmacSha1_80 ? 14 : 12;
}

SrtpMasterKey::SrtpMasterKey(rtp::ConstBytes key, rtp::ConstBytes salt) noexcept
    : key_size_(key.size()), salt_size_(salt.size()) {
  assert(key.size() <= kMaxKeySize && salt.size() <= kMaxSaltSize);
  std::copy(key.begin(), key.end(), key_.begin());
  std::copy(salt.begin(), salt.end(), salt_.begin());
}

SrtpMasterKey::~SrtpMasterKey() {
  OPENSSL_cleanse(key_.data(), key_.size());
  OPENSSL_cleanse(salt_.data(), salt_.size());
}

}  // namespace parley::server
