#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/types.h"

namespace parley::rtp {

// Which packets of one received encoding are missing, and when to ask for them again (generic NACK,
// RFC 4585, section 6.2.1). Asks after 10 ms, because most holes are reordering, then every round
// trip, at most ten times and for one second. Too many holes at once are no longer worth asking
// for: all are forgotten and a key frame is wanted.
class NackTracker {
 public:
  static constexpr std::size_t kMaxMissing = 250;
  static constexpr Duration kReorderWait{10'000};
  static constexpr Duration kMinInterval{20'000};
  static constexpr std::uint8_t kMaxTries = 10;
  static constexpr Duration kMaxAge{1'000'000};

  // Every packet of the encoding, in the order of arrival, retransmitted ones (under their original
  // number) too. A hole that is filled is asked for no more. `resent`: it came as RTX.
  void on_packet(ExtSeq seq, Time now, bool resent = false) noexcept;
  // The encoding began anew at another number.
  void reset() noexcept;

  // Fills `out` with the numbers to ask for now, oldest first, and counts them as asked for. What
  // does not fit stays due.
  [[nodiscard]] std::size_t collect(Time now, Duration rtt, std::span<Seq> out) noexcept;
  // From first asking for a packet until it came again, smoothed; nothing before the first. No less
  // than the round trip, and the only measure of it for a publisher who is sent nothing.
  [[nodiscard]] std::optional<Duration> rtt() const noexcept { return rtt_; }
  // When collect() next has something to do, if ever.
  [[nodiscard]] std::optional<Time> next_deadline() const noexcept { return deadline_; }
  // True once after the holes became too many.
  [[nodiscard]] bool take_key_frame_wanted() noexcept;

  [[nodiscard]] std::size_t missing() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t asked() const noexcept { return asked_; }  // numbers, repeats too
  [[nodiscard]] std::uint64_t recovered() const noexcept {
    return recovered_;
  }  // came after asking
  [[nodiscard]] std::uint64_t given_up() const noexcept { return given_up_; }

 private:
  struct Missing {
    ExtSeq seq;
    Time since{};
    Time next{};
    Time asked{};  // first
    std::uint8_t tries = 0;
  };
  void fill(ExtSeq seq, Time now, bool resent) noexcept;
  void note_deadline(Time at) noexcept;

  std::array<Missing, kMaxMissing> missing_{};  // sorted by seq, the first count_ are valid
  std::size_t count_ = 0;
  std::optional<ExtSeq> highest_;
  std::optional<Time> deadline_;
  std::optional<Duration> rtt_;
  bool key_frame_wanted_ = false;
  std::uint64_t asked_ = 0;
  std::uint64_t recovered_ = 0;
  std::uint64_t given_up_ = 0;
};

}  // namespace parley::rtp
