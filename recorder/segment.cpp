#include "recorder/segment.h"

#include <algorithm>
#include <utility>

#include "recorder/opus_stream.h"

namespace parley::recorder {

namespace {
constexpr rtp::Duration kUsualFrame = std::chrono::milliseconds{33};
constexpr rtp::Duration kLongestFrame = std::chrono::milliseconds{200};
}  // namespace

Segment::Segment(const Muxer::Layout& layout, Offset start, Output output)
    : output_(std::move(output)),
      start_(start),
      audio_(layout.audio),
      audio_end_(start),
      sound_end_(start),
      frame_interval_(kUsualFrame),
      end_(start),
      now_(start),
      flushed_(start) {
  if (layout.video) video_ = layout.video->codec;
}

std::unique_ptr<Segment> Segment::open(const Muxer::Layout& layout, Offset start, Output output) {
  std::unique_ptr<Segment> segment(new Segment(layout, start, std::move(output)));  // private
  segment->muxer_ = Muxer::open(layout, segment->output_.bytes);
  if (!segment->muxer_) return nullptr;
  return segment;
}

void Segment::push(Stream stream, MediaPacket packet) {
  interleaver_.push(stream, std::move(packet));
}

void Segment::advance(Offset now) {
  now_ = std::max(now_, now);
  while (auto out = interleaver_.pop(now_, audio_, video_.has_value())) {
    write(out->stream, std::move(out->packet));
  }
  // Whole packets of silence only: fewer bytes, and the rest may be sound after all.
  const std::int64_t packets = (now_ - kFillLag - audio_end_) / (kOpusFrame * kMaxSilentFrames);
  if (packets > 0) fill_silence(audio_end_ + packets * kOpusFrame * kMaxSilentFrames);
  if (now_ - flushed_ >= kFlushInterval) flush();
}

void Segment::drain() {
  while (auto out = interleaver_.pop_any()) write(out->stream, std::move(out->packet));
  write_held_video(frame_interval_);
  flush();
}

void Segment::write(Stream stream, MediaPacket packet) {
  switch (stream) {
    case Stream::Audio:
      return write_audio(std::move(packet));
    case Stream::Video:
      return write_video(std::move(packet));
  }
}

void Segment::write_audio(MediaPacket packet) {
  if (packet.time + kOpusFrame < audio_end_) return;  // its place is taken by silence
  note_gap(sound_end_, packet);
  if (packet.time - audio_end_ >= kFillFrom) fill_silence(packet.time);
  packet.time = std::max(packet.time, audio_end_);  // a clock being slewed overlaps a little
  const Offset end = packet.time + packet.duration;
  if (!put(Stream::Audio, std::move(packet))) return;
  audio_end_ = end;
  sound_end_ = end;
}

void Segment::write_video(MediaPacket packet) {
  if (held_video_) {
    note_gap(held_video_->time, packet);
    frame_interval_ = std::clamp(packet.time - held_video_->time, rtp::Duration{1}, kLongestFrame);
    write_held_video(packet.time - held_video_->time);
  } else if (last_video_) {
    note_gap(*last_video_, packet);
  }
  held_video_ = std::move(packet);
}

void Segment::write_held_video(rtp::Duration duration) {
  if (!held_video_) return;
  held_video_->duration = duration;
  last_video_ = held_video_->time;
  [[maybe_unused]] const bool taken = put(Stream::Video, std::move(*held_video_));  // counted there
  held_video_.reset();
}

void Segment::fill_silence(Offset until) {
  if (!audio_) return;
  while (until - audio_end_ >= kOpusFrame) {
    const auto frames = static_cast<unsigned>(
        std::min<std::int64_t>((until - audio_end_) / kOpusFrame, kMaxSilentFrames));
    const rtp::Duration length = kOpusFrame * frames;
    if (!put(Stream::Audio, {audio_end_, length, true, GapReason::None, opus_silence(frames)})) {
      return;
    }
    audio_end_ += length;
  }
}

void Segment::note_gap(Offset from, const MediaPacket& packet) {
  if (packet.gap_before == GapReason::None || packet.time - from < kNotedGap) return;
  if (gaps_.size() == kMaxGaps) return;
  gaps_.push_back(
      {to_ms(from), to_ms(packet.time - from), std::string{to_string(packet.gap_before)}});
  output_.gap(gaps_.back());
}

bool Segment::put(Stream stream, MediaPacket packet) {
  const Offset end = packet.time + packet.duration;
  packet.time -= start_;
  dirty_ = true;
  if (!muxer_->write(stream, packet)) {
    ++refused_;
    return false;
  }
  end_ = std::max(end_, end);
  return true;
}

void Segment::flush() {
  flushed_ = now_;
  // A still picture: the next one may be long in coming, and this one must be safe.
  if (held_video_ && held_video_->time + kLongestFrame + Interleaver::kHold <= now_) {
    write_held_video(kLongestFrame);
  }
  if (!std::exchange(dirty_, false)) return;
  muxer_->flush();
  output_.boundary(end_);
}

std::vector<MediaPacket> Segment::finish(std::optional<Offset> until) {
  std::vector<MediaPacket> rest;
  while (auto out = interleaver_.pop_any()) {
    if (until && out->packet.time >= *until) {
      if (out->stream == Stream::Audio) rest.push_back(std::move(out->packet));
      continue;  // video of the old codec has nothing to say any more
    }
    write(out->stream, std::move(out->packet));
  }
  write_held_video(frame_interval_);
  flush();
  muxer_->finish();
  output_.boundary(end_);
  return rest;
}

rtp::Duration Segment::duration() const noexcept { return end_ - start_; }

}  // namespace parley::recorder
