#include "recorder/key_frame.h"

#include <utility>

#include "rtp/av1.h"
#include "rtp/bits.h"
#include "rtp/h264.h"

namespace parley::recorder {

namespace {

using rtp::Codec;
using rtp::ConstBytes;
using rtp::Resolution;

void append(std::vector<std::uint8_t>& to, ConstBytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// RFC 6386, section 9.1: bit 0 of the frame tag is clear in key frames, then a start code, then
// width and height with two bits of scaling each, little endian.
std::optional<Resolution> vp8_resolution(ConstBytes frame) noexcept {
  if (frame.size() < 10 || (frame[0] & 1U) != 0) return std::nullopt;
  if (frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a) return std::nullopt;
  const auto field = [&](std::size_t at) {
    return static_cast<std::uint16_t>((frame[at] | frame[at + 1] << 8) & 0x3fff);
  };
  return Resolution{field(6), field(8)};
}

// color_config() of the VP9 bitstream specification, section 6.2.2: read only to get behind it.
void skip_vp9_color(rtp::BitReader& bits, unsigned profile) noexcept {
  constexpr unsigned kSrgb = 7;
  if (profile >= 2) bits.skip(1);  // ten_or_twelve_bit
  if (bits.bits(3) != kSrgb) {
    bits.skip(1);                                        // color_range
    if (profile == 1 || profile == 3) bits.skip(2 + 1);  // subsampling, reserved
  } else if (profile == 1 || profile == 3) {
    bits.skip(1);
  }
}

// uncompressed_header() of the VP9 bitstream specification, section 6.2, up to frame_size().
std::optional<Resolution> vp9_resolution(ConstBytes frame) noexcept {
  constexpr unsigned kFrameMarker = 2;
  constexpr unsigned kSyncCode = 0x49'83'42;
  rtp::BitReader bits{frame};
  if (bits.bits(2) != kFrameMarker) return std::nullopt;
  const unsigned low = bits.bits(1);
  const unsigned profile = bits.bits(1) << 1U | low;
  if (profile == 3) bits.skip(1);
  const bool show_existing = bits.flag();
  const bool inter = bits.flag();
  if (show_existing || inter) return std::nullopt;
  bits.skip(2);  // show_frame, error_resilient_mode
  if (bits.bits(24) != kSyncCode) return std::nullopt;
  skip_vp9_color(bits, profile);
  const auto width = static_cast<std::uint16_t>(bits.bits(16) + 1);
  const auto height = static_cast<std::uint16_t>(bits.bits(16) + 1);
  if (!bits.ok()) return std::nullopt;
  return Resolution{width, height};
}

// Annex B: the NAL units between start codes 00 00 01, trailing zeros belong to nobody.
std::vector<ConstBytes> annex_b_units(ConstBytes frame) {
  std::vector<ConstBytes> units;
  std::optional<std::size_t> begin;
  const auto close = [&](std::size_t end) {
    while (begin && end > *begin && frame[end - 1] == 0) --end;
    if (begin && end > *begin) units.push_back(frame.subspan(*begin, end - *begin));
  };
  for (std::size_t i = 0; i + 3 <= frame.size(); ++i) {
    if (frame[i] != 0 || frame[i + 1] != 0 || frame[i + 2] != 1) continue;
    close(i);
    begin = i + 3;
    i += 2;
  }
  close(frame.size());
  return units;
}

std::optional<VideoFormat> h264_format(ConstBytes frame) {
  VideoFormat format{Codec::H264, {}, {}};
  bool has_pps = false;
  for (const ConstBytes unit : annex_b_units(frame)) {
    const unsigned type = unit[0] & 0x1f;
    if (type != rtp::H264Nal::kSps && type != rtp::H264Nal::kPps) continue;
    if (type == rtp::H264Nal::kSps) {
      const auto resolution = rtp::h264_sps_resolution(unit.subspan(1));
      if (!resolution) return std::nullopt;
      format.resolution = *resolution;
    }
    has_pps = has_pps || type == rtp::H264Nal::kPps;
    append(format.headers, std::array<std::uint8_t, 4>{0, 0, 0, 1});
    append(format.headers, unit);
  }
  if (!has_pps || format.resolution.width == 0) return std::nullopt;
  return format;
}

// AV1 specification, section 5.3: header byte, extension, size in leb128, payload.
struct Obu {
  unsigned type = 0;
  ConstBytes whole{};
  ConstBytes body{};
};
std::optional<Obu> next_obu(ConstBytes bytes) noexcept {
  if (bytes.empty()) return std::nullopt;
  const bool has_extension = (bytes[0] & 4U) != 0;
  const bool has_size = (bytes[0] & 2U) != 0;
  std::size_t at = has_extension ? 2 : 1;
  std::size_t size = 0;
  if (has_size) {
    for (unsigned shift = 0;; shift += 7) {
      if (at >= bytes.size() || shift > 28) return std::nullopt;
      const std::uint8_t b = bytes[at++];
      size |= std::size_t{b & 0x7fU} << shift;
      if ((b & 0x80U) == 0) break;
    }
  } else {
    if (at > bytes.size()) return std::nullopt;
    size = bytes.size() - at;
  }
  if (at > bytes.size() || size > bytes.size() - at) return std::nullopt;
  return Obu{bytes[0] >> 3U & 0xfU, bytes.first(at + size), bytes.subspan(at, size)};
}

std::optional<VideoFormat> av1_format(ConstBytes frame) {
  while (const auto obu = next_obu(frame)) {
    if (obu->type == rtp::Av1Obu::kSequenceHeader) {
      const auto resolution = rtp::av1_sequence_resolution(obu->body);
      if (!resolution) return std::nullopt;
      VideoFormat format{Codec::Av1, *resolution, {}};
      append(format.headers, obu->whole);
      return format;
    }
    frame = frame.subspan(obu->whole.size());
  }
  return std::nullopt;
}

std::optional<VideoFormat> plain(Codec codec, std::optional<Resolution> resolution) {
  if (!resolution || resolution->width == 0 || resolution->height == 0) return std::nullopt;
  return VideoFormat{codec, *resolution, {}};
}

}  // namespace

std::optional<VideoFormat> read_key_frame(Codec codec, ConstBytes frame) {
  switch (codec) {
    case Codec::Vp8:
      return plain(codec, vp8_resolution(frame));
    case Codec::Vp9:
      return plain(codec, vp9_resolution(frame));
    case Codec::H264:
      return h264_format(frame);
    case Codec::Av1:
      return av1_format(frame);
    case Codec::Opus:
    case Codec::Red:
    case Codec::H265:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace parley::recorder
