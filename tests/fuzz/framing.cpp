#include "server/framing.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

// A stream of packets from anybody: however it is cut into reads, the same packets come of it, and
// put on a stream again they are the same stream, null packets apart.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0];
  const rtp::ConstBytes stream(data + 1, size - 1);
  std::vector<std::vector<std::uint8_t>> packets;
  server::FrameReader whole;
  server::FrameReader in_parts;
  rtp::ConstBytes rest = stream;
  while (const auto packet = whole.next(rest)) packets.emplace_back(packet->begin(), packet->end());
  std::size_t next = 0;
  for (std::size_t at = 0; at < stream.size() && !in_parts.failed(); at += step) {
    rtp::ConstBytes part = stream.subspan(at, std::min(step, stream.size() - at));
    while (const auto packet = in_parts.next(part)) {
      const bool same =
          next < packets.size() &&
          std::equal(packet->begin(), packet->end(), packets[next].begin(), packets[next].end());
      if (!same) __builtin_trap();
      ++next;
    }
  }
  if (next != packets.size() || whole.failed() != in_parts.failed()) __builtin_trap();

  server::FrameQueue queue(size + server::kFrameHeader);
  for (const auto& packet : packets) {
    if (!queue.push(packet, 0)) __builtin_trap();
  }
  server::FrameReader again;
  rest = queue.front();
  for (const auto& packet : packets) {
    const auto got = again.next(rest);
    if (!got || !std::equal(got->begin(), got->end(), packet.begin(), packet.end())) {
      __builtin_trap();
    }
  }
  return 0;
}
