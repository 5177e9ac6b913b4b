#pragma once

#include "rtp/packet_pool.h"
#include "rtp/types.h"
#include "server/address.h"

namespace parley::server {

// One datagram as it came.
struct Arrived {
  Path path;
  rtp::Buffer datagram;
};

// One datagram as it goes on the wire.
struct Datagram {
  const Path* path = nullptr;
  rtp::ConstBytes bytes{};
  // It may leave in one system call with the one before it: the same path, not larger, and all
  // before it in that run of one size (UDP_SEGMENT of Linux).
  bool joins = false;
};

}  // namespace parley::server
