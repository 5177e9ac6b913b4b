#include <algorithm>
#include <span>

#include "rtp/allocation.h"
#include "server/peer.h"

// What a peer does with what is known of the way down to him.
namespace parley::server {
namespace {

// A way that carries less than is sent is acted on at most so often.
constexpr rtp::Duration kShareInterval{50'000};
constexpr rtp::Duration kProbeInterval{5'000};
constexpr std::size_t kProbeBytes = 255 + Downlink::kBelow;
constexpr rtp::Way kUnlimited{rtp::Bitrate{1'000'000'000'000}};  // of which nothing is known
// How long nothing goes along with audio after the way was too narrow for it.
constexpr rtp::Duration kRedundancyPause{10'000'000};
constexpr std::size_t kMaxLostAtOnce = 64;            // losses of one feedback that are looked at
constexpr std::int64_t kAudioOverhead = 50 * 8 * 60;  // headers of fifty packets in a second

// Bits per second that a slot of audio is sent; 0 for others.
std::int64_t audio_rate(rtp::Time now, const Subscription& slot) {
  if (slot.track() == nullptr || slot.section().kind != rtp::MediaKind::Audio) return 0;
  Track::Layers buffer;
  const auto living = slot.track()->layers(now, buffer);
  return living.empty() ? 0 : living.front().bitrate.value;
}

// Of all that is wanted of the way down, whatever it is that has to be sent for it.
std::uint64_t digest_of(const Sharing& sharing) noexcept {
  std::uint64_t digest = sharing.slots.size();
  const auto add = [&](std::uint64_t value) { digest = (digest ^ value) * 0x100000001b3; };  // FNV
  for (std::size_t i = 0; i < sharing.slots.size(); ++i) {
    add(sharing.wishes[i].max_height);
    add(static_cast<std::uint64_t>(sharing.wishes[i].priority));
    add(sharing.slots[i]->track()->muted() ? 1 : 0);
  }
  return digest;
}

bool names(const rtp::Remb& remb, rtp::Ssrc ssrc) noexcept {
  for (const rtp::Ssrc source : remb.sources) {
    if (source == ssrc) return true;
  }
  return false;
}

}  // namespace

void Peer::on_message(rtp::Time now, const rtp::TransportCc& told) {
  if (connection_.downlink() == nullptr) return;
  const auto feedback = rtp::TwccFeedback::parse(told.feedback);
  if (!feedback) return context_.counters.drop(Drop::BadRtcp);
  const auto results = downlink_->on_feedback(now, *feedback, context_.packet_results);
  if (results.empty()) return;
  // Into a queue that is full already he gets what he asks for, and no more.
  if (!downlink_->overused()) send_lost_again(now, results);
  // Only bad news cannot wait for the slots' next turn.
  const auto way = downlink_->way(now);
  if (way && way->congested && now >= next_share_) share_out(now);
}

// Beside what he asks for: his NACKs may be lost, or what answers them.
void Peer::send_lost_again(rtp::Time now, std::span<const rtp::PacketResult> results) {
  std::size_t looked_at = 0;
  for (const rtp::PacketResult& packet : results) {
    if (packet.arrived || packet.ssrc == rtp::Ssrc{}) continue;
    const auto slot = std::find_if(slots_.begin(), slots_.end(), [&](const auto& candidate) {
      return candidate->section().ssrc == packet.ssrc ||
             candidate->section().rtx_ssrc == packet.ssrc;
    });
    if (slot == slots_.end()) continue;
    if (++looked_at > kMaxLostAtOnce) return;  // he asks for the rest
    (*slot)->on_lost(now, packet);
  }
}

// Chromium's word is of its video alone, so what it does not name goes on top.
void Peer::on_message(rtp::Time now, const rtp::Remb& remb) {
  if (connection_.downlink() == nullptr) return;
  const auto word = std::min(remb.bitrate.value, rtp::ReceiverEstimate::kMax.value);
  std::int64_t beside = 0;
  for (const auto& slot : slots_) {
    const std::int64_t rate = audio_rate(now, *slot);
    if (rate > 0 && !names(remb, slot->section().ssrc)) beside += rate;
  }
  downlink_->on_remb(now, rtp::Bitrate{word}, rtp::Bitrate{beside});
}

// Audio is always sent. To slots that lose packets earlier frames go along, unless that is more
// than the way carries and stands in a queue already. Returns what audio takes.
rtp::Bitrate Peer::share_audio(rtp::Time now, const std::optional<rtp::Way>& way) {
  std::int64_t plain = 0;
  std::int64_t redundant = 0;
  for (const auto& slot : slots_) {
    const std::int64_t rate = audio_rate(now, *slot);
    if (rate == 0) continue;
    plain += rate + kAudioOverhead;
    redundant += rate * static_cast<std::int64_t>(slot->redundancy_wanted());
  }
  if (way && downlink_->overused() && plain + redundant > way->target.value) {
    redundancy_from_ = now + kRedundancyPause;
  }
  const bool carried = now >= redundancy_from_;
  for (const auto& slot : slots_) slot->set_redundancy(carried ? slot->redundancy_wanted() : 0);
  return rtp::Bitrate{carried ? plain + redundant : plain};
}

// What the slots of video wish.
void Peer::collect_wishes(rtp::Time now, Sharing& into) const {
  static_assert(Track::kMaxRungs <= Sharing::kMaxLayers);
  Track::Layers buffer;
  into.clear();
  for (const auto& slot : slots_) {
    if (!slot->shows_video() || into.slots.size() == rtp::kMaxWishes) continue;
    const auto living = slot->track()->layers(now, buffer);
    into.layers.insert(into.layers.end(), living.begin(), living.end());
    into.wishes.push_back(slot->wish(now, std::span(into.layers).last(living.size())));
    into.slots.push_back(slot.get());
  }
}

// Each video slot gets the layer that it asks for, as far as the way down carries all of them.
void Peer::share_out(rtp::Time now) {
  next_share_ = now + kShareInterval;
  const Downlink* const known = connection_.downlink();
  const auto way = known == nullptr ? std::nullopt : known->way(now);
  Sharing& sharing = context_.sharing;
  const rtp::Bitrate fixed = share_audio(now, way);
  const rtp::WayEstimate estimate = way ? known->estimate() : rtp::WayEstimate{};
  collect_wishes(now, sharing);
  sharing.choices.resize(sharing.wishes.size());
  if (const auto wanted = digest_of(sharing); wanted != wanted_) {
    wanted_ = wanted;
    for (Subscription* const slot : sharing.slots) slot->on_other_wishes();
  }
  const auto sum = rtp::allocate(way.value_or(kUnlimited), fixed, sharing.wishes, sharing.choices);
  for (std::size_t i = 0; i < sharing.slots.size(); ++i) {
    sharing.slots[i]->show(now, sharing.choices[i], sharing.wishes[i].layers, estimate);
  }
  if (!way) return;
  downlink_->on_shared(now, sum, rtt_);
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
