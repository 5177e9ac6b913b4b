#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// What the narrowest link on a way carries, read from how packets wait for one another while it is
// not even full. The packets of the last moments are sent, in thought, through some links of
// different rates; the one behind which they would have been as late as they really were is the
// link. Only differences of delays count, so a longer way or another clock changes nothing, and
// what no link explains (jitter, somebody else's packets) tells how far the result can be trusted.
//
// It knows nothing where packets do not wait: a link that carries several times what is sent, or
// one whose bucket lets bursts pass.
class LinkModel {
 public:
  static constexpr std::size_t kPackets = 256;  // no more than these are looked at, the last ones
  static constexpr std::size_t kLinks = 16;
  static constexpr double kSure = 0.02;
  static constexpr double kMostDoubt = 0.1;

  struct Fit {
    double rate;   // bits per second
    double doubt;  // the standard error of it by chance alone, as a share
    double load;   // what was sent, as a share
  };

  // In the order in which they were sent. `delay_us`: from sending to arrival, by any two clocks
  // whose offset stays. What was lost is left out.
  void on_packet(std::int64_t sent_us, std::uint32_t bytes, std::int64_t delay_us) noexcept;
  // Nothing where it could be one link as well as another. O(packets in the window).
  [[nodiscard]] std::optional<Fit> fit() const noexcept;

 private:
  struct Packet {  // both times wrap: only differences count
    std::uint32_t sent_us = 0;
    std::uint32_t delay_us = 0;
    std::uint16_t bytes = 0;
  };
  struct Span {  // of time to look back
    std::uint32_t length_us;
    std::uint32_t least_us;    // from the first packet to the last
    std::uint32_t settled_us;  // until it does not matter any more what stood in the queue before
    std::size_t packets;       // at least
    std::size_t compared;      // at least, of those after it has settled
  };
  // The shortest that is sure enough: it is the first to know of a change.
  static constexpr Span kShort{200'000, 120'000, 60'000, 15, 8};
  static constexpr Span kUsual{400'000, 200'000, 100'000, 30, 20};
  static constexpr Span kLong{1'200'000, 200'000, 100'000, 30, 20};
  struct Window {
    std::size_t first;
    std::uint32_t settled_us;
    float bytes_per_ms;  // sent
    std::uint32_t least_delay_us;
  };
  struct Ladder {  // of links, by what was sent
    double slowest;
    double ratio;
    [[nodiscard]] double at(double place) const noexcept {
      return slowest * std::pow(ratio, place);
    }
    [[nodiscard]] double step() const noexcept { return std::log(ratio); }
  };
  static constexpr std::uint32_t kLongestPauseUs = 300'000;
  static constexpr Ladder kCoarse{0.9, 1.12};    // to 4.9, more than most next layers need
  static constexpr std::size_t kAlmostFull = 2;  // the last of its rungs for which kNarrow is there
  static constexpr Ladder kNarrow{0.8, 1.049};   // to 1.64

  struct Left {                          // unexplained
    std::array<float, kLinks> variance;  // by each link, ms^2
    float of = 0;                        // all there is
    std::size_t packets = 0;
    // Of a parabola through one and its neighbours; how far from it, in steps, that is lowest.
    [[nodiscard]] double curve(std::size_t at) const noexcept;
    [[nodiscard]] double lowest(std::size_t at) const noexcept;
  };
  [[nodiscard]] std::optional<Window> window(const Span& span) const noexcept;
  [[nodiscard]] std::optional<Fit> fit_over(const Span& span) const noexcept;
  [[nodiscard]] Left compare(const Window& window, const Ladder& ladder) const noexcept;
  [[nodiscard]] static std::size_t least_of(const Left& left) noexcept;
  [[nodiscard]] static std::optional<std::size_t> best_of(const Left& left) noexcept;
  [[nodiscard]] const Packet& at(std::size_t number) const noexcept {
    return packets_[number % kPackets];
  }

  std::array<Packet, kPackets> packets_{};
  std::size_t end_ = 0;    // the number of the next one
  std::size_t begin_ = 0;  // before it nothing counts
};

// Here because it runs for every packet that is told of.
inline void LinkModel::on_packet(std::int64_t sent_us, std::uint32_t bytes,
                                 std::int64_t delay_us) noexcept {
  const Packet packet{static_cast<std::uint32_t>(sent_us), static_cast<std::uint32_t>(delay_us),
                      static_cast<std::uint16_t>(std::min<std::uint32_t>(bytes, 0xFFFF))};
  // After a pause, or when time went back, nothing leads from the last one to this.
  if (end_ != begin_ && packet.sent_us - at(end_ - 1).sent_us > kLongestPauseUs) begin_ = end_;
  packets_[end_++ % kPackets] = packet;
}

}  // namespace parley::rtp
