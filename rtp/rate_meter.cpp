#include "rtp/rate_meter.h"

#include <algorithm>

namespace parley::rtp {
namespace {

constexpr Duration kShortest{200'000};

}  // namespace

void RateMeter::advance(Time now) noexcept {
  const std::int64_t bucket = now.time_since_epoch() / kBucket;
  if (bucket <= current_) return;
  const std::int64_t steps =
      std::min(bucket - current_, static_cast<std::int64_t>(buckets_.size()));
  for (std::int64_t i = 0; i < steps; ++i) {
    Bucket& oldest = buckets_[static_cast<std::size_t>(bucket - i) % kBuckets];
    bytes_ -= oldest.bytes;
    events_ -= oldest.events;
    oldest = {};
  }
  current_ = bucket;
}

void RateMeter::add(std::size_t bytes, std::uint32_t events, Time now) noexcept {
  if (!first_) first_ = now;
  advance(now);
  Bucket& bucket = buckets_[static_cast<std::size_t>(current_) % kBuckets];
  bucket.bytes += bytes;
  bucket.events += events;
  bytes_ += bytes;
  events_ += events;
  total_bytes_ += bytes;
}

Duration RateMeter::span(Time now, std::size_t buckets) const noexcept {
  // The buckets reach back to the start of the oldest one.
  const Time start{Duration{(current_ - static_cast<std::int64_t>(buckets) + 1) * kBucket.count()}};
  const Duration shortest = std::min(kShortest, kBucket * (static_cast<std::int64_t>(buckets) - 1));
  return std::max(now - std::max(start, *first_), shortest);
}

Bitrate RateMeter::bitrate(Time now) noexcept {
  if (!first_) return Bitrate{0};
  advance(now);
  return Bitrate{static_cast<std::int64_t>(bytes_) * 8 * 1'000'000 / span(now, kBuckets).count()};
}

Bitrate RateMeter::bitrate(Time now, std::size_t buckets) noexcept {
  if (!first_) return Bitrate{0};
  advance(now);
  buckets = std::clamp<std::size_t>(buckets, 2, kBuckets);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    bytes += buckets_[(static_cast<std::size_t>(current_) - i) % kBuckets].bytes;
  }
  return Bitrate{static_cast<std::int64_t>(bytes) * 8 * 1'000'000 / span(now, buckets).count()};
}

double RateMeter::per_second(Time now) noexcept {
  if (!first_) return 0;
  advance(now);
  return static_cast<double>(events_) * 1e6 / static_cast<double>(span(now, kBuckets).count());
}

}  // namespace parley::rtp
