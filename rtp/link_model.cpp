#include "rtp/link_model.h"

#include <algorithm>
#include <cmath>

namespace parley::rtp {
namespace {

constexpr std::int32_t kLeastSpreadUs = 2'000;
// Feedback counts in quarters of a millisecond: nothing is known better than this.
constexpr float kLeastVariance = 0.01F;  // ms^2
// Of the differences of delays; else something else made them (a way that has become longer).
constexpr float kMostUnexplained = 0.5F;

constexpr double kAlmostFullLoad = 0.85;
constexpr double kSureShort = LinkModel::kSure / 5;
// Where little waits, packets of somebody else's between ours look like a link of many times what
// is sent.
constexpr double kFar = 3;
constexpr double kMostDoubtFar = 0.03;

float ms_of(std::int64_t us) noexcept { return static_cast<float>(us) / 1'000; }

std::int32_t difference(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b);
}

}  // namespace

std::optional<LinkModel::Window> LinkModel::window(const Span& span) const noexcept {
  const std::size_t oldest = std::max(begin_, end_ > kPackets ? end_ - kPackets : 0);
  if (end_ - oldest < span.packets) return std::nullopt;
  const Packet& last = at(end_ - 1);
  Window window{end_ - 1, span.settled_us, 0, last.delay_us};
  std::int32_t least_us = 0;  // against the last one's
  std::int32_t most_us = 0;
  std::int64_t bytes = 0;  // behind the first
  while (window.first > oldest && last.sent_us - at(window.first - 1).sent_us < span.length_us) {
    bytes += at(window.first--).bytes;
    const std::int32_t delay_us = difference(at(window.first).delay_us, last.delay_us);
    least_us = std::min(least_us, delay_us);
    most_us = std::max(most_us, delay_us);
  }
  const std::uint32_t lasted_us = last.sent_us - at(window.first).sent_us;
  if (end_ - window.first < span.packets || lasted_us < span.least_us) return std::nullopt;
  if (most_us - least_us < kLeastSpreadUs) return std::nullopt;
  window.bytes_per_ms = static_cast<float>(bytes) / ms_of(lasted_us);
  window.least_delay_us += static_cast<std::uint32_t>(least_us);
  return window;
}

double LinkModel::Left::curve(std::size_t at) const noexcept {
  return (variance[at - 1] - 2.0 * variance[at] + variance[at + 1]) / 2;
}

double LinkModel::Left::lowest(std::size_t at) const noexcept {
  return (variance[at - 1] - static_cast<double>(variance[at + 1])) / (4 * curve(at));
}

LinkModel::Left LinkModel::compare(const Window& window, const Ladder& ladder) const noexcept {
  const auto late_ms = [&](const Packet& packet) {
    return ms_of(difference(packet.delay_us, window.least_delay_us));
  };
  std::array<float, kLinks> ms_per_byte;
  float rate = window.bytes_per_ms * static_cast<float>(ladder.slowest);
  for (float& one : ms_per_byte) {
    one = 1 / rate;
    rate *= static_cast<float>(ladder.ratio);
  }
  // The least delay of the window is taken for that of an empty queue.
  std::array<float, kLinks> queue_ms;
  queue_ms.fill(late_ms(at(window.first)));
  std::array<float, kLinks> sums{};
  std::array<float, kLinks> squares{};
  float late_sum = 0;
  float late_squares = 0;
  Left left;
  for (std::size_t number = window.first + 1; number < end_; ++number) {
    const Packet& packet = at(number);
    const float pause_ms = ms_of(packet.sent_us - at(number - 1).sent_us);
    const auto bytes = static_cast<float>(packet.bytes);
    const float late = late_ms(packet);
    const bool counts = packet.sent_us - at(window.first).sent_us >= window.settled_us;
    const float weight = counts ? 1 : 0;
    left.packets += counts ? 1 : 0;
    late_sum += late * weight;
    late_squares += late * late * weight;
    for (std::size_t i = 0; i < kLinks; ++i) {  // in vectors
      queue_ms[i] = std::max(0.0F, queue_ms[i] - pause_ms) + bytes * ms_per_byte[i];
      const float rest = (late - queue_ms[i]) * weight;
      sums[i] += rest;
      squares[i] += rest * rest;
    }
  }
  const auto count = static_cast<float>(std::max<std::size_t>(left.packets, 1));
  const auto variance = [count](float sum, float squares_sum) {
    return (squares_sum - sum * sum / count) / count;
  };
  for (std::size_t i = 0; i < kLinks; ++i) {
    left.variance[i] = variance(sums[i], squares[i]) + kLeastVariance;
  }
  left.of = variance(late_sum, late_squares);
  return left;
}

std::size_t LinkModel::least_of(const Left& left) noexcept {
  const auto least = std::min_element(left.variance.begin(), left.variance.end());
  return static_cast<std::size_t>(least - left.variance.begin());
}

std::optional<std::size_t> LinkModel::best_of(const Left& left) noexcept {
  const std::size_t best = least_of(left);
  // What is beyond the slowest and the fastest was not tried.
  if (best == 0 || best == kLinks - 1) return std::nullopt;
  return best;
}

std::optional<LinkModel::Fit> LinkModel::fit() const noexcept {
  const auto soon = fit_over(kShort);
  // In so short a time the queue of a link that is almost full was perhaps never empty.
  if (soon && soon->doubt < (soon->load < kAlmostFullLoad ? kSure : kSureShort)) return soon;
  const auto fit = fit_over(kUsual);
  return !fit || fit->doubt < kSure ? fit : fit_over(kLong);
}

std::optional<LinkModel::Fit> LinkModel::fit_over(const Span& span) const noexcept {
  const auto window = this->window(span);
  if (!window) return std::nullopt;
  Ladder ladder = kCoarse;
  Left left = compare(*window, ladder);
  if (left.packets < span.compared) return std::nullopt;
  // Towards a full link queues grow ever faster: there a rung is far from what it explains, and
  // another one may look nearer to it.
  if (least_of(left) <= kAlmostFull) {
    ladder = kNarrow;
    left = compare(*window, ladder);
  }
  const auto near = best_of(left);
  if (!near || left.variance[*near] > left.of * kMostUnexplained) return std::nullopt;
  const double doubt =
      ladder.step() *
      std::sqrt(left.variance[*near] / (left.curve(*near) * static_cast<double>(left.packets)));
  const bool far = ladder.at(static_cast<double>(*near)) > kFar;
  if (!(doubt < (far ? kMostDoubtFar : kMostDoubt))) return std::nullopt;
  // Once more between its neighbours.
  const Ladder fine{ladder.at(static_cast<double>(*near) - 1),
                    std::pow(ladder.ratio, 2.0 / (kLinks - 1))};
  const Left closer = compare(*window, fine);
  const auto best = best_of(closer);
  if (!best || !(closer.curve(*best) > 0)) return std::nullopt;
  const double times = fine.at(static_cast<double>(*best) + closer.lowest(*best));
  return Fit{static_cast<double>(window->bytes_per_ms) * 8'000 * times, doubt, 1 / times};
}

}  // namespace parley::rtp
