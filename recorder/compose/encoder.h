#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/compose/av.h"
#include "recorder/compose/layout.h"
#include "recorder/compose/plan.h"

namespace parley::compose {

// Film: one picture and one sound. Sound: that alone. Stills: a few pictures of the moment.
enum class Product : std::uint8_t { Film, Sound, Stills };
[[nodiscard]] std::string_view name_of(Product product) noexcept;

// What is made: h264 goes with AAC into MP4 that begins to play before it is loaded whole, vp8 and
// vp9 go with Opus into WebM.
struct Settings {
  struct LayoutFrom {
    Offset at{};
    LayoutKind kind = LayoutKind::Grid;
  };
  std::vector<LayoutFrom> layouts{{}};  // in order, the first one at 0
  Size size{1'280, 720};
  int fps = 25;
  std::string codec = "h264";
  int video_kbps = 0;  // 0: by size and fps
  int audio_kbps = 96;
  Product product = Product::Film;
  bool names = true;
  int threads = 1;
  bool live = false;  // begun while the recording runs: its layouts are known piece by piece

  [[nodiscard]] bool mp4() const noexcept { return codec == "h264"; }
  [[nodiscard]] std::string_view extension() const noexcept { return mp4() ? "mp4" : "webm"; }
  [[nodiscard]] LayoutKind layout_at(Offset time) const noexcept;
  // As text: two that are equal make the same file of the same plan. Of a live one without its
  // layouts, which nobody knows when it begins and nobody changes afterwards.
  [[nodiscard]] std::string describe() const;
};
// Empty when they make sense, else what is wrong with them.
[[nodiscard]] std::string problem_of(const Settings& settings);

// Players seek to the picture of a multiple of this.
inline constexpr rtp::Duration kKeyFrameInterval = std::chrono::seconds(2);

// One stream's encoder. What it gives has times in microseconds from the recording's start.
class Encoder {
 public:
  [[nodiscard]] static std::unique_ptr<Encoder> video(const Settings& settings);
  [[nodiscard]] static std::unique_ptr<Encoder> audio(const Settings& settings);

  // A picture (format, width, height) or a block of sound; nullptr ends it. Its pts: in ticks of
  // time_base().
  [[nodiscard]] bool send(const AVFrame* frame);
  // Nullptr when it wants more.
  [[nodiscard]] AVPacket* receive();
  [[nodiscard]] AVRational time_base() const noexcept { return codec_->time_base; }
  [[nodiscard]] const AVCodecContext& context() const noexcept { return *codec_; }
  // Samples of each side that a block must have.
  [[nodiscard]] int frame_size() const noexcept { return codec_->frame_size; }

 private:
  explicit Encoder(av::Codec codec) : codec_(std::move(codec)) {}
  av::Codec codec_;
  av::Packet packet_{av_packet_alloc()};
};

// The failure of whoever could not write there: disk_full when that is why.
[[nodiscard]] tl::unexpected<Failure> cannot_write(const std::filesystem::path& path);

// A file that is written. Nothing of it can be relied on before finish().
class OutputFile {
 public:
  // `format`: matroska, webm or mp4.
  [[nodiscard]] static std::unique_ptr<OutputFile> create(
      const std::filesystem::path& path, const char* format,
      std::span<const AVCodecParameters* const> streams);
  // Of one stream, which this encoder makes.
  [[nodiscard]] static std::unique_ptr<OutputFile> create(const std::filesystem::path& path,
                                                          const char* format,
                                                          const Encoder& encoder);
  // Takes what is in the packet. In each stream times rise.
  [[nodiscard]] bool write(AVPacket& packet, int stream, AVRational time_base);
  [[nodiscard]] bool finish();

 private:
  explicit OutputFile(av::Output output) : output_(std::move(output)) {}
  av::Output output_;
};

}  // namespace parley::compose
