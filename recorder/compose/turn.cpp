#include "recorder/compose/turn.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace parley::compose {
namespace {

constexpr int kBlock = 32;  // of both sides, so that rows read across stay in the cache

struct Plane {
  std::uint8_t* bytes;
  std::ptrdiff_t stride;
  int width;
  int height;
};

bool can_turn(const AVFrame& picture) noexcept {
  switch (picture.format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUV444P:
    case AV_PIX_FMT_YUVJ444P:
      return true;
    default:
      return false;
  }
}

bool prepare(const AVFrame& like, bool sides_swap, AVFrame& to) {
  const int width = sides_swap ? like.height : like.width;
  const int height = sides_swap ? like.width : like.height;
  const bool fits = to.format == like.format && to.width == width && to.height == height;
  if (fits && to.data[0] != nullptr) return av_frame_make_writable(&to) >= 0;
  av_frame_unref(&to);
  to.format = like.format;
  to.width = width;
  to.height = height;
  return av_frame_get_buffer(&to, 0) >= 0;
}

// The pixel of the lying plane that stands at (x, y) of the upright one is `first`, and so far on
// for each column and row.
struct Walk {
  const std::uint8_t* first;
  std::ptrdiff_t column;
  std::ptrdiff_t row;
};

Walk walk_of(const Plane& from, unsigned degrees) noexcept {
  const std::ptrdiff_t right = from.width - 1;
  const std::ptrdiff_t down = (from.height - 1) * from.stride;
  if (degrees == 90) return {from.bytes + down, -from.stride, 1};
  if (degrees == 180) return {from.bytes + down + right, -1, -from.stride};
  return {from.bytes + right, from.stride, -1};
}

void turn_plane(const Walk& from, const Plane& to) noexcept {
  for (int top = 0; top < to.height; top += kBlock) {
    for (int left = 0; left < to.width; left += kBlock) {
      const int bottom = std::min(top + kBlock, to.height);
      const int end = std::min(left + kBlock, to.width);
      for (int y = top; y < bottom; ++y) {
        std::uint8_t* const line = to.bytes + y * to.stride;
        const std::uint8_t* pixel = from.first + y * from.row + left * from.column;
        for (int x = left; x < end; ++x, pixel += from.column) line[x] = *pixel;
      }
    }
  }
}

// Half as many of colour, rounded up, where they are fewer.
Plane plane_of(const AVFrame& frame, int plane) noexcept {
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const int across = plane == 0 ? 0 : format.log2_chroma_w;
  const int down = plane == 0 ? 0 : format.log2_chroma_h;
  return {frame.data[plane], frame.linesize[plane], AV_CEIL_RSHIFT(frame.width, across),
          AV_CEIL_RSHIFT(frame.height, down)};
}

}  // namespace

bool turn(const AVFrame& from, unsigned degrees, AVFrame& to) {
  if (!can_turn(from) || !prepare(from, degrees != 180, to)) return false;
  to.color_range = from.color_range;
  to.colorspace = from.colorspace;
  for (int plane = 0; plane < 3; ++plane) {
    turn_plane(walk_of(plane_of(from, plane), degrees), plane_of(to, plane));
  }
  return true;
}

}  // namespace parley::compose
