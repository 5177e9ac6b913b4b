#include "control/cidr.h"

#include <charconv>
#include <string>

#include <arpa/inet.h>

namespace parley::control {
namespace {

// How many bytes the address has; 0 for text that is none.
std::size_t read_address(std::string_view text, std::array<std::uint8_t, 16>& into) {
  if (text.find('\0') != std::string_view::npos) return 0;  // where C would see an end
  const std::string copy(text);
  if (inet_pton(AF_INET, copy.c_str(), into.data()) == 1) return 4;
  if (inet_pton(AF_INET6, copy.c_str(), into.data()) == 1) return 16;
  return 0;
}

}  // namespace

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  Cidr range;
  range.size_ = read_address(text.substr(0, slash), range.bytes_);
  if (range.size_ == 0) return std::nullopt;
  range.bits_ = static_cast<unsigned>(range.size_ * 8);
  if (slash == std::string_view::npos) return range;
  const std::string_view number = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
  if (error != std::errc() || end != number.data() + number.size() || bits > range.bits_) {
    return std::nullopt;
  }
  range.bits_ = bits;
  return range;
}

bool Cidr::contains(std::string_view address) const {
  std::array<std::uint8_t, 16> bytes{};
  if (read_address(address, bytes) != size_) return false;
  for (unsigned bit = 0; bit < bits_; ++bit) {
    const unsigned mask = 0x80U >> bit % 8;
    if ((bytes[bit / 8] & mask) != (bytes_[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace parley::control
