#include "rtp/frame_assembler.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "rtp/bytes.h"

// Packets of one stream: the first byte chooses the codec, then each record is a byte of length,
// one that moves the sequence number, one with marker and timestamp step, and the payload.
namespace {

using namespace parley::rtp;

constexpr std::array<Codec, 7> kCodecs{Codec::Opus, Codec::Red,  Codec::Vp8, Codec::Vp9,
                                       Codec::H264, Codec::H265, Codec::Av1};

struct Record {
  ConstBytes payload;
  std::int8_t seq_step;
  std::uint8_t flags;
};

void check(const Frame& frame) {
  if (frame.last < frame.first || frame.bytes.empty() || frame.codec == Codec::Red) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ConstBytes input(data, size);
  if (input.empty()) return 0;
  const Codec codec = kCodecs[input[0] % kCodecs.size()];
  const bool audio = codec == Codec::Opus || codec == Codec::Red;
  FrameAssembler::Limits limits;
  limits.max_packets = 32;
  limits.max_frame_bytes = 4'096;
  FrameAssembler assembler(audio ? MediaKind::Audio : MediaKind::Video, limits);
  input = input.subspan(1);

  std::uint16_t seq = 65'500;
  std::uint32_t timestamp = 0;
  Time now{};
  while (input.size() >= 3) {
    const auto length = std::min<std::size_t>(input[0], input.size() - 3);
    const Record record{input.subspan(3, length), static_cast<std::int8_t>(input[1]), input[2]};
    input = input.subspan(3 + length);
    seq = static_cast<std::uint16_t>(seq + record.seq_step);
    timestamp += record.flags & 0x0fU;
    std::array<std::uint8_t, 12 + 255> packet{0x80};
    packet[1] = (record.flags & 0x80) != 0 ? 0xe0 : 0x60;
    store16(packet, 2, seq);
    store32(packet, 4, timestamp);
    std::copy(record.payload.begin(), record.payload.end(), packet.begin() + 12);
    assembler.push(ConstBytes(packet).first(12 + record.payload.size()), codec, now);
    if ((record.flags & 0x10) != 0) now += Duration{600'000};
    while (const Frame* frame = assembler.pop(now)) check(*frame);
    if ((record.flags & 0x60) == 0x60) assembler.reset();
  }
  assembler.finish();
  while (const Frame* frame = assembler.pop(now)) check(*frame);
  return 0;
}
