#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "rtp/bytes.h"
#include "tests/server/dtls_pair.h"

namespace parley::test {

using Datagram = std::vector<std::uint8_t>;

inline std::vector<Datagram> drain(server::Dtls& dtls) {
  std::vector<Datagram> out;
  while (const auto datagram = dtls.poll_transmit()) {
    out.emplace_back(datagram->begin(), datagram->end());
  }
  return out;
}

// A DTLS client with settings that Dtls would never have, on OpenSSL alone.
class BareClient {
 public:
  template <class Setup>
  explicit BareClient(Setup setup) : context_(SSL_CTX_new(DTLS_client_method())) {
    SSL_CTX_use_certificate(context_, client_identity().certificate.x509());
    SSL_CTX_use_PrivateKey(context_, client_identity().certificate.key());
    SSL_CTX_set_cipher_list(context_, "ALL:@SECLEVEL=0");
    setup(context_);
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_options(ssl_, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl_, 1'200);
    SSL_set_connect_state(ssl_);
  }
  ~BareClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  BareClient(const BareClient&) = delete;
  BareClient& operator=(const BareClient&) = delete;

  // Takes what the server said and gives what follows, record by record.
  std::vector<Datagram> exchange(const std::vector<Datagram>& from_server = {}) {
    for (const Datagram& datagram : from_server) {
      BIO_write(in_, datagram.data(), static_cast<int>(datagram.size()));
      SSL_do_handshake(ssl_);
    }
    SSL_do_handshake(ssl_);
    Datagram bytes(BIO_ctrl_pending(out_));
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    std::vector<Datagram> records;
    for (std::size_t at = 0; at + 13 <= bytes.size();) {
      const std::size_t size = 13U + rtp::load16(bytes, at + 11);
      records.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                           bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
      at += size;
    }
    return records;
  }
  // Hands everything back and forth, as long as there is something to say.
  void meet(server::Dtls& server) {
    std::vector<Datagram> said = exchange();
    for (int round = 0; round < 6 && !said.empty(); ++round) {
      std::vector<Datagram> answers;
      for (const Datagram& record : said) {
        server.on_datagram(rtp::Time(rtp::Duration(1'000'000)), record);
        for (Datagram& answer : drain(server)) answers.push_back(std::move(answer));
      }
      said = exchange(answers);
    }
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

}  // namespace parley::test
