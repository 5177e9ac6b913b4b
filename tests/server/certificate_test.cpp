#include "server/certificate.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace parley::server {
namespace {

constexpr std::int64_t kWallMs = 1'790'000'000'000;

TEST(Certificate, IsANewEcdsaP256OneEachTime) {
  const Certificate one = Certificate::make(kWallMs);
  const Certificate two = Certificate::make(kWallMs);
  EXPECT_EQ(EVP_PKEY_get_base_id(one.key()), EVP_PKEY_EC);
  EXPECT_EQ(EVP_PKEY_get_bits(one.key()), 256);
  EXPECT_EQ(X509_verify(one.x509(), one.key()), 1);
  EXPECT_FALSE(one.fingerprint() == two.fingerprint());
}

TEST(Certificate, WritesItsFingerprintAsSdpHasIt) {
  const Certificate certificate = Certificate::make(kWallMs);
  const std::string text = certificate.fingerprint_text();
  EXPECT_EQ(text.size(), 8U + 32 * 3 - 1);
  EXPECT_EQ(text.substr(0, 8), "sha-256 ");
  const Fingerprint fingerprint = certificate.fingerprint();
  ASSERT_EQ(fingerprint.digest.size(), 32U);
  EXPECT_EQ(std::stoul(text.substr(8, 2), nullptr, 16), fingerprint.digest[0]);
  EXPECT_EQ(std::stoul(text.substr(text.size() - 2), nullptr, 16), fingerprint.digest[31]);
}

TEST(Certificate, IsValidNow) {
  const Certificate certificate = Certificate::make(kWallMs);
  std::time_t now = kWallMs / 1'000;
  EXPECT_LT(X509_cmp_time(X509_get0_notBefore(certificate.x509()), &now), 0);
  EXPECT_GT(X509_cmp_time(X509_get0_notAfter(certificate.x509()), &now), 0);
}

}  // namespace
}  // namespace parley::server
