#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recorder/participant_recording.h"
#include "recorder/recorder.h"
#include "rtp/tap.h"
#include "rtp/types.h"

namespace parley::recorder::test {

// A folder of its own per test, removed afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// One record for a tap, with bytes of its own.
struct Event {
  rtp::Tap::Record record;
  std::vector<std::uint8_t> bytes;
};
using Script = std::vector<Event>;  // in order of arrival

constexpr rtp::Time kStart{std::chrono::seconds{1'000}};
constexpr rtp::Duration kFrame20{std::chrono::milliseconds{20}};

// What a publisher's clock shows at a server time.
[[nodiscard]] rtp::NtpTime ntp_at(rtp::Time time, rtp::Duration ahead = {});

struct VideoSource {
  rtp::Codec codec = rtp::Codec::Vp8;
  std::string capture;
  std::uint32_t ssrc = 0;
};
// Real Chromium's packets of one layer.
[[nodiscard]] VideoSource vp8_source();
[[nodiscard]] VideoSource vp9_source();
[[nodiscard]] VideoSource h264_source();
[[nodiscard]] VideoSource av1_source();

// The capture, played over and over from `from` to `until`, with numbers and times going on.
[[nodiscard]] Script video(const VideoSource& source, rtp::Time from, rtp::Time until,
                           std::uint32_t first_timestamp = 1'000'000);
// 20 ms packets of Opus.
[[nodiscard]] Script audio(rtp::Time from, rtp::Time until,
                           std::uint32_t first_timestamp = 5'000'000,
                           std::uint16_t first_seq = 100);
// Adds a sender report every second; media is captured `delay` before it arrives.
[[nodiscard]] Script with_reports(Script script, std::uint32_t clock_rate, rtp::Duration delay);
[[nodiscard]] Script without(Script script, rtp::Time from, rtp::Time until);  // a packet gap
[[nodiscard]] Script lossy(Script script, unsigned percent, unsigned seed);
[[nodiscard]] Event mark(rtp::Tap::Kind kind, rtp::Time when);

[[nodiscard]] TrackInfo camera(std::string track_id = "tr_cam");
[[nodiscard]] TrackInfo microphone(std::string track_id = "tr_mic");

// Pushes everything, in order of arrival over all tracks.
struct Feed {
  std::shared_ptr<rtp::Tap> tap;
  Script script;
};
void push(rtp::Tap& tap, const Event& event);
[[nodiscard]] std::shared_ptr<rtp::Tap> make_tap(std::size_t bytes = 64U << 20U);

// Runs a ParticipantRecording without threads and keeps its files.
class Studio {
 public:
  struct File {
    RecordedFile info;
    std::vector<std::uint8_t> bytes;
    std::vector<Gap> gaps;
    bool closed = false;
    std::filesystem::path path;
  };

  explicit Studio(const std::filesystem::path& folder,
                  rtp::Duration key_frames_every = std::chrono::seconds{10});
  void add(const TrackInfo& track, Script script);
  // Feeds all that was added, draining after each step of `turn`, and finishes.
  void run(rtp::Duration turn = std::chrono::milliseconds{10});
  [[nodiscard]] const std::vector<File>& files() const noexcept { return files_; }
  // When key frames were asked for, of whichever track.
  [[nodiscard]] const std::vector<rtp::Time>& asked() const noexcept { return asked_; }

 private:
  [[nodiscard]] File& file(const std::string& name);

  std::filesystem::path folder_;
  rtp::Duration key_frames_every_;
  std::vector<File> files_;
  std::vector<rtp::Time> asked_;
  ParticipantRecording::Output output_;
  struct Track {
    TrackInfo info;
    Script script;
    std::shared_ptr<rtp::Tap> tap;
    std::size_t next = 0;
  };
  std::vector<Track> tracks_;
};

// What ffprobe and ffmpeg say.
struct Probe {
  std::vector<std::string> codecs;
  double duration_s = 0;
  std::map<std::string, std::uint64_t> packets;  // by codec
  std::map<std::string, double> first_s;
  std::map<std::string, double> last_s;
  std::string errors;  // of ffprobe and of a full decode
};
[[nodiscard]] Probe probe(const std::filesystem::path& file);
[[nodiscard]] std::string output_of(const std::string& command);  // stdout and stderr
[[nodiscard]] std::string text_of(const std::filesystem::path& file);

}  // namespace parley::recorder::test
