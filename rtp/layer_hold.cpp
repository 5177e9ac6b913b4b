#include "rtp/layer_hold.h"

#include <algorithm>

namespace parley::rtp {
namespace {

bool is_times(Bitrate one, double times, Bitrate other) noexcept {
  return static_cast<double>(one.value) >= static_cast<double>(other.value) * times;
}

}  // namespace

// Whether there is nothing to wait for any more.
void LayerHold::look(Time now, const LayerChoice& choice, const WayEstimate& estimate) noexcept {
  using Basis = WayEstimate::Basis;
  const double times = estimate.basis == Basis::Known ? kMoreKnown : kMore;
  const bool more = estimate.basis != Basis::Told && is_times(estimate.rate, times, given_up_at_);
  const bool less = choice.needed.value > 0 && !is_times(choice.needed, kMuchLess, needed_);
  if (more || less) until_ = std::min(until_, now);
}

Bitrate LayerHold::ends_at() const noexcept {
  return Bitrate{static_cast<std::int64_t>(static_cast<double>(given_up_at_.value) * kMore)};
}

void LayerHold::on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                          const WayEstimate& estimate) noexcept {
  if (before == after.layer) return look(now, after, estimate);
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
  const bool outgrown = raised_ && as_much && estimate.basis != WayEstimate::Basis::Told;
  if (now >= until_) {  // else it is the same fall
    const Duration first = outgrown ? kOutgrown : kFirst;
    wait_ = mistake ? std::min(std::max(2 * wait_, first), kLongest) : first;
  }
  until_ = now + wait_;
  given_up_at_ = estimate.rate;
  needed_ = after.needed;
  if (!after.layer) paused_until_ = now + (mistake ? std::min(wait_, kPausedLongest) : kPaused);
}

}  // namespace parley::rtp
