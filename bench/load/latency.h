#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "bench/load/clock.h"

namespace parley::bench {

// How long things took, in buckets that are an eighth of a power of two wide: within 13 % from a
// microsecond to hours, and always the same small size.
class LatencyHistogram {
 public:
  void add(Nanoseconds took) {
    const auto us = static_cast<std::uint64_t>(std::max<Nanoseconds>(took / 1'000, 1));
    const auto power = static_cast<std::size_t>(std::bit_width(us) - 1);
    const std::size_t eighth = power >= 3 ? (us >> (power - 3)) & 7 : (us << (3 - power)) & 7;
    ++buckets_[std::min(power * 8 + eighth, buckets_.size() - 1)];
    ++count_;
  }
  // The value that this share of them stays below, in microseconds; 0 without any.
  [[nodiscard]] double quantile_us(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted) {
        return static_cast<double>(std::uint64_t{1} << (i / 8)) *
               (1.0 + (1.0 + static_cast<double>(i % 8)) / 8.0);
      }
    }
    return 0;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::array<std::uint64_t, 8 * 32> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace parley::bench
