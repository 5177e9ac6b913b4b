#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recorder/interleaver.h"
#include "recorder/media.h"
#include "recorder/muxer.h"

namespace parley::recorder {

// One file in the making: orders its packets, lets sound go on as silence where none came, ends a
// cluster or fragment every quarter of a second, notes gaps. Bytes leave through `Output`.
class Segment {
 public:
  static constexpr rtp::Duration kFlushInterval = std::chrono::milliseconds{250};
  // Sound may arrive this late and still find its place; then there is silence.
  static constexpr rtp::Duration kFillLag = std::chrono::seconds{1};
  static constexpr rtp::Duration kFillFrom = std::chrono::milliseconds{60};  // shorter: jitter
  static constexpr rtp::Duration kNotedGap = std::chrono::milliseconds{200};
  static constexpr std::size_t kMaxGaps = 1'000;  // later ones are only counted

  struct Output {
    Muxer::Sink bytes;
    std::function<void(Offset end)> boundary;  // what left so far plays, up to `end`
    std::function<void(const Gap&)> gap;
  };

  // Nothing when no header can be written for this layout. `start` becomes the file's zero.
  [[nodiscard]] static std::unique_ptr<Segment> open(const Muxer::Layout& layout, Offset start,
                                                     Output output);

  void push(Stream stream, MediaPacket packet);
  // Writes what is due at the time line's present.
  void advance(Offset now);
  // Writes all that is held: nothing has come for a while and nothing may come.
  void drain();
  // Ends the file. What was pushed for `until` and later is handed back, for the next file.
  [[nodiscard]] std::vector<MediaPacket> finish(std::optional<Offset> until);

  [[nodiscard]] bool has_audio() const noexcept { return audio_; }
  [[nodiscard]] std::optional<rtp::Codec> video_codec() const noexcept { return video_; }
  [[nodiscard]] Offset start() const noexcept { return start_; }
  [[nodiscard]] rtp::Duration duration() const noexcept;
  [[nodiscard]] const std::vector<Gap>& gaps() const noexcept { return gaps_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  Segment(const Muxer::Layout& layout, Offset start, Output output);
  void write(Stream stream, MediaPacket packet);
  void write_audio(MediaPacket packet);
  void write_video(MediaPacket packet);
  void write_held_video(rtp::Duration duration);
  void fill_silence(Offset until);
  void note_gap(Offset from, const MediaPacket& packet);
  [[nodiscard]] bool put(Stream stream, MediaPacket packet);
  void flush();

  Output output_;
  std::unique_ptr<Muxer> muxer_;
  Interleaver interleaver_;
  Offset start_;
  bool audio_;
  std::optional<rtp::Codec> video_;
  Offset audio_end_;                       // of what was written
  Offset sound_end_;                       // the same without silence of ours
  std::optional<MediaPacket> held_video_;  // until the next one tells how long it stands
  std::optional<Offset> last_video_;       // written
  rtp::Duration frame_interval_;           // of the video, as it was last
  Offset end_;
  Offset now_;
  Offset flushed_;  // when
  bool dirty_ = true;
  std::vector<Gap> gaps_;
  std::uint64_t refused_ = 0;
};

}  // namespace parley::recorder
