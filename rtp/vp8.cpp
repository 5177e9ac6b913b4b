#include "rtp/vp8.h"

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

// The first bytes of a key frame (RFC 6386, section 9.1):
// |H|VER|P|size0 |  size1  |  size2  |  0x9d  |  0x01  |  0x2a  |
// |  width low   | sc|width high     | height low | sc|height high |     little endian
constexpr std::size_t kKeyFrameHeaderSize = 10;

Resolution read_resolution(ConstBytes frame) noexcept {
  const auto little_endian = [&](std::size_t at) {
    return static_cast<std::uint16_t>((frame[at + 1] << 8 | frame[at]) & 0x3fff);
  };
  return {little_endian(6), little_endian(8)};
}

bool begins_key_frame(ConstBytes frame) noexcept {
  return frame.size() >= kKeyFrameHeaderSize && (frame[0] & 1) == 0 && load24(frame, 3) == 0x9d012a;
}

}  // namespace

//       0 1 2 3 4 5 6 7
//      +-+-+-+-+-+-+-+-+
//      |X|R|N|S|R| PID |
//      +-+-+-+-+-+-+-+-+
// X:   |I|L|T|K| RSV   |
// I:   |M| PictureID   |   7 bit, or with M 15 bit in two bytes
// L:   |   TL0PICIDX   |
// T/K: |TID|Y| KEYIDX  |
std::optional<Vp8Descriptor> Vp8Descriptor::parse(ConstBytes payload) noexcept {
  Reader reader(payload);
  const auto here = [&] { return static_cast<std::uint8_t>(reader.position()); };
  Vp8Descriptor d;
  const std::uint8_t first = reader.u8();
  d.non_reference = (first & 0x20) != 0;
  d.partition_start = (first & 0x10) != 0;
  d.partition = first & 0x07;

  const std::uint8_t present = (first & 0x80) != 0 ? reader.u8() : std::uint8_t{0};
  if ((present & 0x80) != 0) {
    d.picture_id_at = here();
    d.picture_id = reader.u8();
    d.picture_id_long = (d.picture_id & 0x80) != 0;
    if (d.picture_id_long) {
      d.picture_id = static_cast<std::uint16_t>((d.picture_id & 0x7f) << 8 | reader.u8());
    }
  }
  if ((present & 0x40) != 0) {
    d.tl0_picture_index_at = here();
    d.tl0_picture_index = reader.u8();
  }
  d.has_temporal_id = (present & 0x20) != 0;
  d.has_key_index = (present & 0x10) != 0;
  if (d.has_temporal_id || d.has_key_index) {
    d.key_index_at = here();
    const std::uint8_t byte = reader.u8();
    if (d.has_temporal_id) d.temporal_id = byte >> 6;
    if (d.has_temporal_id) d.layer_sync = (byte & 0x20) != 0;
    if (d.has_key_index) d.key_index = byte & 0x1f;
  }
  if (!reader.ok() || reader.remaining() == 0) return std::nullopt;

  d.size = here();
  if (d.frame_start() && begins_key_frame(reader.rest())) {
    d.key_frame = true;
    d.resolution = read_resolution(reader.rest());
  }
  return d;
}

}  // namespace parley::rtp
