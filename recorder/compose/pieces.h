#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "recorder/compose/av.h"
#include "recorder/compose/plan.h"

namespace parley::compose {

// The packets of one stream that lies in several files, one after the other.
class Pieces {
 public:
  Pieces(std::vector<std::filesystem::path> files, AVMediaType type);

  // Of the first file; nullptr when it does not open.
  [[nodiscard]] const AVCodecParameters* parameters() const noexcept;
  // The next one, in `time_base()`; nullptr at the end of the last, or where one is broken.
  [[nodiscard]] AVPacket* peek();
  void pop();
  [[nodiscard]] AVRational time_base() const noexcept { return input_->streams[0]->time_base; }
  // Of the next one.
  [[nodiscard]] Offset time();
  // The file that does not open, or does not read to its end.
  [[nodiscard]] const std::optional<std::filesystem::path>& broken() const noexcept {
    return broken_;
  }

 private:
  void open_next();
  std::vector<std::filesystem::path> files_;
  AVMediaType type_;
  std::size_t next_ = 0;
  av::Input input_;
  av::Packet packet_{av_packet_alloc()};
  bool has_ = false;
  std::optional<std::filesystem::path> broken_;
};

}  // namespace parley::compose
