#pragma once

#include <string>

#include "recorder/compose/canvas.h"

namespace parley::compose {

// A name as letters so many pixels high, drawn by FFmpeg's drawtext, which finds letters of most
// scripts among the installed fonts. Empty when it cannot, for example without any font.
[[nodiscard]] Mask letters(const std::string& text, int height);

}  // namespace parley::compose
