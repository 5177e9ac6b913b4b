#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recorder/media.h"
#include "recorder/recorder.h"
#include "recorder/segment.h"
#include "recorder/timeline.h"
#include "recorder/track_reader.h"

namespace parley::recorder {

// What one participant shows and says by one source: camera and microphone, or the screen and its
// sound. It reads their taps and decides when a file begins and ends: at a key frame; a new one
// when the codec or the set of tracks changes, or the camera is turned; sound alone when no picture
// comes.
class ParticipantRecording {
 public:
  // So long sound waits for the picture that it belongs to.
  static constexpr rtp::Duration kPictureWait = std::chrono::milliseconds{600};
  static constexpr std::size_t kMaxWaitingAudio = 1'000;
  static constexpr std::size_t kMaxTracks = 16;  // at once
  // A camera that is turned begins a new file, but not more often than this.
  static constexpr rtp::Duration kTurnEvery = std::chrono::seconds{1};

  struct Output {  // where the files go
    std::function<void(const RecordedFile&)> open;
    std::function<void(const std::string& file)> header;  // it has left
    std::function<void(const std::string& file, std::uint64_t place, rtp::ConstBytes)> bytes;
    std::function<void(const std::string& file, rtp::Duration)> boundary;
    std::function<void(const std::string& file, const Gap&)> gap;
    std::function<void(const std::string& file, rtp::Duration)> close;
  };

  // `output` must outlive this. `start`: the recording's zero. `key_frames_every`: as of
  // TrackReader.
  ParticipantRecording(rtp::Time start, const TrackInfo& first_track, const Output& output,
                       rtp::Duration key_frames_every);

  // True if the track belongs here.
  [[nodiscard]] bool takes(const TrackInfo& track) const noexcept;
  void add_track(TrackInfo track, std::shared_ptr<rtp::Tap> tap);
  void remove_track(const std::string& track_id);
  // Reads the taps until they are empty; the number of records read.
  std::size_t drain();
  // Nothing has come for a while, and others are here by now: writes what is held back.
  void idle(rtp::Time now);
  // Ends the file, if one is open; what the taps still hold is read first.
  void finish();

  [[nodiscard]] bool has_tracks() const noexcept { return !readers_.empty(); }
  [[nodiscard]] std::size_t tracks() const noexcept { return readers_.size(); }
  [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }
  [[nodiscard]] std::uint64_t overflows() const noexcept;
  // The latest that arrived.
  [[nodiscard]] rtp::Time latest() const noexcept { return latest_; }

 private:
  [[nodiscard]] bool step();
  void take_frames(TrackReader& reader);
  void drop_ended();
  void on_audio(MediaPacket packet);
  void on_video(TrackReader& reader, TrackReader::Frame frame);
  [[nodiscard]] bool is_turned(const TrackReader::Frame& frame) const noexcept;
  void open_audio_only_if_due();
  void open(std::optional<VideoFormat> video, Offset start);
  void close(std::optional<Offset> until);
  [[nodiscard]] bool has_audio_track() const noexcept;
  [[nodiscard]] bool expects_picture() const noexcept;
  void request_key_frame() noexcept;

  rtp::Time start_;
  std::string participant_id_;
  std::string identity_;
  std::string source_;  // camera or screen_share
  const Output* output_;
  rtp::Duration key_frames_every_;
  PublisherClock publisher_;
  std::vector<std::unique_ptr<TrackReader>> readers_;  // they point to publisher_ and do not move
  std::unique_ptr<Segment> segment_;
  std::string file_;               // of segment_
  unsigned rotation_degrees_ = 0;  // of its picture
  unsigned file_count_ = 0;
  std::deque<MediaPacket> waiting_audio_;
  bool wants_new_file_ = false;  // at the next key frame
  rtp::Time latest_{};
  std::uint64_t packets_ = 0;
  std::uint64_t past_overflows_ = 0;  // of tracks that are gone
};

// The source whose file a track goes into: microphones go with cameras.
[[nodiscard]] std::string file_source(const TrackInfo& track);

}  // namespace parley::recorder
