#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// Sequence numbers of one slot: gapless over what we drop on purpose, while real losses upstream
// stay gaps (so that the receiver asks for them), and a late packet gets the very number that was
// left open for it. Remembers a bounded number of dropped runs; what is older than those is
// refused.
class Renumberer {
 public:
  static constexpr std::size_t kMaxRuns = 64;

  // The first packet will get `first`.
  explicit Renumberer(ExtSeq first) noexcept : next_(first) {}

  // `in` is the first packet of another source (or of the same after a pause): it continues right
  // behind all that was given out. Earlier packets are unknown from now on.
  void restart(ExtSeq in) noexcept;

  // The number to send it under. Nothing for packets of before the restart, dropped ones, and late
  // ones older than the runs remembered.
  [[nodiscard]] std::optional<ExtSeq> map(ExtSeq in) noexcept;
  // Leaves the packet out. False when its number was left open already (it came late): the hole
  // stays, unless the caller sends something under map(in).
  [[nodiscard]] bool drop(ExtSeq in) noexcept;

  [[nodiscard]] bool started() const noexcept { return started_; }
  [[nodiscard]] ExtSeq first_in() const noexcept { return start_; }  // of this source
  [[nodiscard]] ExtSeq highest_in() const noexcept { return highest_; }
  [[nodiscard]] ExtSeq next() const noexcept { return next_; }  // behind the highest given out

 private:
  struct Run {  // [first, end) were dropped; `before` packets had been dropped before them
    ExtSeq first;
    ExtSeq end;
    std::int64_t before = 0;
  };
  [[nodiscard]] const Run& newest(std::size_t back) const noexcept;
  // How many were dropped before it; nothing if it was dropped itself.
  [[nodiscard]] std::optional<std::int64_t> dropped_before(ExtSeq in) const noexcept;

  std::size_t head_ = 0;  // where the next run goes
  std::size_t count_ = 0;
  bool started_ = false;
  ExtSeq start_;
  ExtSeq floor_;            // nothing below is known
  ExtSeq highest_;          // highest in
  std::int64_t shift_ = 0;  // out - in before any drop
  ExtSeq next_;
  std::array<Run, kMaxRuns> runs_{};  // a ring, in order
};

}  // namespace parley::rtp
