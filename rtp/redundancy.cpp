#include "rtp/redundancy.h"

#include <algorithm>

namespace parley::rtp {
namespace {

// What one word of loss stands for: the first for a second, and none for longer than reports are
// apart.
constexpr Duration kFirst{1'000'000};
constexpr Duration kLongest{6'000'000};

}  // namespace

void RedundancyControl::on_loss(Time now, double share) noexcept {
  share = std::clamp(share, 0.0, 1.0);
  const Duration passed = updated_ ? std::clamp(now - *updated_, Duration{0}, kLongest) : kFirst;
  updated_ = now;
  const auto span = static_cast<double>(passed.count());
  const double weight = span / (span + static_cast<double>(kSmoothing.count()));
  loss_ += (share - loss_) * weight;

  if (frames_ > 0 && makes_it_worse(now)) {
    frames_ = 0;
    paused_until_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
  }
  if (now < paused_until_) return;

  std::size_t wanted = 0;  // at once
  std::size_t needed = 0;  // if it is there already
  for (std::size_t i = 0; i < kMaxFrames; ++i) {
    if (loss_ >= kBeginLoss[i]) wanted = i + 1;
    if (loss_ >= kEndLoss[i]) needed = i + 1;
  }
  if (frames_ == 0 && wanted > 0) {
    began_ = now;
    loss_before_ = std::max(loss_, share);
  }
  if (wanted > frames_) frames_ = wanted;
  if (needed >= frames_) {
    needed_ = now;
  } else if (now - needed_ >= kHold) {
    frames_ = needed;
    needed_ = now;
  }
}

bool RedundancyControl::makes_it_worse(Time now) noexcept {
  const Duration since = now - began_;
  if (since <= kSettling) return false;
  if (since > kProven) pause_ = kFirstPause;
  return loss_ > loss_before_ * kWorseFactor + kWorseMargin;
}

}  // namespace parley::rtp
