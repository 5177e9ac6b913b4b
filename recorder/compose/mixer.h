#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "recorder/compose/input.h"

namespace parley::compose {

// One sound of many voices. Each is brought slowly to the level of ordinary speech (as far as
// 12 dB), so that a quiet microphone is heard beside a loud one; pauses and noise change nothing.
// The sum is kept below full scale by turning all of it down before a peak comes and slowly up
// again, instead of clipping.
class Mixer {
 public:
  static constexpr int kBlockMs = 20;
  static constexpr std::size_t kBlock = AudioInput::kRate / 1'000 * kBlockMs;  // of each side

  explicit Mixer(std::size_t voices) : voices_(voices) {}

  // There may be more of them later.
  void make_room(std::size_t voices) { voices_.resize(std::max(voices, voices_.size())); }
  // Begins a block: all is silent.
  void begin() noexcept;
  // A voice's part of the block, left, right ...
  void add(std::size_t voice, std::span<const float> block) noexcept;
  // Ends it. `out` is the block *before* it: the mix is one block late, to see peaks come.
  void end(std::span<float> out) noexcept;
  // Loudness of a voice in the block that was added last, as it came: 0 to 1.
  [[nodiscard]] float level(std::size_t voice) const noexcept { return voices_[voice].level; }

 private:
  struct Voice {
    float gain = 1;
    float level = 0;
  };
  std::vector<Voice> voices_;
  std::vector<float> sum_ = std::vector<float>(kBlock * 2);
  std::vector<float> held_ = std::vector<float>(kBlock * 2);  // the block before
  float held_peak_ = 0;
  float turned_ = 1;  // down to, at the end of what was given out
};

}  // namespace parley::compose
