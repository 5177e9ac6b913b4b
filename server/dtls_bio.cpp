#include "server/dtls_bio.h"

#include <algorithm>
#include <utility>

#include <openssl/bio.h>

#include "server/dtls.h"

namespace parley::server {

bio_st* DtlsBio::make(Dtls& owner) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "parley datagrams");
    if (m == nullptr || BIO_meth_set_read(m, &DtlsBio::read) != 1 ||
        BIO_meth_set_write(m, &DtlsBio::write) != 1 || BIO_meth_set_ctrl(m, &DtlsBio::ctrl) != 1) {
      BIO_meth_free(m);
      m = nullptr;
    }
    return m;  // for the life of the process
  }();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &owner);
  BIO_set_init(bio, 1);
  return bio;
}

int DtlsBio::read(bio_st* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  Dtls& owner = *static_cast<Dtls*>(BIO_get_data(bio));
  const rtp::ConstBytes datagram = std::exchange(owner.incoming_, {});
  if (datagram.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t count = std::min(datagram.size(), static_cast<std::size_t>(size));
  std::copy_n(datagram.begin(), count, out);
  return static_cast<int>(count);
}

int DtlsBio::write(bio_st* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  Dtls& owner = *static_cast<Dtls*>(BIO_get_data(bio));
  owner.wrote({reinterpret_cast<const std::uint8_t*>(bytes), static_cast<std::size_t>(size)});
  return size;
}

long DtlsBio::ctrl(bio_st* bio, int command, long, void*) {
  const Dtls& owner = *static_cast<const Dtls*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_PENDING:
      return static_cast<long>(owner.incoming_.size());
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return static_cast<long>(Dtls::kMtu);
    default:
      return 0;  // also to the questions about kernel TLS, which a wrong answer would turn on
  }
}

}  // namespace parley::server
