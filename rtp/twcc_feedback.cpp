#include <algorithm>

#include "rtp/bytes.h"
#include "rtp/twcc.h"

namespace parley::rtp {
namespace {

constexpr Duration kTick{250};
constexpr Duration kReferenceUnit{64'000};
constexpr std::uint8_t kSmallDelta = 1;
constexpr std::uint8_t kReserved = 3;

// The three chunk formats are drawn above write_chunk in twcc_recorder.cpp.
constexpr bool is_run(std::uint16_t chunk) noexcept { return (chunk & 0x8000) == 0; }
constexpr bool is_pairs(std::uint16_t chunk) noexcept { return (chunk & 0x4000) != 0; }

constexpr std::uint16_t capacity(std::uint16_t chunk) noexcept {
  if (is_run(chunk)) return chunk & 0x1fff;
  return is_pairs(chunk) ? 7 : 14;
}

// `left`: how many symbols are still to come out of the chunk, this one included.
constexpr std::uint8_t symbol(std::uint16_t chunk, unsigned left) noexcept {
  if (is_run(chunk)) return chunk >> 13 & 3;
  return static_cast<std::uint8_t>(is_pairs(chunk) ? chunk >> 2 * (left - 1) & 3
                                                   : chunk >> (left - 1) & 1);
}

// Bytes of deltas that the first `used` symbols of a chunk stand for; nothing for the reserved one.
std::optional<std::size_t> delta_size(std::uint16_t chunk, std::size_t used) noexcept {
  if (is_run(chunk)) {
    const std::uint8_t s = symbol(chunk, 1);
    if (s == kReserved) return std::nullopt;
    return used * s;
  }
  std::size_t size = 0;
  for (std::size_t i = 0; i < used; ++i) {
    const std::uint8_t s = symbol(chunk, static_cast<unsigned>(capacity(chunk) - i));
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
    const std::uint16_t chunk = reader.u16();
    const std::size_t used = std::min<std::size_t>(left, capacity(chunk));
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

std::uint8_t TwccFeedback::Cursor::next_symbol() noexcept {
  if (chunk_left_ == 0) {
    chunk_ = load16(chunks_, 0);
    chunks_ = chunks_.subspan(2);
    chunk_left_ = capacity(chunk_);
  }
  return symbol(chunk_, chunk_left_--);
}

std::optional<TwccStatus> TwccFeedback::Cursor::next() noexcept {
  if (left_ == 0) return std::nullopt;
  --left_;
  TwccStatus status{seq_, false, Duration{}};
  ++seq_.value;
  const std::uint8_t size = next_symbol();  // the symbol is the size of its delta
  if (size == 0) return status;
  clock_ +=
      kTick * (size == kSmallDelta ? std::int64_t{deltas_[0]}
                                   : std::int64_t{static_cast<std::int16_t>(load16(deltas_, 0))});
  deltas_ = deltas_.subspan(size);
  status.received = true;
  status.arrival = clock_;
  return status;
}

}  // namespace parley::rtp
