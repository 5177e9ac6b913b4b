#include "rtp/h265.h"

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr std::uint8_t kFirstIrap = 16;  // BLA, IDR, CRA and two reserved (H.265, table 7-1)
constexpr std::uint8_t kLastIrap = 23;
constexpr std::uint8_t kLastSlice = 31;
constexpr std::uint8_t kVps = 32;
constexpr std::uint8_t kSps = 33;
constexpr std::uint8_t kPps = 34;
constexpr std::uint8_t kAud = 35;
constexpr std::uint8_t kPrefixSei = 39;
constexpr std::uint8_t kAggregation = 48;
constexpr std::uint8_t kFragment = 49;
constexpr std::size_t kHeaderSize = 2;

std::uint8_t type_of(ConstBytes unit) noexcept { return unit[0] >> 1 & 0x3f; }

// `body` is what follows the NAL unit header, at the beginning of the unit.
void note_unit(std::uint8_t type, ConstBytes body, H265Info& info) noexcept {
  if (type == kVps || type == kSps) info.key_frame = true;
  if (type == kVps || type == kSps || type == kPps || type == kAud || type == kPrefixSei) {
    info.frame_start = true;
  }
  // first_slice_segment_in_pic_flag is the first bit of every slice.
  if (type > kLastSlice || body.empty() || (body[0] & 0x80) == 0) return;
  info.frame_start = true;
  if (type >= kFirstIrap && type <= kLastIrap) info.key_frame = true;
}

// |  PayloadHdr (16 bit) | NALU 1 size (16 bit) | NALU 1 | NALU 2 size | NALU 2 ...
bool note_aggregation(ConstBytes units, H265Info& info) noexcept {
  Reader reader(units);
  if (units.empty()) return false;
  while (reader.ok() && reader.remaining() > 0) {
    const ConstBytes unit = reader.take(reader.u16());
    if (unit.size() < kHeaderSize || type_of(unit) >= kAggregation) return false;
    note_unit(type_of(unit), unit.subspan(kHeaderSize), info);
  }
  return reader.ok();
}

}  // namespace

// +---------------+---------------+
// |F|   Type    |  LayerId  | TID |   TID is the temporal id plus 1
// +-------------+-----------------+
std::optional<H265Info> H265Info::parse(ConstBytes payload) noexcept {
  if (payload.size() <= kHeaderSize || (payload[1] & 7) == 0) return std::nullopt;
  H265Info info;
  info.temporal_id = static_cast<std::uint8_t>((payload[1] & 7) - 1);
  const std::uint8_t type = type_of(payload);
  const ConstBytes body = payload.subspan(kHeaderSize);
  if (type == kAggregation) {
    if (!note_aggregation(body, info)) return std::nullopt;
  } else if (type == kFragment) {  // |S|E|  FuType   | piece
    if (body.size() < 2) return std::nullopt;
    if ((body[0] & 0x80) != 0) note_unit(body[0] & 0x3f, body.subspan(1), info);
  } else if (type < kAggregation) {
    note_unit(type, body, info);
  } else {
    return std::nullopt;
  }
  return info;
}

}  // namespace parley::rtp
