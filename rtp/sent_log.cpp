#include "rtp/sent_log.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace parley::rtp {

SentLog::SentLog(std::size_t packets) : ring_(std::bit_ceil(packets == 0 ? 1 : packets)) {}

void SentLog::on_sent(const Rewrite& rewrite, Source source, ExtSeq source_seq,
                      std::size_t bytes) noexcept {
  budget_bytes_ =
      std::min(budget_bytes_ + static_cast<std::int64_t>(bytes) / kBudgetDivisor, kBudgetMaxBytes);
  if (!highest_ || rewrite.seq > *highest_) highest_ = rewrite.seq;
  source_highest_ = source_seq;
  Entry& entry = slot(rewrite.seq);
  const auto seq = static_cast<std::uint32_t>(rewrite.seq.value);
  const bool newer_there = entry.used && static_cast<std::int32_t>(entry.seq - seq) > 0;
  if (newer_there) return;
  entry.seq = seq;
  entry.source_seq = static_cast<std::uint32_t>(source_seq.value);
  entry.track = source.track;
  entry.timestamp = rewrite.timestamp;
  entry.vp8 = rewrite.vp8;
  entry.frame_number = rewrite.frame_number;
  entry.bytes = static_cast<std::uint16_t>(std::min<std::size_t>(bytes, 0xffff));
  entry.encoding = source.encoding;
  entry.resends = 0;
  entry.marker = rewrite.marker;
  entry.used = true;
}

ExtSeq SentLog::unwrap(Seq seq) const noexcept {
  const auto behind = static_cast<std::uint16_t>(highest_->value - seq.value);
  return ExtSeq{highest_->value - behind};
}

SentLog::Resend SentLog::resend_of(const Entry& entry, ExtSeq seq) const noexcept {
  Resend resend;
  resend.source = {entry.track, entry.encoding};
  // Within 2^31 of the latest, even if that is of another source: its number is only looked up.
  const auto away = static_cast<std::int32_t>(entry.source_seq -
                                              static_cast<std::uint32_t>(source_highest_.value));
  resend.source_seq = ExtSeq{source_highest_.value + away};
  resend.rewrite.seq = seq;
  resend.rewrite.timestamp = entry.timestamp;
  resend.rewrite.vp8 = entry.vp8;
  resend.rewrite.frame_number = entry.frame_number;
  resend.rewrite.marker = entry.marker;
  return resend;
}

std::size_t SentLog::on_nack(std::span<const Seq> lost, Time now, std::optional<Duration> rtt,
                             std::span<Resend> out) noexcept {
  const auto now_ms = static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
  std::size_t written = 0;
  for (const Seq seq : lost) {
    if (written == out.size()) break;
    if (!highest_) {
      ++counters_.unknown;
      continue;
    }
    const ExtSeq wanted = unwrap(seq);
    Entry& entry = slot(wanted);
    const Duration since = std::chrono::milliseconds(now_ms - entry.resent_ms);
    if (!entry.used || entry.seq != static_cast<std::uint32_t>(wanted.value)) {
      ++counters_.unknown;
    } else if (entry.resends >= kMaxResends) {
      ++counters_.too_often;
    } else if (entry.resends > 0 && since < rtt.value_or(kDefaultRtt)) {
      ++counters_.too_soon;  // the one on its way may still arrive
    } else if (budget_bytes_ < entry.bytes) {
      ++counters_.over_budget;
    } else {
      budget_bytes_ -= entry.bytes;
      entry.resent_ms = now_ms;
      ++entry.resends;
      ++counters_.resent;
      out[written++] = resend_of(entry, wanted);
    }
  }
  return written;
}

}  // namespace parley::rtp
