#include "rtp/transport_log.h"

#include <algorithm>

namespace parley::rtp {

void TransportLog::on_sent(Time now, std::size_t bytes, Content content) noexcept {
  const auto number = static_cast<std::uint16_t>(next_++);
  at(number) = {static_cast<std::uint32_t>(now.time_since_epoch().count()),
                static_cast<std::uint16_t>(std::clamp<std::size_t>(bytes, 1, 0xffff)), number,
                content};
  last_sent_ = now;
  if (!unanswered_) unanswered_ = now;
}

// The receiver's clock is told in 24 bits of 64 ms.
Duration TransportLog::unwrap(Duration arrival) noexcept {
  constexpr std::int64_t kPeriod = (std::int64_t{1} << 24) * 64'000;
  if (last_arrival_) {
    std::int64_t step = (arrival - *last_arrival_).count();
    if (step > kPeriod / 2 || step < -kPeriod / 2) {
      step %= kPeriod;
      if (step > kPeriod / 2) step -= kPeriod;
      if (step < -kPeriod / 2) step += kPeriod;
    }
    arrival = *last_arrival_ + Duration(step);
  }
  last_arrival_ = arrival;
  return arrival;
}

std::span<PacketResult> TransportLog::read(const TwccFeedback& feedback,
                                           std::span<PacketResult> into) noexcept {
  std::size_t count = 0;
  bool answered = false;
  const auto low = static_cast<std::uint32_t>(last_sent_.time_since_epoch().count());
  for (auto cursor = feedback.statuses(); count < into.size();) {
    const auto status = cursor.next();
    if (!status) break;
    // Of more than kWindow packets in a round trip the first are forgotten when the word of them
    // comes; he is not silent for that.
    const auto ago = static_cast<std::uint16_t>(next_ - 1 - status->seq.value);
    answered = answered || ago < kAnswered;
    Entry& entry = at(status->seq.value);
    if (entry.bytes == 0 || entry.number != status->seq.value) continue;
    PacketResult& result = into[count++];
    result = {};
    result.sent = last_sent_ - Duration(low - entry.sent_us);
    result.bytes = entry.bytes;
    result.ssrc = entry.content.ssrc;
    result.seq = entry.content.seq;
    if (!status->received) {  // it may still come
      entry.content = {};
      continue;
    }
    result.arrived = unwrap(status->arrival);
    entry.bytes = 0;
  }
  if (answered) unanswered_.reset();
  return into.first(count);
}

}  // namespace parley::rtp
