#include "recorder/compose/encoder.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

extern "C" {
#include <libavutil/opt.h>
}

#include "recorder/compose/input.h"
#include "recorder/disk_file.h"

namespace parley::compose {
namespace {

constexpr double kBitsPerPixel = 0.065;
constexpr int kMaxSide = 4'096;
constexpr int kEnoughForFastAac = 64;
constexpr std::uint64_t kFull = 1U << 20U;  // FFmpeg does not hand on why a write failed

struct Kind {
  std::string_view codec;
  const char* encoder;
};
constexpr std::array<Kind, 3> kKinds{
    {{"vp8", "libvpx"}, {"vp9", "libvpx-vp9"}, {"h264", "libx264"}}};

const char* encoder_of(std::string_view codec) noexcept {
  const auto* found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.codec == codec; });
  return found == kKinds.end() ? nullptr : found->encoder;
}

std::int64_t by_size(const Settings& settings) {
  const double pixels = static_cast<double>(settings.size.width) * settings.size.height;
  return static_cast<std::int64_t>(pixels * settings.fps * kBitsPerPixel);
}

void tune(AVCodecContext& codec, const Settings& settings) {
  void* const own = codec.priv_data;
  if (settings.mp4()) {
    // Without the finer search for movement, and looking ahead a fifth of a second: what that costs
    // and saves is in bench/README.md.
    av_opt_set(own, "preset", "veryfast", 0);
    av_opt_set(own, "x264-params", "subme=0:me=dia:rc-lookahead=5", 0);
    if (settings.video_kbps > 0) return;
    av_opt_set(own, "crf", "22", 0);
    codec.rc_max_rate = by_size(settings);  // whatever moves and glitters
    codec.rc_buffer_size = static_cast<int>(2 * codec.rc_max_rate);
    return;
  }
  av_opt_set(own, "deadline", "realtime", 0);
  av_opt_set(own, "cpu-used", settings.codec == "vp9" ? "8" : "-8", 0);
  av_opt_set_int(own, "lag-in-frames", 0, 0);
  if (settings.codec == "vp9") av_opt_set(own, "row-mt", "1", 0);
}

}  // namespace

std::string_view name_of(Product product) noexcept {
  switch (product) {
    case Product::Film:
      return "picture";
    case Product::Sound:
      return "sound";
    case Product::Stills:
      return "stills";
  }
  return "";
}

LayoutKind Settings::layout_at(Offset time) const noexcept {
  const auto after = std::upper_bound(layouts.begin(), layouts.end(), time,
                                      [](Offset t, const LayoutFrom& l) { return t < l.at; });
  return after == layouts.begin() ? LayoutKind::Grid : std::prev(after)->kind;
}

std::string Settings::describe() const {
  std::string text = std::to_string(size.width) + 'x' + std::to_string(size.height) + ' ' +
                     std::to_string(fps) + ' ' + codec + ' ' + std::to_string(video_kbps) + ' ' +
                     std::to_string(audio_kbps) + ' ' + std::string(name_of(product)) +
                     (names ? " names" : "") + (live ? " live" : "");
  if (live) return text;
  for (const LayoutFrom& layout : layouts) {
    text += ' ' + std::to_string(layout.at.count()) + '=' + std::string(name_of(layout.kind));
  }
  return text;
}

std::string problem_of(const Settings& settings) {
  const Size size = settings.size;
  if (encoder_of(settings.codec) == nullptr) return "codec: one of vp8, vp9, h264";
  if (size.width < 160 || size.height < 90 || size.width > kMaxSide || size.height > kMaxSide) {
    return "size: 160x90 to 4096x4096";
  }
  if (size.width % 2 != 0 || size.height % 2 != 0) return "size: even numbers";
  if (settings.fps < 1 || settings.fps > 60) return "fps: 1 to 60";
  if (settings.video_kbps < 0 || settings.video_kbps > 50'000) return "video-kbps: 0 to 50000";
  if (settings.audio_kbps < 16 || settings.audio_kbps > 256) return "audio-kbps: 16 to 256";
  if (settings.threads < 1 || settings.threads > 64) return "threads: 1 to 64";
  return {};
}

std::unique_ptr<Encoder> Encoder::video(const Settings& settings) {
  const char* const name = encoder_of(settings.codec);
  const AVCodec* const encoder = name == nullptr ? nullptr : avcodec_find_encoder_by_name(name);
  av::Codec codec{encoder == nullptr ? nullptr : avcodec_alloc_context3(encoder)};
  if (!codec) return nullptr;
  codec->width = settings.size.width;
  codec->height = settings.size.height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->color_range = AVCOL_RANGE_MPEG;
  codec->time_base = {1, settings.fps};
  codec->framerate = {settings.fps, 1};
  codec->gop_size = settings.fps * static_cast<int>(kKeyFrameInterval / std::chrono::seconds(1));
  codec->max_b_frames = 0;
  codec->thread_count = settings.threads;
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (!settings.mp4() || settings.video_kbps > 0) {
    codec->bit_rate =
        settings.video_kbps > 0 ? settings.video_kbps * std::int64_t{1'000} : by_size(settings);
  }
  tune(*codec, settings);
  if (avcodec_open2(codec.get(), encoder, nullptr) < 0) return nullptr;
  return std::unique_ptr<Encoder>(new Encoder(std::move(codec)));
}

std::unique_ptr<Encoder> Encoder::audio(const Settings& settings) {
  const AVCodec* const encoder = avcodec_find_encoder_by_name(settings.mp4() ? "aac" : "libopus");
  av::Codec codec{encoder == nullptr ? nullptr : avcodec_alloc_context3(encoder)};
  if (!codec) return nullptr;
  codec->sample_rate = AudioInput::kRate;
  codec->sample_fmt = settings.mp4() ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;
  av_channel_layout_default(&codec->ch_layout, 2);
  codec->time_base = {1, AudioInput::kRate};
  codec->bit_rate = settings.audio_kbps * std::int64_t{1'000};
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  // The default search takes three times as long, and hears better at few bits only.
  if (settings.mp4() && settings.audio_kbps >= kEnoughForFastAac) {
    av_opt_set(codec->priv_data, "aac_coder", "fast", 0);
  }
  if (avcodec_open2(codec.get(), encoder, nullptr) < 0) return nullptr;
  return std::unique_ptr<Encoder>(new Encoder(std::move(codec)));
}

bool Encoder::send(const AVFrame* frame) { return avcodec_send_frame(codec_.get(), frame) >= 0; }

AVPacket* Encoder::receive() {
  av_packet_unref(packet_.get());
  return avcodec_receive_packet(codec_.get(), packet_.get()) >= 0 ? packet_.get() : nullptr;
}

tl::unexpected<Failure> cannot_write(const std::filesystem::path& path) {
  const bool full = recorder::free_bytes(path.parent_path()) < kFull;
  return failed(full ? "disk_full" : "disk_error", "cannot write " + path.filename().string());
}

std::unique_ptr<OutputFile> OutputFile::create(const std::filesystem::path& path,
                                               const char* format,
                                               std::span<const AVCodecParameters* const> streams) {
  AVFormatContext* context = nullptr;
  // Named, because an index is moved to the front through a second opening of the file.
  const std::string url = "file:" + path.string();
  if (avformat_alloc_output_context2(&context, nullptr, format, url.c_str()) < 0) return nullptr;
  av::Output output{context};
  context->flags |= AVFMT_FLAG_BITEXACT;
  for (const AVCodecParameters* parameters : streams) {
    AVStream* const stream = avformat_new_stream(context, nullptr);
    if (stream == nullptr || avcodec_parameters_copy(stream->codecpar, parameters) < 0) {
      return nullptr;
    }
    stream->codecpar->codec_tag = 0;
  }
  if (avio_open(&context->pb, url.c_str(), AVIO_FLAG_READ_WRITE) < 0) return nullptr;
  AVDictionary* options = nullptr;
  // Players begin before they have loaded the end.
  if (std::string_view(format) == "mp4") av_dict_set(&options, "movflags", "faststart", 0);
  if (std::string_view(format) == "webm") av_dict_set(&options, "cues_to_front", "1", 0);
  const int result = avformat_write_header(context, &options);
  av_dict_free(&options);
  if (result < 0) return nullptr;
  return std::unique_ptr<OutputFile>(new OutputFile(std::move(output)));
}

std::unique_ptr<OutputFile> OutputFile::create(const std::filesystem::path& path,
                                               const char* format, const Encoder& encoder) {
  const av::Parameters parameters{avcodec_parameters_alloc()};
  if (!parameters || avcodec_parameters_from_context(parameters.get(), &encoder.context()) < 0) {
    return nullptr;
  }
  const std::array<const AVCodecParameters*, 1> streams{parameters.get()};
  return create(path, format, streams);
}

bool OutputFile::write(AVPacket& packet, int stream, AVRational time_base) {
  packet.stream_index = stream;
  packet.pos = -1;
  av_packet_rescale_ts(&packet, time_base, output_->streams[stream]->time_base);
  return av_write_frame(output_.get(), &packet) >= 0 && output_->pb->error >= 0;
}

bool OutputFile::finish() {
  return av_write_trailer(output_.get()) >= 0 && output_->pb->error >= 0;
}

}  // namespace parley::compose
