#include "rtp/h264.h"

#include <algorithm>
#include <array>
#include <limits>

#include "rtp/bits.h"
#include "rtp/bytes.h"
#include "rtp/nal_unit.h"

namespace parley::rtp {
namespace {

constexpr std::uint8_t kStapA = 24;
constexpr std::uint8_t kFuA = 28;

// The first bit of a slice header is the whole Exp-Golomb code of first_mb_in_slice = 0.
bool is_first_slice(const H264Nal& nal) noexcept {
  return nal.start && !nal.body.empty() && (nal.body[0] & 0x80) != 0;
}

void skip_scaling_list(BitReader& bits, int size) noexcept {
  std::int64_t last = 8;
  std::int64_t next = 8;
  for (int i = 0; i < size && bits.ok(); ++i) {
    if (next != 0) next = (last + bits.se() + 256) % 256;
    if (next != 0) last = next;
  }
}

bool has_chroma_format(std::uint32_t profile) noexcept {
  constexpr std::array<std::uint8_t, 13> kProfiles{100, 110, 122, 244, 44,  83, 86,
                                                   118, 128, 138, 139, 134, 135};
  return std::find(kProfiles.begin(), kProfiles.end(), profile) != kProfiles.end();
}

// Up to the picture order count, none of which we need. Returns ChromaArrayType.
std::uint32_t skip_to_picture_order(BitReader& bits) noexcept {
  const std::uint32_t profile = bits.bits(8);
  bits.skip(16);  // constraint flags, level
  bits.ue();      // seq_parameter_set_id
  std::uint32_t chroma = 1;
  if (has_chroma_format(profile)) {
    chroma = bits.ue();
    const bool separate_planes = chroma == 3 && bits.flag();
    bits.ue();     // bit_depth_luma_minus8
    bits.ue();     // bit_depth_chroma_minus8
    bits.skip(1);  // qpprime_y_zero_transform_bypass_flag
    if (bits.flag()) {
      const int lists = chroma == 3 ? 12 : 8;
      for (int i = 0; i < lists; ++i) {
        if (bits.flag()) skip_scaling_list(bits, i < 6 ? 16 : 64);
      }
    }
    if (separate_planes) chroma = 0;
  }
  bits.ue();  // log2_max_frame_num_minus4
  return chroma;
}

void skip_picture_order(BitReader& bits) noexcept {
  const std::uint32_t type = bits.ue();
  if (type == 0) bits.ue();  // log2_max_pic_order_cnt_lsb_minus4
  if (type != 1) return;
  bits.skip(1);  // delta_pic_order_always_zero_flag
  bits.se();     // offset_for_non_ref_pic
  bits.se();     // offset_for_top_to_bottom_field
  const std::uint32_t cycle = bits.ue();
  for (std::uint32_t i = 0; i < cycle && bits.ok(); ++i) bits.se();
}

}  // namespace

H264Reader::H264Reader(ConstBytes payload) noexcept : rest_(payload) {
  if (payload.empty()) {
    ok_ = false;
    return;
  }
  if ((payload[0] & 0x1f) != kStapA) return;
  stap_ = true;
  rest_ = payload.subspan(1);
  ok_ = !rest_.empty();
}

std::optional<H264Nal> H264Reader::next() noexcept {
  if (!ok_ || rest_.empty()) return std::nullopt;
  if (stap_) return next_of_stap();
  const std::uint8_t header = rest_[0];
  const std::uint8_t type = header & 0x1f;
  if (type == kFuA) return fragment();
  if (type == 0 || type >= kStapA) {
    ok_ = false;
    return std::nullopt;
  }
  const H264Nal nal{header, rest_.subspan(1), true, true};
  rest_ = {};
  return nal;
}

// |STAP-A HDR| NALU 1 size (16 bit) | NALU 1 HDR | data | NALU 2 size | NALU 2 HDR | data ...
std::optional<H264Nal> H264Reader::next_of_stap() noexcept {
  Reader reader(rest_);
  const ConstBytes unit = reader.take(reader.u16());
  const std::uint8_t type = unit.empty() ? std::uint8_t{0} : unit[0] & 0x1f;
  if (!reader.ok() || type == 0 || type >= kStapA) {
    ok_ = false;
    return std::nullopt;
  }
  rest_ = reader.rest();
  return H264Nal{unit[0], unit.subspan(1), true, true};
}

// |F|NRI| 28  |S|E|R|  Type   |  piece of the NAL unit, without its header
std::optional<H264Nal> H264Reader::fragment() noexcept {
  const ConstBytes unit = rest_;
  rest_ = {};
  const std::uint8_t type = unit.size() > 2 ? unit[1] & 0x1f : std::uint8_t{0};
  if (type == 0 || type >= kStapA) {
    ok_ = false;
    return std::nullopt;
  }
  const auto header = static_cast<std::uint8_t>((unit[0] & 0xe0) | type);
  return H264Nal{header, unit.subspan(2), (unit[1] & 0x80) != 0, (unit[1] & 0x40) != 0};
}

std::optional<H264Info> H264Info::parse(ConstBytes payload) noexcept {
  H264Reader reader(payload);
  H264Info info;
  while (const auto nal = reader.next()) {
    if (!nal->start) continue;
    switch (nal->type()) {
      case H264Nal::kSps:
        info.has_sps = info.key_frame = info.frame_start = true;
        if (const auto size = h264_sps_resolution(nal->body)) info.resolution = *size;
        break;
      case H264Nal::kPps:
      case H264Nal::kSei:
      case H264Nal::kAud:
        info.frame_start = true;
        break;
      case H264Nal::kIdr:
        if (is_first_slice(*nal)) info.key_frame = info.frame_start = true;
        break;
      case H264Nal::kSlice:
      case H264Nal::kSlice + 1:  // data partition A
        if (is_first_slice(*nal)) info.frame_start = true;
        break;
      default:  // a plain number, not an enum
        break;
    }
  }
  if (!reader.ok()) return std::nullopt;
  return info;
}

std::optional<Resolution> h264_sps_resolution(ConstBytes body) noexcept {
  std::array<std::uint8_t, kMaxParameterSet> plain{};
  BitReader bits(ConstBytes(plain).first(unescape_nal_unit(body, plain)));
  const std::uint32_t chroma = skip_to_picture_order(bits);
  skip_picture_order(bits);
  bits.ue();     // max_num_ref_frames
  bits.skip(1);  // gaps_in_frame_num_value_allowed_flag
  const std::uint64_t width_mbs = std::uint64_t{bits.ue()} + 1;
  const std::uint64_t height_units = std::uint64_t{bits.ue()} + 1;
  const bool frames_only = bits.flag();
  if (!frames_only) bits.skip(1);  // mb_adaptive_frame_field_flag
  bits.skip(1);                    // direct_8x8_inference_flag

  const std::uint64_t fields = frames_only ? 1 : 2;
  std::uint64_t crop_x = 0;
  std::uint64_t crop_y = 0;
  if (bits.flag()) {
    crop_x = std::uint64_t{bits.ue()} + bits.ue();
    crop_y = std::uint64_t{bits.ue()} + bits.ue();
    if (chroma == 1 || chroma == 2) crop_x *= 2;
    if (chroma == 1) crop_y *= 2;
    crop_y *= fields;
  }
  const std::uint64_t width = width_mbs * 16;
  const std::uint64_t height = height_units * 16 * fields;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint16_t>::max();
  if (!bits.ok() || chroma > 3 || crop_x >= width || crop_y >= height) return std::nullopt;
  if (width - crop_x > kMax || height - crop_y > kMax) return std::nullopt;
  return Resolution{static_cast<std::uint16_t>(width - crop_x),
                    static_cast<std::uint16_t>(height - crop_y)};
}

}  // namespace parley::rtp
