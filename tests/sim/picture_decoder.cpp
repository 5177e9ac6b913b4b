#include "tests/sim/picture_decoder.h"

#include <algorithm>

namespace parley::sim {

void PictureDecoder::on_packet(rtp::Time now, std::int64_t number, bool first, bool key,
                               bool last) {
  if (next_ && number < *next_) return;
  packets_[number] = {first, key, last};
  const auto show_from = [&](std::int64_t begin) {
    const auto end = end_of(begin);
    if (!end) return false;
    shown_.push_back(now);
    next_ = *end;
    packets_.erase(packets_.begin(), packets_.lower_bound(*end));
    return true;
  };
  for (bool shows = true; shows;) {
    shows = next_ && show_from(*next_);
    for (auto packet = packets_.rbegin(); !shows && packet != packets_.rend(); ++packet) {
      if (!packet->second.key) continue;
      shows = show_from(packet->first);
      if (shows) break;  // what was looked at is gone
    }
  }
}

std::optional<std::int64_t> PictureDecoder::end_of(std::int64_t begin) const {
  auto packet = packets_.find(begin);
  if (packet == packets_.end() || !packet->second.first) return std::nullopt;
  for (std::int64_t number = begin;; ++number, ++packet) {
    if (packet == packets_.end() || packet->first != number) return std::nullopt;
    if (number != begin && packet->second.first) return std::nullopt;  // it was cut short
    if (packet->second.last) return number + 1;
  }
}

rtp::Duration PictureDecoder::longest_freeze(rtp::Time since, rtp::Time until) const {
  rtp::Duration longest{0};
  rtp::Time before = since;
  for (const rtp::Time at : shown_) {
    if (at < since || at > until) continue;
    longest = std::max(longest, at - before);
    before = at;
  }
  return std::max(longest, until - before);
}

}  // namespace parley::sim
