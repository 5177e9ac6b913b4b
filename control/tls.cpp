#include "control/tls.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace parley::control {
namespace {

constexpr std::int64_t kValidSeconds = 397 * 86'400;
// Clocks differ: a certificate made now is good an hour ago.
constexpr std::int64_t kBackdateSeconds = 3'600;
constexpr std::size_t kChunkBytes = 16'384;  // one TLS record

template <auto Function>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    Function(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "unknown TLS error";
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

// The name goes into an extension's text form: nothing may read as a second name.
bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

bool add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill(X509* certificate, EVP_PKEY* key, const std::string& host, std::int64_t now_ms) {
  std::array<unsigned char, 16> serial{};
  if (RAND_bytes(serial.data(), serial.size()) != 1) return false;
  serial[0] &= 0x7fU;  // positive
  const std::unique_ptr<BIGNUM, Free<BN_free>> number(
      BN_bin2bn(serial.data(), serial.size(), nullptr));
  const std::time_t now = static_cast<std::time_t>(now_ms / 1000);
  X509_NAME* name = X509_get_subject_name(certificate);
  // A common name holds at most 64 characters; clients look at the alternative name only.
  const std::string common = host.substr(0, 64);
  return X509_set_version(certificate, X509_VERSION_3) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), now - kBackdateSeconds) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), now + kValidSeconds) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1,
                                    0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
         add_extension(certificate, NID_subject_alt_name, (is_ip(host) ? "IP:" : "DNS:") + host) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

tl::expected<SelfSigned, std::string> make_self_signed(std::string_view host, std::int64_t now_ms) {
  const std::string name(host);
  if (!is_ip(name) && !is_name(host)) {
    return tl::unexpected("no host name or address: " + name);
  }
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (!key || !certificate || !fill(certificate.get(), key.get(), name, now_ms)) {
    return tl::unexpected(openssl_error());
  }
  const Bio cert_pem(BIO_new(BIO_s_mem()));
  const Bio key_pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(cert_pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return tl::unexpected(openssl_error());
  }
  return SelfSigned{text_of(cert_pem.get()), text_of(key_pem.get())};
}

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

tl::expected<TlsContext, std::string> TlsContext::from_files(const std::string& certificate_file,
                                                             const std::string& key_file) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* raw = context.get();
  if (raw == nullptr) return tl::unexpected(openssl_error());
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Forward secrecy and authenticated ciphers only, for TLS 1.2.
  SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20");
  // Connections here live long: a cache of sessions would only be memory.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  // A key with a passphrase is refused instead of asked for on the terminal.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return -1; });
  if (SSL_CTX_use_certificate_chain_file(raw, certificate_file.c_str()) != 1) {
    return tl::unexpected(certificate_file + ": " + openssl_error());
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(raw) != 1) {
    return tl::unexpected(key_file + ": " + openssl_error());
  }
  return context;
}

void TlsStream::Free::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

TlsStream::TlsStream(const TlsContext& context) : ssl_(SSL_new(context.get())) {
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl_.get(), in, out);  // owned by the SSL from here
  SSL_set_accept_state(ssl_.get());
}

TlsStream::Status TlsStream::receive(std::string_view ciphertext, std::string& plain) {
  std::array<char, kChunkBytes> chunk{};
  ERR_clear_error();
  while (!ciphertext.empty()) {
    const int size = static_cast<int>(std::min<std::size_t>(ciphertext.size(), INT_MAX));
    const int taken = BIO_write(SSL_get_rbio(ssl_.get()), ciphertext.data(), size);
    if (taken <= 0) return Status::Failed;
    ciphertext.remove_prefix(static_cast<std::size_t>(taken));
  }
  for (;;) {
    const int size = SSL_read(ssl_.get(), chunk.data(), static_cast<int>(chunk.size()));
    if (size > 0) {
      plain.append(chunk.data(), static_cast<std::size_t>(size));
      continue;
    }
    switch (SSL_get_error(ssl_.get(), size)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return Status::Ok;
      case SSL_ERROR_ZERO_RETURN:
        return Status::Closed;
      default:
        ERR_clear_error();
        return Status::Failed;
    }
  }
}

bool TlsStream::send(std::string_view plain) {
  ERR_clear_error();
  // Partial writes: one call takes at most a record.
  while (!plain.empty()) {
    const int size = static_cast<int>(std::min<std::size_t>(plain.size(), INT_MAX));
    const int taken = SSL_write(ssl_.get(), plain.data(), size);
    if (taken <= 0) {
      ERR_clear_error();
      return false;
    }
    plain.remove_prefix(static_cast<std::size_t>(taken));
  }
  return true;
}

void TlsStream::shutdown() {
  ERR_clear_error();
  if (established()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsStream::take_output(std::string& into) {
  BIO* out = SSL_get_wbio(ssl_.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  if (size > 0) into.append(data, static_cast<std::size_t>(size));
  (void)BIO_reset(out);
}

bool TlsStream::established() const noexcept { return SSL_is_init_finished(ssl_.get()) == 1; }

}  // namespace parley::control
