#include "rtp/sent_log.h"

#include <algorithm>
#include <bit>

namespace parley::rtp {

SentLog::SentLog(std::size_t packets) : ring_(std::bit_ceil(packets == 0 ? 1 : packets)) {}

void SentLog::on_sent(const Rewrite& rewrite, Source source, ExtSeq source_seq, std::size_t bytes,
                      Time now) noexcept {
  budget_bytes_ =
      std::min(budget_bytes_ + static_cast<std::int64_t>(bytes) / kBudgetDivisor, kBudgetMaxBytes);
  if (!highest_ || rewrite.seq > *highest_) highest_ = rewrite.seq;
  Entry& entry = ring_[static_cast<std::size_t>(rewrite.seq.value) & (ring_.size() - 1)];
  if (entry.used && entry.what.rewrite.seq > rewrite.seq) return;
  entry = {{source, source_seq, rewrite},
           now,
           static_cast<std::uint16_t>(std::min<std::size_t>(bytes, 0xffff)),
           0,
           true};
}

SentLog::Entry* SentLog::find(Seq seq) noexcept {
  if (!highest_) return nullptr;
  const auto behind = static_cast<std::uint16_t>(highest_->value - seq.value);
  const ExtSeq wanted{highest_->value - behind};
  Entry& entry = ring_[static_cast<std::size_t>(wanted.value) & (ring_.size() - 1)];
  return entry.used && entry.what.rewrite.seq == wanted ? &entry : nullptr;
}

std::size_t SentLog::on_nack(std::span<const Seq> lost, Time now, std::optional<Duration> rtt,
                             std::span<Resend> out) noexcept {
  std::size_t written = 0;
  for (const Seq seq : lost) {
    if (written == out.size()) break;
    Entry* entry = find(seq);
    if (entry == nullptr) {
      ++counters_.unknown;
    } else if (entry->resends >= kMaxResends) {
      ++counters_.too_often;
    } else if (entry->resends > 0 && now - entry->last_sent < rtt.value_or(kDefaultRtt)) {
      ++counters_.too_soon;  // the one on its way may still arrive
    } else if (budget_bytes_ < entry->bytes) {
      ++counters_.over_budget;
    } else {
      budget_bytes_ -= entry->bytes;
      entry->last_sent = now;
      ++entry->resends;
      ++counters_.resent;
      out[written++] = entry->what;
    }
  }
  return written;
}

}  // namespace parley::rtp
