#pragma once

#include "recorder/compose/av.h"

namespace parley::compose {

// Turns the picture clockwise by 90, 180 or 270 degrees. `to` is reused from picture to picture.
// False: without memory, or of a format whose planes cannot be turned one by one (browsers send
// 8 bits in YUV 4:2:0, some 4:4:4).
[[nodiscard]] bool turn(const AVFrame& from, unsigned degrees, AVFrame& to);

}  // namespace parley::compose
