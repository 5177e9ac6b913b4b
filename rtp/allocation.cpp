#include "rtp/allocation.h"

#include <algorithm>
#include <array>

namespace parley::rtp {
namespace {

constexpr double kOverhead = 1.06;       // RTP, SRTP, UDP and IP headers of packets of 1,100 bytes
constexpr double kSpare = 1 / 0.92;      // to be there before a step up
constexpr double kDrains = 0.8;          // beside so much of what passes a queue drains soon
constexpr double kUsual = 1.25;          // of a layer's average, within a second
constexpr std::int64_t kStill = 2;       // who sends his average divided by more has become still
constexpr double kSpareKept = 1 / 0.95;  // for what is shown, on a way that is known
constexpr double kOfMost = 0.8;          // of a layer's largest second, that is left to it
constexpr double kBurst = 1.5;           // times the average, in the last moments
constexpr double kFluid = 12;            // pictures a second: those moments have some of them

// What is shown has begun with a key frame, and one comes now and then: nothing is given up for it,
// nor for a second that is somewhat larger than others as long as the way is `calm`. What is not
// shown yet must fit in the larger ones, too. What has become still takes what it sends now.
std::int64_t rate_of(const LayerWish& wish, std::optional<std::size_t> layer, bool calm) noexcept {
  if (!layer || *layer >= wish.layers.size()) return 0;
  const LayerActivity::Layer& taken = wish.layers[*layer];
  const std::int64_t average = taken.average.value;
  if (!wish.current || *layer > *wish.current) return std::max(taken.bitrate.value, average);
  const std::int64_t now = taken.bitrate.value - taken.key_frames.value;
  const bool usual = static_cast<double>(now) <= kUsual * static_cast<double>(average);
  return calm && usual ? std::min(average, kStill * now) : now;
}

// To be left to a layer: it sends more at times, or has just begun to.
double most_of(const LayerWish& wish, std::optional<std::size_t> layer) noexcept {
  if (!layer || *layer >= wish.layers.size()) return 0;
  const LayerActivity::Layer& taken = wish.layers[*layer];
  const auto lately = static_cast<double>(taken.lately.value);
  const bool bursts =
      taken.fps >= kFluid && lately > kBurst * static_cast<double>(taken.average.value);
  return std::max(kOfMost * static_cast<double>(taken.most.value), bursts ? lately : 0.0);
}

// So much of `rate` lasts, as far as its average is known.
std::int64_t lasting_rate_of(const LayerWish& wish, std::optional<std::size_t> layer,
                             std::int64_t rate) noexcept {
  if (!layer || *layer >= wish.layers.size()) return rate;
  const std::int64_t average = wish.layers[*layer].average.value;
  return average > 0 ? std::min(rate, average) : rate;
}

bool is_held(const LayerWish& wish, std::optional<std::size_t> layer) noexcept {
  return !wish.current && !layer ? wish.stays_paused : wish.held.has_value();
}

// What a layer takes, of bits per second on the wire.
struct Takes {
  double now = 0;
  double at_times = 0;  // to be left to it by who goes up beside it
  double lasting = 0;   // over some seconds
  Takes& operator+=(const Takes& more) noexcept {
    now += more.now;
    at_times += more.at_times;
    lasting += more.lasting;
    return *this;
  }
  friend Takes operator-(const Takes& one, const Takes& other) noexcept {
    return {one.now - other.now, one.at_times - other.at_times, one.lasting - other.lasting};
  }
};

// The next layer that lives above this one, up to `wanted`.
std::optional<std::size_t> above(const LayerWish& wish, std::optional<std::size_t> layer,
                                 std::size_t wanted) noexcept {
  for (std::size_t i = layer ? *layer + 1 : 0; i <= wanted; ++i) {
    if (wish.layers[i].alive || i == wanted) return i;
  }
  return std::nullopt;
}

// Leaving a layer that is dead is none.
bool is_step_up(const LayerWish& wish, std::size_t layer) noexcept {
  if (!wish.current || *wish.current >= wish.layers.size()) return true;
  return layer > *wish.current && wish.layers[*wish.current].alive;
}

class Allocator {
 public:
  Allocator(Way way, Bitrate fixed, std::span<const LayerWish> wishes,
            std::span<LayerChoice> choices) noexcept
      : target_(static_cast<double>(way.target.value)),
        carries_(std::max(target_, static_cast<double>(way.carries.value))),
        bounded_(way.congested || way.known),
        calm_(way.known && !way.congested),
        kept_spare_(calm_ ? kSpareKept : 1.0),
        measured_(way.measured),
        cost_(kOverhead * (1 + way.resent)),
        spent_(all(static_cast<double>(fixed.value))),
        wishes_(wishes),
        choices_(choices) {
    for (std::size_t i = 0; i < wishes_.size(); ++i) {
      wanted_[i] = select_layer(wishes_[i].layers, wishes_[i].max_height, wishes_[i].current);
      order_[i] = i;
      choices_[i] = {std::nullopt, LayerReason::Paused};
    }
    std::sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(wishes_.size()),
              [&](std::size_t a, std::size_t b) {
                return wishes_[a].priority != wishes_[b].priority
                           ? wishes_[a].priority > wishes_[b].priority
                           : a < b;
              });
  }

  Allocation run() noexcept {
    if (!bounded_) {
      for (std::size_t i = 0; i < wishes_.size(); ++i) keep(i);
    }
    raise_all();
    for (std::size_t n = wishes_.size(); n-- > 0;) lower_fallen(order_[n]);
    Allocation result;
    result.spent = Bitrate{static_cast<std::int64_t>(spent_.now)};
    for (std::size_t n = 0; n < wishes_.size(); ++n) explain(order_[n], result);
    return result;
  }

 private:
  [[nodiscard]] static Takes all(double rate) noexcept { return {rate, rate, rate}; }
  // What is shown and wanted still.
  [[nodiscard]] std::optional<std::size_t> shown(std::size_t i) const noexcept {
    const LayerWish& wish = wishes_[i];
    if (!wanted_[i] || !wish.current || *wish.current >= wish.layers.size()) return std::nullopt;
    const std::size_t shown = std::min(*wish.current, *wanted_[i]);
    return wish.layers[shown].alive ? std::optional(shown) : std::nullopt;
  }
  // Of somebody who is not yet given what he shows, what that takes at times beyond now.
  [[nodiscard]] double burst_to_come(std::size_t i) const noexcept {
    const auto layer = shown(i);
    if (!layer || (choices_[i].layer && *choices_[i].layer >= *layer)) return 0;
    const Takes takes = this->takes(wishes_[i], layer);
    return takes.at_times - takes.now;
  }

  // What is shown and still wanted stays, and nobody goes up at its cost.
  void keep(std::size_t i) noexcept {
    const auto kept = shown(i);
    if (!kept) return;
    choices_[i].layer = kept;
    spent_ += takes(wishes_[i], kept);
  }

  // One step, if there is one and it fits. `turn`: the priority whose turn it is.
  bool raise(std::size_t n, std::int32_t turn) noexcept {
    const std::size_t i = order_[n];
    const LayerWish& wish = wishes_[i];
    if (!wanted_[i]) return false;
    const auto next = above(wish, choices_[i].layer, *wanted_[i]);
    if (!next) return false;
    const bool up = is_step_up(wish, *next) || displaced_[i];
    if (up && is_held(wish, choices_[i].layer)) return false;
    Takes step = step_of(wish, choices_[i].layer, *next);
    const bool of_turn = wish.priority == turn;
    const double own = of_turn ? burst_to_come(i) : 0;
    step.at_times += to_come_ - own;
    const bool smallest = !choices_[i].layer || wish.layers[*choices_[i].layer].reduced;
    const bool untried = !bounded_ && (!up || (smallest && !measured_));
    const double drained = choices_[i].layer ? target_ : carries_;
    const bool kept = !up && spent_.lasting + step.lasting <= kDrains * drained;
    if (!untried && !kept && !fits(step, up) && !take_from_lower(n, step, up)) return false;
    spent_ += takes(wish, *next) - takes(wish, choices_[i].layer);
    choices_[i].layer = next;
    if (of_turn) to_come_ += burst_to_come(i) - own;
    return true;
  }

  [[nodiscard]] Takes takes(const LayerWish& wish,
                            std::optional<std::size_t> layer) const noexcept {
    const std::int64_t rate = rate_of(wish, layer, calm_);
    const double now = static_cast<double>(rate) * cost_;
    const double lasting = static_cast<double>(lasting_rate_of(wish, layer, rate)) * cost_;
    return {now, std::max(now, most_of(wish, layer) * cost_), lasting};
  }
  // Beside the others: how much it takes itself is known well enough.
  [[nodiscard]] Takes step_of(const LayerWish& wish, std::optional<std::size_t> from,
                              std::size_t to) const noexcept {
    Takes after = takes(wish, to);
    after.at_times = after.now;
    return after - takes(wish, from);
  }
  [[nodiscard]] bool fits(const Takes& step, bool up) const noexcept {
    return up ? fits_at_times(step, kSpare) : (spent_.now + step.now) * kept_spare_ <= target_;
  }
  [[nodiscard]] bool fits_at_times(const Takes& step, double spare) const noexcept {
    return (spent_.at_times + step.at_times) * spare <= target_;
  }

  // From those of a lower priority, the lowest first, all but their smallest layer; nothing if even
  // all of it is not enough.
  bool take_from_lower(std::size_t n, const Takes& step, bool up) noexcept {
    Takes lower;
    const auto each_lower = [&](const auto& act) {
      for (std::size_t m = wishes_.size(); m-- > n + 1;) {
        const std::size_t j = order_[m];
        if (wishes_[j].priority == wishes_[order_[n]].priority) break;
        if (!choices_[j].layer) continue;
        const auto smallest = above(wishes_[j], std::nullopt, *choices_[j].layer);
        if (smallest != choices_[j].layer && !act(j, smallest)) break;
      }
    };
    const auto gain = [&](std::size_t j, std::optional<std::size_t> layer) {
      return takes(wishes_[j], choices_[j].layer) - takes(wishes_[j], layer);
    };
    each_lower([&](std::size_t j, std::optional<std::size_t> smallest) {
      lower += gain(j, smallest);
      return true;
    });
    if (!fits(step - lower, up)) return false;
    each_lower([&](std::size_t j, std::optional<std::size_t> smallest) {
      spent_ = spent_ - gain(j, smallest);
      choices_[j].layer = smallest;
      displaced_[j] = true;
      return !fits(step, up);
    });
    return true;
  }

  // Of those of one priority, up to `end` in the order, the lowest.
  bool raise_somebody(std::size_t begin, std::size_t end) noexcept {
    for (std::size_t layer = 0; layer < kMaxLayers; ++layer) {
      for (std::size_t n = begin; n < end; ++n) {
        const std::size_t i = order_[n];
        if (choices_[i].layer == layer && raise(n, wishes_[i].priority)) return true;
      }
    }
    return false;
  }

  // Of those from `begin` on in the order.
  void give_smallest(std::size_t begin, std::int32_t priority) noexcept {
    for (std::size_t n = begin; n < wishes_.size(); ++n) {
      if (!choices_[order_[n]].layer) raise(n, priority);
    }
  }

  void raise_all() noexcept {
    for (std::size_t begin = 0, end = 0; begin < wishes_.size(); begin = end) {
      to_come_ = 0;
      const std::int32_t priority = wishes_[order_[begin]].priority;
      for (; end < wishes_.size() && wishes_[order_[end]].priority == priority; ++end) {
        to_come_ += burst_to_come(order_[end]);
      }
      give_smallest(begin, priority);  // again, because others may have given something up
      while (raise_somebody(begin, end)) {
      }
    }
  }

  // Who cannot stay goes as far down as the others will need, at once and not step by step.
  void lower_fallen(std::size_t i) noexcept {
    const LayerWish& wish = wishes_[i];
    std::optional<std::size_t>& layer = choices_[i].layer;
    const auto shown = this->shown(i);
    if (!bounded_ || !shown || !layer || *layer >= *shown) return;
    const std::size_t smallest = *above(wish, std::nullopt, *layer);
    while (*layer > smallest && !fits_at_times(step_of(wish, layer, *layer), kept_spare_)) {
      std::size_t below = *layer - 1;
      while (below > smallest && !wish.layers[below].alive) --below;
      spent_ += takes(wish, below) - takes(wish, layer);
      layer = below;
    }
  }

  void explain(std::size_t i, Allocation& result) const noexcept {
    const LayerWish& wish = wishes_[i];
    LayerChoice& choice = choices_[i];
    if (choice.layer && is_step_up(wish, *choice.layer)) result.raised = true;
    const double others = (spent_ - takes(wish, choice.layer)).at_times;
    choice.others = Bitrate{static_cast<std::int64_t>(others)};
    if (!wanted_[i]) {
      choice.reason = LayerReason::Source;
      return;
    }
    const auto next = above(wish, choice.layer, *wanted_[i]);
    if (!next) {
      const std::uint32_t height = wish.layers[*wanted_[i]].height;
      const bool smaller = height != 0 && height < wish.max_height;
      choice.reason = smaller ? LayerReason::Source : LayerReason::Wanted;
      return;
    }
    result.complete = false;
    const Takes step = step_of(wish, choice.layer, *next);
    const bool would_fit = fits(step, true);
    const auto shown = this->shown(i);
    const bool falls = shown && (!choice.layer || *choice.layer < *shown);
    if (falls) {
      const double less = (takes(wish, shown) - takes(wish, choice.layer)).now;
      choice.given_up = Bitrate{static_cast<std::int64_t>(less)};
    }
    choice.reason = !choice.layer         ? LayerReason::Paused
                    : would_fit && !falls ? LayerReason::Hold
                                          : LayerReason::Bandwidth;
    const double needed = (spent_.at_times + step.at_times) * kSpare;
    choice.needed = Bitrate{static_cast<std::int64_t>(needed)};
    choice.step = Bitrate{static_cast<std::int64_t>(step.now)};
    const bool paused = !wish.current && !choice.layer;
    const auto held = paused ? std::nullopt : wish.held;
    if (held ? held->value == 0 : would_fit || (paused && wish.stays_paused)) return;
    const Bitrate proves{std::max(choice.needed.value, held.value_or(Bitrate{0}).value)};
    if (result.next.value == 0 || proves.value < result.next.value) result.next = proves;
  }

  static constexpr std::size_t kMaxLayers = 8;
  double target_;
  double carries_;
  bool bounded_;  // more than the target does not pass
  bool calm_;     // nothing stands before it, and what it carries is known
  double kept_spare_;
  bool measured_;
  double cost_;  // on the wire, of each bit of a layer
  Takes spent_;
  double to_come_ = 0;  // of the priority whose turn it is
  std::span<const LayerWish> wishes_;
  std::span<LayerChoice> choices_;
  std::array<std::optional<std::size_t>, kMaxWishes> wanted_{};
  std::array<std::size_t, kMaxWishes> order_{};
  std::array<bool, kMaxWishes> displaced_{};  // by somebody of a higher priority
};

}  // namespace

std::string_view name(LayerReason reason) noexcept {
  switch (reason) {
    case LayerReason::Wanted:
      return "wanted";
    case LayerReason::Source:
      return "source";
    case LayerReason::Bandwidth:
      return "bandwidth";
    case LayerReason::Hold:
      return "hold";
    case LayerReason::Paused:
      return "paused";
  }
  return "";
}

Allocation allocate(Way way, Bitrate fixed, std::span<const LayerWish> wishes,
                    std::span<LayerChoice> choices) noexcept {
  const std::size_t count = std::min({wishes.size(), choices.size(), kMaxWishes});
  return Allocator(way, fixed, wishes.first(count), choices.first(count)).run();
}

}  // namespace parley::rtp
