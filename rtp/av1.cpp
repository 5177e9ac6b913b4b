#include "rtp/av1.h"

#include <algorithm>
#include <limits>

#include "rtp/bits.h"
#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr int kMaxLeb128Size = 8;

// AV1 specification, section 4.10.5. Values over 32 bits fail.
std::uint32_t leb128(Reader& reader) noexcept {
  std::uint64_t value = 0;
  for (int i = 0; i < kMaxLeb128Size; ++i) {
    const std::uint8_t byte = reader.u8();
    value |= std::uint64_t{byte & 0x7fU} << (7 * i);
    if ((byte & 0x80) != 0) continue;
    if (value > std::numeric_limits<std::uint32_t>::max()) reader.fail();
    return static_cast<std::uint32_t>(value);
  }
  reader.fail();
  return 0;
}

// |F| type  |X|S|-|   X: | temporal |spatial| - |   S: size in leb128
bool read_obu_header(Av1Obu& obu) noexcept {
  Reader reader(obu.data);
  const std::uint8_t first = reader.u8();
  obu.type = first >> 3 & 0x0f;
  if ((first & 0x04) != 0) {
    const std::uint8_t extension = reader.u8();
    obu.temporal_id = extension >> 5;
    obu.spatial_id = extension >> 3 & 3;
  }
  const bool has_size = (first & 0x02) != 0;
  const std::size_t size = has_size ? leb128(reader) : reader.remaining();
  if (!reader.ok()) return false;
  // Of a fragment the size names more than is here.
  obu.body = reader.rest().first(std::min(size, reader.remaining()));
  return true;
}

void skip_operating_points(BitReader& bits) noexcept {
  bool decoder_model = false;
  unsigned buffer_delay_bits = 0;
  if (bits.flag()) {  // timing_info_present_flag
    bits.skip(64);
    if (bits.flag()) bits.ue();  // equal_picture_interval: num_ticks_per_picture_minus_1
    decoder_model = bits.flag();
    if (decoder_model) {
      buffer_delay_bits = bits.bits(5) + 1;
      bits.skip(32 + 5 + 5);
    }
  }
  const bool display_delay = bits.flag();
  const std::uint32_t points = bits.bits(5) + 1;
  for (std::uint32_t i = 0; i < points && bits.ok(); ++i) {
    bits.skip(12);                       // operating_point_idc
    if (bits.bits(5) > 7) bits.skip(1);  // seq_level_idx, seq_tier
    if (decoder_model && bits.flag()) bits.skip(2 * buffer_delay_bits + 1);
    if (display_delay && bits.flag()) bits.skip(4);
  }
}

}  // namespace

//  0 1 2 3 4 5 6 7
// +-+-+-+-+-+-+-+-+
// |Z|Y| W |N|-|-|-|   W elements, all but the last with a leb128 length; W = 0: all have one
// +-+-+-+-+-+-+-+-+
Av1Reader::Av1Reader(ConstBytes payload) noexcept {
  if (payload.size() < 2) {
    ok_ = false;
    return;
  }
  starts_inside_ = (payload[0] & 0x80) != 0;
  ends_inside_ = (payload[0] & 0x40) != 0;
  announced_ = payload[0] >> 4 & 3;
  new_sequence_ = (payload[0] & 0x08) != 0;
  rest_ = payload.subspan(1);
}

std::optional<Av1Obu> Av1Reader::next() noexcept {
  while (ok_ && !rest_.empty()) {
    Reader reader(rest_);
    const bool last = announced_ != 0 && seen_ + 1 == announced_;
    Av1Obu obu;
    obu.data = last ? reader.take(rest_.size()) : reader.take(leb128(reader));
    ok_ = reader.ok();
    if (!ok_) return std::nullopt;
    obu.start = seen_ != 0 || !starts_inside_;
    rest_ = reader.rest();
    // W counts to 3 at most; beyond that only "not the first" matters.
    seen_ = static_cast<std::uint8_t>(std::min(seen_ + 1, 4));
    obu.end = !rest_.empty() || !ends_inside_;
    if (obu.data.empty()) continue;
    if (obu.start) ok_ = read_obu_header(obu);
    if (!ok_) return std::nullopt;
    return obu;
  }
  if (announced_ != 0 && seen_ < announced_) ok_ = false;
  return std::nullopt;
}

std::optional<Av1Info> Av1Info::parse(ConstBytes payload) noexcept {
  Av1Reader reader(payload);
  Av1Info info;
  bool first = true;
  while (const auto obu = reader.next()) {
    const bool opens = first && obu->start;
    first = false;
    if (!obu->start) continue;
    const bool sequence = obu->type == Av1Obu::kSequenceHeader;
    if (opens) {
      info.frame_start = sequence || obu->type == Av1Obu::kTemporalDelimiter ||
                         obu->type == Av1Obu::kMetadata || obu->type == Av1Obu::kFrameHeader ||
                         obu->type == Av1Obu::kFrame;
    }
    if (sequence) {
      info.key_frame = info.key_frame || (reader.new_sequence() && info.frame_start);
      if (const auto size = av1_sequence_resolution(obu->body)) info.resolution = *size;
    }
    if ((obu->data[0] & 0x04) != 0 && !info.has_layers) {
      info.has_layers = true;
      info.temporal_id = obu->temporal_id;
      info.spatial_id = obu->spatial_id;
    }
  }
  if (!reader.ok()) return std::nullopt;
  return info;
}

std::optional<Resolution> av1_sequence_resolution(ConstBytes body) noexcept {
  BitReader bits(body);
  bits.skip(4);  // seq_profile, still_picture
  const bool reduced = bits.flag();
  if (reduced) {
    bits.skip(5);  // seq_level_idx
  } else {
    skip_operating_points(bits);
  }
  const unsigned width_bits = bits.bits(4) + 1;
  const unsigned height_bits = bits.bits(4) + 1;
  const std::uint32_t width = bits.bits(width_bits) + 1;
  const std::uint32_t height = bits.bits(height_bits) + 1;
  constexpr std::uint32_t kMax = std::numeric_limits<std::uint16_t>::max();
  if (!bits.ok() || width > kMax || height > kMax) return std::nullopt;
  return Resolution{static_cast<std::uint16_t>(width), static_cast<std::uint16_t>(height)};
}

}  // namespace parley::rtp
