#include <stdexcept>

#include <openssl/ssl.h>

#include "server/dtls.h"

namespace parley::server {
namespace {

// AEAD only, and ephemeral keys only (RFC 8827, section 6.5). ECDSA for our own certificate, the
// RSA ones for the other role: a server with an RSA certificate.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256";
constexpr const char* kSrtpProfiles =
    "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
constexpr long kMaxCertificateBytes = 8'192;

void require(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL cannot set up DTLS");
}

}  // namespace

void DtlsContext::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

DtlsContext::DtlsContext(const Certificate& certificate) : context_(SSL_CTX_new(DTLS_method())) {
  SSL_CTX* const c = context_.get();
  require(c != nullptr);
  require(SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) == 1);
  require(SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) == 1);
  require(SSL_CTX_use_certificate(c, certificate.x509()) == 1);
  require(SSL_CTX_use_PrivateKey(c, certificate.key()) == 1);
  require(SSL_CTX_set_cipher_list(c, kCiphers) == 1);
  require(SSL_CTX_set1_groups_list(c, kGroups) == 1);
  require(SSL_CTX_set_tlsext_use_srtp(c, kSrtpProfiles) == 0);  // 0 is success here
  SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                             SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(c, kMaxCertificateBytes);
  // Any certificate passes here: nobody has signed it but its owner. Dtls compares it with the
  // fingerprints of the SDP before it exports a key.
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(
      c, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
}

}  // namespace parley::server
