#include <algorithm>
#include <limits>

#include "rtp/bytes.h"
#include "rtp/rtcp.h"
#include "rtp/twcc.h"

namespace parley::rtp {
namespace {

constexpr unsigned kReferenceBits = 8;   // 64 ms are 256 times 250 us
constexpr std::int64_t kTick = 250;      // microseconds
constexpr std::size_t kHeaderSize = 20;  // up to the chunks
constexpr std::uint8_t kNotReceived = 0;
constexpr std::uint8_t kSmallDelta = 1;  // one byte, 0..255 ticks
constexpr std::uint8_t kLargeDelta = 2;  // two bytes, signed

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) noexcept {
  return a / b - (a % b < 0 ? 1 : 0);
}

constexpr bool is_small(std::int64_t delta) noexcept { return delta >= 0 && delta <= 255; }
constexpr bool is_large(std::int64_t delta) noexcept {
  return delta >= std::numeric_limits<std::int16_t>::min() &&
         delta <= std::numeric_limits<std::int16_t>::max();
}

// Writes one chunk for the first symbols and says how many it took: never less than 7 while there
// are as many, which is what gather() counts on.
//
// |0| S |       run length        |   one symbol, many times
// |1|0|       14 symbols          |   of one bit
// |1|1|        7 symbols          |   of two bits
std::size_t write_chunk(Writer& writer, std::span<const std::uint8_t> symbols) noexcept {
  constexpr std::size_t kBits = 14;
  constexpr std::size_t kPairs = 7;
  const std::uint8_t first = symbols[0];
  const auto other =
      std::find_if(symbols.begin(), symbols.end(), [&](std::uint8_t s) { return s != first; });
  const auto run = static_cast<std::size_t>(other - symbols.begin());
  if (run == symbols.size() || run >= kBits || (run >= kPairs && first == kLargeDelta)) {
    writer.u16(static_cast<std::uint16_t>(std::size_t{first} << 13 | run));
    return run;
  }
  const auto bits = symbols.first(std::min(kBits, symbols.size()));
  unsigned chunk = 2;  // the two leading bits
  if (std::find(bits.begin(), bits.end(), kLargeDelta) == bits.end()) {
    for (std::size_t i = 0; i < kBits; ++i) chunk = chunk << 1 | (i < bits.size() ? bits[i] : 0U);
    writer.u16(static_cast<std::uint16_t>(chunk));
    return bits.size();
  }
  const auto pairs = symbols.first(std::min(kPairs, symbols.size()));
  chunk = 3;
  for (std::size_t i = 0; i < kPairs; ++i) chunk = chunk << 2 | (i < pairs.size() ? pairs[i] : 0U);
  writer.u16(static_cast<std::uint16_t>(chunk));
  return pairs.size();
}

}  // namespace

// The statuses of one feedback packet.
struct TwccRecorder::Statuses {
  std::array<std::uint8_t, kWindow> symbols{};
  std::array<std::int16_t, kWindow> deltas{};  // of the received ones, one after the other
  std::size_t count = 0;
  std::size_t received = 0;
  std::uint32_t reference = 0;  // in units of 64 ms, 24 bits
};

void TwccRecorder::on_packet(Seq seq, Time arrival) noexcept {
  const ExtSeq ext = unwrapper_.unwrap(seq);
  constexpr std::int64_t kSpan = kWindow;
  if (!started_) {
    started_ = true;
    next_ = end_ = ext;
  }
  if (ext.value < end_.value - kSpan) {
    ++untold_;
    return;
  }
  Arrival& slot = arrivals_[static_cast<std::uint64_t>(ext.value) % kWindow];
  const auto low = static_cast<std::uint32_t>(ext.value);
  if (slot.seq == low) return;
  slot = {low, static_cast<std::uint32_t>(floor_div(arrival.time_since_epoch().count(), kTick))};
  end_ = std::max(end_, ExtSeq{ext.value + 1});
  next_ = std::min(next_, ext);
  const ExtSeq oldest{end_.value - kSpan};
  if (next_ < oldest) {
    untold_ += static_cast<std::uint64_t>(oldest.value - next_.value);
    next_ = oldest;
  }
  pending_ = true;
}

const TwccRecorder::Arrival* TwccRecorder::find(ExtSeq seq) const noexcept {
  const Arrival& slot = arrivals_[static_cast<std::uint64_t>(seq.value) % kWindow];
  return slot.seq == static_cast<std::uint32_t>(seq.value) ? &slot : nullptr;
}

// As many statuses from next_ on as surely fit `room`, and whose arrivals are near enough to each
// other. Losses behind the last arrival are left to the next packet.
TwccRecorder::Statuses TwccRecorder::gather(std::size_t room) const noexcept {
  Statuses s;
  std::size_t delta_bytes = 0;
  std::size_t told = 0;  // statuses up to the last arrival
  std::uint32_t clock = 0;
  for (ExtSeq seq = next_; seq < end_; ++seq.value) {
    const Arrival* arrival = find(seq);
    std::uint8_t symbol = kNotReceived;
    if (arrival != nullptr) {
      if (s.received == 0) {
        s.reference = arrival->ticks >> kReferenceBits;
        clock = s.reference << kReferenceBits;
      }
      const auto delta = static_cast<std::int32_t>(arrival->ticks - clock);
      if (!is_large(delta)) break;
      symbol = is_small(delta) ? kSmallDelta : kLargeDelta;
    }
    const std::size_t chunk_bytes = (s.count + 1 + 6) / 7 * 2;
    if (chunk_bytes + delta_bytes + symbol > room) break;
    s.symbols[s.count++] = symbol;
    if (arrival == nullptr) continue;
    delta_bytes += symbol;
    s.deltas[s.received++] = static_cast<std::int16_t>(arrival->ticks - clock);
    clock = arrival->ticks;
    told = s.count;
  }
  if (s.received > 0) s.count = told;
  return s;
}

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |V=2|P|  FMT=15 |    PT=205     |           length              |
// |                     SSRC of packet sender                     |
// |                      SSRC of media source                     |
// |      base sequence number     |      packet status count      |
// |                 reference time                | fb pkt. count |
// |          packet chunk         |         packet chunk          |
// |    recv delta ...             |             padding           |
std::size_t TwccRecorder::build(Ssrc sender, Ssrc media, Bytes out) noexcept {
  if (!pending_ || out.size() < kMinSize) return 0;
  out = out.first(out.size() / 4 * 4);
  const Statuses s = gather(out.size() - kHeaderSize);

  Writer writer(out);
  writer.u32(0x8f00'0000U | std::uint32_t{kRtcpTransportFeedback} << 16);
  writer.u32(sender.value);
  writer.u32(media.value);
  writer.u16(to_wire(next_).value);
  writer.u16(static_cast<std::uint16_t>(s.count));
  writer.u24(s.reference);
  writer.u8(feedback_count_);
  auto symbols = std::span(s.symbols).first(s.count);
  while (!symbols.empty()) symbols = symbols.subspan(write_chunk(writer, symbols));
  for (std::size_t i = 0; i < s.received; ++i) {
    const std::int16_t delta = s.deltas[i];
    if (is_small(delta))
      writer.u8(static_cast<std::uint8_t>(delta));
    else
      writer.u16(static_cast<std::uint16_t>(delta));
  }
  const std::size_t padding = (4 - writer.size() % 4) % 4;
  if (padding != 0) {
    writer.zeros(padding - 1);
    writer.u8(static_cast<std::uint8_t>(padding));
    out[0] |= 0x20;
  }
  store16(out, 2, static_cast<std::uint16_t>(writer.size() / 4 - 1));

  ++feedback_count_;
  next_.value += static_cast<std::int64_t>(s.count);
  pending_ = next_ < end_;
  return writer.size();
}

}  // namespace parley::rtp
