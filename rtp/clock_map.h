#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// Server Time written as NTP time, for our own sender reports. Receivers only need a steady clock
// that all streams of one sender share (RFC 3550, section 6.4.1), so no wall clock is read.
[[nodiscard]] NtpTime to_ntp(Time time) noexcept;
// The middle 32 bits, as in the LSR field.
[[nodiscard]] constexpr std::uint32_t compact_ntp(NtpTime ntp) noexcept {
  return static_cast<std::uint32_t>(ntp.value >> 16);
}

// Maps the clock of one publisher, as his sender reports show it, to server Time. The smallest
// delay ever seen counts as no delay; it may creep up to follow drifting clocks, and a clock that
// was set anew is believed after a few reports. One per peer, shared by audio and video: that is
// what keeps lips in sync through the server.
class ClockMap {
 public:
  // How much the smallest delay may grow per second: 500 ppm, more than clocks drift.
  static constexpr std::int64_t kCreepUsPerSecond = 500;
  static constexpr Duration kStep{1'000'000};  // a change of more is a clock set anew ...
  static constexpr int kStepReports = 3;       // ... when so many reports in a row say it

  void on_sender_report(NtpTime ntp, Time arrival) noexcept;
  [[nodiscard]] std::optional<Time> to_time(NtpTime ntp) const noexcept;

 private:
  std::optional<std::int64_t> offset_us_;  // server time - publisher's time, smallest seen
  Time updated_{};
  int steps_ = 0;
};

// The last sender report of one encoding: from its rtp timestamps to the publisher's NTP clock.
class EncodingClock {
 public:
  explicit EncodingClock(std::uint32_t clock_rate_hz) noexcept : clock_rate_hz_(clock_rate_hz) {}

  // Hand the report to the peer's ClockMap, too.
  void on_sender_report(NtpTime ntp, RtpTimestamp timestamp) noexcept;
  void reset() noexcept { last_.reset(); }

  // When the media of this timestamp was captured, in server Time; nothing before the first report,
  // nor for timestamps more than 30 seconds away from it (the encoding jumped).
  [[nodiscard]] std::optional<Time> capture_time(RtpTimestamp timestamp,
                                                 const ClockMap& map) const noexcept;

 private:
  struct Report {
    NtpTime ntp;
    RtpTimestamp timestamp;
  };
  std::uint32_t clock_rate_hz_;
  std::optional<Report> last_;
};

}  // namespace parley::rtp
