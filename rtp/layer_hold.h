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

// After a step down for want of bandwidth a slot waits before it goes up again. Where more is known
// of the way than its receiver's word, and it carries as much as when the slot went up, it is the
// layer that has grown: it waits ten seconds, and longer each time that going up was a mistake, so
// that a layer that fits at one time and not at another changes the picture no more than twice in
// ten seconds. It is the same with what others displace so soon that share the way, such as a
// screen with a new slide every few seconds. Once clearly more has come through than when it was
// given up, or once the layer takes much less, there is nothing to wait for; nor once the others
// take much less, unless they have come back before, and nobody has asked for anything else since.
// To show the smallest layer again after a pause is worth a try much sooner, unless going up was a
// mistake: without it there is no picture, with it there may be no sound.
class LayerHold {
 public:
  static constexpr Duration kFirst{1'500'000};
  static constexpr Duration kSameWay{10'000'000};  // it carries as much as before
  static constexpr Duration kLongest{60'000'000};
  static constexpr Duration kPaused{300'000};
  static constexpr Duration kPausedLongest{5'000'000};  // the way may have grown meanwhile
  static constexpr Duration kMistake{10'000'000};       // given up so soon
  static constexpr double kAsMuch = 0.7;                // of what it was
  static constexpr double kAsMuchKnown = 0.95;
  static constexpr double kMore = 1.2;  // than when it was given up
  static constexpr double kMoreKnown = 1.08;
  static constexpr double kMuchLess = 0.5;  // is needed than when it was given up
  static constexpr double kRoom = 0.5;      // of the layer, that others leave or take

  // At each look, whether it has changed anything or not. `estimate`: of the way, now.
  void on_choice(Time now, std::optional<std::size_t> before, const LayerChoice& after,
                 const WayEstimate& estimate) noexcept;
  // Something else is wanted of the way: what it did not carry may fit now.
  void end(Time now) noexcept;
  // Something else is wanted for another slot, or it has ended: what it takes now, and what it
  // leaves, it will take and leave for a while.
  void on_other_wishes() noexcept;
  // While it must not go up: what would have to come through for that to end, whatever the basis.
  [[nodiscard]] std::optional<Bitrate> held_until(Time now) const noexcept;
  [[nodiscard]] bool holds_pause(Time now) const noexcept { return now < paused_until_; }

 private:
  [[nodiscard]] bool is_over(const LayerChoice& choice, const WayEstimate& estimate) const noexcept;

  Time until_{};
  Time rests_until_{};  // after it was raised where others come back
  Time paused_until_{};
  Duration wait_ = kFirst;
  std::optional<Time> raised_;
  struct Then {
    Bitrate way{0};  // 0: nothing was known of it
    Bitrate others{0};
  };
  Then raised_at_;
  Then given_up_;
  Bitrate step_{0};             // one up, when it was given up
  Bitrate room_{0};             // that it would have taken to stay
  bool others_return_ = false;  // by themselves, soon after they have left room
  bool others_asked_ = false;   // since it was raised
};

}  // namespace parley::rtp
