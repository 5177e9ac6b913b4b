#include "rtp/receiver_estimate.h"

#include <algorithm>

namespace parley::rtp {

Bitrate ReceiverEstimate::target() const noexcept {
  return Bitrate{static_cast<std::int64_t>(try_ ? std::max(word_, try_->level) : word_)};
}

double ReceiverEstimate::sent(Time now) noexcept {
  return static_cast<double>(sent_.bitrate(now).value);
}

void ReceiverEstimate::on_word(Time now, Bitrate word, Bitrate beside) noexcept {
  // Chromium says its last word again in every report, whether there is something to estimate or
  // not.
  const bool again = told_at_ && word == said_;
  if (again && now - *told_at_ > kOld) return;
  const bool fallen =
      told_at_ && static_cast<double>(word.value) < static_cast<double>(said_.value) * kFallen;
  said_ = word;
  if (!again) told_at_ = now;
  word_ = static_cast<double>(std::clamp(word.value, kMin.value, kMax.value) + beside.value);
  if (try_ && fallen) give_up(now);
  // What was sent over the last second may be less than what is sent since a moment.
  congested_ = !try_ && (fallen || word_ < sent(now));
  measured_ = measured_ || congested_;
}

void ReceiverEstimate::tick(Time now) noexcept {
  if (!told_at_) return;
  if (try_) return look_at_try(now);
  const bool old = now - *told_at_ > kOld;
  if (word_ < sent(now) * kWell) {
    calm_since_.reset();
  } else if (!calm_since_) {
    calm_since_ = now;
  }
  const bool calm = calm_since_ && now - *calm_since_ >= kCalm;
  if ((!old && !calm) || now < next_try_) return;
  try_ = Try{word_ * kTry, word_, now + kAnswer};
  congested_ = false;
  measured_ = measured_ && !old;
}

void ReceiverEstimate::look_at_try(Time now) noexcept {
  if (now < try_->judged_at) return;
  if (word_ >= sent(now)) {  // as much as was made of it
    try_.reset();
    calm_since_.reset();
    next_try_ = now + kCalm;
    wait_ = kFirstWait;
  } else if (word_ >= try_->from * kGrown) {
    try_->from = word_;
    try_->judged_at = now + kAnswer;
  } else {
    give_up(now);
    congested_ = measured_ = true;
  }
}

void ReceiverEstimate::give_up(Time now) noexcept {
  try_.reset();
  calm_since_.reset();
  told_at_ = now;  // that more does not pass is news as good as a word
  next_try_ = now + wait_;
  wait_ = std::min(wait_ * 2, kLongestWait);
}

}  // namespace parley::rtp
