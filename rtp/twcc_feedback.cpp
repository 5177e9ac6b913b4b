#include <algorithm>

#include "rtp/bytes.h"
#include "rtp/twcc.h"

namespace parley::rtp {
namespace {

constexpr Duration kReferenceUnit{64'000};
constexpr std::uint8_t kReserved = 3;

// Bytes of deltas that the first `used` symbols of a chunk stand for; nothing for the reserved one.
std::optional<std::size_t> delta_size(TwccChunk chunk, std::size_t used) noexcept {
  if (chunk.is_run()) {
    const std::uint8_t s = chunk.symbol(1);
    if (s == kReserved) return std::nullopt;
    return used * s;
  }
  std::size_t size = 0;
  for (std::size_t i = 0; i < used; ++i) {
    const std::uint8_t s = chunk.symbol(static_cast<unsigned>(chunk.capacity() - i));
    if (s == kReserved) return std::nullopt;
    size += s;
  }
  return size;
}

}  // namespace

std::optional<TwccFeedback> TwccFeedback::parse(ConstBytes feedback) noexcept {
  Reader reader(feedback);
  TwccFeedback result;
  result.base_ = Seq{reader.u16()};
  result.status_count_ = reader.u16();
  // Shifted up and down again, the 24 bits keep their sign.
  result.reference_ = kReferenceUnit * (static_cast<std::int32_t>(reader.u24() << 8) / 256);
  result.feedback_count_ = reader.u8();
  if (!reader.ok() || result.status_count_ == 0 || result.status_count_ > kMaxStatuses) {
    return std::nullopt;
  }

  const ConstBytes behind_header = reader.rest();
  std::size_t left = result.status_count_;
  std::size_t deltas = 0;
  while (left > 0) {
    const TwccChunk chunk{reader.u16()};
    const std::size_t used = std::min<std::size_t>(left, chunk.capacity());
    const auto size = delta_size(chunk, used);
    if (!reader.ok() || used == 0 || !size) return std::nullopt;
    left -= used;
    deltas += *size;
  }
  result.chunks_ = behind_header.first(behind_header.size() - reader.remaining());
  result.deltas_ = reader.take(deltas);
  if (!reader.ok()) return std::nullopt;
  return result;
}

}  // namespace parley::rtp
