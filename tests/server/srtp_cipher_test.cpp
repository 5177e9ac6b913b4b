#include "server/srtp_cipher.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/server/hex.h"
#include "tests/server/srtp_reference.h"

namespace parley::server {
namespace {

using rtp::Bytes;
using rtp::ConstBytes;
using test::hex;
using test::Octets;

// The vectors of the RFCs on each library, with the session keys that they give.
class SrtpCipherVectors : public testing::TestWithParam<SrtpCipher*> {
 protected:
  std::unique_ptr<SrtpCipherKey> expand(SrtpProfile profile, const Octets& key,
                                        const Octets& authentication = {}) {
    SrtpSessionKeys keys;
    keys.profile = profile;
    keys.encryption_size = key.size();
    std::copy(key.begin(), key.end(), keys.encryption.begin());
    std::copy(authentication.begin(), authentication.end(), keys.authentication.begin());
    return GetParam()->expand(keys);
  }
  SrtpJob job(SrtpCipherKey& key, const Octets& iv, ConstBytes authenticated, Bytes text) {
    SrtpJob job;
    job.key = &key;
    std::copy(iv.begin(), iv.end(), job.iv.begin());
    job.authenticated = authenticated;
    job.text = text;
    return job;
  }
};

std::vector<SrtpCipher*> ciphers() {
  std::vector<SrtpCipher*> all{openssl_cipher()};
  if (ipsec_mb_cipher() != nullptr) all.push_back(ipsec_mb_cipher());
  return all;
}
INSTANTIATE_TEST_SUITE_P(Libraries, SrtpCipherVectors, testing::ValuesIn(ciphers()),
                         [](const auto& cipher) { return std::string(cipher.param->name()); });

// RFC 3711, appendix B.2: the key stream, which is what zeros become.
TEST_P(SrtpCipherVectors, AesCounterModeOfRfc3711) {
  constexpr auto kProfile = SrtpProfile::AesCm128HmacSha1_80;
  const auto key = expand(kProfile, hex("2B7E151628AED2A6ABF7158809CF4F3C"));
  ASSERT_NE(key, nullptr);
  // The last two bytes of the IV count the blocks.
  const auto key_stream = [&](const char* iv) {
    Octets text(3 * 16);
    const Octets authenticated(4);  // nothing is not a packet
    SrtpJob one = job(*key, hex(iv), authenticated, text);
    GetParam()->seal(kProfile, {&one, 1});
    EXPECT_TRUE(one.ok);
    return text;
  };
  EXPECT_EQ(key_stream("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"),
            hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"
                "41E95B3BB0A2E8DD477901E4FCA894C0"));
  EXPECT_EQ(key_stream("F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"),
            hex("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE"
                "6A2CC3787889374FBEB4C81B17BA6C44"));
}

// RFC 2202, section 3, its first ten bytes: RFC 3711, section 4.2.1.
TEST_P(SrtpCipherVectors, HmacSha1OfRfc2202) {
  constexpr auto kProfile = SrtpProfile::AesCm128HmacSha1_80;
  const auto key = expand(kProfile, Octets(16), Octets(20, 0x0b));
  ASSERT_NE(key, nullptr);
  const std::string data = "Hi There";
  Octets text(16);
  SrtpJob one =
      job(*key, Octets(16), {reinterpret_cast<const std::uint8_t*>(data.data()), 8}, text);
  GetParam()->seal(kProfile, {&one, 1});
  ASSERT_TRUE(one.ok);
  EXPECT_EQ(Octets(one.tag.begin(), one.tag.begin() + 10), hex("b617318655057264e28b"));
}

struct GcmVector {
  const char* section;
  SrtpProfile profile;
  const char* iv;
  const char* authenticated;
  const char* plain;
  const char* sealed;  // and the tag
};
// RFC 7714, sections 16 and 17; the IVs stand there, too.
constexpr GcmVector kGcm[] = {
    {"16.1.1", SrtpProfile::AeadAes128Gcm, "51753c6580c2726f20718414", "8040f17b 8041f8d3 5501a0b2",
     "47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573",
     "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de"
     "3adf8833 899d7f27 beb16a91 52cf765e e4390cce"},
    {"16.2.1", SrtpProfile::AeadAes256Gcm, "51753c6580c2726f20718414", "8040f17b 8041f8d3 5501a0b2",
     "47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573",
     "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba6"
     "3799b87b 7aa3db36 dfffd6b0 f9bb7878 d7a76c13"},
    {"17.1", SrtpProfile::AeadAes128Gcm, "517524055203726f207170bb", "81c8000d 4d617273 800005d4",
     "4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef "
     "deadbeef",
     "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded "
     "0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade"},
    {"17.3", SrtpProfile::AeadAes256Gcm, "517524055203726f207170bb", "81c8000d 4d617273 800005d4",
     "4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef "
     "deadbeef",
     "d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 "
     "6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be"},
};

TEST_P(SrtpCipherVectors, GcmOfRfc7714) {
  for (const GcmVector& vector : kGcm) {
    SCOPED_TRACE(vector.section);
    Octets master(key_size(vector.profile));
    for (std::size_t i = 0; i < master.size(); ++i) master[i] = static_cast<std::uint8_t>(i);
    const auto key = expand(vector.profile, master);
    ASSERT_NE(key, nullptr);
    const Octets authenticated = hex(vector.authenticated);
    const Octets plain = hex(vector.plain);
    Octets text = plain;
    SrtpJob one = job(*key, hex(vector.iv), authenticated, text);
    GetParam()->seal(vector.profile, {&one, 1});
    ASSERT_TRUE(one.ok);
    Octets sealed = text;
    sealed.insert(sealed.end(), one.tag.begin(), one.tag.end());
    EXPECT_EQ(sealed, hex(vector.sealed));

    one.ok = false;
    GetParam()->open(vector.profile, {&one, 1});
    EXPECT_TRUE(one.ok);
    EXPECT_EQ(text, plain);
    one.tag[3] ^= 1;
    GetParam()->open(vector.profile, {&one, 1});
    EXPECT_FALSE(one.ok);
  }
}

// RFC 3711, appendix B.3.
TEST(SrtpKdf, DerivesTheKeysOfRfc3711) {
  const SrtpMasterKey master(hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
                             hex("0EC675AD498AFEEBB6960B3AABE6"));
  SrtpSessionKeys keys;
  ASSERT_TRUE(derive_srtp_keys(SrtpProfile::AesCm128HmacSha1_80, master, false, keys));
  EXPECT_EQ(Octets(keys.encryption.begin(), keys.encryption.begin() + 16),
            hex("C61E7A93744F39EE10734AFE3FF7A087"));
  EXPECT_EQ(Octets(keys.salt.begin(), keys.salt.begin() + 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
  EXPECT_EQ(Octets(keys.authentication.begin(), keys.authentication.end()),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

}  // namespace
}  // namespace parley::server
