#include "rtp/forwarder.h"

#include <algorithm>
#include <utility>

namespace parley::rtp {

std::string_view name(Drop drop) noexcept {
  switch (drop) {
    case Drop::NoTarget:
      return "no_target";
    case Drop::OtherSource:
      return "other_source";
    case Drop::Muted:
      return "muted";
    case Drop::WaitingForKeyFrame:
      return "waiting_for_key_frame";
    case Drop::BeforeSwitch:
      return "before_switch";
    case Drop::TooOld:
      return "too_old";
    case Drop::PaddingOnly:
      return "padding_only";
    case Drop::AboveLimit:
      return "above_limit";
  }
  return "unknown";
}

Forwarder::Forwarder(MediaKind kind, std::uint32_t clock_rate_hz, Seq first_seq,
                     RtpTimestamp first_timestamp) noexcept
    : kind_(kind),
      timeline_(clock_rate_hz, first_timestamp),
      renumberer_(ExtSeq{first_seq.value}) {}

void Forwarder::set_target(std::optional<Source> target, LayerLimit limit) noexcept {
  if (limit != target_limit_) waiting_for_pictures_.reset();
  target_limit_ = limit;
  if (target == target_) return;
  target_ = target;
  target_highest_.reset();
  if (target && current_ && target->track == current_->track) return;  // goes on meanwhile
  current_.reset();
  switched_.reset();
  paused_ = true;
  key_frame_wanted_ = false;
}

void Forwarder::set_muted(bool muted) noexcept {
  if (muted == muted_) return;
  muted_ = muted;
  paused_ = true;
  target_highest_.reset();
}

void Forwarder::on_source_restarted(Source source) noexcept {
  if (source == target_) target_highest_.reset();
  if (source != current_) return;
  paused_ = true;
  new_numbering_ = true;
}

void Forwarder::request_key_frame(bool hold) noexcept {
  if (kind_ == MediaKind::Audio) return;
  key_frame_wanted_ = true;
  if (hold) paused_ = true;
}

// Whether the packet may go out, as far as its source and our state say; starts its source if it is
// the one waited for. Sets `first` when this packet is the first of a start.
std::optional<Drop> Forwarder::admit(const PacketInfo& packet, Source source,
                                     bool& first) noexcept {
  if (!target_) return Drop::NoTarget;
  const bool shown = source == current_;
  if (source != *target_ && !shown) return Drop::OtherSource;
  if (muted_) return Drop::Muted;

  bool in_order = false;
  if (source == *target_) {
    in_order = !target_highest_ || packet.seq > *target_highest_;
    if (in_order) target_highest_ = packet.seq;
  }
  if (shown && !new_numbering_ && packet.seq < renumberer_.first_in()) return Drop::BeforeSwitch;
  if (shown && !paused_) {
    if (packet.codec == codec_ || packet.padding_only) return std::nullopt;
    if (packet.seq < renumberer_.highest_in()) return Drop::BeforeSwitch;
    paused_ = true;  // the publisher changed his codec
  }
  if (packet.padding_only) return Drop::PaddingOnly;
  if (source != *target_) return Drop::OtherSource;
  if (shown && !new_numbering_ && packet.seq <= renumberer_.highest_in()) return Drop::BeforeSwitch;
  // Not at a key frame whose later packets came before: those were dropped, it would have holes.
  // Nor at one that would be left out itself.
  const bool wanted = !packet.layers.known || packet.layers.within(target_limit_);
  if (kind_ == MediaKind::Video && !(packet.key_frame && in_order && wanted)) {
    return Drop::WaitingForKeyFrame;
  }
  start(packet, source);
  first = true;
  return std::nullopt;
}

void Forwarder::start(const PacketInfo& packet, Source source) noexcept {
  renumberer_.restart(packet.seq);
  // After a pause of the same source its own steps are right.
  if (source != current_ || new_numbering_) {
    timeline_.restart({packet.timestamp, packet.arrival, packet.capture});
  }
  pictures_.restart();
  limit_ = limit_before_ = target_limit_;
  waiting_for_pictures_.reset();
  if (packet.frame_number) {
    frame_number_offset_ =
        static_cast<std::uint16_t>(last_frame_number_ + 1 - *packet.frame_number);
  }
  if (source != current_) switched_ = source;
  current_ = source;
  codec_ = packet.codec;
  paused_ = false;
  new_numbering_ = false;
}

// The temporal layer that decodes from this packet on, for who has had those of the limit.
std::uint8_t Forwarder::led_up_to(const PacketLayers& layers, LayerLimit limit) noexcept {
  if (layers.enterable && layers.temporal == limit.temporal + 1) return layers.temporal;
  // What a frame below the largest opens says nothing of the larger ones.
  const bool largest = layers.spatial == limit.spatial || limit.spatial == LayerLimit::kAll;
  return largest && layers.temporal <= limit.temporal ? layers.opens : std::uint8_t{0};
}

void Forwarder::move_limit(const PacketInfo& packet, bool new_picture) noexcept {
  LayerLimit next = limit_;
  const PacketLayers& layers = packet.layers;
  if (packet.key_frame) {
    next = target_limit_;
  } else {
    if (new_picture) {
      next.spatial = std::min(limit_.spatial, target_limit_.spatial);
      next.temporal = std::min(limit_.temporal, target_limit_.temporal);
    }
    const std::uint8_t up = led_up_to(layers, next);
    next.temporal = std::max(next.temporal, std::min(up, target_limit_.temporal));
  }
  if (next == limit_) return;
  if (next.temporal > limit_.temporal) waiting_for_pictures_.reset();
  limit_before_ = limit_;
  limit_ = next;
  limit_since_ = packet.seq;
}

void Forwarder::leave_out(const PacketInfo& packet) noexcept {
  if (packet.codec == Codec::Vp8) pictures_.skip(packet.picture, skipped_);
  if (!packet.layers.within(target_limit_) || packet.layers.spatial > limit_.spatial) return;
  // It is wanted, but no point has come from which it decodes.
  if (!waiting_for_pictures_) waiting_for_pictures_ = packet.arrival;
  if (packet.arrival - *waiting_for_pictures_ > kPatience) key_frame_wanted_ = true;
}

tl::expected<Rewrite, Drop> Forwarder::on_packet(const PacketInfo& packet, Source source) noexcept {
  bool first = false;
  if (const auto drop = admit(packet, source, first)) return tl::unexpected(*drop);
  LayerLimit limit = limit_;
  bool above = false;
  if (packet.layers.known) {
    if (packet.seq > renumberer_.highest_in()) follow(packet);
    limit = packet.seq < limit_since_ ? limit_before_ : limit_;
    above = !packet.layers.within(limit);
  }
  // A hole that was left open is filled with an empty packet, for else the receiver would wait for
  // it.
  if ((packet.padding_only || above) && renumberer_.drop(packet.seq)) {
    if (packet.padding_only) return tl::unexpected(Drop::PaddingOnly);
    leave_out(packet);
    return tl::unexpected(Drop::AboveLimit);
  }
  const auto seq = renumberer_.map(packet.seq);
  if (!seq) return tl::unexpected(Drop::TooOld);

  Rewrite rewrite;
  rewrite.seq = *seq;
  if (packet.layers.known || packet.padding_only) {
    rewrite.limit_to(limit, packet);
  } else {
    rewrite.limit = limit;
    rewrite.marker = packet.marker;
  }
  if (first && kind_ == MediaKind::Audio) rewrite.marker = true;  // RFC 3551, section 4.1
  if (packet.frame_number) {
    rewrite.frame_number = static_cast<std::uint16_t>(*packet.frame_number + frame_number_offset_);
    const auto ahead = static_cast<std::int16_t>(rewrite.frame_number - last_frame_number_);
    if (ahead > 0) last_frame_number_ = rewrite.frame_number;
  }
  if (rewrite.empty) {
    rewrite.timestamp = timeline_.convert(packet.timestamp);
    return rewrite;
  }
  if (packet.key_frame) key_frame_wanted_ = false;
  rewrite.timestamp = timeline_.map({packet.timestamp, packet.arrival, packet.capture});
  if (packet.codec == Codec::Vp8 || packet.codec == Codec::Vp9) {
    rewrite.picture = pictures_.map(packet.picture, skipped_);
  }
  return rewrite;
}

bool Forwarder::pause_undecodable(const PacketInfo& packet, Source source) noexcept {
  if (source != current_ || paused_ || packet.padding_only) return false;
  if (!new_numbering_ && packet.seq < renumberer_.highest_in()) return false;
  paused_ = true;
  return true;
}

bool Forwarder::rewind(Source source) noexcept {
  const bool goes_on = source == current_ && !paused_;
  if (kind_ == MediaKind::Audio || muted_ || source != target_ || goes_on) return false;
  target_highest_.reset();
  return true;
}

std::optional<Source> Forwarder::wants_key_frame() const noexcept {
  if (kind_ == MediaKind::Audio || !target_ || muted_) return std::nullopt;
  const bool waiting =
      current_ != target_ || paused_ || key_frame_wanted_ || limit_.spatial < target_limit_.spatial;
  return waiting ? target_ : std::nullopt;
}

std::optional<Source> Forwarder::take_switched() noexcept {
  return std::exchange(switched_, std::nullopt);
}

std::optional<RtpTimestamp> Forwarder::timestamp_at(Time now) const noexcept {
  return timeline_.at(now);
}

std::optional<RtpTimestamp> Forwarder::convert(RtpTimestamp timestamp,
                                               Source source) const noexcept {
  if (source != current_ || new_numbering_) return std::nullopt;
  return timeline_.convert(timestamp);
}

}  // namespace parley::rtp
