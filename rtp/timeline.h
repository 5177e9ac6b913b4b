#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// The RTP timestamps of one slot over all sources it ever shows. Within a source the publisher's
// steps are kept exactly; where the source changes, the time between the two pictures decides: by
// capture time where both are known, else by arrival since the slot's beginning, so that the delay
// of single packets never adds up over many changes. It never goes backwards at a change.
class Timeline {
 public:
  Timeline(std::uint32_t clock_rate_hz, RtpTimestamp first) noexcept
      : clock_rate_hz_(clock_rate_hz), first_(first) {}

  struct Moment {
    RtpTimestamp timestamp;  // the source's
    Time arrival{};
    std::optional<Time> capture;
  };

  // The next packet is `moment`, of another source.
  void restart(const Moment& moment) noexcept;
  // The slot's timestamp of a packet; late packets map right, too. restart() must have come first.
  [[nodiscard]] RtpTimestamp map(const Moment& moment) noexcept;
  // The slot's timestamp of any timestamp of the present source.
  [[nodiscard]] RtpTimestamp convert(RtpTimestamp source) const noexcept;

  // Which timestamp would a picture carry that is captured now? For sender reports. Nothing before
  // the first packet.
  [[nodiscard]] std::optional<RtpTimestamp> at(Time now) const noexcept;

 private:
  [[nodiscard]] std::uint32_t ticks(Duration duration) const noexcept;

  std::uint32_t clock_rate_hz_;
  RtpTimestamp first_;
  std::uint32_t offset_ = 0;  // slot - source, modulo 2^32
  struct Last {
    RtpTimestamp out;
    Time arrival{};
    std::optional<Time> capture;
  };
  std::optional<Last> last_;  // the latest by timestamp
  Last beginning_{};          // of the slot
  // Sender reports without capture times: the fastest packet of this source is the least delayed.
  Last fastest_{};
};

}  // namespace parley::rtp
