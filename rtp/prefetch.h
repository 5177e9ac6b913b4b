#pragma once

#include <cstddef>
#include <cstdint>

namespace parley::rtp {

// Asks the processor to fetch `bytes` of memory that are needed soon. It waits for nothing and any
// address will do. Worth it only where thousands of objects are walked through, each too far from
// the last for the processor to guess.
inline void prefetch(const void* memory, std::size_t bytes) noexcept {
  constexpr std::size_t kLine = 64;
  const auto* const first = static_cast<const std::uint8_t*>(memory);
  for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(first + at);
}

}  // namespace parley::rtp
