#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "rtp/bandwidth.h"

namespace parley::rtp {

inline constexpr std::int64_t kPacket = 1'200;

// A FIFO link with a queue, and a receiver behind it who tells every 60 ms what came, by his own
// clock in steps of 250 us.
class Line {
 public:
  static constexpr Duration kFeedbackEvery = std::chrono::milliseconds(60);

  explicit Line(double bps, double lost = 0) : rate(bps), loss(lost) {}

  BandwidthEstimator estimator;
  Time now{std::chrono::seconds(100)};
  double rate;
  double loss;
  Duration delay = std::chrono::milliseconds(30);
  Duration jitter{0};
  Duration offset = std::chrono::seconds(77);
  double drift = 0;  // of the receiver's clock
  std::int64_t least = INT64_MAX;
  std::int64_t most = 0;

  // Pictures, 30 a second, whose packets are sent at once.
  void pictures(Duration length, double bitrate) {
    for (const Time end = now + length; now < end; now += std::chrono::milliseconds(1)) {
      if (now >= next_picture_) {
        next_picture_ = now + Duration(33'333);
        for (auto left = std::llround(bitrate / 240); left > 0; left -= kPacket) {
          send(std::min<std::int64_t>(left, kPacket));
        }
      }
      answer();
    }
  }
  // Small packets at even distances, as padding is sent.
  void evenly(Duration length, double bitrate) {
    double owed = 0;
    for (const Time end = now + length; now < end; now += std::chrono::milliseconds(1)) {
      for (owed += bitrate / 8'000; owed >= 290; owed -= 290) send(290);
      answer();
    }
  }
  [[nodiscard]] double estimate() const { return static_cast<double>(estimator.estimate().value); }
  void forget_extremes() { least = INT64_MAX, most = 0; }

 private:
  void send(std::int64_t bytes) {
    PacketResult packet{now, std::nullopt, static_cast<std::uint32_t>(bytes)};
    free_ = std::max(free_, now) + Duration(std::llround(static_cast<double>(bytes) * 8e6 / rate));
    if (static_cast<double>(dice_() % 10'000) >= loss * 10'000) {
      const auto late = jitter.count() > 0
                            ? Duration(static_cast<std::int64_t>(dice_()) % jitter.count())
                            : Duration(0);
      last_ = std::max(last_, free_ + delay + late);  // they do not overtake
      packet.arrived = last_.time_since_epoch();
    }
    sent_.push_back(packet);
  }
  void answer() {
    if (now < next_feedback_) return;
    next_feedback_ = now + kFeedbackEvery;
    const auto came = [&](const PacketResult& one) {
      return one.arrived && Time(*one.arrived) <= now;
    };
    const auto end = std::find_if(sent_.rbegin(), sent_.rend(), came).base();
    if (end == sent_.begin()) return;
    std::vector<PacketResult> told(sent_.begin(), end);
    sent_.erase(sent_.begin(), end);
    for (PacketResult& one : told) {
      if (!one.arrived) continue;
      const double run = static_cast<double>(one.arrived->count()) * (1 + drift);
      *one.arrived = Duration(std::llround(run / 250) * 250) + offset;
    }
    estimator.on_feedback(now, told);
    least = std::min(least, estimator.estimate().value);
    most = std::max(most, estimator.estimate().value);
  }

  std::mt19937 dice_{11};
  Time free_{};
  Time last_{};
  Time next_picture_ = now;
  Time next_feedback_ = now;
  std::vector<PacketResult> sent_;
};

}  // namespace parley::rtp
