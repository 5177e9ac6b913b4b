#include "rtp/layer_hold.h"

#include <algorithm>

namespace parley::rtp {
namespace {

bool is_times(Bitrate one, double times, Bitrate other) noexcept {
  return static_cast<double>(one.value) >= static_cast<double>(other.value) * times;
}

}  // namespace

bool LayerHold::holds(Time now, const WayEstimate& estimate) const noexcept {
  if (now >= until_) return false;
  if (estimate.basis == WayEstimate::Basis::Told) return true;
  const bool known = estimate.basis == WayEstimate::Basis::Known;
  return !is_times(estimate.rate, known ? kMoreKnown : kMore, given_up_at_);
}

void LayerHold::on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                          const WayEstimate& estimate) noexcept {
  if (before == after.layer) return;
  const bool up = after.layer && (!before || *after.layer > *before);
  if (up) {
    raised_ = now;
    raised_at_ = estimate.rate;
    return;
  }
  if (after.reason != LayerReason::Bandwidth && after.reason != LayerReason::Paused) return;
  const bool known = estimate.basis == WayEstimate::Basis::Known;
  const bool as_much = is_times(estimate.rate, known ? kAsMuchKnown : kAsMuch, raised_at_);
  const bool mistake = raised_ && now - *raised_ < kMistake && as_much;
  if (now >= until_) {  // else it is the same fall
    wait_ = mistake ? std::min(wait_ * 2, kLongest) : kFirst;
  }
  until_ = now + wait_;
  given_up_at_ = estimate.rate;
  if (!after.layer) paused_until_ = now + (mistake ? std::min(wait_, kPausedLongest) : kPaused);
}

}  // namespace parley::rtp
