#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "rtp/types.h"

namespace parley::rtp {

using WireBytes = std::vector<std::uint8_t>;

inline WireBytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

inline WireBytes joined(WireBytes a, const WireBytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Calls `f` with every proper beginning of `wire`, each a copy of exactly that size, so that a
// sanitizer sees a read past its end.
template <class F>
void for_each_truncation(const WireBytes& wire, F&& f) {
  for (std::size_t size = 0; size < wire.size(); ++size) {
    const WireBytes cut(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    f(cut);
  }
}

// Puts bits together, most significant first; the last byte is filled with zeros.
class BitWriter {
 public:
  BitWriter& bits(std::uint64_t value, unsigned count) {
    for (unsigned i = count; i-- > 0; ++size_) {
      if (size_ % 8 == 0) bytes_.push_back(0);
      const unsigned bit = static_cast<unsigned>(value >> i & 1) << (7 - size_ % 8);
      bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | bit);
    }
    return *this;
  }
  BitWriter& ue(std::uint32_t value) {
    unsigned width = 0;
    for (std::uint64_t x = std::uint64_t{value} + 1; x > 1; x >>= 1) ++width;
    return bits(0, width).bits(std::uint64_t{value} + 1, width + 1);
  }
  BitWriter& se(std::int32_t value) {
    return ue(value > 0 ? 2 * static_cast<std::uint32_t>(value) - 1
                        : 2 * static_cast<std::uint32_t>(-value));
  }
  [[nodiscard]] const WireBytes& bytes() const { return bytes_; }

 private:
  WireBytes bytes_;
  std::size_t size_ = 0;
};

}  // namespace parley::rtp
