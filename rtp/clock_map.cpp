#include "rtp/clock_map.h"

#include <algorithm>
#include <chrono>

namespace parley::rtp {
namespace {

// Farther from the last report a timestamp says nothing: the encoding jumped, or reports stopped.
constexpr std::int64_t kReachSeconds = 30;

// Exact to the microsecond and free of overflow up to the year 2036, where NTP's first era ends and
// the change of era looks like a clock set anew.
[[nodiscard]] std::int64_t to_us(NtpTime ntp) noexcept {
  const std::uint64_t seconds = ntp.value >> 32;
  const std::uint64_t fraction = ntp.value & 0xffff'ffff;
  return static_cast<std::int64_t>(seconds * 1'000'000 + (fraction * 1'000'000 >> 32));
}

}  // namespace

NtpTime to_ntp(Time time) noexcept {
  const auto us = static_cast<std::uint64_t>(time.time_since_epoch().count());
  const std::uint64_t seconds = us / 1'000'000;
  // Rounded up, so that a microsecond survives the way there and back.
  const std::uint64_t fraction = ((us % 1'000'000 << 32) + 999'999) / 1'000'000;
  return NtpTime{(seconds << 32) + fraction};
}

void ClockMap::on_sender_report(NtpTime ntp, Time arrival) noexcept {
  const std::int64_t offset = arrival.time_since_epoch().count() - to_us(ntp);
  if (!offset_us_) {
    offset_us_ = offset;
    updated_ = arrival;
    return;
  }
  const std::int64_t change = offset - *offset_us_;
  if (change > kStep.count() || change < -kStep.count()) {
    if (++steps_ < kStepReports) return;
    offset_us_ = offset;
  } else {
    const std::int64_t elapsed_us = std::max<std::int64_t>((arrival - updated_).count(), 0);
    offset_us_ = std::min(offset, *offset_us_ + elapsed_us / 1'000 * kCreepUsPerSecond / 1'000);
  }
  steps_ = 0;
  updated_ = arrival;
}

std::optional<Time> ClockMap::to_time(NtpTime ntp) const noexcept {
  if (!offset_us_) return std::nullopt;
  return Time{Duration{to_us(ntp) + *offset_us_}};
}

void EncodingClock::on_sender_report(NtpTime ntp, RtpTimestamp timestamp) noexcept {
  last_ = Report{ntp, timestamp};
}

std::optional<Time> EncodingClock::capture_time(RtpTimestamp timestamp,
                                                const ClockMap& map) const noexcept {
  if (!last_) return std::nullopt;
  const std::int64_t ticks = static_cast<std::int32_t>(timestamp.value - last_->timestamp.value);
  const std::int64_t reach = kReachSeconds * clock_rate_hz_;
  if (ticks > reach || ticks < -reach) return std::nullopt;
  const auto reported = map.to_time(last_->ntp);
  if (!reported) return std::nullopt;
  return *reported + Duration{ticks * 1'000'000 / static_cast<std::int64_t>(clock_rate_hz_)};
}

}  // namespace parley::rtp
