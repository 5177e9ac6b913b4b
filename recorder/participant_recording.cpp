#include "recorder/participant_recording.h"

#include <algorithm>
#include <utility>

#include "recorder/key_frame.h"
#include "recorder/names.h"

namespace parley::recorder {

namespace {

std::string codec_name(rtp::Codec codec) {
  switch (codec) {
    case rtp::Codec::Opus:
    case rtp::Codec::Red:
      return "opus";
    case rtp::Codec::Vp8:
      return "vp8";
    case rtp::Codec::Vp9:
      return "vp9";
    case rtp::Codec::H264:
      return "h264";
    case rtp::Codec::H265:
      return "hevc";
    case rtp::Codec::Av1:
      return "av1";
  }
  return "";
}

}  // namespace

std::string file_source(const TrackInfo& track) {
  return track.source.starts_with("screen_share") ? "screen_share" : "camera";
}

ParticipantRecording::ParticipantRecording(rtp::Time start, const TrackInfo& first_track,
                                           const Output& output, rtp::Duration key_frames_every)
    : start_(start),
      participant_id_(first_track.participant_id),
      identity_(first_track.identity),
      source_(file_source(first_track)),
      output_(&output),
      key_frames_every_(key_frames_every),
      latest_(start) {}

bool ParticipantRecording::takes(const TrackInfo& track) const noexcept {
  return track.participant_id == participant_id_ && file_source(track) == source_;
}

void ParticipantRecording::add_track(TrackInfo track, std::shared_ptr<rtp::Tap> tap) {
  if (readers_.size() == kMaxTracks) return;
  remove_track(track.track_id);  // the same again: the new tap counts
  readers_.push_back(std::make_unique<TrackReader>(std::move(track), std::move(tap), publisher_,
                                                   key_frames_every_));
}

void ParticipantRecording::remove_track(const std::string& track_id) {
  while (step()) continue;  // what was said until now belongs to it
  for (const auto& reader : readers_) {
    if (reader->info().track_id != track_id) continue;
    reader->finish();
    take_frames(*reader);
    past_overflows_ += reader->overflows();
  }
  std::erase_if(readers_, [&](const auto& r) { return r->info().track_id == track_id; });
}

std::uint64_t ParticipantRecording::overflows() const noexcept {
  std::uint64_t sum = past_overflows_;
  for (const auto& reader : readers_) sum += reader->overflows();
  return sum;
}

bool ParticipantRecording::has_audio_track() const noexcept {
  return std::any_of(readers_.begin(), readers_.end(),
                     [](const auto& r) { return r->stream() == Stream::Audio; });
}

bool ParticipantRecording::expects_picture() const noexcept {
  return std::any_of(readers_.begin(), readers_.end(),
                     [](const auto& r) { return r->stream() == Stream::Video && !r->muted(); });
}

void ParticipantRecording::request_key_frame() noexcept {
  for (const auto& reader : readers_) {
    if (reader->stream() == Stream::Video) reader->request_key_frame();
  }
}

// The record that arrived first, of all taps: so the time line's present never overtakes a track
// that is merely read later.
bool ParticipantRecording::step() {
  TrackReader* first = nullptr;
  rtp::Time first_arrival{};
  for (const auto& reader : readers_) {
    const auto arrival = reader->next_arrival();
    if (!arrival || (first != nullptr && *arrival >= first_arrival)) continue;
    first = reader.get();
    first_arrival = *arrival;
  }
  if (first == nullptr) return false;
  first->step();
  latest_ = std::max(latest_, first_arrival);
  for (const auto& reader : readers_) take_frames(*reader);
  open_audio_only_if_due();
  if (segment_) segment_->advance(latest_ - start_);
  return true;
}

void ParticipantRecording::take_frames(TrackReader& reader) {
  while (auto frame = reader.pop(latest_)) {
    frame->packet.time = std::max(frame->time - start_, Offset::zero());
    if (reader.stream() == Stream::Audio) {
      on_audio(std::move(frame->packet));
    } else {
      on_video(reader, std::move(*frame));
    }
  }
}

std::size_t ParticipantRecording::drain() {
  std::size_t count = 0;
  while (step()) ++count;
  packets_ += count;
  drop_ended();
  return count;
}

void ParticipantRecording::drop_ended() {
  for (std::size_t i = readers_.size(); i-- > 0;) {
    if (!readers_[i]->ended()) continue;
    const std::string track_id = readers_[i]->info().track_id;
    remove_track(track_id);
  }
}

void ParticipantRecording::idle(rtp::Time now) {
  const bool waits = !segment_ && !waiting_audio_.empty();
  if (waits && now - start_ - waiting_audio_.front().time >= kPictureWait) {
    open(std::nullopt, waiting_audio_.front().time);
  }
  if (segment_) segment_->drain();
}

void ParticipantRecording::finish() {
  while (!readers_.empty()) {
    const std::string track_id = readers_.back()->info().track_id;
    remove_track(track_id);
  }
  if (!segment_ && !waiting_audio_.empty()) open(std::nullopt, waiting_audio_.front().time);
  close(std::nullopt);
}

void ParticipantRecording::on_audio(MediaPacket packet) {
  if (segment_ && segment_->has_audio()) {
    segment_->push(Stream::Audio, std::move(packet));
    return;
  }
  if (segment_ && !std::exchange(wants_new_file_, true)) request_key_frame();
  if (waiting_audio_.size() == kMaxWaitingAudio) waiting_audio_.pop_front();
  waiting_audio_.push_back(std::move(packet));
}

// A file has one rotation: it stands in its header, as players want it.
bool ParticipantRecording::is_turned(const TrackReader::Frame& frame) const noexcept {
  return segment_ && segment_->video_codec() && frame.rotation_degrees != rotation_degrees_ &&
         frame.packet.time - segment_->start() >= kTurnEvery;
}

void ParticipantRecording::on_video(TrackReader& reader, TrackReader::Frame frame) {
  if (is_turned(frame) && !std::exchange(wants_new_file_, true) && !frame.packet.key_frame) {
    reader.request_key_frame();
  }
  const bool fits = segment_ && segment_->video_codec() == frame.codec && !wants_new_file_;
  if (!fits) {
    std::optional<VideoFormat> format;
    if (frame.packet.key_frame) format = read_key_frame(frame.codec, frame.packet.bytes);
    if (format && frame.resolution.width != 0) format->resolution = frame.resolution;
    if (format) {
      format->rotation_degrees = frame.rotation_degrees;
      open(std::move(format), frame.packet.time);
    } else if (!segment_ || segment_->video_codec() != frame.codec) {
      if (frame.packet.key_frame) reader.request_key_frame();  // its headers were not to be read
      return;
    }  // else: the file that has no sound goes on until the key frame comes
  }
  if (segment_ && segment_->video_codec() == frame.codec) {
    segment_->push(Stream::Video, std::move(frame.packet));
  }
}

void ParticipantRecording::open_audio_only_if_due() {
  if (segment_ || waiting_audio_.empty()) return;
  const Offset waited = (latest_ - start_) - waiting_audio_.front().time;
  if (expects_picture() && waited < kPictureWait) return;
  if (!expects_picture() && waited < kPictureWait / 2) return;  // a camera may be on its way
  open(std::nullopt, waiting_audio_.front().time);
}

void ParticipantRecording::open(std::optional<VideoFormat> video, Offset start) {
  const bool had_audio = segment_ && segment_->has_audio();
  const bool had_file = segment_ != nullptr;
  close(start);
  wants_new_file_ = false;
  Muxer::Layout layout{std::move(video), had_audio || has_audio_track() || !waiting_audio_.empty()};
  // Sound that waited for its first picture belongs before it; in a later file it has no place.
  while (had_file && !waiting_audio_.empty() && waiting_audio_.front().time < start) {
    waiting_audio_.pop_front();
  }
  if (!waiting_audio_.empty()) start = std::min(start, waiting_audio_.front().time);

  RecordedFile file;
  file.name = sanitized(participant_id_) + "-" + source_ + "-" + std::to_string(++file_count_) +
              "." + std::string{Muxer::extension(layout)};
  file.participant_id = participant_id_;
  file.identity = identity_;
  file.source = source_;
  rotation_degrees_ = layout.video ? layout.video->rotation_degrees : 0;
  file.rotation = rotation_degrees_;
  if (layout.video) file.codecs.push_back(codec_name(layout.video->codec));
  if (layout.audio) file.codecs.push_back(codec_name(rtp::Codec::Opus));
  file.offset_ms = to_ms(start);
  file_ = file.name;
  output_->open(file);
  Segment::Output output;
  output.bytes = [this](std::uint64_t place, rtp::ConstBytes bytes) {
    output_->bytes(file_, place, bytes);
  };
  output.boundary = [this, start](Offset end) { output_->boundary(file_, end - start); };
  output.gap = [this](const Gap& gap) { output_->gap(file_, gap); };
  segment_ = Segment::open(layout, start, std::move(output));
  if (!segment_) {
    output_->close(file_, {});
    return;
  }
  output_->header(file_);
  for (MediaPacket& packet : waiting_audio_) segment_->push(Stream::Audio, std::move(packet));
  waiting_audio_.clear();
}

void ParticipantRecording::close(std::optional<Offset> until) {
  if (!segment_) return;
  std::vector<MediaPacket> rest = segment_->finish(until);
  output_->close(file_, segment_->duration());
  segment_.reset();
  waiting_audio_.insert(waiting_audio_.begin(), std::make_move_iterator(rest.begin()),
                        std::make_move_iterator(rest.end()));
}

}  // namespace parley::recorder
