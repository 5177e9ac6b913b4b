#include "recorder/compose/pieces.h"

#include <string>
#include <utility>

namespace parley::compose {

Pieces::Pieces(std::vector<std::filesystem::path> files, AVMediaType type)
    : files_(std::move(files)), type_(type) {
  open_next();
}

const AVCodecParameters* Pieces::parameters() const noexcept {
  return input_ ? input_->streams[0]->codecpar : nullptr;
}

AVPacket* Pieces::peek() {
  while (input_ && !has_) {
    const int result = av_read_frame(input_.get(), packet_.get());
    has_ = result >= 0;
    if (has_) break;
    if (result == AVERROR_EOF) {
      open_next();
    } else {
      broken_ = files_[next_ - 1];
      input_.reset();
    }
  }
  return has_ ? packet_.get() : nullptr;
}

void Pieces::pop() {
  av_packet_unref(packet_.get());
  has_ = false;
}

Offset Pieces::time() { return Offset(av_rescale_q(peek()->dts, time_base(), av::kMicroseconds)); }

void Pieces::open_next() {
  input_.reset();
  if (next_ == files_.size()) return;
  const std::filesystem::path& file = files_[next_++];
  AVFormatContext* context = nullptr;
  const std::string url = "file:" + file.string();
  if (avformat_open_input(&context, url.c_str(), nullptr, nullptr) >= 0) {
    av::Input input{context};
    if (context->nb_streams == 1 && context->streams[0]->codecpar->codec_type == type_) {
      input_ = std::move(input);
      return;
    }
  }
  broken_ = file;
}

}  // namespace parley::compose
