#include "rtp/sent_log.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace parley::rtp {
namespace {

constexpr std::size_t kWordBits = 64;

std::uint16_t milliseconds_of(Time time) noexcept {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
  return static_cast<std::uint16_t>(since.count());
}

SentLog::Shift shift_of(const Rewrite& out, const PacketInfo& in) noexcept {
  SentLog::Shift shift;
  shift.seq = out.seq.value - in.seq.value;
  shift.timestamp = out.timestamp.value - in.timestamp.value;
  shift.frame_number = static_cast<std::uint16_t>(out.frame_number - in.frame_number.value_or(0));
  shift.picture_id = static_cast<std::uint16_t>(out.picture.picture_id - in.picture.picture_id);
  shift.tl0_picture_index =
      static_cast<std::uint8_t>(out.picture.tl0_picture_index - in.picture.tl0_picture_index);
  shift.key_index = static_cast<std::uint8_t>(out.picture.key_index - in.picture.key_index);
  shift.limit = out.limit;
  // Written into fields of 15 and 5 bits.
  shift.picture_id &= 0x7fff;
  shift.key_index &= 0x1f;
  return shift;
}

}  // namespace

Rewrite SentLog::Resend::rewrite(const PacketInfo& packet) const noexcept {
  Rewrite out;
  out.seq = seq;
  out.timestamp = RtpTimestamp{packet.timestamp.value + shift.timestamp};
  out.limit_to(shift.limit, packet);
  out.frame_number =
      static_cast<std::uint16_t>(packet.frame_number.value_or(0) + shift.frame_number);
  out.picture.picture_id =
      static_cast<std::uint16_t>((packet.picture.picture_id + shift.picture_id) & 0x7fff);
  out.picture.tl0_picture_index =
      static_cast<std::uint8_t>(packet.picture.tl0_picture_index + shift.tl0_picture_index);
  out.picture.key_index =
      static_cast<std::uint8_t>((packet.picture.key_index + shift.key_index) & 0x1f);
  return out;
}

SentLog::SentLog(std::size_t packets)
    : sent_(std::bit_ceil(std::max(packets, kWordBits)) / kWordBits) {}

const SentLog::Stretch* SentLog::stretch_of(ExtSeq seq) const noexcept {
  for (std::size_t back = 0; back < count_; ++back) {
    const Stretch& stretch = stretches_[(newest_ + kMaxStretches - back) % kMaxStretches];
    if (stretch.first <= seq) return &stretch;
  }
  return nullptr;
}

void SentLog::begin_stretch(const Stretch& stretch) noexcept {
  newest_ = (newest_ + 1) % kMaxStretches;
  stretches_[newest_] = stretch;
  count_ = std::min(count_ + 1, kMaxStretches);
}

// A late one has a stretch of its own, between those of what was sent before and behind it. What
// comes behind it up to the next stretch goes on as before.
bool SentLog::insert_stretch(Stretch stretch) noexcept {
  const Stretch* const there = stretch_of(stretch.first);
  if (there == nullptr) return false;
  Stretch rest = *there;
  rest.first = ExtSeq{stretch.first.value + 1};
  const bool begins_there = there->first == stretch.first;
  auto at = static_cast<std::size_t>(there - stretches_.data());
  const std::size_t newer = (newest_ + kMaxStretches - at) % kMaxStretches;
  if (newer + 3 > kMaxStretches) return false;  // the oldest ones go next
  const std::size_t next = (at + 1) % kMaxStretches;
  const bool last = at == newest_;
  const bool rest_left = last || stretches_[next].first > rest.first;
  if (begins_there) {
    stretches_[at] = stretch;
  } else {
    make_room_behind(at);
    at = (at + 1) % kMaxStretches;
    stretches_[at] = stretch;
  }
  if (!rest_left) return true;
  make_room_behind(at);
  stretches_[(at + 1) % kMaxStretches] = rest;
  return true;
}

// Moves the newer ones on by one; the oldest may go.
void SentLog::make_room_behind(std::size_t at) noexcept {
  newest_ = (newest_ + 1) % kMaxStretches;
  count_ = std::min(count_ + 1, kMaxStretches);
  for (std::size_t to = newest_; to != (at + 1) % kMaxStretches;
       to = (to + kMaxStretches - 1) % kMaxStretches) {
    stretches_[to] = stretches_[(to + kMaxStretches - 1) % kMaxStretches];
  }
}

bool SentLog::in_window(ExtSeq seq) const noexcept {
  return highest_->value - seq.value < static_cast<std::int64_t>(sent_.size() * kWordBits);
}

bool SentLog::was_sent(ExtSeq seq) const noexcept {
  const auto bit = static_cast<std::size_t>(seq.value);
  return in_window(seq) &&
         (sent_[bit / kWordBits & (sent_.size() - 1)] >> bit % kWordBits & 1) != 0;
}

void SentLog::mark_sent(ExtSeq seq, bool sent) noexcept {
  const auto bit = static_cast<std::size_t>(seq.value);
  std::uint64_t& word = sent_[bit / kWordBits & (sent_.size() - 1)];
  const std::uint64_t mask = std::uint64_t{1} << bit % kWordBits;
  word = sent ? word | mask : word & ~mask;
}

// Numbers in between have not been sent.
void SentLog::advance_to(ExtSeq seq) noexcept {
  const ExtSeq before = highest_.value_or(seq);
  highest_ = seq;
  if (!in_window(before)) std::fill(sent_.begin(), sent_.end(), 0);
  for (ExtSeq at{before.value + 1}; at < seq && in_window(before); ++at.value) {
    mark_sent(at, false);
  }
}

void SentLog::on_sent(const Rewrite& rewrite, Source source, const PacketInfo& packet,
                      std::size_t bytes) noexcept {
  budget_bytes_ =
      std::min(budget_bytes_ + static_cast<std::int64_t>(bytes) / kBudgetDivisor, kBudgetMaxBytes);
  const ExtSeq seq = rewrite.seq;
  const bool late = highest_ && seq <= *highest_;
  if (late && !in_window(seq)) return;
  const Stretch* const there = stretch_of(seq);
  Shift shift = shift_of(rewrite, packet);
  if (there != nullptr && rewrite.empty) {  // has no such numbers: any will do
    const Shift numbers = shift;
    shift = there->shift;
    shift.seq = numbers.seq;
    shift.timestamp = numbers.timestamp;
    if (!packet.padding_only) shift.limit = numbers.limit;
  }
  const bool fits = there != nullptr && there->source == source && there->shift == shift;
  if (late && !fits && !insert_stretch({seq, source, shift})) return;
  if (!late) advance_to(seq);
  if (!late && !fits) begin_stretch({seq, source, shift});
  mark_sent(seq, true);
}

void SentLog::begin_anew(ExtSeq first) noexcept {
  first_ = std::max(first_.value_or(first), first);
  budget_bytes_ = std::max(budget_bytes_, kBudgetStartBytes);
}

std::optional<SentLog::Sent> SentLog::find(Seq seq) noexcept {
  if (!highest_) {
    ++counters_.unknown;
    return std::nullopt;
  }
  const auto behind = static_cast<std::uint16_t>(highest_->value - seq.value);
  const ExtSeq found{highest_->value - behind};
  const Stretch* const stretch = was_sent(found) ? stretch_of(found) : nullptr;
  if (stretch == nullptr) {
    ++counters_.unknown;
    return std::nullopt;
  }
  if (first_ && found < *first_) {
    ++counters_.needless;
    return std::nullopt;
  }
  Resent& entry = resent(found);
  const bool again = entry.times > 0 && entry.seq == static_cast<std::uint32_t>(found.value);
  return Sent{found, stretch, again ? &entry : nullptr};
}

std::optional<SentLog::Resend> SentLog::within_limits(const Sent& sent) noexcept {
  if (sent.before != nullptr && sent.before->times >= kMaxResends) {
    ++counters_.too_often;
    return std::nullopt;
  }
  if (budget_bytes_ < kMaxPacketBytes) {
    ++counters_.over_budget;
    return std::nullopt;
  }
  const bool twice = sent.before != nullptr && sent.before->times + 1 < kMaxResends &&
                     budget_bytes_ >= 2 * kMaxPacketBytes;
  return Resend{sent.seq, sent.stretch->source, sent.stretch->shift, twice};
}

std::optional<SentLog::Resend> SentLog::on_nack(Seq lost, Time now,
                                                std::optional<Duration> rtt) noexcept {
  const auto sent = find(lost);
  if (!sent) return std::nullopt;
  if (sent->before != nullptr) {
    const auto since = static_cast<std::uint16_t>(milliseconds_of(now) - sent->before->at_ms);
    // The receiver's round trip is not ours to the millisecond.
    if (std::chrono::milliseconds(since) < rtt.value_or(kDefaultRtt) * 3 / 4) {
      ++counters_.too_soon;  // the one on its way may still arrive
      return std::nullopt;
    }
  }
  return within_limits(*sent);
}

std::optional<SentLog::Resend> SentLog::on_lost(Seq lost, bool resent) noexcept {
  const auto sent = find(lost);
  if (!sent || (sent->before != nullptr) != resent) return std::nullopt;
  if (resent && ++sent->before->lost < sent->before->times) return std::nullopt;
  return within_limits(*sent);
}

void SentLog::on_resent(ExtSeq seq, Time now, std::size_t bytes) noexcept {
  budget_bytes_ -= static_cast<std::int64_t>(bytes);
  ++counters_.resent;
  Resent& entry = resent(seq);
  const auto low = static_cast<std::uint32_t>(seq.value);
  if (entry.seq != low) entry = {.seq = low};
  entry.at_ms = milliseconds_of(now);
  ++entry.times;
}

}  // namespace parley::rtp
