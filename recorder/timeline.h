#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "rtp/types.h"

namespace parley::recorder {

// Where a participant's own clock stands against the server's, learned from his sender reports
// (RFC 3550, section 6.4.1) and shared by his tracks: that is what keeps lips and voice together.
// The smallest delay seen in the last minute counts, so that a slow network does not move the
// picture and a drifting clock is followed.
class PublisherClock {
 public:
  static constexpr rtp::Duration kWindow = std::chrono::seconds{60};
  static constexpr std::size_t kMaxSamples = 256;
  static constexpr std::size_t kMaxCorrections = 8;

  // `delay`: arrival at the server minus the (corrected) time that the report names.
  void add(rtp::Duration delay, rtp::Time arrival);
  // Add this to a publisher's time to get the server's.
  [[nodiscard]] std::optional<rtp::Duration> offset() const noexcept;

  // A publisher's wall clock may be set during a call, and his tracks report it one after the
  // other. What takes each step back is kept here, so that the second track finds what the first
  // one learned. Never empty; the last is the newest.
  struct Correction {
    std::uint64_t number = 0;
    rtp::Duration by{};
  };
  [[nodiscard]] const std::vector<Correction>& corrections() const noexcept { return corrections_; }
  // Its number.
  std::uint64_t add_correction(rtp::Duration by);

 private:
  struct Sample {
    rtp::Time arrival;
    rtp::Duration delay;
  };
  std::deque<Sample> samples_;  // delays rise from front to back: the front is the minimum
  std::vector<Correction> corrections_{Correction{}};
};

// Turns one track's RTP timestamps into server time that never runs backwards. Before the first
// sender report arrival times anchor it (their lower envelope); afterwards the report's NTP time
// does. Small corrections are slewed, so sound is never torn; what cannot be true (frames from the
// future, timestamps that jumped) anchors the track anew at arrival and is counted.
class TrackClock {
 public:
  static constexpr rtp::Duration kMaxAhead = std::chrono::milliseconds{300};
  static constexpr rtp::Duration kMaxLag = std::chrono::seconds{3};
  static constexpr rtp::Duration kMaxPause = std::chrono::milliseconds{500};  // then a lag is real
  // More than drift and sloppy reports make; before a track's first report only arrival is known.
  static constexpr rtp::Duration kMaxReportStep = std::chrono::milliseconds{30};
  static constexpr rtp::Duration kMaxFirstStep = std::chrono::milliseconds{500};
  // A report may come so much faster than all of the last minute.
  static constexpr rtp::Duration kEarliest = std::chrono::milliseconds{10};
  static constexpr rtp::Duration kMaxSlewed = std::chrono::milliseconds{200};
  static constexpr rtp::Duration kEnvelope = std::chrono::seconds{2};
  static constexpr rtp::Duration kMinStep = std::chrono::milliseconds{1};
  static constexpr int kSlewDivisor = 20;  // at most 5 % faster or slower

  // `publisher` must outlive this.
  TrackClock(PublisherClock& publisher, std::uint32_t clock_rate) noexcept
      : publisher_(&publisher), clock_rate_(clock_rate) {}

  void on_report(rtp::NtpTime ntp, rtp::RtpTimestamp timestamp, rtp::Time arrival);
  // When the frame was captured, on the server's clock. Call in decoding order.
  [[nodiscard]] rtp::Time on_frame(rtp::RtpTimestamp timestamp, rtp::Time arrival);

  [[nodiscard]] std::uint64_t jumps() const noexcept { return jumps_; }

 private:
  [[nodiscard]] std::int64_t unwrap(rtp::RtpTimestamp timestamp) const noexcept;
  [[nodiscard]] rtp::Duration media_time(std::int64_t ticks) const noexcept;
  [[nodiscard]] rtp::Duration correction_of(rtp::Duration reported, rtp::Duration media,
                                            rtp::Duration arrived);
  [[nodiscard]] rtp::Duration target() const noexcept;
  void observe(rtp::Duration delay, rtp::Time arrival);
  void slew(rtp::Duration elapsed) noexcept;
  [[nodiscard]] bool must_anchor(rtp::Duration elapsed, rtp::Time estimate, rtp::Time arrival);
  void anchor(rtp::Duration media, rtp::Time arrival);

  PublisherClock* publisher_;
  std::uint32_t clock_rate_;
  bool anchored_ = false;
  std::int64_t last_ticks_ = 0;            // counted on past 2^32
  rtp::Duration offset_{};                 // media time + offset = server time
  std::optional<rtp::Duration> reported_;  // media time + this = publisher's corrected time
  std::uint64_t correction_ = 0;           // the number of its correction
  std::optional<rtp::Time> last_time_;     // given out
  std::optional<rtp::Time> lagging_since_;
  // Least delay of arrivals in this stretch of the envelope and in the one before it.
  std::array<std::optional<rtp::Duration>, 2> least_{};
  rtp::Time stretch_end_{};
  rtp::Duration last_delay_{};  // arrival of the last frame minus its media time
  std::uint64_t jumps_ = 0;
};

}  // namespace parley::recorder
