#include "recorder/remux.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace parley::recorder {

namespace {

constexpr AVRational kMicroseconds{1, 1'000'000};

struct CloseInput {
  void operator()(AVFormatContext* context) const noexcept { avformat_close_input(&context); }
};
struct CloseOutput {
  void operator()(AVFormatContext* context) const noexcept {
    avio_closep(&context->pb);
    avformat_free_context(context);
  }
};
struct FreePacket {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
using Input = std::unique_ptr<AVFormatContext, CloseInput>;
using Output = std::unique_ptr<AVFormatContext, CloseOutput>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;

int on_interrupt(void* stop) { return static_cast<const std::atomic<bool>*>(stop)->load(); }

Input open_input(const std::filesystem::path& path, const std::atomic<bool>& stop) {
  AVFormatContext* context = avformat_alloc_context();
  if (context == nullptr) return nullptr;
  // The callback only reads through the pointer.
  context->interrupt_callback = {&on_interrupt, const_cast<std::atomic<bool>*>(&stop)};
  const std::string url = "file:" + path.string();
  // Frees the context when it fails. No stream info is asked for: that would decode.
  if (avformat_open_input(&context, url.c_str(), nullptr, nullptr) < 0) return nullptr;
  return Input{context};
}

std::vector<std::string> codec_names(const AVFormatContext& context) {
  std::vector<std::string> names;
  for (unsigned i = 0; i < context.nb_streams; ++i) {
    names.emplace_back(avcodec_get_name(context.streams[i]->codecpar->codec_id));
  }
  return names;
}

// The next packet that is there to its last byte.
bool read_whole(AVFormatContext& input, AVPacket& packet) {
  while (av_read_frame(&input, &packet) >= 0) {
    if ((packet.flags & AV_PKT_FLAG_CORRUPT) == 0 && packet.size > 0 &&
        packet.dts != AV_NOPTS_VALUE) {
      return true;
    }
    av_packet_unref(&packet);
  }
  return false;
}

class Extent {  // from the file's zero to the end of its last packet
 public:
  void add(const AVPacket& packet, const AVStream& stream) noexcept {
    const std::int64_t end = packet.dts + std::max<std::int64_t>(packet.duration, 0);
    last_ = std::max(last_, av_rescale_q(end, stream.time_base, kMicroseconds));
  }
  [[nodiscard]] rtp::Duration duration() const noexcept { return rtp::Duration{last_}; }

 private:
  std::int64_t last_ = 0;
};

bool copy_rotation(const AVStream& from, AVStream& to) {
  std::size_t size = 0;
  const std::uint8_t* const matrix =
      av_stream_get_side_data(&from, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (matrix == nullptr) return true;
  std::uint8_t* const copy = av_stream_new_side_data(&to, AV_PKT_DATA_DISPLAYMATRIX, size);
  if (copy == nullptr) return false;
  std::memcpy(copy, matrix, size);
  return true;
}

Output open_output(const std::filesystem::path& path, const AVFormatContext& input) {
  const bool mp4 = path.string().find(".mp4") != std::string::npos;
  AVFormatContext* context = nullptr;
  if (avformat_alloc_output_context2(&context, nullptr, mp4 ? "mp4" : "webm", nullptr) < 0) {
    return nullptr;
  }
  Output output{context};
  context->flags |= AVFMT_FLAG_BITEXACT;
  for (unsigned i = 0; i < input.nb_streams; ++i) {
    AVStream* stream = avformat_new_stream(context, nullptr);
    if (stream == nullptr ||
        avcodec_parameters_copy(stream->codecpar, input.streams[i]->codecpar) < 0 ||
        (mp4 && !copy_rotation(*input.streams[i], *stream))) {
      return nullptr;
    }
    stream->codecpar->codec_tag = 0;  // the container's own, not the input's
    stream->time_base = input.streams[i]->time_base;
  }
  const std::string url = "file:" + path.string();
  if (avio_open(&context->pb, url.c_str(), AVIO_FLAG_WRITE) < 0) return nullptr;
  AVDictionary* options = nullptr;
  if (mp4) {
    av_dict_set(&options, "movflags", "frag_keyframe+empty_moov+default_base_moof+frag_discont", 0);
    av_dict_set(&options, "min_frag_duration", "1000000", 0);
  }
  const int result = avformat_write_header(context, &options);
  av_dict_free(&options);
  if (result < 0) return nullptr;
  return output;
}

}  // namespace

std::optional<FileSummary> summarize(const std::filesystem::path& path,
                                     const std::atomic<bool>& stop) {
  const Input input = open_input(path, stop);
  const Packet packet{av_packet_alloc()};
  if (!input || !packet) return std::nullopt;
  FileSummary summary;
  Extent extent;
  while (read_whole(*input, *packet)) {
    extent.add(*packet, *input->streams[packet->stream_index]);
    ++summary.packets;
    av_packet_unref(packet.get());
  }
  if (summary.packets == 0 || stop) return std::nullopt;
  summary.duration = extent.duration();
  summary.codecs = codec_names(*input);
  return summary;
}

std::optional<FileSummary> remux(const std::filesystem::path& from, const std::filesystem::path& to,
                                 const std::atomic<bool>& stop) {
  const Input input = open_input(from, stop);
  const Packet packet{av_packet_alloc()};
  if (!input || !packet || input->nb_streams == 0) return std::nullopt;
  const Output output = open_output(to, *input);
  if (!output) return std::nullopt;
  FileSummary summary;
  Extent extent;
  while (read_whole(*input, *packet)) {
    const AVStream& source = *input->streams[packet->stream_index];
    extent.add(*packet, source);
    packet->pts = packet->dts;  // our frames have no order but one
    packet->pos = -1;
    av_packet_rescale_ts(packet.get(), source.time_base,
                         output->streams[packet->stream_index]->time_base);
    // They are interleaved already, so nothing needs to be held back.
    if (av_write_frame(output.get(), packet.get()) >= 0) ++summary.packets;
    av_packet_unref(packet.get());
    if (output->pb->error < 0) return std::nullopt;
  }
  if (summary.packets == 0 || stop) return std::nullopt;
  if (av_write_trailer(output.get()) < 0 || output->pb->error < 0) return std::nullopt;
  summary.duration = extent.duration();
  summary.codecs = codec_names(*input);
  return summary;
}

}  // namespace parley::recorder
