#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/sim/sim.h"

namespace parley::sim {

// Which layer of one track is shown to somebody, and when that has changed.
class LayerChanges {
 public:
  // What was told since the last time; other events are dropped with it.
  void note(Sim& sim, server::TrackNo track) {
    for (const auto& told : sim.events_of<server::SlotLayer>()) {
      if (told.track != track) continue;
      if (told_ && told.layer != layer_) at_.push_back(sim.now);
      layer_ = told.layer;
      told_ = true;
    }
    sim.events.clear();
  }
  [[nodiscard]] std::optional<std::uint8_t> layer() const { return layer_; }
  [[nodiscard]] std::size_t since(rtp::Time begin) const {
    return static_cast<std::size_t>(at_.end() - std::lower_bound(at_.begin(), at_.end(), begin));
  }
  [[nodiscard]] std::size_t count() const { return at_.size(); }
  [[nodiscard]] std::size_t most_within(rtp::Duration length) const {
    std::size_t most = 0;
    for (auto first = at_.begin(); first != at_.end(); ++first) {
      const auto end = std::lower_bound(first, at_.end(), *first + length);
      most = std::max(most, static_cast<std::size_t>(end - first));
    }
    return most;
  }

 private:
  bool told_ = false;
  std::optional<std::uint8_t> layer_;
  std::vector<rtp::Time> at_;
};

}  // namespace parley::sim
