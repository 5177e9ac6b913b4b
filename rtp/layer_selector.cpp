#include "rtp/layer_selector.h"

#include <algorithm>
#include <chrono>

namespace parley::rtp {
namespace {

using Layer = LayerActivity::Layer;
using std::chrono::seconds;

constexpr std::uint32_t kGuessedTopHeight = 720;
constexpr std::size_t kLately = 4;  // buckets

// Height of a layer, guessed where it is not known: each twice the one below.
[[nodiscard]] std::uint32_t height_of(std::span<const Layer> layers, std::size_t index) noexcept {
  if (layers[index].height != 0) return layers[index].height;
  for (std::size_t away = 1; away < layers.size(); ++away) {
    const auto shift = std::min<std::size_t>(away, 8);
    if (index >= away && layers[index - away].height != 0) {
      return layers[index - away].height << shift;
    }
    if (index + away < layers.size() && layers[index + away].height != 0) {
      return layers[index + away].height >> shift;
    }
  }
  return kGuessedTopHeight >> std::min<std::size_t>(layers.size() - 1 - index, 8);
}

// Not to be shown, though alive. It takes less to stay than to come in.
[[nodiscard]] bool crawls(const Layer& layer, double best_fps, bool shown) noexcept {
  if (shown) return layer.fps < kCrawlFps && layer.fps * 3 < best_fps;
  return layer.fps < kCrawlFps * 1.5 && layer.fps * 2 < best_fps;
}

// The smallest that is high enough, else the highest, of those that `eligible` allows.
template <class Eligible>
[[nodiscard]] std::optional<std::size_t> best_of(std::span<const Layer> layers,
                                                 std::uint32_t max_height,
                                                 const Eligible& eligible) noexcept {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!eligible(i)) continue;
    best = i;
    if (height_of(layers, i) >= max_height) break;
  }
  return best;
}

}  // namespace

void LayerActivity::on_packet(std::size_t bytes, bool first_of_frame, bool of_key_frame,
                              Time now) noexcept {
  if (!last_ || now - *last_ > kDead) alive_since_ = now;
  last_ = now;
  meter_.add(bytes, first_of_frame ? 1 : 0, now);
  key_frames_.add(of_key_frame ? bytes : 0, 0, now);
}

void LayerActivity::Layer::stands_on(const Layer& below) noexcept {
  bitrate.value += below.bitrate.value;
  key_frames.value += below.key_frames.value;
  average.value += below.average.value;
  most.value += below.most.value;
  lately.value += below.lately.value;
}

LayerActivity::Layer LayerActivity::at(Time now) noexcept {
  Layer layer;
  layer.height = height_;
  if (!last_) return layer;
  layer.silent = now - *last_;
  layer.alive = layer.silent <= kDead;
  layer.steady = layer.alive && *last_ - alive_since_ >= kSteady;
  layer.fps = meter_.per_second(now);
  layer.bitrate = meter_.bitrate(now);
  layer.key_frames = key_frames_.bitrate(now);
  layer.lately = meter_.bitrate(now, kLately);
  layer.lately.value -= key_frames_.bitrate(now, kLately).value;
  average(now, layer);
  layer.average = Bitrate{static_cast<std::int64_t>(average_)};
  note_most(now, layer);
  for (const Bitrate one : most_.within) layer.most.value = std::max(layer.most.value, one.value);
  return layer;
}

// That of the first second to begin with. It is asked for several times a second by each slot.
void LayerActivity::average(Time now, const Layer& layer) noexcept {
  constexpr Duration kStep{100'000};
  const auto rate = static_cast<double>(layer.bitrate.value - layer.key_frames.value);
  const Duration passed = now - averaged_at_;
  if (layer.steady && passed < kStep) return;
  const double share = static_cast<double>(passed.count()) / static_cast<double>(kAverage.count());
  average_ += (rate - average_) * (layer.steady ? std::min(share, 1.0) : 1.0);
  averaged_at_ = now;
}

void LayerActivity::note_most(Time now, const Layer& layer) noexcept {
  const auto count = static_cast<std::int64_t>(most_.within.size());
  const std::int64_t second = now.time_since_epoch() / seconds(1);
  most_.second = std::max(most_.second, second - count);
  while (most_.second < second) {
    most_.within[static_cast<std::size_t>(++most_.second % count)] = Bitrate{0};
  }
  Bitrate& newest = most_.within[static_cast<std::size_t>(second % count)];
  newest.value = std::max(newest.value, layer.bitrate.value - layer.key_frames.value);
}

std::optional<std::size_t> select_layer(std::span<const LayerActivity::Layer> layers,
                                        std::uint32_t max_height,
                                        std::optional<std::size_t> current) noexcept {
  if (layers.empty()) return std::nullopt;
  if (current && *current >= layers.size()) current.reset();

  double best_fps = 0;
  for (const Layer& layer : layers) {
    if (layer.alive) best_fps = std::max(best_fps, layer.fps);
  }
  const auto good = [&](std::size_t i) {
    if (!layers[i].alive || layers[i].reduced || crawls(layers[i], best_fps, i == current))
      return false;
    return layers[i].steady || i == current;
  };
  if (const auto best = best_of(layers, max_height, good)) return best;

  // Nothing is steady. A static screen at one frame a second looks dead between its frames, all
  // layers alike: stay, unless the others go on without this one.
  if (current && layers[*current].silent < seconds(2)) return current;
  const auto alive = [&](std::size_t i) { return layers[i].alive && !layers[i].reduced; };
  if (const auto best = best_of(layers, max_height, alive)) return best;
  return current.value_or(0);
}

}  // namespace parley::rtp
