#include "rtp/keyframe_gate.h"

namespace parley::rtp {

bool KeyFrameGate::poll(Time now) noexcept {
  if (!wanted_ || (last_ && now - *last_ < interval_)) return false;
  last_ = now;
  ++requests_;
  return true;
}

std::optional<Time> KeyFrameGate::next_deadline() const noexcept {
  if (!wanted_) return std::nullopt;
  return last_ ? *last_ + interval_ : Time{};
}

}  // namespace parley::rtp
