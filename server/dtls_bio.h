#pragma once

#include "rtp/types.h"

struct bio_st;

namespace parley::server {

class Dtls;

// The datagram end of OpenSSL's DTLS: one read is one whole datagram, one write is one whole
// datagram. OpenSSL's memory BIOs would run them together.
class DtlsBio {
 public:
  // A BIO for both directions of `owner`, which must outlive it; null when memory is out. The
  // caller hands it to SSL_set_bio, which owns it from then on.
  [[nodiscard]] static bio_st* make(Dtls& owner);

 private:
  static int read(bio_st* bio, char* out, int size);
  static int write(bio_st* bio, const char* bytes, int size);
  static long ctrl(bio_st* bio, int command, long number, void* pointer);
};

}  // namespace parley::server
