#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/allocation.h"
#include "rtp/types.h"

namespace parley::rtp {

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

// After a step down for want of bandwidth a slot waits before it goes up again. On a way that
// carries the same all the time nobody shall see more than two changes in ten seconds, however the
// layer itself grows and shrinks: when the way carries as much as when the slot went up, it waits
// that long, and longer each time that going up was a mistake. Once clearly more has come through
// than when it was given up, or once much less is needed (a screen that stands still again), there
// is nothing to wait for. To show the smallest layer again after a pause is worth a try much
// sooner, unless going up was such a mistake: without it there is no picture, with it there may be
// no sound.
class LayerHold {
 public:
  static constexpr Duration kFirst{1'500'000};
  static constexpr Duration kOutgrown{10'000'000};  // the way carries as much as before
  static constexpr Duration kLongest{60'000'000};
  static constexpr Duration kPaused{300'000};
  static constexpr Duration kPausedLongest{5'000'000};  // the way may have grown meanwhile
  static constexpr Duration kMistake{10'000'000};       // given up so soon
  static constexpr double kAsMuch = 0.7;                // of what it was
  static constexpr double kAsMuchKnown = 0.95;
  static constexpr double kMore = 1.2;  // than when it was given up
  static constexpr double kMoreKnown = 1.08;
  static constexpr double kMuchLess = 0.5;  // is needed than when it was given up

  // At each look, whether it has changed anything or not. `estimate`: of the way, now.
  void on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                 const WayEstimate& estimate) noexcept;
  [[nodiscard]] bool holds(Time now) const noexcept { return now < until_; }
  [[nodiscard]] bool holds_pause(Time now) const noexcept { return now < paused_until_; }
  // While it holds: what would have to come through for it to end, whatever the basis.
  [[nodiscard]] Bitrate ends_at() const noexcept;

 private:
  void look(Time now, const LayerChoice& choice, const WayEstimate& estimate) noexcept;

  Time until_{};
  Time paused_until_{};
  Duration wait_ = kFirst;
  std::optional<Time> raised_;
  Bitrate raised_at_{0};
  Bitrate given_up_at_{0};
  Bitrate needed_{0};  // then, to stay
};

}  // namespace parley::rtp
