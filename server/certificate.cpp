#include "server/certificate.h"

#include <ctime>
#include <stdexcept>

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace parley::server {
namespace {

constexpr std::time_t kDay = 24 * 60 * 60;

void require(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL cannot make the DTLS certificate");
}

void set_serial(X509* certificate) {
  BIGNUM* number = BN_new();
  require(number != nullptr);
  const bool made = BN_rand(number, 64, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  require(made);
}

}  // namespace

void Certificate::Free::operator()(x509_st* certificate) const noexcept { X509_free(certificate); }
void Certificate::Free::operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }

Certificate Certificate::make(std::int64_t wall_ms) {
  Certificate made;
  made.key_.reset(EVP_EC_gen("P-256"));
  made.x509_.reset(X509_new());
  require(made.key_ && made.x509_);
  X509* const x509 = made.x509_.get();
  require(X509_set_version(x509, X509_VERSION_3) == 1);
  set_serial(x509);

  // Nobody checks the dates of such a certificate; a day back allows for a clock that is behind.
  const std::time_t now = static_cast<std::time_t>(wall_ms / 1'000);
  require(ASN1_TIME_set(X509_getm_notBefore(x509), now - kDay) != nullptr);
  require(ASN1_TIME_set(X509_getm_notAfter(x509), now + 3'650 * kDay) != nullptr);

  X509_NAME* const name = X509_get_subject_name(x509);
  const unsigned char common_name[] = "WebRTC";
  require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1);
  require(X509_set_issuer_name(x509, name) == 1);
  require(X509_set_pubkey(x509, made.key_.get()) == 1);
  require(X509_sign(x509, made.key_.get(), EVP_sha256()) > 0);

  unsigned int size = 0;
  require(X509_digest(x509, EVP_sha256(), made.sha256_.data(), &size) == 1);
  require(size == made.sha256_.size());
  return made;
}

Fingerprint Certificate::fingerprint() const {
  return {HashAlgorithm::Sha256, {sha256_.begin(), sha256_.end()}};
}

std::string Certificate::fingerprint_text() const {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string text = "sha-256 ";
  for (std::size_t i = 0; i < sha256_.size(); ++i) {
    if (i > 0) text += ':';
    text += kHex[sha256_[i] >> 4];
    text += kHex[sha256_[i] & 15];
  }
  return text;
}

}  // namespace parley::server
