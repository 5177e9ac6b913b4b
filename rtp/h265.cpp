#include "rtp/h265.h"

#include <array>
#include <limits>

#include "rtp/bits.h"
#include "rtp/bytes.h"
#include "rtp/nal_unit.h"

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
  if (type == kVps) info.has_vps = true;
  if (type == kSps) {
    if (const auto size = h265_sps_resolution(body)) info.resolution = *size;
  }
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

// profile_tier_level(), section 7.3.3: read only to get behind it.
void skip_profiles(BitReader& bits, unsigned sub_layers) noexcept {
  constexpr unsigned kProfile = 88;
  constexpr unsigned kLevel = 8;
  constexpr unsigned kMaxSubLayers = 8;
  bits.skip(kProfile + kLevel);
  std::size_t rest = 0;
  for (unsigned i = 0; i < sub_layers; ++i) {
    rest += bits.flag() ? kProfile : 0;
    rest += bits.flag() ? kLevel : 0;
  }
  if (sub_layers > 0) rest += 2 * (kMaxSubLayers - sub_layers);
  bits.skip(rest);
}

}  // namespace

std::optional<Resolution> h265_sps_resolution(ConstBytes body) noexcept {
  std::array<std::uint8_t, kMaxParameterSet> plain{};
  BitReader bits(ConstBytes(plain).first(unescape_nal_unit(body, plain)));
  bits.skip(4);  // sps_video_parameter_set_id
  const std::uint32_t sub_layers = bits.bits(3);
  bits.skip(1);  // sps_temporal_id_nesting_flag
  if (sub_layers == 7) return std::nullopt;
  skip_profiles(bits, sub_layers);
  bits.ue();  // sps_seq_parameter_set_id
  const std::uint32_t chroma = bits.ue();
  if (chroma == 3) bits.skip(1);  // separate_colour_plane_flag
  const std::uint64_t width = bits.ue();
  const std::uint64_t height = bits.ue();
  std::uint64_t crop_x = 0;
  std::uint64_t crop_y = 0;
  if (bits.flag()) {  // the conformance window, in units of chroma samples
    crop_x = std::uint64_t{bits.ue()} + bits.ue();
    crop_y = std::uint64_t{bits.ue()} + bits.ue();
    if (chroma == 1 || chroma == 2) crop_x *= 2;
    if (chroma == 1) crop_y *= 2;
  }
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint16_t>::max();
  if (!bits.ok() || chroma > 3 || crop_x >= width || crop_y >= height) return std::nullopt;
  if (width - crop_x > kMax || height - crop_y > kMax) return std::nullopt;
  return Resolution{static_cast<std::uint16_t>(width - crop_x),
                    static_cast<std::uint16_t>(height - crop_y)};
}

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
