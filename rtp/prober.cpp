#include "rtp/prober.h"

#include <algorithm>

namespace parley::rtp {
namespace {

constexpr double kEnough = 0.85;   // of what was aimed at
constexpr double kProgress = 1.2;  // more than before: the next one may show the rest
constexpr double kGrown = 1.15;    // than when one failed: the way is another by now

double seconds_of(Duration duration) noexcept {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void Prober::on_media(std::size_t bytes) noexcept {
  budget_ = std::min(budget_ + static_cast<double>(bytes) * kShare, kMaxBudget);
}

void Prober::on_step_up(Time now) noexcept {
  if (now >= quiet_until_ + kAfterStep) quiet_until_ = now + kAfterStep;
  if (!active(now)) return;
  until_ = next_ = now;
  judged_at_.reset();  // half a probe proves nothing
}

void Prober::on_estimate(Time now, Bitrate estimate) noexcept {
  unknown_ = std::min(unknown_ + 1, kLooks);
  if (!judged_at_ || now < *judged_at_) return;
  judged_at_.reset();
  const double now_known = static_cast<double>(estimate.value);
  succeeded_ = now_known >= aim_ * kEnough || now_known >= from_ * kProgress;
  // What the probe itself has pushed down and what comes back after it is no growth.
  failed_at_ = succeeded_ ? 0 : std::max(now_known, from_);
  if (succeeded_) {
    wait_ = kFirst;
    next_ = now + kSoon;
    return;
  }
  next_ = now + wait_;
  wait_ = std::min(wait_ * 2, kLongest);
}

void Prober::on_known(Time now) noexcept {
  if (now - known_at_ >= kUnknown) known_since_ = now;
  known_at_ = now;
  unknown_ = 0;
}

void Prober::consider(Time now, Bitrate estimate, Bitrate needed, Bitrate sending, bool overused,
                      Duration answer_time) noexcept {
  const double known = static_cast<double>(estimate.value);
  const bool grown = failed_at_ > 0 && known >= failed_at_ * kGrown;
  if (needed.value <= estimate.value || overused || judged_at_) return;
  const bool unknown = now - known_at_ >= kUnknown && unknown_ >= kLooks;
  const bool another = known_at_ - known_since_ >= kKnown && unknown;
  if (now < quiet_until_ || (now < next_ && !grown && !another)) return;
  // What is sent anyhow passes, though pictures of single packets may not have shown it.
  const auto passes = static_cast<double>(std::max(estimate.value, sending.value));
  const double aim = std::min(static_cast<double>(needed.value) * kMargin, passes * kMaxStep);
  const double rate = std::max(0.0, aim - static_cast<double>(sending.value));
  if (rate * seconds_of(kLength) / 8 > budget_ + (succeeded_ ? kCredit : 0.0)) return;
  if (another) {  // once, and what failed before counts no more
    known_since_ = known_at_;
    wait_ = kFirst;
  }
  aim_ = aim;
  from_ = known;
  rate_ = rate;
  owed_ = 0;
  last_due_ = now;
  until_ = now + kLength;
  judged_at_ = until_ + answer_time;
}

std::size_t Prober::due(Time now) noexcept {
  const Time upto = std::min(now, until_);
  if (upto > last_due_) {
    owed_ += rate_ * seconds_of(upto - last_due_) / 8;
    last_due_ = upto;
  }
  return static_cast<std::size_t>(std::max(0.0, owed_));
}

void Prober::on_padding(std::size_t bytes) noexcept {
  owed_ -= static_cast<double>(bytes);
  budget_ -= static_cast<double>(bytes);
}

}  // namespace parley::rtp
