#include "rtp/forwarder.h"

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
  }
  return "unknown";
}

Forwarder::Forwarder(MediaKind kind, std::uint32_t clock_rate_hz, Seq first_seq,
                     RtpTimestamp first_timestamp) noexcept
    : kind_(kind),
      timeline_(clock_rate_hz, first_timestamp),
      renumberer_(ExtSeq{first_seq.value}) {}

void Forwarder::set_target(std::optional<Source> target) noexcept {
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
  if (kind_ == MediaKind::Video && !(packet.key_frame && in_order)) return Drop::WaitingForKeyFrame;
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
  vp8_.restart();
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

tl::expected<Rewrite, Drop> Forwarder::on_packet(const PacketInfo& packet, Source source) noexcept {
  bool first = false;
  if (const auto drop = admit(packet, source, first)) return tl::unexpected(*drop);
  // A hole that was left open for padding is filled with an empty packet, for else the receiver
  // would wait for it.
  if (packet.padding_only && renumberer_.drop(packet.seq)) {
    return tl::unexpected(Drop::PaddingOnly);
  }
  const auto seq = renumberer_.map(packet.seq);
  if (!seq) return tl::unexpected(Drop::TooOld);

  Rewrite rewrite;
  rewrite.seq = *seq;
  rewrite.marker = packet.marker || (first && kind_ == MediaKind::Audio);  // RFC 3551, section 4.1
  if (packet.frame_number) {
    rewrite.frame_number = static_cast<std::uint16_t>(*packet.frame_number + frame_number_offset_);
    const auto ahead = static_cast<std::int16_t>(rewrite.frame_number - last_frame_number_);
    if (ahead > 0) last_frame_number_ = rewrite.frame_number;
  }
  if (packet.padding_only) {
    rewrite.timestamp = timeline_.convert(packet.timestamp);
    return rewrite;
  }
  if (packet.key_frame) key_frame_wanted_ = false;
  rewrite.timestamp = timeline_.map({packet.timestamp, packet.arrival, packet.capture});
  if (packet.codec == Codec::Vp8) rewrite.vp8 = vp8_.map(packet.vp8);
  return rewrite;
}

bool Forwarder::rewind(Source source) noexcept {
  const bool goes_on = source == current_ && !paused_;
  if (kind_ == MediaKind::Audio || muted_ || source != target_ || goes_on) return false;
  target_highest_.reset();
  return true;
}

std::optional<Source> Forwarder::wants_key_frame() const noexcept {
  if (kind_ == MediaKind::Audio || !target_ || muted_) return std::nullopt;
  const bool waiting = current_ != target_ || paused_ || key_frame_wanted_;
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
