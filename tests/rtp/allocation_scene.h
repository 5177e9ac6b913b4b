#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "rtp/allocation.h"

namespace parley::rtp {

using Layers = std::vector<std::optional<std::size_t>>;

inline constexpr auto kNone = std::nullopt;
inline constexpr double kCost = 1.06;  // of a layer on the wire, by its bitrate
inline constexpr double kSpare = 1 / 0.92;

inline LayerActivity::Layer living(std::int64_t bitrate, std::uint32_t height) {
  return {true, true, Duration{0}, 30, Bitrate{bitrate}, height};
}

// On the wire 106, 318 and 1,060 kbit/s.
inline std::vector<LayerActivity::Layer> ladder() {
  return {living(100'000, 180), living(300'000, 360), living(1'000'000, 720)};
}

inline constexpr Bitrate kHeld{0};  // until its time is over

// Slots that share a way.
struct Scene {
  std::deque<std::vector<LayerActivity::Layer>> kept;  // the wishes look at them
  std::vector<LayerWish> wishes;
  std::vector<LayerChoice> choices;
  Allocation sum;
  bool congested = true;  // so that the target alone decides
  bool measured = true;
  bool known = false;
  double resent = 0;
  std::int64_t carries = 0;

  LayerWish& add(int priority, std::optional<std::size_t> current = kNone,
                 std::vector<LayerActivity::Layer> layers = ladder()) {
    kept.push_back(std::move(layers));
    return wishes.emplace_back(LayerWish{kept.back(), 720, priority, current});
  }
  Layers run(std::int64_t target, std::int64_t fixed = 0) {
    choices.assign(wishes.size(), {});
    sum = allocate({Bitrate{target}, congested, measured, known, resent, Bitrate{carries}},
                   Bitrate{fixed}, wishes, choices);
    Layers layers;
    for (const LayerChoice& choice : choices) layers.push_back(choice.layer);
    return layers;
  }
  [[nodiscard]] std::vector<std::string_view> reasons() const {
    std::vector<std::string_view> all;
    for (const LayerChoice& choice : choices) all.push_back(name(choice.reason));
    return all;
  }
};

}  // namespace parley::rtp
