#include "rtp/audio_level.h"

#include <algorithm>

namespace parley::rtp {
namespace {

constexpr double kSilence = 127;
constexpr Duration kPacket{20'000};    // what one packet weighs at least
constexpr Duration kExpected{60'000};  // the next packet is not late before this

// How much of the way to a new value is gone after `passed`.
[[nodiscard]] double weight(Duration passed, Duration time_constant) noexcept {
  const auto p = static_cast<double>(passed.count());
  return p / (p + static_cast<double>(time_constant.count()));
}

}  // namespace

void AudioLevelMeter::on_packet(std::uint8_t level, Time now) noexcept {
  const double value = kSilence - std::min<double>(level, kSilence);
  const double before = loudness(now);
  const bool was_speaking = speaking(now);
  const Duration passed = updated_ ? std::clamp(now - *updated_, kPacket, kExpected) : kPacket;
  loudness_ = before + (value - before) * weight(passed, value > before ? kRise : kFall);
  updated_ = now;
  speaking_ = was_speaking || loudness_ > kSilence - kBeginDbov;
  if (speaking_ && (loudness_ > kSilence - kEndDbov || !was_speaking)) last_loud_ = now;
}

void AudioLevelMeter::on_muted() noexcept {
  loudness_ = 0;
  speaking_ = false;
}

bool AudioLevelMeter::speaking(Time now) const noexcept {
  return speaking_ && now - last_loud_ <= kHold;
}

double AudioLevelMeter::loudness(Time now) const noexcept {
  if (!updated_ || now - *updated_ <= kExpected) return loudness_;
  return loudness_ * (1 - weight(now - *updated_ - kExpected, kFall));
}

std::size_t rank_speakers(std::span<const AudioLevelMeter* const> levels, Time now,
                          std::span<std::size_t> out) noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (!levels[i]->speaking(now)) continue;
    const double loudness = levels[i]->loudness(now);
    std::size_t at = count;
    while (at > 0 && levels[out[at - 1]]->loudness(now) < loudness) --at;
    if (at == out.size()) continue;
    count = std::min(count + 1, out.size());
    for (std::size_t k = count - 1; k > at; --k) out[k] = out[k - 1];
    out[at] = i;
  }
  return count;
}

}  // namespace parley::rtp
