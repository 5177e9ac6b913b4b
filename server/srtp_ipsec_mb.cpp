#include "server/srtp_cipher.h"

#ifdef PARLEY_IPSEC_MB

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

namespace parley::server {
namespace {

constexpr std::uint64_t kAeadTag = 16;
constexpr std::size_t kHmacTag = 10;
// The library makes HMAC-SHA1 tags of 12 bytes for IPsec; SRTP wants the first 10 of them.
constexpr std::size_t kIpsecTag = 12;
constexpr std::size_t kSha1Block = 64;
constexpr std::size_t kSha1State = 20;

struct FreeManager {
  void operator()(IMB_MGR* manager) const noexcept { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

Manager make_manager() noexcept {
  Manager manager(alloc_mb_mgr(0));
  IMB_ARCH architecture{};
  if (manager) init_mb_mgr_auto(manager.get(), &architecture);
  if (!manager || imb_get_errno(manager.get()) != 0) return nullptr;
  return manager;
}

// Scratch of the library: what it needs of it lasts for one call, but two threads must not share.
IMB_MGR* manager() noexcept {
  thread_local const Manager mine = make_manager();
  return mine.get();
}

struct AeadKey final : SrtpCipherKey {
  std::size_t bytes() const noexcept override { return sizeof *this; }
  ~AeadKey() override { OPENSSL_cleanse(&expanded, sizeof expanded); }
  // The library reads it as if it were so aligned, but its header says so only to its own build.
  alignas(64) gcm_key_data expanded{};
};

struct CmKey final : SrtpCipherKey {
  std::size_t bytes() const noexcept override { return sizeof *this; }
  ~CmKey() override {
    OPENSSL_cleanse(expanded.data(), expanded.size());
    OPENSSL_cleanse(inner.data(), inner.size());
    OPENSSL_cleanse(outer.data(), outer.size());
  }
  alignas(16) std::array<std::uint8_t, 11 * 16> expanded{};
  // SHA-1 after the first block of each pass of HMAC (RFC 2104, section 4).
  alignas(16) std::array<std::uint8_t, kSha1State> inner{};
  alignas(16) std::array<std::uint8_t, kSha1State> outer{};
};

std::unique_ptr<SrtpCipherKey> expand_aead(IMB_MGR* m, const SrtpSessionKeys& keys) {
  auto key = std::make_unique<AeadKey>();
  if (keys.profile == SrtpProfile::AeadAes256Gcm) {
    IMB_AES256_GCM_PRE(m, keys.encryption.data(), &key->expanded);
  } else {
    IMB_AES128_GCM_PRE(m, keys.encryption.data(), &key->expanded);
  }
  return key;
}

void first_block(IMB_MGR* m, const SrtpSessionKeys& keys, std::uint8_t pad,
                 std::array<std::uint8_t, kSha1State>& state) {
  std::array<std::uint8_t, kSha1Block> block{};
  std::copy(keys.authentication.begin(), keys.authentication.end(), block.begin());
  for (std::uint8_t& byte : block) byte = static_cast<std::uint8_t>(byte ^ pad);
  IMB_SHA1_ONE_BLOCK(m, block.data(), state.data());
  OPENSSL_cleanse(block.data(), block.size());
}

std::unique_ptr<SrtpCipherKey> expand_cm(IMB_MGR* m, const SrtpSessionKeys& keys) {
  auto key = std::make_unique<CmKey>();
  alignas(16) std::array<std::uint8_t, 11 * 16> unused{};  // for deciphering, which CTR never does
  IMB_AES_KEYEXP_128(m, keys.encryption.data(), key->expanded.data(), unused.data());
  OPENSSL_cleanse(unused.data(), unused.size());
  first_block(m, keys, 0x36, key->inner);
  first_block(m, keys, 0x5c, key->outer);
  return key;
}

// One after the other: the library has no lanes for GCM, a packet fills the processor by itself.
void seal_aead(IMB_MGR* m, bool large, std::span<SrtpJob> jobs) noexcept {
  for (SrtpJob& job : jobs) {
    const gcm_key_data* key = &static_cast<AeadKey*>(job.key)->expanded;
    alignas(64) gcm_context_data context;
    const auto encrypt = large ? m->gcm256_enc : m->gcm128_enc;
    encrypt(key, &context, job.text.data(), job.text.data(), job.text.size(), job.iv.data(),
            job.authenticated.data(), job.authenticated.size(), job.tag.data(), kAeadTag);
    job.ok = true;
  }
}

void open_aead(IMB_MGR* m, bool large, std::span<SrtpJob> jobs) noexcept {
  for (SrtpJob& job : jobs) {
    const gcm_key_data* key = &static_cast<AeadKey*>(job.key)->expanded;
    alignas(64) gcm_context_data context;
    std::array<std::uint8_t, SrtpJob::kMaxTag> tag{};
    const auto decrypt = large ? m->gcm256_dec : m->gcm128_dec;
    decrypt(key, &context, job.text.data(), job.text.data(), job.text.size(), job.iv.data(),
            job.authenticated.data(), job.authenticated.size(), tag.data(), kAeadTag);
    job.ok = CRYPTO_memcmp(tag.data(), job.tag.data(), kAeadTag) == 0;
  }
}

using ImbJobs = std::array<IMB_JOB, SrtpCipher::kMaxBatch>;

// Counter mode over all texts; it is its own inverse.
bool count_over(IMB_MGR* m, std::span<SrtpJob> jobs, bool all) noexcept {
  ImbJobs burst;
  std::uint32_t count = 0;
  for (SrtpJob& job : jobs) {
    if (job.text.empty() || !(all || job.ok)) continue;
    IMB_JOB& one = burst[count++];
    one = {};
    one.enc_keys = one.dec_keys = static_cast<CmKey*>(job.key)->expanded.data();
    one.key_len_in_bytes = IMB_KEY_128_BYTES;
    one.src = one.dst = job.text.data();
    one.msg_len_to_cipher_in_bytes = job.text.size();
    one.iv = job.iv.data();
    one.iv_len_in_bytes = job.iv.size();
  }
  return count == 0 || IMB_SUBMIT_CIPHER_BURST(m, burst.data(), count, IMB_CIPHER_CNTR,
                                               IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == count;
}

using Tags = std::array<std::array<std::uint8_t, kIpsecTag>, SrtpCipher::kMaxBatch>;

bool sign(IMB_MGR* m, std::span<SrtpJob> jobs, Tags& tags) noexcept {
  ImbJobs burst;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const CmKey* key = static_cast<CmKey*>(jobs[i].key);
    IMB_JOB& one = burst[i];
    one = {};
    one.src = jobs[i].authenticated.data();
    one.msg_len_to_hash_in_bytes = jobs[i].authenticated.size();
    one.u.HMAC._hashed_auth_key_xor_ipad = key->inner.data();
    one.u.HMAC._hashed_auth_key_xor_opad = key->outer.data();
    one.auth_tag_output = tags[i].data();
    one.auth_tag_output_len_in_bytes = kIpsecTag;
  }
  const auto count = static_cast<std::uint32_t>(jobs.size());
  return IMB_SUBMIT_HASH_BURST(m, burst.data(), count, IMB_AUTH_HMAC_SHA_1) == count;
}

void seal_cm(IMB_MGR* m, std::span<SrtpJob> jobs) noexcept {
  Tags tags;
  const bool made = count_over(m, jobs, true) && sign(m, jobs, tags);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].ok = made;
    std::copy_n(tags[i].begin(), kHmacTag, jobs[i].tag.begin());
  }
}

void open_cm(IMB_MGR* m, std::span<SrtpJob> jobs) noexcept {
  Tags tags;
  const bool made = sign(m, jobs, tags);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].ok = made && CRYPTO_memcmp(tags[i].data(), jobs[i].tag.data(), kHmacTag) == 0;
  }
  if (count_over(m, jobs, false)) return;
  for (SrtpJob& job : jobs) job.ok = false;
}

class IpsecMbCipher final : public SrtpCipher {
 public:
  std::string_view name() const noexcept override { return "ipsec_mb"; }

  std::unique_ptr<SrtpCipherKey> expand(const SrtpSessionKeys& keys) override {
    IMB_MGR* const m = manager();
    if (m == nullptr) return nullptr;
    return keys.profile == SrtpProfile::AesCm128HmacSha1_80 ? expand_cm(m, keys)
                                                            : expand_aead(m, keys);
  }
  void seal(SrtpProfile profile, std::span<SrtpJob> jobs) noexcept override {
    IMB_MGR* const m = manager();
    if (m == nullptr) return fail(jobs);
    if (profile == SrtpProfile::AesCm128HmacSha1_80) return seal_cm(m, jobs);
    seal_aead(m, profile == SrtpProfile::AeadAes256Gcm, jobs);
  }
  void open(SrtpProfile profile, std::span<SrtpJob> jobs) noexcept override {
    IMB_MGR* const m = manager();
    if (m == nullptr) return fail(jobs);
    if (profile == SrtpProfile::AesCm128HmacSha1_80) return open_cm(m, jobs);
    open_aead(m, profile == SrtpProfile::AeadAes256Gcm, jobs);
  }

 private:
  // Memory is out on this thread.
  static void fail(std::span<SrtpJob> jobs) noexcept {
    for (SrtpJob& job : jobs) job.ok = false;
  }
};

bool usable() noexcept {
  constexpr std::uint64_t kNeeds = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  return manager() != nullptr && (manager()->features & kNeeds) == kNeeds;
}

}  // namespace

SrtpCipher* ipsec_mb_cipher() noexcept {
  static IpsecMbCipher cipher;
  static const bool works = usable();
  return works ? &cipher : nullptr;
}

}  // namespace parley::server

#else

namespace parley::server {

SrtpCipher* ipsec_mb_cipher() noexcept { return nullptr; }

}  // namespace parley::server

#endif
