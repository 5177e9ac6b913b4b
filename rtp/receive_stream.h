#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/rate_meter.h"
#include "rtp/types.h"

namespace parley::rtp {

// Statistics of one received SSRC (RFC 3550, sections 6.4.1, A.1, A.3, A.8): counts on its sequence
// numbers, tells duplicates, and keeps what a report block says of it. Feed it every packet of the
// SSRC, RTX and padding too, each under its own SSRC.
class ReceiveStream {
 public:
  // What one report block says (RFC 3550, section 6.4.1); the caller adds the SSRC.
  struct Report {
    std::uint8_t fraction_lost = 0;    // of 256, since the last report
    std::int32_t cumulative_lost = 0;  // fits 24 bits; RTX does not heal it
    std::uint32_t highest_seq = 0;
    std::uint32_t jitter = 0;
    std::uint32_t last_sr = 0;
    std::uint32_t delay_since_last_sr = 0;  // 1/65536 s
  };
  enum class Verdict : std::uint8_t {
    New,
    Duplicate,
    TooOld,     // older than the window can tell from a duplicate
    Restarted,  // the source began anew at another number: `seq` continues beyond all others
  };
  struct Received {
    ExtSeq seq;
    Verdict verdict = Verdict::New;
  };
  static constexpr std::int64_t kWindow = 1'024;  // packets within which duplicates are told
  // RFC 3550, A.1: a jump of more is believed only when the next packet continues it.
  static constexpr std::int64_t kMaxDropout = 3'000;

  explicit ReceiveStream(std::uint32_t clock_rate_hz) noexcept;

  [[nodiscard]] Received on_packet(Seq seq, RtpTimestamp timestamp, std::size_t bytes,
                                   Time now) noexcept;
  // A packet of the stream that came as retransmission: takes its place among the numbers, but is
  // no measure of jitter. TooOld and Duplicate as above.
  [[nodiscard]] Received on_recovered(Seq seq, std::size_t bytes, Time now) noexcept;
  void on_sender_report(NtpTime ntp, Time now) noexcept;

  // The block for the report that is sent now; begins the next interval. Nothing before the first
  // packet.
  [[nodiscard]] std::optional<Report> take_report(Time now) noexcept;

  [[nodiscard]] std::optional<ExtSeq> highest() const noexcept { return highest_; }
  [[nodiscard]] Bitrate bitrate(Time now) noexcept { return meter_.bitrate(now); }
  [[nodiscard]] std::uint64_t packets() const noexcept { return received_; }
  [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }
  [[nodiscard]] std::int64_t cumulative_lost() const noexcept;
  [[nodiscard]] std::uint32_t jitter() const noexcept { return jitter_q4_ >> 4; }

 private:
  [[nodiscard]] Received place(Seq seq) noexcept;
  void begin(ExtSeq seq, bool restarted) noexcept;
  void measure_jitter(RtpTimestamp timestamp, Time now) noexcept;
  [[nodiscard]] bool test_and_set(ExtSeq seq) noexcept;

  std::uint32_t clock_rate_hz_;
  RateMeter meter_;
  std::optional<ExtSeq> first_;
  std::optional<ExtSeq> highest_;
  std::optional<std::uint16_t> bad_seq_;  // RFC 3550's: where a restart would continue
  std::array<std::uint64_t, kWindow / 64> seen_{};
  std::uint64_t received_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t counted_ = 0;  // without duplicates, since `first_`
  std::int64_t expected_prior_ = 0;
  std::int64_t counted_prior_ = 0;
  std::uint32_t jitter_q4_ = 0;  // 28.4 fixed point, as in A.8
  std::optional<std::int64_t> transit_;
  std::uint32_t last_sr_ = 0;
  std::optional<Time> last_sr_at_;
};

}  // namespace parley::rtp
