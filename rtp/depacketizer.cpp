#include "rtp/depacketizer.h"

#include <array>

#include "rtp/av1.h"
#include "rtp/h264.h"
#include "rtp/vp8.h"
#include "rtp/vp9.h"

namespace parley::rtp {
namespace {

void add(std::vector<std::uint8_t>& out, ConstBytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// AV1 specification, section 5.3: header byte, extension byte if flagged, size if flagged.
//
//    0 1 2 3 4 5 6 7
//   +-+-+-+-+-+-+-+-+
//   |F| type  |X|S|-|   X: extension byte follows, S: size field follows
//   +-+-+-+-+-+-+-+-+
constexpr std::uint8_t kHasExtension = 0x04;
constexpr std::uint8_t kHasSize = 0x02;

// Gives the OBU that fills `out` from `at` its size field, which RTP leaves out. False when it is
// too short for its own header.
[[nodiscard]] bool close_obu(std::vector<std::uint8_t>& out, std::size_t at) {
  const std::size_t total = out.size() - at;
  if (total == 0) return false;
  const std::uint8_t header = out[at];
  const std::size_t header_size = (header & kHasExtension) != 0 ? 2 : 1;
  if (total < header_size) return false;
  if ((header & kHasSize) != 0) return true;  // the sender kept it
  std::array<std::uint8_t, 10> leb{};
  std::size_t leb_size = 0;
  std::size_t rest = total - header_size;
  do {
    leb[leb_size] = static_cast<std::uint8_t>(rest & 0x7f);
    rest >>= 7;
    if (rest != 0) leb[leb_size] |= 0x80;
    ++leb_size;
  } while (rest != 0);
  out[at] = static_cast<std::uint8_t>(header | kHasSize);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at + header_size), leb.begin(),
             leb.begin() + static_cast<std::ptrdiff_t>(leb_size));
  return true;
}

[[nodiscard]] bool belongs_in_file(std::uint8_t obu_type) noexcept {
  return obu_type != Av1Obu::kTemporalDelimiter && obu_type != Av1Obu::kPadding &&
         obu_type != Av1Obu::kTileList;
}

}  // namespace

void Depacketizer::reset() noexcept {
  open_ = false;
  open_at_ = 0;
}

Depacketizer::Part Depacketizer::append(Codec codec, ConstBytes payload,
                                        std::vector<std::uint8_t>& out) {
  Part part;
  switch (codec) {
    case Codec::Vp8:
      if (const auto descriptor = Vp8Descriptor::parse(payload)) {
        add(out, payload.subspan(descriptor->size));
        part = {true, descriptor->key_frame, false, descriptor->resolution};
      }
      break;
    case Codec::Vp9:
      if (const auto descriptor = Vp9Descriptor::parse(payload)) {
        add(out, payload.subspan(descriptor->size));
        part = {true, descriptor->key_frame(), false, descriptor->resolution()};
      }
      break;
    case Codec::H264:
      if (const auto info = H264Info::parse(payload)) {
        part = {append_h264(payload, out), info->has_sps, info->key_frame, info->resolution};
      }
      break;
    case Codec::Av1:
      if (const auto info = Av1Info::parse(payload)) {
        part = {append_av1(payload, out), info->key_frame, false, info->resolution};
      }
      break;
    case Codec::H265:  // never negotiated
    case Codec::Opus:
    case Codec::Red:
      break;
  }
  return part;
}

bool Depacketizer::append_h264(ConstBytes payload, std::vector<std::uint8_t>& out) {
  static constexpr std::array<std::uint8_t, 4> kStartCode{0, 0, 0, 1};
  H264Reader reader(payload);
  while (const auto nal = reader.next()) {
    // A unit that was not ended, or a piece whose beginning is missing.
    if (nal->start == open_) return false;
    if (nal->start) {
      add(out, kStartCode);
      out.push_back(nal->header);
    }
    add(out, nal->body);
    open_ = !nal->end;
  }
  return reader.ok();
}

bool Depacketizer::append_av1(ConstBytes payload, std::vector<std::uint8_t>& out) {
  Av1Reader reader(payload);
  while (const auto obu = reader.next()) {
    if (obu->start == open_) return false;
    if (obu->start) {
      if (obu->end && !belongs_in_file(obu->type)) continue;
      open_at_ = out.size();
    }
    add(out, obu->data);
    open_ = !obu->end;
    if (obu->end && !close_obu(out, open_at_)) return false;
  }
  return reader.ok();
}

}  // namespace parley::rtp
