#include "recorder/compose/input.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <tuple>
#include <utility>

#include "recorder/compose/turn.h"
#include "recorder/names.h"

namespace parley::compose {
namespace {

constexpr std::int64_t kTolerance = AudioInput::kRate / 100;  // clocks are no better than that

constexpr rtp::Duration kWorthSeeking = std::chrono::seconds(5);

constexpr std::int64_t kMostPixels = 8'192 * 4'352;  // a frame of more is left out, not decoded

const AVCodec* decoder_of(AVCodecID id) {
  // FFmpeg's own shows the smaller of several spatial layers in one stream.
  if (id == AV_CODEC_ID_VP9) {
    if (const AVCodec* vpx = avcodec_find_decoder_by_name("libvpx-vp9")) return vpx;
  }
  return avcodec_find_decoder(id);
}

std::int64_t frames_of(Offset time) noexcept {
  return time.count() * AudioInput::kRate / 1'000'000;
}

float sample(const AVFrame& frame, int channel, int index) noexcept {
  const int channels = frame.ch_layout.nb_channels;
  const int from = std::min(channel, channels - 1);
  switch (frame.format) {
    case AV_SAMPLE_FMT_FLT:
      return reinterpret_cast<const float*>(frame.data[0])[index * channels + from];
    case AV_SAMPLE_FMT_FLTP:
      return reinterpret_cast<const float*>(frame.extended_data[from])[index];
    case AV_SAMPLE_FMT_S16:
      return static_cast<float>(
                 reinterpret_cast<const std::int16_t*>(frame.data[0])[index * channels + from]) /
             32'768;
    default:
      return 0;
  }
}

// The first stream of the kind; -1: there is none.
std::pair<av::Input, int> open_stream(const std::string& url, AVMediaType type) {
  AVFormatContext* context = nullptr;
  if (avformat_open_input(&context, url.c_str(), nullptr, nullptr) < 0) return {nullptr, -1};
  av::Input input{context};
  int stream = -1;
  for (unsigned i = 0; i < context->nb_streams; ++i) {
    if (stream < 0 && context->streams[i]->codecpar->codec_type == type) {
      stream = static_cast<int>(i);
    } else {
      context->streams[i]->discard = AVDISCARD_ALL;
    }
  }
  return {std::move(input), stream};
}

// Some bytes of a file, as FFmpeg names them.
std::string part_of(const std::filesystem::path& path, std::uint64_t from, std::uint64_t to) {
  return "subfile,,start," + std::to_string(from) + ",end," + std::to_string(to) +
         ",,:file:" + path.string();
}

// All of it, or what stands of one that grows.
std::string url_of(const PlannedFile& file) {
  return file.growing ? part_of(file.path, 0, file.growing->bytes) : "file:" + file.path.string();
}

// The header and what stands behind a place. Header and place are those of the file as it grew: at
// its end some of the header's numbers are put in, and an index comes behind.
std::string url_behind(const PlannedFile& file, std::uint64_t header, std::uint64_t place) {
  std::error_code error;
  const std::uint64_t end =
      file.growing ? file.growing->bytes : std::filesystem::file_size(file.path, error);
  return "concat:" + part_of(file.path, 0, header) + "|" + part_of(file.path, place, end);
}

// One that grew has had its name changed meanwhile.
PlannedFile renamed(PlannedFile file) {
  file.path.replace_filename(recorder::final_name(file.path.filename().string()));
  return file;
}

}  // namespace

StreamReader::StreamReader(av::Input input, av::Codec codec, int stream)
    : input_(std::move(input)), codec_(std::move(codec)), stream_(stream) {}

std::unique_ptr<StreamReader> StreamReader::open_url(const std::string& url, AVMediaType type) {
  auto [input, stream] = open_stream(url, type);
  if (stream < 0) return nullptr;
  const AVCodecParameters& parameters = *input->streams[stream]->codecpar;
  const AVCodec* decoder = decoder_of(parameters.codec_id);
  if (decoder == nullptr) return nullptr;
  av::Codec codec{avcodec_alloc_context3(decoder)};
  if (!codec || avcodec_parameters_to_context(codec.get(), &parameters) < 0) return nullptr;
  codec->thread_count = 1;
  codec->max_pixels = kMostPixels;
  codec->pkt_timebase = input->streams[stream]->time_base;
  if (avcodec_open2(codec.get(), decoder, nullptr) < 0) return nullptr;
  return std::unique_ptr<StreamReader>(
      new StreamReader(std::move(input), std::move(codec), stream));
}

std::unique_ptr<StreamReader> StreamReader::open(const std::filesystem::path& path,
                                                 AVMediaType type) {
  return open_url("file:" + path.string(), type);
}

std::unique_ptr<StreamReader> StreamReader::open(const PlannedFile& file, AVMediaType type) {
  auto reader = open_url(url_of(file), type);
  if (!file.growing) return reader;
  if (!reader) reader = open_url(url_of(renamed(file)), type);
  if (!reader) return nullptr;
  reader->grown_ = file;
  reader->header_ = file.growing->header;
  reader->opened_to_ = file.growing->bytes;
  return reader;
}

void StreamReader::follow(const PlannedFile& file) {
  if (!grown_ || (file.growing && file.growing->bytes <= opened_to_)) return;
  grown_ = file;
  dry_ = false;
}

bool StreamReader::go_on() {
  if (!grown_ || (grown_->growing && grown_->growing->bytes <= opened_to_)) return false;
  const PlannedFile file = *grown_;
  auto [input, stream] = open_stream(url_behind(file, header_, opened_to_), codec_->codec_type);
  if (stream < 0 && file.growing) {
    std::tie(input, stream) =
        open_stream(url_behind(renamed(file), header_, opened_to_), codec_->codec_type);
  }
  if (stream < 0) return false;
  input_ = std::move(input);
  stream_ = stream;
  if (file.growing) {
    opened_to_ = file.growing->bytes;
  } else {
    grown_.reset();
  }
  return true;
}

bool StreamReader::feed() {
  do {
    while (av_read_frame(input_.get(), packet_.get()) >= 0) {
      const bool ours = packet_->stream_index == stream_;
      // Not left to the decoder: that of libvpx decodes whatever it is given.
      const bool wanted = !key_frames_only_ || (packet_->flags & AV_PKT_FLAG_KEY) != 0;
      // A broken one is left out.
      if (ours && wanted) avcodec_send_packet(codec_.get(), packet_.get());
      av_packet_unref(packet_.get());
      if (ours && wanted) return true;
    }
  } while (go_on());
  if (grown_ || std::exchange(drained_, true)) return false;
  avcodec_send_packet(codec_.get(), nullptr);
  return true;
}

AVFrame* StreamReader::next() {
  for (;;) {
    const int result = avcodec_receive_frame(codec_.get(), frame_.get());
    if (result >= 0) {
      const std::int64_t pts = frame_->best_effort_timestamp;
      if (pts == AV_NOPTS_VALUE) continue;
      time_ = Offset(av_rescale_q(pts, input_->streams[stream_]->time_base, av::kMicroseconds));
      return frame_.get();
    }
    if (result == AVERROR_EOF || !feed()) {
      dry_ = true;
      return nullptr;
    }
  }
}

bool StreamReader::seek(Offset time) {
  if (grown_) return false;
  const std::int64_t pts =
      av_rescale_q(time.count(), av::kMicroseconds, input_->streams[stream_]->time_base);
  if (av_seek_frame(input_.get(), stream_, pts, AVSEEK_FLAG_BACKWARD) < 0) return false;
  avcodec_flush_buffers(codec_.get());
  drained_ = false;
  dry_ = false;
  return true;
}

VideoInput::VideoInput(std::unique_ptr<StreamReader> reader, unsigned rotation_degrees)
    : reader_(std::move(reader)), rotation_degrees_(rotation_degrees) {
  look_ahead();
}

void VideoInput::look_ahead() {
  AVFrame* frame = reader_->next();
  has_next_ = frame != nullptr;
  if (!has_next_) return;
  av_frame_unref(next_.get());
  av_frame_move_ref(next_.get(), frame);
  next_since_ = reader_->time();
}

const AVFrame* VideoInput::at(Offset time) {
  if (!has_next_ && !reader_->dry()) look_ahead();
  while (has_next_ && next_since_ <= time) {
    std::swap(current_, next_);
    since_ = next_since_;
    has_current_ = true;
    is_turned_ = false;
    look_ahead();
  }
  if (!has_current_ || rotation_degrees_ == 0) return has_current_ ? current_.get() : nullptr;
  if (!is_turned_) is_turned_ = turn(*current_, rotation_degrees_, *turned_);
  return is_turned_ ? turned_.get() : current_.get();
}

void VideoInput::skip_to(Offset time) {
  if (has_next_ && time - next_since_ > kWorthSeeking && reader_->seek(time)) look_ahead();
}

AudioInput::AudioInput(std::unique_ptr<StreamReader> reader) : reader_(std::move(reader)) {}

// Right behind the one before if that is where it nearly stands, else where its time says.
void AudioInput::take(const AVFrame& frame) {
  const std::int64_t at = frames_of(reader_->time());
  Stretch stretch;
  stretch.begin = std::abs(at - end_) <= kTolerance ? end_ : std::max(at, end_);
  const auto first = static_cast<int>(
      std::clamp<std::int64_t>(at + kTolerance < end_ ? end_ - at : 0, 0, frame.nb_samples));
  for (int i = first; i < frame.nb_samples; ++i) {
    stretch.samples.push_back(sample(frame, 0, i));
    stretch.samples.push_back(sample(frame, 1, i));
  }
  end_ = stretch.end();
  stretches_.push_back(std::move(stretch));
}

void AudioInput::forget(std::int64_t before) {
  while (!stretches_.empty() && stretches_.front().end() <= before) stretches_.pop_front();
}

void AudioInput::read(Offset from, std::span<float> out) {
  const std::int64_t begin = frames_of(from);
  const std::int64_t end = begin + static_cast<std::int64_t>(out.size() / 2);
  while (!reader_->dry() && end_ < end) {
    const AVFrame* frame = reader_->next();
    if (frame != nullptr) take(*frame);
    forget(begin);
  }
  forget(begin);
  std::fill(out.begin(), out.end(), 0.0F);
  for (const Stretch& stretch : stretches_) {
    const std::int64_t first = std::max(begin, stretch.begin);
    const std::int64_t last = std::min(end, stretch.end());
    if (first >= last) continue;
    std::copy_n(stretch.samples.begin() + (first - stretch.begin) * 2, (last - first) * 2,
                out.begin() + (first - begin) * 2);
  }
}

}  // namespace parley::compose
