#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <vector>

#include "rtp/types.h"
#include "server/address.h"

namespace parley::sim {

// Chance from a seed (splitmix64): the same run again for the same seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

struct Link {
  double loss = 0;
  double reorder = 0;           // so many of the packets take `reorder_delay` longer
  rtp::Duration delay{10'000};  // one way
  rtp::Duration jitter{0};      // evenly spread on top; packets stay in order
  rtp::Duration reorder_delay{15'000};
  double duplicate = 0;
  double rate_bps = 0;               // 0: any
  rtp::Duration max_queue{500'000};  // before the link of that rate; what is more is lost
  double burst = 1;                  // so many are lost in a row, on average
};

// What UDP and IP add to a datagram.
inline constexpr std::size_t kDatagramOverhead = 28;

// Datagrams on their way, delivered in the order of their arrival on virtual time.
class Network {
 public:
  struct InFlight {
    rtp::Time at{};
    std::uint64_t order = 0;  // equal times arrive in the order sent
    bool to_server = false;
    std::size_t peer = 0;  // index of the client at the other end
    server::TransportAddress client{};
    std::vector<std::uint8_t> bytes{};
  };

  explicit Network(std::uint64_t seed) : dice_(seed) {}

  void send(rtp::Time now, const Link& link, InFlight datagram) {
    ++sent_;
    if (loses(link, losing_[link_of(datagram)])) {
      ++lost_;
      return;
    }
    rtp::Duration delay = link.delay;
    if (link.rate_bps > 0) {
      rtp::Time& free = free_[link_of(datagram)];
      free = std::max(free, now);
      if (free - now > link.max_queue) {
        ++lost_;
        return;
      }
      free += rtp::Duration(static_cast<std::int64_t>(
          static_cast<double>(datagram.bytes.size() + kDatagramOverhead) * 8e6 / link.rate_bps));
      delay += free - now;
    }
    if (link.jitter.count() > 0) {
      delay += rtp::Duration(
          static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(link.jitter.count()))));
    }
    datagram.at = now + delay;
    // A queue makes packets late, but it does not shuffle them; another route does.
    rtp::Time& latest = latest_[link_of(datagram)];
    latest = datagram.at = std::max(datagram.at, latest);
    if (dice_.chance(link.reorder)) datagram.at += link.reorder_delay;
    datagram.order = ++order_;
    if (dice_.chance(link.duplicate)) {
      InFlight twin = datagram;
      twin.order = ++order_;
      twin.at += rtp::Duration(500);
      queue_.push(std::move(twin));
    }
    queue_.push(std::move(datagram));
  }
  [[nodiscard]] std::optional<rtp::Time> next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.top().at;
  }
  [[nodiscard]] std::optional<InFlight> poll(rtp::Time now) {
    if (queue_.empty() || queue_.top().at > now) return std::nullopt;
    InFlight datagram = queue_.top();
    queue_.pop();
    return datagram;
  }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  // Two states, as Gilbert has it: `losing` is the link's.
  [[nodiscard]] bool loses(const Link& link, bool& losing) {
    if (link.burst <= 1) return dice_.chance(link.loss);
    const double leave = 1 / link.burst;
    losing = dice_.chance(losing ? 1 - leave : leave * link.loss / (1 - link.loss));
    return losing;
  }
  [[nodiscard]] static std::size_t link_of(const InFlight& datagram) {
    return datagram.peer * 2 + (datagram.to_server ? 1 : 0);
  }
  struct Later {
    bool operator()(const InFlight& a, const InFlight& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  Dice dice_;
  std::uint64_t order_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t lost_ = 0;
  std::map<std::size_t, rtp::Time> latest_;  // arrival by link and direction
  std::map<std::size_t, rtp::Time> free_;    // when its queue is empty
  std::map<std::size_t, bool> losing_;
  std::priority_queue<InFlight, std::vector<InFlight>, Later> queue_;
};

}  // namespace parley::sim
