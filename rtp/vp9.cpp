#include "rtp/vp9.h"

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr int kMaxReferences = 3;

//      +-+-+-+-+-+-+-+-+
// V:   | N_S |Y|G|-|-|-|
// Y:   |  WIDTH, HEIGHT (16 bit each)  |   N_S + 1 times
// G:   |      N_G      |
//      |  T  |U| R |-|-|  then R times P_DIFF (8 bit);   N_G times
void read_scalability_structure(Reader& reader, Vp9Descriptor& d) noexcept {
  const std::uint8_t head = reader.u8();
  d.spatial_layer_count = static_cast<std::uint8_t>((head >> 5) + 1);
  if ((head & 0x10) != 0) {
    for (std::size_t i = 0; i < d.spatial_layer_count; ++i) {
      d.resolutions[i].width = reader.u16();
      d.resolutions[i].height = reader.u16();
    }
  }
  if ((head & 0x08) == 0) return;
  const std::uint8_t pictures = reader.u8();
  for (std::size_t i = 0; i < pictures; ++i) reader.skip(reader.u8() >> 2 & 3U);
}

void read_layers(Reader& reader, Vp9Descriptor& d) noexcept {
  const std::uint8_t byte = reader.u8();
  d.temporal_id = byte >> 5;
  d.switching_up_point = (byte & 0x10) != 0;
  d.spatial_id = byte >> 1 & 7;
  d.inter_layer_predicted = (byte & 1) != 0;
  if (d.flexible) return;
  d.tl0_picture_index_at = static_cast<std::uint8_t>(reader.position());
  d.tl0_picture_index = reader.u8();
}

// N set on the last of three would announce a fourth.
void skip_references(Reader& reader) noexcept {
  for (int i = 0; i < kMaxReferences; ++i) {
    if ((reader.u8() & 1) == 0) return;
  }
  reader.fail();
}

}  // namespace

//       0 1 2 3 4 5 6 7
//      +-+-+-+-+-+-+-+-+
//      |I|P|L|F|B|E|V|Z|
//      +-+-+-+-+-+-+-+-+
// I:   |M| PICTURE ID  |   7 bit, or with M 15 bit in two bytes
// L:   | TID |U| SID |D|
//      |   TL0PICIDX   |   only if not F
// P,F: | P_DIFF      |N|   up to 3 times
// V:   | SS ...        |
std::optional<Vp9Descriptor> Vp9Descriptor::parse(ConstBytes payload) noexcept {
  Reader reader(payload);
  Vp9Descriptor d;
  const std::uint8_t first = reader.u8();
  d.inter_predicted = (first & 0x40) != 0;
  d.has_layers = (first & 0x20) != 0;
  d.flexible = (first & 0x10) != 0;
  d.frame_start = (first & 0x08) != 0;
  d.frame_end = (first & 0x04) != 0;
  d.has_scalability_structure = (first & 0x02) != 0;
  d.not_reference_for_upper_layers = (first & 0x01) != 0;

  if ((first & 0x80) != 0) {
    d.picture_id_at = static_cast<std::uint8_t>(reader.position());
    d.picture_id = reader.u8();
    d.picture_id_long = (d.picture_id & 0x80) != 0;
    if (d.picture_id_long) {
      d.picture_id = static_cast<std::uint16_t>((d.picture_id & 0x7f) << 8 | reader.u8());
    }
  }
  if (d.has_layers) read_layers(reader, d);
  if (d.flexible && d.inter_predicted) skip_references(reader);
  if (d.has_scalability_structure) read_scalability_structure(reader, d);
  if (!reader.ok() || reader.remaining() == 0) return std::nullopt;
  d.size = static_cast<std::uint16_t>(reader.position());
  return d;
}

}  // namespace parley::rtp
