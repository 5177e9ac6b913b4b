#pragma once

#include <cstdint>
#include <optional>

#include "rtp/twcc.h"
#include "rtp/types.h"
#include "server/client/client.h"

namespace parley::client {

// Tells the server when its packets came, by transport-cc feedback, as browsers do.
class Arrivals {
 public:
  // `interval`: from one feedback to the next. `sender` goes into them.
  Arrivals(rtp::Duration interval, rtp::Ssrc sender) noexcept
      : interval_(interval), sender_(sender) {}

  void on_packet(rtp::Seq number, rtp::Time now) noexcept { recorder_.on_packet(number, now); }
  // The number is read from the header extension `id` of a datagram of SRTP, which is not
  // encrypted; there need not be one.
  void on_datagram(rtp::ConstBytes datagram, std::uint8_t id, rtp::Time now) noexcept;

  // When there is something to tell; nothing while there is not.
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept;
  // Tells what is due.
  void tick(rtp::Time now, Client& client);

 private:
  rtp::Duration interval_;
  rtp::Ssrc sender_;
  rtp::Time next_{};
  rtp::TwccRecorder recorder_;
};

}  // namespace parley::client
