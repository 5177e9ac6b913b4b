#pragma once

#include <cstddef>

#include "rtp/types.h"

namespace parley::rtp {

// What H.264 (section 7.4.1) and H.265 (section 7.4.2) have in common: a NAL unit's body carries a
// 3 behind each two zeros that would look like a start code. Copies `body` without them, as much of
// it as `out` takes; returns how much.
[[nodiscard]] std::size_t unescape_nal_unit(ConstBytes body, Bytes out) noexcept;

// Of a parameter set; real ones have some 30 bytes, up to the picture's size.
inline constexpr std::size_t kMaxParameterSet = 256;

}  // namespace parley::rtp
