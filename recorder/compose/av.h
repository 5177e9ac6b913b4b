#pragma once

#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

namespace parley::compose::av {

// FFmpeg's objects, freed as it wants them to be.
struct Free {
  void operator()(AVPacket* p) const noexcept { av_packet_free(&p); }
  void operator()(AVFrame* f) const noexcept { av_frame_free(&f); }
  void operator()(AVCodecContext* c) const noexcept { avcodec_free_context(&c); }
  void operator()(AVCodecParameters* p) const noexcept { avcodec_parameters_free(&p); }
  void operator()(SwsContext* s) const noexcept { sws_freeContext(s); }
};
struct CloseInput {
  void operator()(AVFormatContext* c) const noexcept { avformat_close_input(&c); }
};
struct CloseOutput {
  void operator()(AVFormatContext* c) const noexcept {
    avio_closep(&c->pb);
    avformat_free_context(c);
  }
};
using Packet = std::unique_ptr<AVPacket, Free>;
using Frame = std::unique_ptr<AVFrame, Free>;
using Codec = std::unique_ptr<AVCodecContext, Free>;
using Parameters = std::unique_ptr<AVCodecParameters, Free>;
using Scaler = std::unique_ptr<SwsContext, Free>;
using Input = std::unique_ptr<AVFormatContext, CloseInput>;
using Output = std::unique_ptr<AVFormatContext, CloseOutput>;

inline constexpr AVRational kMicroseconds{1, 1'000'000};

}  // namespace parley::compose::av
