#include "control/utf8.h"

#include <cstddef>

namespace parley::control {
namespace {

// How many bytes a character has that begins so, and the bounds of its second byte, which keep out
// overlong forms, surrogates and what is too large.
struct Lead {
  std::size_t size = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};
Lead lead_of(unsigned char byte) noexcept {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const Lead lead = lead_of(static_cast<unsigned char>(bytes.front()));
    if (lead.size == 0 || lead.size > bytes.size()) return false;
    for (std::size_t i = 1; i < lead.size; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      const bool second = i == 1;
      if (byte < (second ? lead.low : 0x80) || byte > (second ? lead.high : 0xBF)) return false;
    }
    bytes.remove_prefix(lead.size);
  }
  return true;
}

}  // namespace parley::control
