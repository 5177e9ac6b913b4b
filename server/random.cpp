#include "server/random.h"

#include <cstdlib>

#include <openssl/rand.h>

namespace parley::server {

RandomSource system_random() {
  return [](rtp::Bytes out) {
    // A daemon without chance must not go on: predictable secrets are worse than none.
    if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) std::abort();
  };
}

RandomSource seeded_random(std::uint64_t seed) {
  return [state = seed](rtp::Bytes out) mutable {
    for (std::uint8_t& byte : out) {
      state += 0x9E3779B97F4A7C15;
      std::uint64_t z = state;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
      byte = static_cast<std::uint8_t>((z ^ (z >> 31)) >> 24);
    }
  };
}

}  // namespace parley::server
