#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/allocation.h"
#include "rtp/bandwidth.h"
#include "rtp/layer_hold.h"
#include "rtp/prober.h"
#include "rtp/receiver_estimate.h"
#include "rtp/transport_log.h"
#include "rtp/twcc.h"
#include "rtp/types.h"

namespace parley::server {

// The way down to one peer: what was sent, what his feedback says of it, and when to try whether
// more would pass. It decides nothing about slots; the Peer asks it what may be sent.
class Downlink {
 public:
  // What the peer has said he will tell: when each packet came, or his own estimate (REMB) alone.
  enum class Word : std::uint8_t { Arrivals, Estimate };
  explicit Downlink(Word word) noexcept : word_(word) {}
  void set_word(Word word) noexcept { word_ = word; }
  // Packets carry a transport-wide number.
  [[nodiscard]] bool numbers() const noexcept { return word_ == Word::Arrivals; }

  // Beside what is written: SRTP's tag, UDP and IP.
  static constexpr std::size_t kBelow = 44;
  // Without a word of feedback for so long after the first packets the peer is not believed to
  // send any, and nothing is held back.
  static constexpr rtp::Duration kPatience{1'500'000};
  // A browser's own estimate takes longer to come about.
  static constexpr rtp::Duration kPatienceForEstimate{5'000'000};

  [[nodiscard]] rtp::Seq next() const noexcept { return log_.next(); }
  void on_sent(rtp::Time now, std::size_t size, rtp::TransportLog::Content content) noexcept;

  // Of one feedback; more than a browser tells at once.
  static constexpr std::size_t kMaxResults = 1'024;

  // What it says, in the order of sending; empty when that is nothing new. `scratch` has room for
  // kMaxResults.
  std::span<const rtp::PacketResult> on_feedback(rtp::Time now, const rtp::TwccFeedback& feedback,
                                                 std::span<rtp::PacketResult> scratch) noexcept;
  // `beside`: what is sent of which it says nothing.
  void on_remb(rtp::Time now, rtp::Bitrate word, rtp::Bitrate beside) noexcept;
  void tick(rtp::Time now) noexcept;

  // What may be sent; nothing when there is no reason to hold anything back.
  [[nodiscard]] std::optional<rtp::Way> way(rtp::Time now) const noexcept;
  [[nodiscard]] rtp::WayEstimate estimate() const noexcept;
  // It does not carry what is sent.
  [[nodiscard]] bool congested() const noexcept {
    return numbers() ? estimator_.congested() : told_.way().congested;
  }
  // That stands before it and does not drain; none if nobody tells when packets come.
  [[nodiscard]] rtp::Duration queue() const noexcept {
    return numbers() && estimator_.overused() ? estimator_.queue() : rtp::Duration{0};
  }
  // There is a queue that does not drain.
  [[nodiscard]] bool overused() const noexcept {
    return numbers() ? estimator_.overused() : told_.way().congested;
  }
  // What share of the packets was lost of late; nothing if nobody tells.
  [[nodiscard]] std::optional<double> loss() const noexcept {
    return told_of_packets_ ? std::optional(estimator_.loss()) : std::nullopt;
  }

  // The slots have shared it out: probes if there is something to be proven.
  void on_shared(rtp::Time now, const rtp::Allocation& sum,
                 std::optional<rtp::Duration> rtt) noexcept;
  // More is wanted than is sent, or what the way carries is known to the bit: so little may change
  // much, and what is shared out should be looked at soon again.
  [[nodiscard]] bool tight() const noexcept {
    return numbers() && heard_ && (!complete_ || estimator_.known());
  }
  // It has shown several times what is wanted, and nothing stands before it.
  [[nodiscard]] bool ample() const noexcept { return numbers() && estimator_.ample(); }
  [[nodiscard]] rtp::Prober& prober() noexcept { return prober_; }

 private:
  [[nodiscard]] double resent() const noexcept;

  Word word_;
  bool heard_ = false;  // anything
  bool told_of_packets_ = false;
  bool complete_ = true;  // nobody wants more
  std::optional<rtp::Time> first_sent_;
  rtp::Prober prober_;
  rtp::TransportLog log_;
  rtp::BandwidthEstimator estimator_;
  rtp::ReceiverEstimate told_;
};

}  // namespace parley::server
