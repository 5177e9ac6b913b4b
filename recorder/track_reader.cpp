#include "recorder/track_reader.h"

#include <utility>

#include "recorder/opus_stream.h"

namespace parley::recorder {

namespace {

constexpr std::uint32_t kVideoRate = 90'000;

rtp::FrameAssembler::Limits limits(rtp::MediaKind kind) noexcept {
  rtp::FrameAssembler::Limits limits;
  limits.reorder_wait =
      kind == rtp::MediaKind::Audio ? TrackReader::kAudioWait : TrackReader::kVideoWait;
  return limits;
}

}  // namespace

TrackReader::TrackReader(TrackInfo info, std::shared_ptr<rtp::Tap> tap, PublisherClock& publisher,
                         rtp::Duration key_frames_every)
    : info_(std::move(info)),
      tap_(std::move(tap)),
      clock_(publisher, info_.kind == rtp::MediaKind::Audio ? kOpusRate : kVideoRate),
      assembler_(info_.kind, limits(info_.kind), rtp::tap_extensions()),
      key_frames_every_(key_frames_every) {}

Stream TrackReader::stream() const noexcept {
  return info_.kind == rtp::MediaKind::Audio ? Stream::Audio : Stream::Video;
}

std::optional<rtp::Time> TrackReader::next_arrival() noexcept {
  const auto record = tap_->front();
  if (!record) return std::nullopt;
  return record->arrival;
}

void TrackReader::step() {
  const auto record = tap_->front();
  if (!record) return;
  switch (record->kind) {
    case rtp::Tap::Kind::Rtp:
      ++packets_;
      if (record->codec == rtp::Codec::Vp9) superframe_.on_packet(record->bytes);
      assembler_.push(record->bytes, record->codec, record->arrival);
      break;
    case rtp::Tap::Kind::SenderReport:
      clock_.on_report(record->ntp, record->timestamp, record->arrival);
      break;
    case rtp::Tap::Kind::Muted:
      muted_ = true;
      was_muted_ = true;
      break;
    case rtp::Tap::Kind::Unmuted:
      muted_ = false;
      break;
    case rtp::Tap::Kind::Ended:
      ended_ = true;
      break;
  }
  tap_->pop();
}

GapReason TrackReader::gap_before(const rtp::Frame& frame) noexcept {
  const bool muted = std::exchange(was_muted_, muted_);
  const bool overflowed = std::exchange(noted_overflows_, tap_->overflows()) != tap_->overflows();
  const bool jumped = std::exchange(noted_jumps_, clock_.jumps()) != clock_.jumps();
  if (muted) return GapReason::Muted;
  if (overflowed) return GapReason::Overflow;
  if (jumped) return GapReason::ClockJump;
  return frame.after_gap ? GapReason::Loss : GapReason::None;
}

// A player goes to key frames only, and in a call where nobody joins and nothing is lost there are
// none.
void TrackReader::ask_key_frame_if_due(const Frame& frame) noexcept {
  if (stream() == Stream::Audio || key_frames_every_ == rtp::Duration::zero()) return;
  const bool due = frame.time - key_frame_ >= key_frames_every_;
  if (due && !frame.packet.key_frame) tap_->request_key_frame();
  if (due || frame.packet.key_frame) key_frame_ = frame.time;
}

std::optional<TrackReader::Frame> TrackReader::pop(rtp::Time now) {
  while (const rtp::Frame* frame = assembler_.pop(now)) {
    Frame out;
    out.codec = frame->codec;
    out.time = clock_.on_frame(frame->timestamp, frame->arrival);
    out.resolution = {frame->width, frame->height};
    out.rotation_degrees = frame->rotation_degrees;
    out.packet.key_frame = frame->key_frame || stream() == Stream::Audio;
    out.packet.gap_before = gap_before(*frame);
    out.packet.bytes = frame->bytes;
    if (stream() == Stream::Audio) {
      out.packet.duration = opus_duration(frame->bytes);
      if (out.packet.duration == rtp::Duration::zero()) continue;  // no Opus
    }
    if (frame->codec == rtp::Codec::Vp9 &&
        !superframe_.complete(frame->timestamp, out.packet.bytes)) {
      tap_->request_key_frame();
      continue;
    }
    ask_key_frame_if_due(out);
    return out;
  }
  if (assembler_.take_key_frame_request()) tap_->request_key_frame();
  return std::nullopt;
}

}  // namespace parley::recorder
