#include "recorder/muxer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
}

#include "recorder/opus_stream.h"

namespace parley::recorder {

namespace {

constexpr int kBufferSize = 64 * 1024;
constexpr AVRational kMicroseconds{1, 1'000'000};

bool is_mp4(const Muxer::Layout& layout) noexcept {
  return layout.video && layout.video->codec == rtp::Codec::H264;
}

AVCodecID codec_id(rtp::Codec codec) noexcept {
  switch (codec) {
    case rtp::Codec::Vp8:
      return AV_CODEC_ID_VP8;
    case rtp::Codec::Vp9:
      return AV_CODEC_ID_VP9;
    case rtp::Codec::Av1:
      return AV_CODEC_ID_AV1;
    case rtp::Codec::H264:
      return AV_CODEC_ID_H264;
    case rtp::Codec::Opus:
      return AV_CODEC_ID_OPUS;
    case rtp::Codec::Red:
    case rtp::Codec::H265:
      return AV_CODEC_ID_NONE;
  }
  return AV_CODEC_ID_NONE;
}

bool set_headers(AVCodecParameters& to, rtp::ConstBytes headers) {
  if (headers.empty()) return true;
  // FFmpeg frees it with its own allocator and reads a little beyond the end.
  to.extradata =
      static_cast<std::uint8_t*>(av_mallocz(headers.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (to.extradata == nullptr) return false;
  std::memcpy(to.extradata, headers.data(), headers.size());
  to.extradata_size = static_cast<int>(headers.size());
  return true;
}

// Players turn it. WebM's muxer does not know of it.
bool set_rotation(AVStream& to, unsigned degrees) {
  if (degrees == 0) return true;
  constexpr std::size_t kMatrix = 9;
  std::uint8_t* const bytes =
      av_stream_new_side_data(&to, AV_PKT_DATA_DISPLAYMATRIX, kMatrix * sizeof(std::int32_t));
  if (bytes == nullptr) return false;
  av_display_rotation_set(reinterpret_cast<std::int32_t*>(bytes), degrees);
  return true;
}

struct FreePacket {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};

}  // namespace

struct Muxer::State {
  explicit State(Sink s) : sink(std::move(s)) {}
  ~State() {
    if (io != nullptr) av_freep(&io->buffer);
    avio_context_free(&io);
    avformat_free_context(format);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] bool allocate(bool as_mp4);
  [[nodiscard]] bool add_audio();
  [[nodiscard]] bool add_video(const VideoFormat& video);
  [[nodiscard]] bool write_header();
  void begin_fragment();

  static int on_write(void* self, std::uint8_t* bytes, int size);
  static std::int64_t on_seek(void* self, std::int64_t offset, int whence);

  Sink sink;
  AVFormatContext* format = nullptr;
  AVIOContext* io = nullptr;
  std::unique_ptr<AVPacket, FreePacket> packet{av_packet_alloc()};
  std::array<AVStream*, kStreams> streams{};
  std::array<std::int64_t, kStreams> last{-1, -1};  // in the stream's time base
  std::uint64_t place = 0;
  std::uint64_t size = 0;
  bool mp4 = false;
  bool fragment_open = false;
  bool finished = false;
};

int Muxer::State::on_write(void* self, std::uint8_t* bytes, int size) {
  auto& state = *static_cast<State*>(self);
  const auto count = static_cast<std::size_t>(size);
  state.sink(state.place, {bytes, count});
  state.place += count;
  state.size = std::max(state.size, state.place);
  return size;
}

std::int64_t Muxer::State::on_seek(void* self, std::int64_t offset, int whence) {
  auto& state = *static_cast<State*>(self);
  const auto size = static_cast<std::int64_t>(state.size);
  if ((whence & AVSEEK_SIZE) != 0) return size;
  std::int64_t base = 0;
  if (whence == SEEK_CUR) base = static_cast<std::int64_t>(state.place);
  if (whence == SEEK_END) base = size;
  if (base + offset < 0) return AVERROR(EINVAL);
  state.place = static_cast<std::uint64_t>(base + offset);
  return base + offset;
}

bool Muxer::State::allocate(bool as_mp4) {
  mp4 = as_mp4;
  if (packet == nullptr) return false;
  if (avformat_alloc_output_context2(&format, nullptr, mp4 ? "mp4" : "webm", nullptr) < 0) {
    return false;
  }
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferSize));
  if (buffer == nullptr) return false;
  io = avio_alloc_context(buffer, kBufferSize, 1, this, nullptr, &State::on_write, &State::on_seek);
  if (io == nullptr) {
    av_free(buffer);
    return false;
  }
  format->pb = io;
  format->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
  return true;
}

bool Muxer::State::add_audio() {
  AVStream* stream = avformat_new_stream(format, nullptr);
  if (stream == nullptr) return false;
  streams[index(Stream::Audio)] = stream;
  stream->time_base = {1, static_cast<int>(kOpusRate)};
  AVCodecParameters& parameters = *stream->codecpar;
  parameters.codec_type = AVMEDIA_TYPE_AUDIO;
  parameters.codec_id = AV_CODEC_ID_OPUS;
  parameters.sample_rate = static_cast<int>(kOpusRate);
  av_channel_layout_default(&parameters.ch_layout, kOpusChannels);
  const auto head = opus_head();
  return set_headers(parameters, head);
}

bool Muxer::State::add_video(const VideoFormat& video) {
  AVStream* stream = avformat_new_stream(format, nullptr);
  if (stream == nullptr || codec_id(video.codec) == AV_CODEC_ID_NONE) return false;
  streams[index(Stream::Video)] = stream;
  stream->time_base = {1, 90'000};
  AVCodecParameters& parameters = *stream->codecpar;
  parameters.codec_type = AVMEDIA_TYPE_VIDEO;
  parameters.codec_id = codec_id(video.codec);
  parameters.width = video.resolution.width;
  parameters.height = video.resolution.height;
  if (mp4 && !set_rotation(*stream, video.rotation_degrees)) return false;
  return set_headers(parameters, video.headers);
}

bool Muxer::State::write_header() {
  AVDictionary* options = nullptr;
  if (mp4) {
    // Fragments end when we say so; the moov comes first and says nothing about samples.
    av_dict_set(&options, "movflags", "frag_custom+empty_moov+default_base_moof", 0);
  } else {
    av_dict_set(&options, "cluster_time_limit", "1000", 0);
  }
  const int result = avformat_write_header(format, &options);
  av_dict_free(&options);
  if (result < 0) finished = true;  // no trailer without a header
  avio_flush(io);
  return result >= 0;
}

// The MP4 muxer would otherwise move a fragment to where it thinks that the last one ended, and
// pauses would vanish. With this each fragment stands at its own time.
void Muxer::State::begin_fragment() {
  if (mp4 && !fragment_open) av_opt_set(format->priv_data, "movflags", "+frag_discont", 0);
  fragment_open = true;
}

Muxer::Muxer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Muxer::~Muxer() { finish(); }

std::unique_ptr<Muxer> Muxer::open(const Layout& layout, Sink sink) {
  if (!layout.video && !layout.audio) return nullptr;
  auto state = std::make_unique<State>(std::move(sink));
  state->finished = true;  // until the header stands
  // The picture first: players take the first stream for the main one.
  if (!state->allocate(is_mp4(layout)) || (layout.video && !state->add_video(*layout.video)) ||
      (layout.audio && !state->add_audio())) {
    return nullptr;
  }
  state->finished = false;
  if (!state->write_header()) return nullptr;
  return std::unique_ptr<Muxer>(new Muxer(std::move(state)));  // the constructor is private
}

bool Muxer::write(Stream stream, const MediaPacket& in) {
  State& s = *state_;
  AVStream* to = s.streams[index(stream)];
  if (s.finished || to == nullptr || in.bytes.empty()) return false;
  s.begin_fragment();
  AVPacket& packet = *s.packet;
  std::int64_t time = av_rescale_q(in.time.count(), kMicroseconds, to->time_base);
  time = std::max(time, s.last[index(stream)] + 1);          // two frames in one millisecond
  packet.data = const_cast<std::uint8_t*>(in.bytes.data());  // the API's, not written to
  packet.size = static_cast<int>(in.bytes.size());
  packet.stream_index = to->index;
  packet.pts = time;
  packet.dts = time;
  packet.duration = av_rescale_q(in.duration.count(), kMicroseconds, to->time_base);
  packet.flags = in.key_frame ? AV_PKT_FLAG_KEY : 0;
  const int result = av_write_frame(s.format, &packet);
  av_packet_unref(&packet);
  if (result < 0) return false;
  s.last[index(stream)] = time;
  return true;
}

void Muxer::flush() {
  State& s = *state_;
  if (s.finished) return;
  av_write_frame(s.format, nullptr);
  avio_flush(s.io);
  s.fragment_open = false;
}

void Muxer::finish() {
  State& s = *state_;
  if (std::exchange(s.finished, true)) return;
  av_write_trailer(s.format);
  avio_flush(s.io);
}

std::string_view Muxer::extension(const Layout& layout) noexcept {
  return is_mp4(layout) ? "mp4" : "webm";
}

void silence_ffmpeg() noexcept { av_log_set_level(AV_LOG_QUIET); }

}  // namespace parley::recorder
