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
  const bool room = !others_return_ && makes_room(given_up_.others, choice.others, room_);
  return more || less || room;
}

void LayerHold::end(Time now) noexcept {
  until_ = rests_until_ = std::min(until_, now);
  paused_until_ = std::min(paused_until_, now);
}

void LayerHold::on_other_wishes() noexcept {
  others_asked_ = true;
  others_return_ = false;
}

std::optional<Bitrate> LayerHold::held_until(Time now) const noexcept {
  if (now >= std::max(until_, rests_until_)) return std::nullopt;
  return Bitrate{static_cast<std::int64_t>(static_cast<double>(given_up_.way.value) * kMore)};
}

void LayerHold::on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                          const WayEstimate& estimate) noexcept {
  if (before == after.layer) {
    if (is_over(after, estimate)) until_ = rests_until_ = std::min(until_, now);
    return;
  }
  const bool up = after.layer && (!before || *after.layer > *before);
  if (up) {
    raised_ = now;
    raised_at_ = {estimate.rate, after.others};
    others_asked_ = false;
    if (others_return_) rests_until_ = now + kSameWay;
    return;
  }
  if (after.reason != LayerReason::Bandwidth && after.reason != LayerReason::Paused) return;
  using Basis = WayEstimate::Basis;
  const double times = estimate.basis == Basis::Known ? kAsMuchKnown : kAsMuch;
  const bool same_way = raised_at_.way.value > 0 && is_times(estimate.rate, times, raised_at_.way);
  const bool soon = raised_ && now - *raised_ < kMistake;
  const Bitrate room{std::max(after.step.value, after.given_up.value)};
  const bool displaced = makes_room(after.others, raised_at_.others, room);
  const bool told = estimate.basis == Basis::Told;
  const bool return_now = same_way && soon && displaced && !others_asked_ && !told;
  const bool alike = same_way && (!displaced || return_now);
  const bool mistake = alike && soon;
  const bool same_fall = now < until_;
  others_return_ = return_now || (same_fall && others_return_);
  if (!same_fall) {
    const Duration first = alike && !told ? kSameWay : kFirst;
    wait_ = mistake ? std::min(std::max(2 * wait_, first), kLongest) : first;
  }
  until_ = now + wait_;
  given_up_ = {estimate.rate, after.others};
  step_ = after.step;
  room_ = room;
  if (!after.layer) paused_until_ = now + (mistake ? std::min(wait_, kPausedLongest) : kPaused);
}

}  // namespace parley::rtp
