#pragma once

#include <cctype>
#include <cstdint>
#include <string_view>
#include <vector>

namespace parley::test {

// The bytes of a hex dump as RFCs print them; anything but hex digits separates.
inline std::vector<std::uint8_t> hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  int half = -1;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) continue;
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (half < 0) {
      half = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(half << 4 | digit));
      half = -1;
    }
  }
  return bytes;
}

}  // namespace parley::test
