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

std::uint64_t PublisherClock::add_correction(Duration by) {
  const std::uint64_t number = corrections_.back().number + 1;
  if (corrections_.size() == kMaxCorrections) corrections_.erase(corrections_.begin());
  corrections_.push_back({number, by});
  return number;
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
  const Duration arrived = arrival.time_since_epoch();
  const Duration reported = to_duration(ntp) + correction_of(to_duration(ntp), media, arrived);
  publisher_->add(arrived - reported, arrival);
  const Duration mapping = reported - media;
  const Duration step = mapping - reported_.value_or(mapping);
  // No frame came so late: the report is of now, but has the timestamp of an old frame.
  if (step > kMaxReportStep && mapping + *publisher_->offset() > last_delay_ + kMaxReportStep) {
    return;
  }
  if (step > kMaxSlewed) {  // the sender's clock stood still for so long
    offset_ += step;
    ++jumps_;
  }
  reported_ = mapping;
}

// Where the report does not continue what this track's reports said so far, either its clock moved
// or the publisher's was set. Nothing comes earlier than the fastest so far: that tells which.
Duration TrackClock::correction_of(Duration reported, Duration media, Duration arrived) {
  const auto known = publisher_->offset();
  if (!known) return {};
  const Duration expected = reported_.value_or(offset_ - *known);
  const auto step_with = [&](Duration c) { return reported + c - media - expected; };
  PublisherClock::Correction best = publisher_->corrections().back();
  for (const auto& c : publisher_->corrections()) {  // none that was replaced before
    if (!reported_ || c.number < correction_) continue;
    if (abs(step_with(c.by)) < abs(step_with(best.by))) best = c;
  }
  correction_ = best.number;
  const Duration step = step_with(best.by);
  const Duration late = arrived - (reported + best.by) - *known;
  const bool was_set = late < -kEarliest || (step < Duration::zero() && late + step > -kEarliest);
  if (abs(step) <= (reported_ ? kMaxReportStep : kMaxFirstStep) || !was_set) return best.by;
  correction_ = publisher_->add_correction(best.by - step);
  return best.by - step;
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
  last_delay_ = delay;
}

void TrackClock::slew(Duration elapsed) noexcept {
  // After a long silence all at once: nobody hears it there, and a drifting clock has gone far.
  const Duration limit = std::max(elapsed, Duration::zero()) / kSlewDivisor;
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
  last_delay_ = offset_;
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
