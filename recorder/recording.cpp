#include "recorder/recording.h"

#include <algorithm>
#include <utility>

namespace parley::recorder {

Recording::Recording(RecordingInfo info, rtp::Time start, rtp::Duration key_frames_every,
                     Writer& writer)
    : info_(std::move(info)),
      start_(start),
      key_frames_every_(key_frames_every),
      writer_(&writer),
      output_(make_output()) {
  latest_ = told_ = start;
  writer_->begin(info_);
}

void Recording::post(disk::Job job) {
  // After the first job that found no room nothing more is sent: a file must not have holes.
  if (queue_full_) return;
  if (!writer_->post(info_.recording_id, std::move(job))) queue_full_ = true;
}

ParticipantRecording::Output Recording::make_output() {
  ParticipantRecording::Output output;
  output.open = [this](const RecordedFile& file) { post(disk::Open{file}); };
  output.header = [this](const std::string& file) { post(disk::Header{file}); };
  output.bytes = [this](const std::string& file, std::uint64_t place, rtp::ConstBytes bytes) {
    if (!queue_full_) post(disk::Write{file, place, {bytes.begin(), bytes.end()}});
  };
  output.boundary = [this](const std::string& file, rtp::Duration duration) {
    post(disk::Boundary{file, duration});
  };
  output.gap = [this](const std::string& file, const Gap& gap) { post(disk::Note{file, gap}); };
  output.close = [this](const std::string& file, rtp::Duration duration) {
    post(disk::Close{file, duration});
  };
  return output;
}

void Recording::add_track(TrackInfo track, std::shared_ptr<rtp::Tap> tap) {
  post(disk::Track{track});
  auto found = std::find_if(participants_.begin(), participants_.end(),
                            [&](const auto& p) { return p->takes(track); });
  if (found == participants_.end()) {
    participants_.push_back(
        std::make_unique<ParticipantRecording>(start_, track, output_, key_frames_every_));
    found = participants_.end() - 1;
  }
  (*found)->add_track(std::move(track), std::move(tap));
}

void Recording::remove_track(const std::string& track_id) {
  for (const auto& participant : participants_) {
    participant->remove_track(track_id);
    // Who shows nothing any more has a finished file; the next track begins another.
    if (!participant->has_tracks()) participant->finish();
  }
}

std::size_t Recording::drain() {
  std::size_t count = 0;
  for (const auto& participant : participants_) {
    count += participant->drain();
    latest_ = std::max(latest_, participant->latest());
    if (!participant->has_tracks()) participant->finish();  // the publisher's side ended them
  }
  if (info_.followed && latest_ - told_ >= kToldEvery) tell_how_far();
  return count;
}

void Recording::tell_how_far() {
  told_ = latest_;
  // Who sends nothing now may have something that was not written yet.
  for (const auto& participant : participants_) {
    if (participant->latest() + kQuiet < latest_) participant->idle(latest_);
  }
  post(disk::Reached{to_ms(latest_ - start_)});
}

void Recording::idle() {
  for (const auto& participant : participants_) participant->idle(latest_);
}

void Recording::finish(const std::string& end_reason, std::optional<rtp::Time> now) {
  const auto error = failure();
  drain();
  for (const auto& participant : participants_) participant->finish();
  const rtp::Time end = std::max(latest_, now.value_or(latest_));
  // Always taken, so an event always follows.
  const disk::Finish finish{end_reason, to_ms(end - start_), error ? error : failure()};
  [[maybe_unused]] const bool taken = writer_->post(info_.recording_id, finish);
}

std::optional<DiskError> Recording::failure() const {
  if (auto error = writer_->failure(info_.recording_id)) return error;
  if (queue_full_) {
    return DiskError{"disk_slow", "the disk fell behind by more than recording.queue_bytes"};
  }
  return std::nullopt;
}

std::size_t Recording::tracks() const noexcept {
  std::size_t sum = 0;
  for (const auto& participant : participants_) sum += participant->tracks();
  return sum;
}

std::uint64_t Recording::packets() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& participant : participants_) sum += participant->packets();
  return sum;
}

std::uint64_t Recording::overflows() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& participant : participants_) sum += participant->overflows();
  return sum;
}

}  // namespace parley::recorder
