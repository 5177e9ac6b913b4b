#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// Coalesces the wishes of all subscribers for a key frame of one encoding into as few PLIs
// (RFC 4585, section 6.3.1) as help: at most one per interval, repeated while none comes.
class KeyFrameGate {
 public:
  explicit KeyFrameGate(Duration interval = Duration{500'000}) noexcept : interval_(interval) {}

  // Somebody needs a key frame. May be called per packet: it is free.
  void want() noexcept { wanted_ = true; }
  // Nobody does any more (the last waiting subscriber went, or the encoding died).
  void cancel() noexcept { wanted_ = false; }
  void on_key_frame() noexcept { wanted_ = false; }

  // True when a request is to be sent now; it counts as sent.
  [[nodiscard]] bool poll(Time now) noexcept;
  [[nodiscard]] std::optional<Time> next_deadline() const noexcept;

  [[nodiscard]] bool wanted() const noexcept { return wanted_; }
  [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }

 private:
  Duration interval_;
  bool wanted_ = false;
  std::optional<Time> last_;
  std::uint64_t requests_ = 0;
};

}  // namespace parley::rtp
