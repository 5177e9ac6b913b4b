#include "rtp/receive_stream.h"

#include <algorithm>

#include "rtp/clock_map.h"

namespace parley::rtp {
namespace {

// A step of transit time beyond this is a restarted clock, not jitter.
constexpr std::int64_t kMaxTransitStepSeconds = 5;

[[nodiscard]] std::uint16_t low16(ExtSeq seq) noexcept {
  return static_cast<std::uint16_t>(seq.value);
}

}  // namespace

ReceiveStream::ReceiveStream(std::uint32_t clock_rate_hz) noexcept
    : clock_rate_hz_(clock_rate_hz) {}

void ReceiveStream::begin(ExtSeq seq, bool restarted) noexcept {
  first_ = seq;
  highest_ = ExtSeq{seq.value - 1};
  // The very first packets may be out of order; but before a restart lie the old source's numbers.
  seen_.fill(restarted ? ~std::uint64_t{0} : 0);
  counted_ = 0;
  expected_prior_ = 0;
  counted_prior_ = 0;
  transit_.reset();
  bad_seq_.reset();
}

// True if the number was seen already.
bool ReceiveStream::test_and_set(ExtSeq seq) noexcept {
  const auto bit = static_cast<std::uint64_t>(seq.value) % kWindow;
  const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
  const bool seen = (seen_[bit / 64] & mask) != 0;
  seen_[bit / 64] |= mask;
  return seen;
}

ReceiveStream::Received ReceiveStream::place(Seq seq) noexcept {
  const auto step = static_cast<std::int16_t>(seq.value - low16(*highest_));
  const ExtSeq ext{highest_->value + step};
  if (step > 0 && step < kMaxDropout) {
    for (std::int64_t s = std::max(highest_->value + 1, ext.value - kWindow + 1); s <= ext.value;
         ++s) {
      const auto bit = static_cast<std::uint64_t>(s) % kWindow;
      seen_[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
    }
    highest_ = ext;
    bad_seq_.reset();
    (void)test_and_set(ext);
    return {ext, Verdict::New};
  }
  if (step <= 0 && step > -kWindow) {
    if (test_and_set(ext)) return {ext, Verdict::Duplicate};
    first_ = std::min(*first_, ext);
    return {ext, Verdict::New};
  }
  return {ext, Verdict::TooOld};
}

ReceiveStream::Received ReceiveStream::on_packet(Seq seq, RtpTimestamp timestamp, std::size_t bytes,
                                                 Time now) noexcept {
  meter_.add(bytes, 1, now);
  ++received_;
  if (!highest_) begin(ExtSeq{seq.value}, false);
  Received received = place(seq);
  if (received.verdict == Verdict::TooOld) {
    if (bad_seq_ != seq.value) {
      bad_seq_ = static_cast<std::uint16_t>(seq.value + 1);
      return received;
    }
    // Two in a row: the source did begin anew.
    const auto ahead = static_cast<std::uint16_t>(seq.value - low16(*highest_));
    begin(ExtSeq{highest_->value + (ahead == 0 ? 65'536 : ahead)}, true);
    received = {place(seq).seq, Verdict::Restarted};
  }
  if (received.verdict == Verdict::Duplicate) {
    ++duplicates_;
    return received;
  }
  ++counted_;
  measure_jitter(timestamp, now);
  return received;
}

ReceiveStream::Received ReceiveStream::on_recovered(Seq seq, std::size_t bytes, Time now) noexcept {
  // Probes may repeat media before its first packet was seen; they begin no stream.
  if (!highest_) return {ExtSeq{seq.value}, Verdict::TooOld};
  meter_.add(bytes, 1, now);
  const Received received = place(seq);
  if (received.verdict == Verdict::Duplicate) ++duplicates_;
  return received;
}

// RFC 3550, A.8: the mean deviation of the transit time, in timestamp units, with gain 1/16.
void ReceiveStream::measure_jitter(RtpTimestamp timestamp, Time now) noexcept {
  const std::int64_t rate = clock_rate_hz_;
  const std::int64_t us = now.time_since_epoch().count();
  const std::int64_t arrival = us / 1'000'000 * rate + us % 1'000'000 * rate / 1'000'000;
  const std::int64_t transit = arrival - timestamp.value;
  const auto before = transit_;
  transit_ = transit;
  if (!before) return;
  const std::int64_t signed_step =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(transit - *before));
  const std::int64_t step = signed_step < 0 ? -signed_step : signed_step;
  if (step > kMaxTransitStepSeconds * rate) return;
  jitter_q4_ = static_cast<std::uint32_t>(std::int64_t{jitter_q4_} + step -
                                          ((std::int64_t{jitter_q4_} + 8) >> 4));
}

void ReceiveStream::on_sender_report(NtpTime ntp, Time now) noexcept {
  last_sr_ = compact_ntp(ntp);
  last_sr_at_ = now;
}

std::int64_t ReceiveStream::cumulative_lost() const noexcept {
  if (!first_) return 0;
  return highest_->value - first_->value + 1 - static_cast<std::int64_t>(counted_);
}

std::optional<ReceiveStream::Report> ReceiveStream::take_report(Time now) noexcept {
  if (!first_) return std::nullopt;
  Report report;
  const std::int64_t expected = highest_->value - first_->value + 1;
  const auto counted = static_cast<std::int64_t>(counted_);
  const std::int64_t expected_now = expected - expected_prior_;
  const std::int64_t lost_now = expected_now - (counted - counted_prior_);
  expected_prior_ = expected;
  counted_prior_ = counted;
  if (expected_now > 0 && lost_now > 0) {
    report.fraction_lost =
        static_cast<std::uint8_t>(std::min<std::int64_t>(lost_now * 256 / expected_now, 255));
  }
  report.cumulative_lost = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(expected - counted, -0x80'0000, 0x7f'ffff));
  report.highest_seq = static_cast<std::uint32_t>(highest_->value);
  report.jitter = jitter();
  if (last_sr_at_) {
    const std::int64_t us = std::max<std::int64_t>((now - *last_sr_at_).count(), 0);
    report.last_sr = last_sr_;
    report.delay_since_last_sr =
        static_cast<std::uint32_t>(std::min<std::int64_t>(us * 65'536 / 1'000'000, 0xffff'ffff));
  }
  return report;
}

}  // namespace parley::rtp
