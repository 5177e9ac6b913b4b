#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace parley::control {

// A range of IP addresses, "10.0.0.0/8" or "2001:db8::/32"; an address alone is a range of one
// (RFC 4632, RFC 4291).
class Cidr {
 public:
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text);
  // An address as text; one of the other family is never in it.
  [[nodiscard]] bool contains(std::string_view address) const;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  std::size_t size_ = 0;  // 4 or 16
  unsigned bits_ = 0;
};

}  // namespace parley::control
