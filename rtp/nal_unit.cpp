#include "rtp/nal_unit.h"

namespace parley::rtp {

std::size_t unescape_nal_unit(ConstBytes body, Bytes out) noexcept {
  std::size_t size = 0;
  int zeros = 0;
  for (const std::uint8_t byte : body) {
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    if (size == out.size()) break;
    out[size++] = byte;
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  return size;
}

}  // namespace parley::rtp
