#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "recorder/media.h"
#include "rtp/types.h"

namespace parley::recorder {

// One file's container, written by FFmpeg's muxers into memory: WebM for VP8, VP9, AV1 and sound
// alone, fragmented MP4 for H.264; Opus in both. It never touches a disk and never decodes. What it
// writes goes to the sink as (place in the file, bytes); places go back when the end of a file
// completes its beginning.
class Muxer {
 public:
  using Sink = std::function<void(std::uint64_t place, rtp::ConstBytes bytes)>;
  struct Layout {
    std::optional<VideoFormat> video;
    bool audio = false;
  };

  // Writes the header. Nothing when the layout is empty or its headers make no sense.
  [[nodiscard]] static std::unique_ptr<Muxer> open(const Layout& layout, Sink sink);
  ~Muxer();
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  // `packet.time` counts from the file's start and rises within a stream. False when the bytes are
  // refused: that packet is lost, the file goes on.
  [[nodiscard]] bool write(Stream stream, const MediaPacket& packet);
  // Ends the cluster or fragment: all that was written plays from here on, whatever comes.
  void flush();
  // Writes what belongs at the end (index, duration). Nothing may follow.
  void finish();

  // "webm" or "mp4".
  [[nodiscard]] static std::string_view extension(const Layout& layout) noexcept;

 private:
  struct State;
  explicit Muxer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// FFmpeg writes to stderr unless told otherwise; our log is elsewhere. Process-wide, idempotent.
void silence_ffmpeg() noexcept;

}  // namespace parley::recorder
