#include "recorder/compose/mixer.h"

#include <algorithm>
#include <cmath>

namespace parley::compose {
namespace {

constexpr float kSpeech = 0.1F;   // -20 dB of full scale: what speech is brought to
constexpr float kNoise = 0.004F;  // -48 dB: what is no speech
constexpr float kMostGain = 4.0F;
constexpr float kLeastGain = 0.25F;
constexpr float kFaster = 0.02F;   // of the way in a block, down; up takes four times as long
constexpr float kCeiling = 0.89F;  // -1 dB
constexpr float kRecovery = 1.01F;

}  // namespace

void Mixer::begin() noexcept {
  std::fill(sum_.begin(), sum_.end(), 0.0F);
  for (Voice& voice : voices_) voice.level = 0;
}

void Mixer::add(std::size_t number, std::span<const float> block) noexcept {
  Voice& voice = voices_[number];
  float squares = 0;
  for (const float s : block) squares += s * s;
  voice.level = std::sqrt(squares / static_cast<float>(std::max<std::size_t>(1, block.size())));
  const float before = voice.gain;
  if (voice.level > kNoise) {
    const float wanted = std::clamp(kSpeech / voice.level, kLeastGain, kMostGain);
    voice.gain += (wanted - before) * (wanted < before ? kFaster : kFaster / 4);
  }
  const float step = (voice.gain - before) / static_cast<float>(kBlock);
  float gain = before;
  for (std::size_t i = 0; i + 1 < std::min(block.size(), sum_.size()); i += 2, gain += step) {
    sum_[i] += block[i] * gain;
    sum_[i + 1] += block[i + 1] * gain;
  }
}

void Mixer::end(std::span<float> out) noexcept {
  float peak = 0;
  for (const float s : sum_) peak = std::max(peak, std::abs(s));
  // At the end of the block that leaves now, the next one must fit, too.
  const float fits = kCeiling / std::max({peak, held_peak_, kCeiling});
  const float target = std::min(fits, turned_ * kRecovery);
  const float begin = std::min(turned_, kCeiling / std::max(held_peak_, kCeiling));
  const float step = (target - begin) / static_cast<float>(kBlock);
  float gain = begin;
  for (std::size_t i = 0; i + 1 < std::min(out.size(), held_.size()); i += 2, gain += step) {
    out[i] = held_[i] * gain;
    out[i + 1] = held_[i + 1] * gain;
  }
  turned_ = std::min(1.0F, target);
  held_peak_ = peak;
  std::swap(held_, sum_);
}

}  // namespace parley::compose
