#include "rtp/layer_hold.h"

#include <algorithm>

namespace parley::rtp {
namespace {

bool is_times(Bitrate one, double times, Bitrate other) noexcept {
  return static_cast<double>(one.value) >= static_cast<double>(other.value) * times;
}

// What was sent beside it is less by a good part of what the layer takes.
bool makes_room(Bitrate before, Bitrate now, Bitrate step) noexcept {
  return before.value - now.value > 0 && static_cast<double>(before.value - now.value) >=
                                             LayerHold::kRoom * static_cast<double>(step.value);
}

}  // namespace

bool LayerHold::is_over(const LayerChoice& choice, const WayEstimate& estimate) const noexcept {
  using Basis = WayEstimate::Basis;
  const double times = estimate.basis == Basis::Known ? kMoreKnown : kMore;
  const bool more = estimate.basis != Basis::Told && is_times(estimate.rate, times, given_up_.way);
  const bool less = choice.step.value > 0 && !is_times(choice.step, kMuchLess, step_);
  return more || less || makes_room(given_up_.others, choice.others, step_);
}

void LayerHold::end(Time now) noexcept {
  until_ = std::min(until_, now);
  paused_until_ = std::min(paused_until_, now);
}

std::optional<Bitrate> LayerHold::held_until(Time now) const noexcept {
  if (now >= until_) return std::nullopt;
  return Bitrate{static_cast<std::int64_t>(static_cast<double>(given_up_.way.value) * kMore)};
}

void LayerHold::on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                          const WayEstimate& estimate) noexcept {
  if (before == after.layer) {
    if (is_over(after, estimate)) until_ = std::min(until_, now);
    return;
  }
  const bool up = after.layer && (!before || *after.layer > *before);
  if (up) {
    raised_ = now;
    raised_at_ = {estimate.rate, after.others};
    return;
  }
  if (after.reason != LayerReason::Bandwidth && after.reason != LayerReason::Paused) return;
  using Basis = WayEstimate::Basis;
  const double times = estimate.basis == Basis::Known ? kAsMuchKnown : kAsMuch;
  const bool same_way = raised_at_.way.value > 0 &&
                        is_times(estimate.rate, times, raised_at_.way) &&
                        !makes_room(after.others, raised_at_.others, after.step);
  const bool mistake = same_way && now - *raised_ < kMistake;
  if (now >= until_) {  // else it is the same fall
    const Duration first = same_way && estimate.basis != Basis::Told ? kSameWay : kFirst;
    wait_ = mistake ? std::min(std::max(2 * wait_, first), kLongest) : first;
  }
  until_ = now + wait_;
  given_up_ = {estimate.rate, after.others};
  step_ = after.step;
  if (!after.layer) paused_until_ = now + (mistake ? std::min(wait_, kPausedLongest) : kPaused);
}

}  // namespace parley::rtp
