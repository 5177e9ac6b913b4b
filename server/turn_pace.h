#pragma once

#include <cstdint>

#include "rtp/types.h"

namespace parley::server {

// How long a worker puts its next turn off, so that more comes together in it: packets that leave
// in one run cost the kernel one walk. Below half a busy core that is not at all, because then time
// is what there is most of; up to a full one it grows to the given limit.
class TurnPace {
 public:
  static constexpr rtp::Duration kWindow{100'000};

  explicit TurnPace(rtp::Duration limit) noexcept : limit_(limit) {}

  // A turn has taken so long and ended now. How long to wait.
  [[nodiscard]] rtp::Duration after_turn(rtp::Duration took, rtp::Time now) noexcept {
    busy_ += took;
    if (now - since_ >= kWindow) {
      const auto share =
          static_cast<double>(busy_.count()) / static_cast<double>((now - since_).count());
      const double more_than_half = share < 0.5 ? 0.0 : share > 1.0 ? 1.0 : (share - 0.5) * 2;
      wait_ = rtp::Duration(
          static_cast<std::int64_t>(more_than_half * static_cast<double>(limit_.count())));
      since_ = now;
      busy_ = {};
    }
    return wait_;
  }

 private:
  rtp::Duration limit_;
  rtp::Duration busy_{};  // in this window
  rtp::Time since_{};
  rtp::Duration wait_{};  // by the window before
};

}  // namespace parley::server
