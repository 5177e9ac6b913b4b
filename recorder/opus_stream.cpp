#include "recorder/opus_stream.h"

#include <algorithm>

#include "rtp/opus.h"

namespace parley::recorder {

//      0                   1                   2                   3
//      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//     |      'O'      |      'p'      |      'u'      |      's'      |
//     |      'H'      |      'e'      |      'a'      |      'd'      |
//     |  Version = 1  | Channel Count |           Pre-skip            |
//     |                     Input Sample Rate (Hz)                    |
//     |   Output Gain (Q7.8 in dB)    | Mapping Family|
//     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+   little endian
std::array<std::uint8_t, kOpusHeadSize> opus_head() noexcept {
  return {'O',
          'p',
          'u',
          's',
          'H',
          'e',
          'a',
          'd',
          1,
          kOpusChannels,
          0,
          0,
          kOpusRate & 0xff,
          kOpusRate >> 8U & 0xff,
          0,
          0,
          0,
          0,
          0};
}

//      0 1 2 3 4 5 6 7      RFC 6716, section 3.1: the table-of-contents byte
//     +-+-+-+-+-+-+-+-+     config 31: CELT, fullband, 20 ms; s = 0: mono; c = 3: a count follows
//     | config  |s| c |
//     +-+-+-+-+-+-+-+-+
std::vector<std::uint8_t> opus_silence(unsigned frames) {
  constexpr std::uint8_t kToc = 31U << 3U | 3U;
  const unsigned count = std::clamp(frames, 1U, kMaxSilentFrames);
  std::vector<std::uint8_t> packet{kToc, static_cast<std::uint8_t>(count)};
  for (unsigned i = 0; i < count; ++i) {  // 0xff 0xfe: a CELT frame whose silence flag is set
    packet.push_back(0xff);
    packet.push_back(0xfe);
  }
  return packet;
}

rtp::Duration opus_duration(rtp::ConstBytes packet) noexcept {
  const auto parsed = rtp::OpusPacket::parse(packet);
  if (!parsed) return {};
  return rtp::Duration{std::int64_t{parsed->samples()} * 1'000'000 / kOpusRate};
}

}  // namespace parley::recorder
