#include "server/tap_subscription.h"

#include <limits>

#include "rtp/encoding_activity.h"
#include "server/track.h"

namespace parley::server {
namespace {

constexpr std::uint32_t kHighest = std::numeric_limits<std::uint32_t>::max();

std::uint32_t clock_rate_of(const Track& track) {
  if (!track.section().codecs.empty()) return track.section().codecs.front().clock_rate_hz;
  return track.kind() == rtp::MediaKind::Audio ? 48'000 : 90'000;
}

}  // namespace

TapSubscription::TapSubscription(Context& context, Track& track, TapId id,
                                 std::shared_ptr<rtp::Tap> ring)
    : context_(context),
      track_(track),
      id_(id),
      ring_(std::move(ring)),
      // A file needs no secrecy of its numbers; small ones leave room before they wrap.
      forwarder_(track.kind(), clock_rate_of(track), rtp::Seq{1}, rtp::RtpTimestamp{1}) {}

TapSubscription::~TapSubscription() = default;

bool TapSubscription::push(const rtp::Tap::Record& record) {
  if (ring_->push(record)) return true;
  context_.counters.drop(Drop::TapFull);
  return false;
}

void TapSubscription::forward(const MediaPacket& media) {
  const auto rewrite = forwarder_.on_packet(media.info, media.source);
  if (const auto wanted = forwarder_.wants_key_frame()) track_.want_key_frame(wanted->encoding);
  if (!rewrite) return;
  codec_ = media.info.codec;
  const SlotHeader header{rtp::Ssrc{media.source.track}, media.codec.pt, {}, extensions_};
  const std::size_t size = write_forwarded(media, *rewrite, header, scratch_);
  if (size == 0) return context_.counters.drop(Drop::TooLarge);
  const bool pushed = push({.kind = rtp::Tap::Kind::Rtp,
                            .codec = codec_,
                            .arrival = media.info.arrival,
                            .bytes = rtp::ConstBytes(scratch_).first(size)});
  // What follows a hole does not decode: wait for the next key frame.
  if (!pushed) forwarder_.request_key_frame(true);
}

void TapSubscription::on_sender_report(rtp::Time now, rtp::Source source, rtp::NtpTime ntp,
                                       rtp::RtpTimestamp timestamp) {
  const auto converted = forwarder_.convert(timestamp, source);
  if (!converted) return;
  push({.kind = rtp::Tap::Kind::SenderReport,
        .codec = codec_,
        .arrival = now,
        .ntp = ntp,
        .timestamp = *converted});
}

void TapSubscription::set_muted(rtp::Time now, bool muted) {
  if (forwarder_.muted() == muted) return;
  forwarder_.set_muted(muted);
  push({.kind = muted ? rtp::Tap::Kind::Muted : rtp::Tap::Kind::Unmuted,
        .codec = codec_,
        .arrival = now});
}

void TapSubscription::end() { push({.kind = rtp::Tap::Kind::Ended, .codec = codec_}); }

void TapSubscription::tick(rtp::Time now) {
  if (ring_->take_key_frame_request()) forwarder_.request_key_frame();
  Track::Layers buffer;
  const auto layers = track_.layers(now, buffer);
  std::optional<std::size_t> current;
  if (const auto target = forwarder_.target()) {
    current = rtp::rung_of(layers, target->encoding, {});
  }
  // All layers inside the encoding, for a file keeps the whole picture.
  if (const auto chosen = rtp::select_layer(layers, kHighest, current)) {
    forwarder_.set_target(rtp::Source{track_.number().value, layers[*chosen].encoding});
  }
  if (const auto wanted = forwarder_.wants_key_frame()) track_.want_key_frame(wanted->encoding);
}

bool TapSubscription::waits_for(rtp::Source source) const noexcept {
  return forwarder_.wants_key_frame() == source;
}

}  // namespace parley::server
