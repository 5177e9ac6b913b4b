#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "rtp/types.h"

namespace parley::test {

// One direction of a network on virtual time: loses, delays, doubles and so reorders datagrams, as
// its seed says.
class LossyLink {
 public:
  struct Options {
    std::uint64_t seed = 1;
    double loss = 0;
    double duplicate = 0;
    rtp::Duration delay{5'000};
    rtp::Duration jitter{0};
  };
  explicit LossyLink(Options options) : options_(options), state_(options.seed) {}

  void send(rtp::Time now, rtp::ConstBytes datagram) {
    if (chance() < options_.loss) return;
    put(now, datagram);
    if (chance() < options_.duplicate) put(now, datagram);
  }
  // The next datagram that has arrived by `now`, earliest first.
  std::optional<std::vector<std::uint8_t>> poll(rtp::Time now) {
    auto first = flying_.end();
    for (auto it = flying_.begin(); it != flying_.end(); ++it) {
      if (it->first <= now && (first == flying_.end() || it->first < first->first)) first = it;
    }
    if (first == flying_.end()) return std::nullopt;
    std::vector<std::uint8_t> datagram = std::move(first->second);
    flying_.erase(first);
    return datagram;
  }
  void set_loss(double loss) { options_.loss = loss; }

 private:
  void put(rtp::Time now, rtp::ConstBytes datagram) {
    const auto jitter = static_cast<double>(options_.jitter.count()) * chance();
    flying_.emplace_back(now + options_.delay + rtp::Duration(static_cast<std::int64_t>(jitter)),
                         std::vector<std::uint8_t>(datagram.begin(), datagram.end()));
  }
  double chance() {  // splitmix64
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return static_cast<double>((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
  }

  Options options_;
  std::uint64_t state_;
  std::vector<std::pair<rtp::Time, std::vector<std::uint8_t>>> flying_;
};

}  // namespace parley::test
