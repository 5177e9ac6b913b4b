#pragma once

#include <cstdint>

namespace parley::rtp {

// Size of a picture in pixels; 0x0 where a payload does not say it.
struct Resolution {
  std::uint16_t width = 0;
  std::uint16_t height = 0;
  friend constexpr bool operator==(Resolution, Resolution) = default;
};

}  // namespace parley::rtp
