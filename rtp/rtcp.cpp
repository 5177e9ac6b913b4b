#include "rtp/rtcp.h"

namespace parley::rtp {

ReportBlock ReportBlock::load(ConstBytes b) noexcept {
  // Shifted up and down again, the 24 bits keep their sign.
  const auto lost = static_cast<std::int32_t>(load24(b, 5) << 8) / 256;
  return {Ssrc{load32(b, 0)}, b[4],          lost,         load32(b, 8),
          load32(b, 12),      load32(b, 16), load32(b, 20)};
}

}  // namespace parley::rtp
