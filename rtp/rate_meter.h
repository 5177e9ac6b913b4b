#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// Bits and events (packets, or frames) per second over the last second, in fixed buckets. Until a
// full second has been seen the rate is that of the time since the first one, but of no less than
// 200 ms, so that a stream's first packets do not look like a flood.
class RateMeter {
 public:
  static constexpr Duration kBucket{50'000};
  static constexpr std::size_t kBuckets = 20;  // one second

  // `events`: what per_second() shall count, for example 1 for a frame's first packet, else 0.
  void add(std::size_t bytes, std::uint32_t events, Time now) noexcept;

  [[nodiscard]] Bitrate bitrate(Time now) noexcept;
  // Over the last buckets only, at least two.
  [[nodiscard]] Bitrate bitrate(Time now, std::size_t buckets) noexcept;
  [[nodiscard]] double per_second(Time now) noexcept;
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return total_bytes_; }

 private:
  struct Bucket {
    std::uint64_t bytes = 0;
    std::uint32_t events = 0;
  };
  void advance(Time now) noexcept;
  [[nodiscard]] Duration span(Time now, std::size_t buckets) const noexcept;

  std::array<Bucket, kBuckets> buckets_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t total_bytes_ = 0;
  std::int64_t current_ = 0;  // bucket number since Time's epoch
  std::optional<Time> first_;
};

}  // namespace parley::rtp
