#include "control/rate_limit.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace parley::control {

double TokenBucket::level_at(rtp::Time now) const {
  return std::min(size_, level_ + std::chrono::duration<double>(now - filled_at_).count() * per_s_);
}

std::optional<std::int64_t> TokenBucket::take(rtp::Time now, double count) {
  level_ = level_at(now);
  filled_at_ = now;
  const double needed = std::min(count, size_);
  if (level_ >= needed) {
    level_ -= count;
    return std::nullopt;
  }
  return static_cast<std::int64_t>(std::ceil((needed - level_) / per_s_ * 1'000));
}

bool TokenBucket::is_full(rtp::Time now) const { return level_at(now) >= size_; }

TokenBucket& RateLimit::bucket_of(std::string_view who, bool write, double per_s, rtp::Time now) {
  std::pair<std::string, bool> key(who, write);
  const auto known = buckets_.find(key);
  if (known != buckets_.end() && known->second.per_s == per_s) return known->second.bucket;
  if (known != buckets_.end()) buckets_.erase(known);  // another rate was configured
  // Looking through all of them is worth it only now and then.
  if (buckets_.size() >= kMaxBuckets && now - swept_at_ >= std::chrono::seconds(1)) {
    swept_at_ = now;
    std::erase_if(buckets_, [&](const auto& entry) { return entry.second.bucket.is_full(now); });
  }
  // Whoever comes while all are in use shares one.
  if (buckets_.size() >= kMaxBuckets) key.first.clear();
  const auto place = buckets_.try_emplace(
      std::move(key), Entry{per_s, TokenBucket(per_s, per_s * kBurstSeconds, now)});
  return place.first->second.bucket;
}

std::optional<std::int64_t> RateLimit::take(std::string_view who, Rates rates, bool write,
                                            rtp::Time now) {
  const double per_s = write ? rates.writes_per_s : rates.reads_per_s;
  if (per_s == 0) return std::nullopt;
  const auto wait = bucket_of(who, write, per_s, now).take(now);
  if (wait) ++refused_;
  return wait;
}

}  // namespace parley::control
