// The first byte chooses the codec, the rest is a frame as the depacketizers make it: what a
// participant sends reaches the key-frame readers and FFmpeg's muxers as it is.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "recorder/key_frame.h"
#include "recorder/muxer.h"

using namespace parley;
using namespace parley::recorder;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  silence_ffmpeg();
  if (size == 0) return 0;
  constexpr std::array kCodecs{rtp::Codec::Vp8, rtp::Codec::Vp9, rtp::Codec::H264, rtp::Codec::Av1};
  const rtp::Codec codec = kCodecs[data[0] % kCodecs.size()];
  const std::vector<std::uint8_t> frame{data + 1, data + size};
  const auto format = read_key_frame(codec, frame);
  if (!format) return 0;
  const auto muxer = Muxer::open({format, true}, [](std::uint64_t, rtp::ConstBytes) {});
  if (!muxer) return 0;
  for (int i = 0; i < 3; ++i) {
    const rtp::Duration time = std::chrono::milliseconds{33} * i;
    const MediaPacket packet{time, std::chrono::milliseconds{33}, i == 0, GapReason::None, frame};
    (void)muxer->write(Stream::Video, packet);
    muxer->flush();
  }
  return 0;
}
