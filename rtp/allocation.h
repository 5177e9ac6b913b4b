#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rtp/layer_selector.h"
#include "rtp/types.h"

namespace parley::rtp {

// Which layer each slot of one receiver gets, so that together they fit into what his way carries.
// A pure function of what is there: the layers as they live now, the wishes, what is shown.

// Why a slot shows what it shows.
enum class LayerReason : std::uint8_t {
  Wanted,     // it is as large as was asked for
  Source,     // the publisher sends nothing larger now
  Bandwidth,  // the next larger one does not fit
  Hold,       // it would fit, but it was given up shortly before
  Paused,     // not even the smallest fits
};
[[nodiscard]] std::string_view name(LayerReason reason) noexcept;

struct LayerWish {
  std::span<const LayerActivity::Layer> layers;  // lowest first
  std::uint32_t max_height = 0;
  std::int32_t priority = 0;           // a higher one is served first
  std::optional<std::size_t> current;  // shown or waited for; nothing: paused
  bool held = false;                   // must not be raised now
};

struct LayerChoice {
  std::optional<std::size_t> layer;  // nothing: paused
  LayerReason reason = LayerReason::Wanted;
  // What the way would have to carry in all for one step more; 0: no more is wanted, or there.
  Bitrate needed{0};
  friend bool operator==(const LayerChoice&, const LayerChoice&) = default;
};

struct Allocation {
  Bitrate spent{0};
  // What all of it would be with the next step up that somebody wants and that the way must prove
  // first, with the margin it needs; 0: nobody wants more.
  Bitrate next{0};
};

struct Way {
  Bitrate target;          // what has been seen to pass, or less while a queue drains
  bool congested = false;  // it does not carry what is sent now
  bool measured = false;   // it was congested once, so it is known what does not pass
  bool known = false;      // the target is what it carries, and not only what was tried so far
};

// Everybody's smallest layer comes first, in the order of priority; then those of the highest
// priority are raised step by step, the smallest first, then those of the next. Where a layer has
// fewer pictures a second than there are, it comes below the smallest whole one, so that the
// pictures become small before they become few. A layer is taken when it fits with a tenth to
// spare, and given up only when the way is congested and it does not fit, when what the way
// carries is known and it does not fit with a little to spare, or for somebody of a higher
// priority: the target alone is no more than what was tried so far. For the same reason the
// smallest is tried at once on a way of which nothing is known. `fixed` is what is sent anyhow
// (audio). `choices` has a place for each wish, at most kMaxWishes of them are looked at.
inline constexpr std::size_t kMaxWishes = 64;
[[nodiscard]] Allocation allocate(Way way, Bitrate fixed, std::span<const LayerWish> wishes,
                                  std::span<LayerChoice> choices) noexcept;

// What a way carries, and what says so.
struct WayEstimate {
  enum class Basis : std::uint8_t {
    Told,    // its receiver's word, which follows what is sent
    Passed,  // as much has come through
    Known,   // as much and no more would
  };
  Bitrate rate{0};
  Basis basis = Basis::Told;
};

// After a step down for want of bandwidth a slot waits before it goes up again, longer each time
// that going up was a mistake: the way carries as much as then, and that was not enough. Once
// clearly more has come through than when it was given up there is nothing to wait for. To show the
// smallest layer again after a pause is worth a try much sooner, unless that was such a mistake:
// without it there is no picture, with it there may be no sound.
class LayerHold {
 public:
  static constexpr Duration kFirst{1'500'000};
  static constexpr Duration kLongest{60'000'000};
  static constexpr Duration kPaused{300'000};
  static constexpr Duration kPausedLongest{5'000'000};  // the way may have grown meanwhile
  static constexpr Duration kMistake{5'000'000};        // given up so soon
  static constexpr double kAsMuch = 0.7;                // of what it was
  static constexpr double kAsMuchKnown = 0.95;
  static constexpr double kMore = 1.2;  // than when it was given up
  static constexpr double kMoreKnown = 1.08;

  // `estimate`: of the way, now.
  void on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                 const WayEstimate& estimate) noexcept;
  [[nodiscard]] bool holds(Time now, const WayEstimate& estimate) const noexcept;
  [[nodiscard]] bool holds_pause(Time now) const noexcept { return now < paused_until_; }

 private:
  Time until_{};
  Time paused_until_{};
  Duration wait_ = kFirst;
  std::optional<Time> raised_;
  Bitrate raised_at_{0};
  Bitrate given_up_at_{0};
};

}  // namespace parley::rtp
