#include "rtp/timeline.h"

#include <algorithm>
#include <chrono>

namespace parley::rtp {
namespace {

// The fastest packet is looked for anew this often, else clock drift would take it out of reach.
constexpr std::chrono::seconds kFastestAge{10};

[[nodiscard]] std::int32_t difference(RtpTimestamp a, RtpTimestamp b) noexcept {
  return static_cast<std::int32_t>(a.value - b.value);
}

}  // namespace

// Modulo 2^32, as timestamps are.
std::uint32_t Timeline::ticks(Duration duration) const noexcept {
  const std::int64_t us = duration.count();
  const std::int64_t rate = clock_rate_hz_;
  return static_cast<std::uint32_t>(us / 1'000'000 * rate + us % 1'000'000 * rate / 1'000'000);
}

void Timeline::restart(const Moment& moment) noexcept {
  std::uint32_t out = first_.value;
  if (last_) {
    out = moment.capture && last_->capture
              ? last_->out.value + ticks(*moment.capture - *last_->capture)
              : beginning_.out.value + ticks(moment.arrival - beginning_.arrival);
    if (difference(RtpTimestamp{out}, last_->out) <= 0) out = last_->out.value + 1;
  }
  offset_ = out - moment.timestamp.value;
  const Last now{RtpTimestamp{out}, moment.arrival, moment.capture};
  if (!last_) beginning_ = now;
  last_ = now;
  fastest_ = now;
}

RtpTimestamp Timeline::convert(RtpTimestamp source) const noexcept {
  return RtpTimestamp{source.value + offset_};
}

RtpTimestamp Timeline::map(const Moment& moment) noexcept {
  const RtpTimestamp out = convert(moment.timestamp);
  const Last now{out, moment.arrival, moment.capture};
  if (!last_ || difference(out, last_->out) > 0) last_ = now;
  // Less time has passed by arrival than by timestamps: this one was faster.
  const std::uint32_t waited = ticks(moment.arrival - fastest_.arrival);
  const bool faster = static_cast<std::int32_t>(waited - (out.value - fastest_.out.value)) < 0;
  if (faster || moment.arrival - fastest_.arrival > kFastestAge) fastest_ = now;
  return out;
}

std::optional<RtpTimestamp> Timeline::at(Time now) const noexcept {
  if (!last_) return std::nullopt;
  if (last_->capture) return RtpTimestamp{last_->out.value + ticks(now - *last_->capture)};
  return RtpTimestamp{fastest_.out.value + ticks(now - fastest_.arrival)};
}

}  // namespace parley::rtp
