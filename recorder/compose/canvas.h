#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "recorder/compose/av.h"
#include "recorder/compose/layout.h"

namespace parley::compose {

// Brightness of a small picture: 0 leaves what is below, 255 covers it with white.
struct Mask {
  Size size;
  std::vector<std::uint8_t> pixels;
  [[nodiscard]] bool empty() const noexcept { return pixels.empty(); }
};

// The picture that is composed, in YUV 4:2:0.
class Canvas {
 public:
  // Nullptr frame() when there is no memory.
  explicit Canvas(Size size);
  [[nodiscard]] AVFrame* frame() noexcept { return frame_.get(); }
  [[nodiscard]] Size size() const noexcept { return size_; }

  // Before drawing on it, when frame() may have been given to an encoder. `anew`: on nothing.
  void begin(bool anew);
  // A tile without a picture.
  void card(Area area);
  // Scales the picture into its place. `slot`: which scaler to keep for it.
  void draw(const AVFrame& picture, const Fit& fit, std::size_t slot);
  // White letters on a dark strip, at the lower left of the area, or in its middle.
  void label(const Mask& text, Area area, bool in_the_middle);

 private:
  [[nodiscard]] std::uint8_t* at(int plane, int x, int y) noexcept;  // of the whole canvas
  void fill(Area area, std::uint8_t y);
  void dim(Area area);
  using Planes = std::array<const std::uint8_t*, 4>;  // as many as swscale looks for
  void copy(const Planes& from, const int* strides, Area to);
  struct Shape {
    int format = -1;
    Size from;
    Size to;
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  struct Kept {
    Shape shape;
    av::Scaler scaler;
    av::Frame scaled;  // aligned, as swscale needs it
  };
  [[nodiscard]] bool prepare(Kept& kept, const Shape& shape);
  Size size_;
  av::Frame frame_;
  std::map<std::size_t, Kept> scalers_;
};

}  // namespace parley::compose
