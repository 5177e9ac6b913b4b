#include "recorder/timeline.h"

#include <algorithm>
#include <chrono>

namespace parley::recorder {

namespace {

using rtp::Duration;
using rtp::Time;

Duration to_duration(rtp::NtpTime ntp) noexcept {
  const std::uint64_t fraction = (ntp.value & 0xffff'ffffU) * 1'000'000U >> 32U;
  return Duration{static_cast<std::int64_t>((ntp.value >> 32U) * 1'000'000U + fraction)};
}

Time at(Duration since_epoch) noexcept { return Time{since_epoch}; }

}  // namespace

void PublisherClock::add(Duration delay, Time arrival) {
  while (!samples_.empty() && samples_.back().delay >= delay) samples_.pop_back();
  samples_.push_back({arrival, delay});
  while (samples_.front().arrival + kWindow < arrival || samples_.size() > kMaxSamples) {
    samples_.pop_front();
  }
}

std::optional<Duration> PublisherClock::offset() const noexcept {
  if (samples_.empty()) return std::nullopt;
  return samples_.front().delay;
}

void PublisherClock::add_correction(Duration correction) {
  if (corrections_.size() == kMaxCorrections) corrections_.erase(corrections_.begin());
  corrections_.push_back(correction);
}

std::int64_t TrackClock::unwrap(rtp::RtpTimestamp timestamp) const noexcept {
  if (!anchored_) return timestamp.value;
  const auto step =
      static_cast<std::int32_t>(timestamp.value - static_cast<std::uint32_t>(last_ticks_));
  return last_ticks_ + step;
}

Duration TrackClock::media_time(std::int64_t ticks) const noexcept {
  // Whole seconds apart, so that the product stays small for any length of call.
  const std::int64_t rate = clock_rate_;
  return Duration{ticks / rate * 1'000'000 + ticks % rate * 1'000'000 / rate};
}

void TrackClock::on_report(rtp::NtpTime ntp, rtp::RtpTimestamp timestamp, Time arrival) {
  const std::int64_t ticks = unwrap(timestamp);
  const Duration media = media_time(ticks);
  if (!anchored_) {  // a report is about now, so its arrival anchors as well as a frame's
    last_ticks_ = ticks;
    anchor(media, arrival);
  }
  const Duration reported = to_duration(ntp);
  const Duration arrived = arrival.time_since_epoch();
  const auto known = publisher_->offset();

  // Take the publisher's clock as it is, or with a step that is known already: whatever fits best.
  Duration correction{};
  Duration best = Duration::max();
  for (const Duration c : publisher_->corrections()) {
    const Duration delay = arrived - (reported + c);
    const Duration mapping = reported + c + known.value_or(delay) - media;
    const Duration error = std::chrono::abs(mapping - offset_);
    if (error < best) {
      best = error;
      correction = c;
    }
  }
  if (best > kMaxReportStep && known) {
    // His clock was set (or this track's timestamps jumped): we go on as we were.
    correction = offset_ + media - *known - reported;
    publisher_->add_correction(correction);
  }
  publisher_->add(arrived - (reported + correction), arrival);
  reported_ = reported + correction - media;
}

Duration TrackClock::target() const noexcept {
  const auto offset = publisher_->offset();
  if (reported_ && offset) return *reported_ + *offset;
  Duration least = Duration::max();
  for (const auto& l : least_) least = std::min(least, l.value_or(Duration::max()));
  return least == Duration::max() ? offset_ : least;
}

void TrackClock::observe(Duration delay, Time arrival) {
  if (arrival >= stretch_end_) {
    least_[1] = least_[0];
    least_[0].reset();
    stretch_end_ = arrival + kEnvelope;
  }
  least_[0] = std::min(least_[0].value_or(delay), delay);
}

void TrackClock::slew(Duration elapsed) noexcept {
  const Duration limit =
      std::clamp(elapsed, Duration::zero(), Duration{std::chrono::seconds{1}}) / kSlewDivisor;
  offset_ += std::clamp(target() - offset_, -limit, limit);
}

bool TrackClock::must_anchor(Duration elapsed, Time estimate, Time arrival) {
  if (estimate > arrival + kMaxAhead) return true;
  if (estimate + kMaxLag >= arrival) {
    lagging_since_.reset();
    return false;
  }
  // Far behind. A stalled network catches up in a burst; a sender whose clock stood still (a phone
  // call) does not; and timestamps that went back are no delay at all.
  if (elapsed < -kMaxPause) return true;
  if (!lagging_since_) lagging_since_ = arrival;
  return arrival - *lagging_since_ > kMaxPause;
}

void TrackClock::anchor(Duration media, Time arrival) {
  if (anchored_) ++jumps_;
  anchored_ = true;
  offset_ = arrival.time_since_epoch() - media;
  reported_.reset();
  lagging_since_.reset();
  least_ = {};
  stretch_end_ = arrival + kEnvelope;
}

Time TrackClock::on_frame(rtp::RtpTimestamp timestamp, Time arrival) {
  const std::int64_t ticks = unwrap(timestamp);
  const Duration media = media_time(ticks);
  if (!anchored_) {
    anchor(media, arrival);
  } else {
    const Duration elapsed = media - media_time(last_ticks_);
    slew(elapsed);
    if (must_anchor(elapsed, at(media + offset_), arrival)) anchor(media, arrival);
  }
  observe(arrival.time_since_epoch() - media, arrival);
  last_ticks_ = ticks;

  Time time = at(media + offset_);
  if (last_time_ && time < *last_time_ + kMinStep) time = *last_time_ + kMinStep;
  last_time_ = time;
  return time;
}

}  // namespace parley::recorder
