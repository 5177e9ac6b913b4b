#include "rtp/extension_reader.h"

#include <string_view>

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr std::uint16_t kOneByteProfile = 0xbede;
constexpr std::uint16_t kTwoByteProfile = 0x1000;  // the low 4 bits are the application's

std::string_view text_of(ConstBytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

ExtensionWalk::ExtensionWalk(std::uint16_t profile, ConstBytes data) noexcept
    : rest_(data), form_(Form::None) {
  if (profile == kOneByteProfile) form_ = Form::OneByte;
  if ((profile & 0xfff0) == kTwoByteProfile) form_ = Form::TwoByte;
}

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |       0xBE    |    0xDE       |           length=3            |
// |  ID   | L=0   |     data      |  ID   |  L=1  |   data...       size is L + 1
//       ...data   |    0 (pad)    |    0 (pad)    |  ID   | L=3   |
//
// |       0x10    |    0x00       |           length=3            |
// |      ID       |     L=0       |     ID        |     L=1       |  size is L
// |       data    |    0 (pad)    |       ID      |      L=4      |
std::optional<ExtensionElement> ExtensionWalk::next() noexcept {
  if (form_ == Form::None) return std::nullopt;
  while (!rest_.empty() && rest_[0] == 0) rest_ = rest_.subspan(1);

  const bool one_byte = form_ == Form::OneByte;
  const std::size_t header_size = one_byte ? 1 : 2;
  if (rest_.size() < header_size) return std::nullopt;

  const auto id = one_byte ? static_cast<std::uint8_t>(rest_[0] >> 4) : rest_[0];
  const std::size_t size = one_byte ? (rest_[0] & 0x0fU) + 1U : rest_[1];
  // 15 is reserved to end the walk, and 0 with a length is no padding (RFC 8285, section 4.2).
  const bool stop = one_byte && (id == 15 || id == 0);
  if (stop || size > rest_.size() - header_size) {
    rest_ = {};
    return std::nullopt;
  }
  const ExtensionElement element{id, rest_.subspan(header_size, size)};
  rest_ = rest_.subspan(header_size + size);
  return element;
}

ExtensionReader::ExtensionReader(const Packet& packet, const ExtensionMap& map) noexcept
    : data_(packet.extension_data()) {
  ExtensionWalk walk(packet);
  while (const auto element = walk.next()) {
    const auto extension = map.find(element->id);
    if (!extension) continue;
    Place& place = places_[static_cast<std::size_t>(*extension)];
    if (place.present) continue;
    place.at = static_cast<std::uint32_t>(element->data.data() - data_.data());
    place.size = static_cast<std::uint8_t>(element->data.size());
    place.present = true;
  }
}

std::optional<ConstBytes> ExtensionReader::find(Extension extension) const noexcept {
  const Place& place = places_[static_cast<std::size_t>(extension)];
  if (!place.present) return std::nullopt;
  return data_.subspan(place.at, place.size);
}

// |V|   level     |
std::optional<AudioLevel> ExtensionReader::audio_level() const noexcept {
  const auto data = find(Extension::AudioLevel);
  if (!data || data->size() != 1) return std::nullopt;
  const std::uint8_t b = (*data)[0];
  return AudioLevel{static_cast<std::uint8_t>(b & 0x7f), (b & 0x80) != 0};
}

std::optional<Mid> ExtensionReader::mid() const noexcept {
  const auto data = find(Extension::Mid);
  return data ? Mid::from(text_of(*data)) : std::nullopt;
}

std::optional<Rid> ExtensionReader::rid() const noexcept {
  const auto data = find(Extension::Rid);
  return data ? Rid::from(text_of(*data)) : std::nullopt;
}

std::optional<Rid> ExtensionReader::repaired_rid() const noexcept {
  const auto data = find(Extension::RepairedRid);
  return data ? Rid::from(text_of(*data)) : std::nullopt;
}

std::optional<Seq> ExtensionReader::transport_cc() const noexcept {
  const auto data = find(Extension::TransportCc);
  if (!data || data->size() != 2) return std::nullopt;
  return Seq{load16(*data, 0)};
}

std::optional<AbsSendTime> ExtensionReader::abs_send_time() const noexcept {
  const auto data = find(Extension::AbsSendTime);
  if (!data || data->size() != 3) return std::nullopt;
  return AbsSendTime{load24(*data, 0)};
}

// |0 0 0 0|C|F|R1 R0|
std::optional<VideoOrientation> ExtensionReader::video_orientation() const noexcept {
  const auto data = find(Extension::VideoOrientation);
  if (!data || data->size() != 1) return std::nullopt;
  const std::uint8_t b = (*data)[0];
  return VideoOrientation{static_cast<std::uint16_t>((b & 3) * 90), (b & 4) != 0, (b & 8) != 0};
}

// |  absolute capture timestamp, 64 bit  |  estimated capture clock offset, 64 bit, may be absent |
std::optional<AbsCaptureTime> ExtensionReader::abs_capture_time() const noexcept {
  const auto data = find(Extension::AbsCaptureTime);
  if (!data || (data->size() != 8 && data->size() != 16)) return std::nullopt;
  AbsCaptureTime time{NtpTime{load64(*data, 0)}, std::nullopt};
  if (data->size() == 16) time.clock_offset = static_cast<std::int64_t>(load64(*data, 8));
  return time;
}

}  // namespace parley::rtp
