#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "rtp/types.h"

namespace parley::control {

// Fills at a steady rate and holds so much: a burst passes, a steady flood does not.
class TokenBucket {
 public:
  TokenBucket(double per_s, double size, rtp::Time now)
      : per_s_(per_s), size_(size), level_(size), filled_at_(now) {}

  // Takes so many out, or says after how many milliseconds they are there. Of more than ever fit,
  // as soon as it is full: then it owes the rest.
  [[nodiscard]] std::optional<std::int64_t> take(rtp::Time now, double count = 1);
  // Nothing was taken lately: a new one would be the same.
  [[nodiscard]] bool is_full(rtp::Time now) const;

 private:
  [[nodiscard]] double level_at(rtp::Time now) const;

  double per_s_;
  double size_;
  double level_;
  rtp::Time filled_at_;
};

// How many requests a second somebody may make, reads and writes apart, and twice as many at once.
class RateLimit {
 public:
  static constexpr std::size_t kMaxBuckets = 10'000;
  static constexpr double kBurstSeconds = 2;

  struct Rates {  // 0: no limit
    std::uint32_t reads_per_s = 0;
    std::uint32_t writes_per_s = 0;
  };
  // Takes one request out of `who`'s bucket, or says after how many milliseconds there is one.
  [[nodiscard]] std::optional<std::int64_t> take(std::string_view who, Rates rates, bool write,
                                                 rtp::Time now);
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  struct Entry {
    double per_s = 0;
    TokenBucket bucket;
  };
  // At the limit of buckets those that are full again go; they say nothing.
  TokenBucket& bucket_of(std::string_view who, bool write, double per_s, rtp::Time now);

  std::map<std::pair<std::string, bool>, Entry> buckets_;
  rtp::Time swept_at_{};
  std::uint64_t refused_ = 0;
};

}  // namespace parley::control
