#include "rtp/renumberer.h"

#include <algorithm>

namespace parley::rtp {

void Renumberer::restart(ExtSeq in) noexcept {
  started_ = true;
  start_ = in;
  floor_ = in;
  highest_ = ExtSeq{in.value - 1};
  shift_ = next_.value - in.value;
  count_ = 0;
}

const Renumberer::Run& Renumberer::newest(std::size_t back) const noexcept {
  return runs_[(head_ + kMaxRuns - 1 - back) % kMaxRuns];
}

std::optional<std::int64_t> Renumberer::dropped_before(ExtSeq in) const noexcept {
  for (std::size_t back = 0; back < count_; ++back) {
    const Run& run = newest(back);
    if (in >= run.end) return run.before + run.end.value - run.first.value;
    if (in >= run.first) return std::nullopt;
  }
  return count_ == 0 ? 0 : newest(count_ - 1).before;
}

std::optional<ExtSeq> Renumberer::map(ExtSeq in) noexcept {
  if (!started_ || in < floor_) return std::nullopt;
  const auto dropped = dropped_before(in);
  if (!dropped) return std::nullopt;
  const ExtSeq out{in.value + shift_ - *dropped};
  highest_ = std::max(highest_, in);
  next_ = std::max(next_, ExtSeq{out.value + 1});
  return out;
}

bool Renumberer::drop(ExtSeq in) noexcept {
  if (!started_ || in < floor_) return true;  // never had a number
  if (in <= highest_) return !dropped_before(in).has_value();
  highest_ = in;
  if (count_ > 0 && newest(0).end == in) {
    runs_[(head_ + kMaxRuns - 1) % kMaxRuns].end.value = in.value + 1;
    return true;
  }
  const std::int64_t before = count_ == 0 ? 0 : *dropped_before(in);
  if (count_ == kMaxRuns) {
    floor_ = newest(count_ - 1).end;  // what lies before it can no longer be told
    --count_;
  }
  runs_[head_] = {in, ExtSeq{in.value + 1}, before};
  head_ = (head_ + 1) % kMaxRuns;
  ++count_;
  return true;
}

}  // namespace parley::rtp
