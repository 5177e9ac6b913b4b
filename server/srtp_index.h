#pragma once

#include <array>
#include <cstdint>

#include "rtp/types.h"

namespace parley::server {

// The packet indices of one SSRC in one direction: which index a sequence number stands for (RFC
// 3711, section 3.3.1: the roll-over counter before 16 bits of it) and which of the last indices
// were used already (section 3.3.2). SRTCP carries its index, so it needs only the latter.
class SrtpIndex {
 public:
  static constexpr std::uint64_t kWindow = 1'024;  // indices; a packet behind them is too old
  enum class Verdict : std::uint8_t { New, Used, TooOld };

  // The index of the packet if it is authentic. Before the first one the roll-over counter is 0.
  [[nodiscard]] std::uint64_t guess(rtp::Seq seq) const noexcept;
  [[nodiscard]] Verdict check(std::uint64_t index) const noexcept;
  // The packet was authentic, or is ours: the index is used from now on. Only after check() said
  // New.
  void accept(std::uint64_t index) noexcept;

  [[nodiscard]] bool started() const noexcept { return started_; }

 private:
  [[nodiscard]] static std::uint64_t bit(std::uint64_t index) noexcept {
    return std::uint64_t{1} << (index % 64);
  }
  [[nodiscard]] std::uint64_t& word(std::uint64_t index) noexcept {
    return used_[index / 64 % used_.size()];
  }
  [[nodiscard]] std::uint64_t word(std::uint64_t index) const noexcept {
    return used_[index / 64 % used_.size()];
  }

  std::uint64_t highest_ = 0;
  std::array<std::uint64_t, kWindow / 64> used_{};  // a ring over the window
  bool started_ = false;
};

}  // namespace parley::server
