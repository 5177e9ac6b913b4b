#include <algorithm>
#include <array>

#include "rtp/allocation.h"
#include "server/peer.h"

// What a peer does with what is known of the way down to him.
namespace parley::server {
namespace {

// What was found out of the way down is acted on at most so often.
constexpr rtp::Duration kShareInterval{50'000};
constexpr rtp::Duration kProbeInterval{5'000};
constexpr std::size_t kProbeBytes = 255 + Downlink::kBelow;
constexpr std::int64_t kAudioOverhead = 50 * 8 * 60;  // headers of fifty packets in a second

}  // namespace

void Peer::on_message(rtp::Time now, const rtp::TransportCc& told) {
  if (connection_.downlink() == nullptr) return;
  const auto feedback = rtp::TwccFeedback::parse(told.feedback);
  if (!feedback) return context_.counters.drop(Drop::BadRtcp);
  if (downlink_->on_feedback(now, *feedback, context_.packet_results) && now >= next_share_)
    share_out(now);
}

void Peer::on_message(rtp::Time now, const rtp::Remb& remb) {
  if (connection_.downlink() != nullptr) downlink_->on_remb(now, remb.bitrate);
}

// Each video slot gets the layer that it asks for, as far as the way down carries all of them.
void Peer::share_out(rtp::Time now) {
  if (connection_.downlink() == nullptr) return;
  next_share_ = now + kShareInterval;
  const auto way = downlink_->way(now);
  if (!way) return;
  std::array<Subscription*, rtp::kMaxWishes> slots{};
  std::array<Track::Layers, rtp::kMaxWishes> layers;
  std::array<rtp::LayerWish, rtp::kMaxWishes> wishes;
  std::array<rtp::LayerChoice, rtp::kMaxWishes> choices;
  std::size_t count = 0;
  rtp::Bitrate fixed;
  for (const auto& slot : slots_) {
    if (slot->track() == nullptr || count == slots.size()) continue;
    const auto living = slot->track()->layers(now, layers[count]);
    if (!slot->shows_video()) {
      if (!living.empty()) fixed.value += living.front().bitrate.value + kAudioOverhead;
      continue;
    }
    wishes[count] = slot->wish(now, living);
    slots[count++] = slot.get();
  }
  const auto sum = rtp::allocate(*way, fixed, std::span(wishes).first(count), choices);
  for (std::size_t i = 0; i < count; ++i) slots[i]->show(now, choices[i], downlink_->estimate());
  downlink_->consider_probe(now, sum.next, sum.spent, rtt_);
  if (downlink_->prober().active(now)) alarm_.set(now);
}

// A packet every few milliseconds, on any slot that has something to send it on.
void Peer::probe(rtp::Time now) {
  if (connection_.downlink() == nullptr || !downlink_->prober().active(now)) return;
  if (now >= next_probe_) {
    next_probe_ = now + kProbeInterval;
    bool sent = true;
    while (sent && downlink_->prober().due(now) >= kProbeBytes) {
      sent = std::any_of(slots_.begin(), slots_.end(),
                         [now](const auto& slot) { return slot->send_probe(now); });
    }
  }
  alarm_.set(next_probe_);
}

}  // namespace parley::server
