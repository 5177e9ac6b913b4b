#include "rtp/speaker_order.h"

#include <algorithm>
#include <utility>

namespace parley::rtp {
namespace {

constexpr double kFullScale = 127;  // as AudioLevelMeter counts

}  // namespace

SpeakerOrder::Voice* SpeakerOrder::find(std::uint32_t track) noexcept {
  const auto found = std::find_if(voices_.begin(), voices_.end(),
                                  [&](const Voice& voice) { return voice.track == track; });
  return found == voices_.end() ? nullptr : &*found;
}

void SpeakerOrder::update(std::span<const Heard> heard) {
  heard = heard.first(std::min(heard.size(), kMaxSpeakers));
  for (Voice& voice : voices_) voice.heard = false;
  for (const Heard& one : heard) {
    Voice* voice = find(one.track);
    if (voice == nullptr) voice = &voices_.emplace_back(Voice{.track = one.track});
    voice->heard = true;
    voice->loudness = one.loudness;
    const bool loud = one.loudness > kFullScale - kLoudDbov;
    voice->talked = std::clamp(voice->talked + (loud ? 1 : -1), 0, kTalkUpdates);
  }
  std::erase_if(voices_, [](const Voice& voice) { return !voice.heard; });
  order_loudest();
  order_talkers();
}

void SpeakerOrder::order_loudest() {
  for (std::size_t i = 1; i < voices_.size(); ++i) {
    for (std::size_t at = i; at > 0; --at) {
      if (voices_[at].loudness <= voices_[at - 1].loudness + kMarginDb) break;
      std::swap(voices_[at], voices_[at - 1]);
    }
  }
  loudest_.clear();
  for (const Voice& voice : voices_) loudest_.push_back(voice.track);
}

void SpeakerOrder::order_talkers() {
  std::erase_if(talkers_, [&](std::uint32_t track) { return find(track) == nullptr; });
  for (const Voice& voice : voices_) {
    if (voice.talked < kTalkUpdates) continue;
    if (std::find(talkers_.begin(), talkers_.end(), voice.track) != talkers_.end()) continue;
    talkers_.insert(talkers_.begin() + (talkers_.empty() ? 0 : 1), voice.track);
  }
  if (talkers_.empty()) return;
  const double floor = find(talkers_.front())->loudness;
  auto next = talkers_.end();
  for (Voice& voice : voices_) {
    voice.ahead = voice.loudness > floor + kMarginDb ? voice.ahead + 1 : 0;
    if (voice.ahead < kPassUpdates || next != talkers_.end()) continue;
    next = std::find(talkers_.begin(), talkers_.end(), voice.track);  // if he has talked enough
  }
  if (next == talkers_.end()) return;
  std::rotate(talkers_.begin(), next, next + 1);
  for (Voice& voice : voices_) voice.ahead = 0;
}

}  // namespace parley::rtp
