#include "recorder/compose/canvas.h"

#include <algorithm>
#include <array>
#include <cstring>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace parley::compose {
namespace {

constexpr std::uint8_t kBlack = 16;
constexpr std::uint8_t kBackground = 20;
constexpr std::uint8_t kCard = 48;
constexpr std::uint8_t kNeutral = 128;
constexpr std::uint8_t kWhite = 235;
constexpr int kLabelMargin = 8;
constexpr int kLabelPadding = 6;

}  // namespace

Canvas::Canvas(Size size) : size_(size), frame_(av_frame_alloc()) {
  frame_->format = AV_PIX_FMT_YUV420P;
  frame_->width = size.width;
  frame_->height = size.height;
  frame_->color_range = AVCOL_RANGE_MPEG;
  if (av_frame_get_buffer(frame_.get(), 0) < 0) {
    frame_.reset();
    return;
  }
  begin(true);
}

std::uint8_t* Canvas::at(int plane, int x, int y) noexcept {
  const int shift = plane == 0 ? 0 : 1;
  return frame_->data[plane] + (y >> shift) * frame_->linesize[plane] + (x >> shift);
}

void Canvas::fill(Area area, std::uint8_t y) {
  for (int plane = 0; plane < 3; ++plane) {
    const int shift = plane == 0 ? 0 : 1;
    for (int row = 0; row < area.height; row += 1 << shift) {
      std::memset(at(plane, area.x, area.y + row), plane == 0 ? y : kNeutral,
                  static_cast<std::size_t>(area.width >> shift));
    }
  }
}

// Darker, and with less colour, so that white letters can be read on it.
void Canvas::dim(Area area) {
  for (int plane = 0; plane < 3; ++plane) {
    const int shift = plane == 0 ? 0 : 1;
    const int neutral = plane == 0 ? kBlack : kNeutral;
    for (int row = 0; row < area.height; row += 1 << shift) {
      std::uint8_t* const line = at(plane, area.x, area.y + row);
      for (int i = 0; i < area.width >> shift; ++i) {
        line[i] = static_cast<std::uint8_t>(neutral + (line[i] - neutral) / 3);
      }
    }
  }
}

void Canvas::begin(bool anew) {
  av_frame_make_writable(frame_.get());
  if (anew) fill({0, 0, size_.width, size_.height}, kBackground);
}

void Canvas::card(Area area) { fill(area, kCard); }

bool Canvas::prepare(Kept& kept, const Shape& shape) {
  kept = {};
  kept.scaler.reset(sws_getContext(
      shape.from.width, shape.from.height, static_cast<AVPixelFormat>(shape.format), shape.to.width,
      shape.to.height, AV_PIX_FMT_YUV420P, SWS_BILINEAR, nullptr, nullptr, nullptr));
  kept.scaled.reset(av_frame_alloc());
  if (!kept.scaler || !kept.scaled) return false;
  kept.scaled->format = AV_PIX_FMT_YUV420P;
  kept.scaled->width = shape.to.width;
  kept.scaled->height = shape.to.height;
  if (av_frame_get_buffer(kept.scaled.get(), 0) < 0) return false;
  kept.shape = shape;
  return true;
}

void Canvas::copy(const Planes& from, const int* strides, Area to) {
  for (int plane = 0; plane < 3; ++plane) {
    const int shift = plane == 0 ? 0 : 1;
    const auto width = static_cast<std::size_t>(to.width >> shift);
    const std::uint8_t* row = from[static_cast<std::size_t>(plane)];
    for (int y = 0; y < to.height; y += 1 << shift, row += strides[plane]) {
      std::memcpy(at(plane, to.x, to.y + y), row, width);
    }
  }
}

void Canvas::draw(const AVFrame& picture, const Fit& fit, std::size_t slot) {
  if (fit.to.empty()) return;
  const AVPixFmtDescriptor* const format =
      av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  if (format == nullptr) return;
  Planes from{};
  for (std::size_t plane = 0; plane < 3 && picture.data[plane] != nullptr; ++plane) {
    const bool colour = plane > 0;
    const int across = colour ? fit.from.x >> format->log2_chroma_w : fit.from.x;
    const int down = colour ? fit.from.y >> format->log2_chroma_h : fit.from.y;
    const int step = format->comp[plane].step;
    from[plane] = picture.data[plane] + down * picture.linesize[plane] + across * step;
  }
  const Shape shape{
      picture.format, {fit.from.width, fit.from.height}, {fit.to.width, fit.to.height}};
  if (shape.format == AV_PIX_FMT_YUV420P && shape.from == shape.to) {
    copy(from, picture.linesize, fit.to);
    return;
  }
  Kept& kept = scalers_[slot];
  if (kept.shape != shape && !prepare(kept, shape)) return;
  AVFrame& scaled = *kept.scaled;
  sws_scale(kept.scaler.get(), from.data(), picture.linesize, 0, fit.from.height, scaled.data,
            scaled.linesize);
  std::copy_n(scaled.data, from.size(), from.begin());
  copy(from, scaled.linesize, fit.to);
}

void Canvas::label(const Mask& text, Area area, bool in_the_middle) {
  if (text.empty()) return;
  const int width = std::min(text.size.width, area.width - 2 * kLabelMargin - 2 * kLabelPadding);
  const int height = text.size.height;
  if (width <= 0 || height + 2 * (kLabelMargin + kLabelPadding) > area.height) return;
  Area strip{area.x + kLabelMargin,
             area.y + area.height - height - 2 * kLabelPadding - kLabelMargin,
             width + 2 * kLabelPadding, height + 2 * kLabelPadding};
  if (in_the_middle) {
    strip.x = area.x + (area.width - strip.width) / 2;
    strip.y = area.y + (area.height - strip.height) / 2;
  }
  dim(strip);
  for (int row = 0; row < height; ++row) {
    std::uint8_t* const line = at(0, strip.x + kLabelPadding, strip.y + kLabelPadding + row);
    const std::uint8_t* mask = text.pixels.data() + row * text.size.width;
    for (int i = 0; i < width; ++i) {
      line[i] = static_cast<std::uint8_t>((line[i] * (255 - mask[i]) + kWhite * mask[i]) / 255);
    }
  }
}

}  // namespace parley::compose
