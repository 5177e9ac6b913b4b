#include "rtp/nack_tracker.h"

#include <algorithm>
#include <utility>

#include "rtp/sequence.h"

namespace parley::rtp {

void NackTracker::on_packet(ExtSeq seq, Time now, bool resent) noexcept {
  if (!highest_) {
    highest_ = seq;
    return;
  }
  if (seq <= *highest_) {
    fill(seq, now, resent);
    return;
  }
  const std::int64_t holes = seq.value - highest_->value - 1;
  if (holes > static_cast<std::int64_t>(kMaxMissing - count_)) {
    given_up_ += count_ + static_cast<std::uint64_t>(holes);
    count_ = 0;
    deadline_.reset();
    key_frame_wanted_ = true;
  } else {
    for (std::int64_t s = highest_->value + 1; s < seq.value; ++s) {
      missing_[count_++] = {.seq = ExtSeq{s}, .since = now, .next = now + kReorderWait};
      note_deadline(now + kReorderWait);
    }
  }
  highest_ = seq;
}

void NackTracker::fill(ExtSeq seq, Time now, bool resent) noexcept {
  const auto end = missing_.begin() + static_cast<std::ptrdiff_t>(count_);
  const auto at = std::lower_bound(missing_.begin(), end, seq,
                                   [](const Missing& m, ExtSeq s) { return m.seq < s; });
  if (at == end || at->seq != seq) return;
  if (at->tries > 0) ++recovered_;
  if (resent && at->tries > 0) {
    const Duration measured = now - at->asked;
    rtt_ = rtt_ ? (*rtt_ * 7 + measured) / 8 : measured;
  }
  std::move(at + 1, end, at);
  --count_;
  // Otherwise the deadline may be early now, which costs one look in vain.
  if (count_ == 0) deadline_.reset();
}

void NackTracker::reset() noexcept {
  count_ = 0;
  highest_.reset();
  deadline_.reset();
  key_frame_wanted_ = false;
}

void NackTracker::note_deadline(Time at) noexcept {
  if (!deadline_ || at < *deadline_) deadline_ = at;
}

std::size_t NackTracker::collect(Time now, Duration rtt, std::span<Seq> out) noexcept {
  if (!deadline_ || now < *deadline_) return 0;
  deadline_.reset();
  const Duration interval = std::max(rtt, kMinInterval);
  std::size_t written = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    Missing hole = missing_[i];
    const bool due = hole.next <= now;
    if (now - hole.since >= kMaxAge || (due && hole.tries >= kMaxTries)) {
      ++given_up_;
      continue;
    }
    if (due && written < out.size()) {
      out[written++] = to_wire(hole.seq);
      if (hole.tries == 0) hole.asked = now;
      ++hole.tries;
      ++asked_;
      hole.next = now + interval;
    }
    note_deadline(std::min(hole.next, hole.since + kMaxAge));
    missing_[kept++] = hole;
  }
  count_ = kept;
  return written;
}

bool NackTracker::take_key_frame_wanted() noexcept {
  return std::exchange(key_frame_wanted_, false);
}

}  // namespace parley::rtp
