#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "recorder/compose/av.h"
#include "recorder/compose/layout.h"
#include "recorder/compose/plan.h"

namespace parley::compose {

// One stream of a recorded file, decoded frame by frame in one thread. What does not decode is left
// out.
class StreamReader {
 public:
  // Nullptr when there is no such stream or no decoder for it.
  [[nodiscard]] static std::unique_ptr<StreamReader> open(const std::filesystem::path& path,
                                                          AVMediaType type);
  // Of one that may be growing: up to where it stands.
  [[nodiscard]] static std::unique_ptr<StreamReader> open(const PlannedFile& file,
                                                          AVMediaType type);
  // The same file, when more of it stands, or all of it does.
  void follow(const PlannedFile& file);
  // The next frame, valid until the next call; nullptr at the end, or where a growing one stands.
  [[nodiscard]] AVFrame* next();
  // next() gave nothing, and nothing has come since.
  [[nodiscard]] bool dry() const noexcept { return dry_; }
  // When it begins, from the file's zero. Of the frame that next() gave.
  [[nodiscard]] Offset time() const noexcept { return time_; }
  // From here on only these are decoded, to look at a few moments of a long film.
  void key_frames_only() noexcept { key_frames_only_ = true; }
  // As the file's header says.
  [[nodiscard]] Size size() const noexcept { return {codec_->width, codec_->height}; }
  // Goes to the last key frame at or before. False when the file cannot.
  bool seek(Offset time);

 private:
  StreamReader(av::Input input, av::Codec codec, int stream);
  [[nodiscard]] static std::unique_ptr<StreamReader> open_url(const std::string& url,
                                                              AVMediaType type);
  [[nodiscard]] bool feed();
  [[nodiscard]] bool go_on();

  av::Input input_;
  av::Codec codec_;
  int stream_;
  av::Packet packet_{av_packet_alloc()};
  av::Frame frame_{av_frame_alloc()};
  Offset time_{};
  bool dry_ = false;
  bool drained_ = false;
  bool key_frames_only_ = false;
  // Of a file that grows: where it stands, the size of its header, how far `input_` goes.
  std::optional<PlannedFile> grown_;
  std::uint64_t header_ = 0;
  std::uint64_t opened_to_ = 0;
};

// The picture of a file at any time, asked for in rising order.
class VideoInput {
 public:
  // Its pictures are turned clockwise by `rotation_degrees`.
  explicit VideoInput(std::unique_ptr<StreamReader> reader, unsigned rotation_degrees = 0);
  void follow(const PlannedFile& file) { reader_->follow(file); }
  // The picture at that time of the file; nullptr before the first.
  [[nodiscard]] const AVFrame* at(Offset time);
  // Since when it is shown.
  [[nodiscard]] Offset since() const noexcept { return since_; }
  // From here on at() is asked for this time and later ones.
  void skip_to(Offset time);

 private:
  void look_ahead();
  std::unique_ptr<StreamReader> reader_;
  unsigned rotation_degrees_;
  av::Frame turned_{av_frame_alloc()};  // of current_
  bool is_turned_ = false;
  av::Frame current_{av_frame_alloc()};
  av::Frame next_{av_frame_alloc()};
  Offset since_{};
  Offset next_since_{};
  bool has_current_ = false;
  bool has_next_ = false;
};

// The sound of a file in 48 kHz stereo, asked for in rising order; silence where there is none.
class AudioInput {
 public:
  static constexpr int kRate = 48'000;
  explicit AudioInput(std::unique_ptr<StreamReader> reader);
  void follow(const PlannedFile& file) { reader_->follow(file); }
  // Fills `out` (left, right, ...) with what is there from that time of the file on.
  void read(Offset from, std::span<float> out);

 private:
  struct Stretch {
    std::int64_t begin = 0;  // samples of each side, from the file's zero
    std::vector<float> samples;
    [[nodiscard]] std::int64_t end() const noexcept {
      return begin + static_cast<std::int64_t>(samples.size() / 2);
    }
  };
  void take(const AVFrame& frame);
  void forget(std::int64_t before);
  std::unique_ptr<StreamReader> reader_;
  std::deque<Stretch> stretches_;  // one for each decoded frame, in order, without overlaps
  std::int64_t end_ = 0;           // of the last one
};

}  // namespace parley::compose
