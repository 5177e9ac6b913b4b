#include "server/client/synthetic.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "rtp/bytes.h"

namespace parley::client {
namespace {

using rtp::ConstBytes;
using rtp::store16;
using rtp::store32;

constexpr std::uint32_t kVideoClock = 90'000;
constexpr std::uint32_t kAudioStep = 960;  // 20 ms at 48 kHz
constexpr rtp::Duration kAudioInterval{20'000};
constexpr std::uint8_t kOpusFullband20ms = 0x78;  // TOC: CELT, full band, 20 ms, mono, one frame
constexpr std::size_t kVp8Descriptor = 6;
constexpr std::size_t kVp8KeyHeader = 10;
constexpr std::size_t kVp8DeltaHeader = 3;
// An aggregation of a parameter set and the slice: size fields and NAL unit headers (RFC 6184).
constexpr std::array<std::uint8_t, 7> kH264KeyStart = {0x78, 0, 4, 0x67, 0x42, 0xE0, 0x1F};
constexpr std::size_t kH264KeyHeader = kH264KeyStart.size() + 4;
constexpr std::size_t kH264DeltaHeader = 2;
constexpr std::uint8_t kH264Idr = 0x65;
constexpr std::uint8_t kH264Slice = 0x41;
constexpr std::size_t kStamp = 16;
constexpr std::size_t kSoundSize = 13;
constexpr std::uint32_t kStampMagic = 0x50524C59;  // "PRLY"
constexpr std::uint32_t kKeyFrameFactor = 4;

struct Header {
  rtp::PayloadType pt;
  bool marker = false;
  std::uint16_t seq = 0;
  std::uint32_t timestamp = 0;
  rtp::Ssrc ssrc;
};

// Header extensions in the one-byte form (RFC 8285, section 4.2).
class ExtensionBlock {
 public:
  void add(std::uint8_t id, ConstBytes value) {
    if (id == 0 || value.empty() || size_ + 1 + value.size() > bytes_.size()) return;
    const std::size_t head = std::size_t{id} << 4 | (value.size() - 1);
    bytes_[size_++] = static_cast<std::uint8_t>(head);
    std::copy(value.begin(), value.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += value.size();
  }
  void add(std::uint8_t id, std::string_view text) {
    add(id, ConstBytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  }
  [[nodiscard]] ConstBytes padded() const noexcept {
    return ConstBytes(bytes_).first((size_ + 3) & ~std::size_t{3});
  }

 private:
  std::array<std::uint8_t, 64> bytes_{};
  std::size_t size_ = 0;
};

std::vector<std::uint8_t> make_packet(const Header& header, const ExtensionBlock& extensions,
                                      std::size_t payload) {
  const ConstBytes block = extensions.padded();
  const std::size_t head = 12 + (block.empty() ? 0 : 4 + block.size());
  std::vector<std::uint8_t> packet(head + payload);
  packet[0] = block.empty() ? 0x80 : 0x90;
  packet[1] = static_cast<std::uint8_t>((header.marker ? 0x80 : 0) | header.pt.value);
  store16(packet, 2, header.seq);
  store32(packet, 4, header.timestamp);
  store32(packet, 8, header.ssrc.value);
  if (!block.empty()) {
    store16(packet, 12, 0xBEDE);
    store16(packet, 14, static_cast<std::uint16_t>(block.size() / 4));
    std::copy(block.begin(), block.end(), packet.begin() + 16);
  }
  return packet;
}

void add_transport(ExtensionBlock& block, std::uint8_t id, TransportSequence& transport) {
  if (id == 0) return;
  std::array<std::uint8_t, 2> number{};
  store16(number, 0, transport.next++);
  block.add(id, number);
}

bool read_stamp(ConstBytes payload, std::size_t at, SyntheticFrame& frame) noexcept {
  if (payload.size() < at + kStamp || rtp::load32(payload, at) != kStampMagic) return false;
  frame.stream = rtp::load32(payload, at + 4);
  frame.layer = rtp::load32(payload, at + 8);
  frame.frame = rtp::load32(payload, at + 12);
  return true;
}

}  // namespace

std::optional<SyntheticFrame> read_synthetic_h264(ConstBytes payload) noexcept {
  if (payload.empty()) return std::nullopt;
  SyntheticFrame frame;
  frame.key_frame = payload[0] == kH264KeyStart[0];
  const std::size_t at = frame.key_frame ? kH264KeyHeader : kH264DeltaHeader;
  return read_stamp(payload, at, frame) ? std::optional(frame) : std::nullopt;
}

std::optional<SyntheticFrame> read_synthetic_vp8(ConstBytes payload) noexcept {
  if (payload.size() < kVp8Descriptor + kVp8DeltaHeader + kStamp) return std::nullopt;
  // X and S, and picture id, TL0PICIDX and TID: only the form that we write.
  if ((payload[0] & 0x97) != 0x90 || payload[1] != 0xE0) return std::nullopt;
  SyntheticFrame frame;
  frame.key_frame = (payload[kVp8Descriptor] & 1) == 0;
  const std::size_t at = kVp8Descriptor + (frame.key_frame ? kVp8KeyHeader : kVp8DeltaHeader);
  if (!read_stamp(payload, at, frame)) return std::nullopt;
  if (frame.key_frame) {
    frame.height = static_cast<std::uint16_t>(
        (payload[kVp8Descriptor + 8] | payload[kVp8Descriptor + 9] << 8) & 0x3FFF);
  }
  return frame;
}

SyntheticVideo::SyntheticVideo(Options options, TransportSequence& transport)
    : options_(std::move(options)), transport_(transport), states_(options_.layers.size()) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    states_[i].seq = options_.layers[i].first_seq;
    states_[i].timestamp = options_.layers[i].first_timestamp;
    states_[i].picture_id = static_cast<std::uint16_t>(1'000 * i + 17);
    states_[i].kept.resize(kKept);
  }
}

void SyntheticVideo::request_key_frame(rtp::Ssrc ssrc) noexcept {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (options_.layers[i].ssrc == ssrc) states_[i].key_frame_wanted = true;
  }
}

void SyntheticVideo::set_active(std::size_t layer, bool active) noexcept {
  // An encoder that comes back starts with a key frame.
  if (active && !options_.layers[layer].active) states_[layer].key_frame_wanted = true;
  options_.layers[layer].active = active;
}

void SyntheticVideo::set_codec(rtp::Codec codec, rtp::PayloadType pt) noexcept {
  options_.codec = codec;
  options_.pt = pt;
  for (State& state : states_) state.key_frame_wanted = true;
}

std::optional<ConstBytes> SyntheticVideo::sent(rtp::Ssrc ssrc, rtp::Seq seq) const noexcept {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (options_.layers[i].ssrc != ssrc) continue;
    const std::vector<std::uint8_t>& packet = states_[i].kept[seq.value % kKept];
    if (packet.size() >= 4 && rtp::load16(packet, 2) == seq.value) return packet;
  }
  return std::nullopt;
}

void SyntheticVideo::poll(rtp::Time now, const PacketSink& sink) {
  while (next_frame_ && *next_frame_ <= now) {
    for (std::size_t layer = 0; layer < states_.size(); ++layer) {
      if (options_.layers[layer].active) emit_frame(layer, sink);
      states_[layer].timestamp += kVideoClock / options_.fps;
    }
    // By count, so that rounding does not add up.
    const auto at = [&](std::uint64_t tick) {
      return rtp::Duration(static_cast<std::int64_t>(tick * 1'000'000 / options_.fps));
    };
    *next_frame_ += at(tick_ + 1) - at(tick_);
    ++tick_;
  }
}

void SyntheticVideo::emit_frame(std::size_t layer, const PacketSink& sink) {
  const Layer& l = options_.layers[layer];
  State& s = states_[layer];
  const bool key = std::exchange(s.key_frame_wanted, false);
  std::size_t left = l.bitrate_bps / 8 / options_.fps * (key ? kKeyFrameFactor : 1);
  left = std::max<std::size_t>(left, kVp8KeyHeader + kStamp);
  for (bool first = true; left > 0; first = false) {
    const std::size_t chunk = std::min(left, options_.max_payload - kVp8Descriptor);
    left -= chunk;
    ExtensionBlock extensions;
    add_transport(extensions, options_.extensions.transport_cc, transport_);
    if (s.packets++ < options_.named_packets) {
      extensions.add(options_.extensions.mid, options_.mid.view());
      extensions.add(options_.extensions.rid, l.rid.view());
    }
    const Header header{options_.pt, left == 0, s.seq, s.timestamp, l.ssrc};
    std::vector<std::uint8_t> packet = make_packet(header, extensions, kVp8Descriptor + chunk);
    const rtp::Bytes payload = rtp::Bytes(packet).last(kVp8Descriptor + chunk);
    const rtp::Bytes stamp = options_.codec == rtp::Codec::H264
                                 ? begin_h264(payload, key, first)
                                 : begin_vp8(payload, layer, key, first);
    if (first) {
      store32(stamp, 0, kStampMagic);
      store32(stamp, 4, options_.identity);
      store32(stamp, 8, static_cast<std::uint32_t>(layer));
      store32(stamp, 12, s.frame);
    }
    sink(packet);
    s.kept[s.seq % kKept] = std::move(packet);
    ++s.seq;
  }
  s.picture_id = (s.picture_id + 1) & 0x7FFF;
  ++s.tl0_pic_idx;
  ++s.frame;
  s.key_frames += key ? 1 : 0;
}

std::optional<SyntheticSound> read_synthetic_opus(ConstBytes payload) noexcept {
  if (payload.size() < kSoundSize || payload[0] != kOpusFullband20ms) return std::nullopt;
  if (rtp::load32(payload, 1) != kStampMagic) return std::nullopt;
  return SyntheticSound{rtp::load32(payload, 5), rtp::load32(payload, 9)};
}

//   0 1 2 3 4 5 6 7      (RFC 7741, section 4.2)
//  |X|R|N|S|R| PID |
//  |I|L|T|K| RSV   |
//  |M| PictureID (15 bits)         |
//  |   TL0PICIDX   |
//  |TID|Y| KEYIDX  |
// then, in the first packet, the frame header of RFC 6386, section 9.1.
rtp::Bytes SyntheticVideo::begin_vp8(rtp::Bytes payload, std::size_t layer, bool key, bool first) {
  const Layer& l = options_.layers[layer];
  const State& s = states_[layer];
  payload[0] = first ? 0x90 : 0x80;
  payload[1] = 0xE0;
  store16(payload, 2, static_cast<std::uint16_t>(0x8000 | s.picture_id));
  payload[4] = s.tl0_pic_idx;
  if (!first) return {};
  const rtp::Bytes frame = payload.subspan(kVp8Descriptor);
  frame[0] = key ? 0x10 : 0x11;  // show_frame; the low bit is the inverse of a key frame
  if (!key) return frame.subspan(kVp8DeltaHeader);
  constexpr std::array<std::uint8_t, 3> kStartCode = {0x9D, 0x01, 0x2A};
  std::copy(kStartCode.begin(), kStartCode.end(), frame.begin() + 3);
  frame[6] = static_cast<std::uint8_t>(l.width);
  frame[7] = static_cast<std::uint8_t>(l.width >> 8 & 0x3F);
  frame[8] = static_cast<std::uint8_t>(l.height);
  frame[9] = static_cast<std::uint8_t>(l.height >> 8 & 0x3F);
  return frame.subspan(kVp8KeyHeader);
}

// Slices, one a packet; only that of a frame's first packet says that it begins the picture.
rtp::Bytes SyntheticVideo::begin_h264(rtp::Bytes payload, bool key, bool first) {
  if (!first || !key) {
    payload[0] = key ? kH264Idr : kH264Slice;
    payload[1] = first ? 0x80 : 0;
    return payload.subspan(kH264DeltaHeader);
  }
  std::copy(kH264KeyStart.begin(), kH264KeyStart.end(), payload.begin());
  const std::size_t slice = kH264KeyStart.size() + 2;
  store16(payload, kH264KeyStart.size(), static_cast<std::uint16_t>(payload.size() - slice));
  payload[slice] = kH264Idr;
  payload[slice + 1] = 0x80;
  return payload.subspan(kH264KeyHeader);
}

SyntheticAudio::SyntheticAudio(Options options, TransportSequence& transport)
    : options_(std::move(options)),
      transport_(transport),
      seq_(options_.first_seq),
      timestamp_(options_.first_timestamp) {}

void SyntheticAudio::poll(rtp::Time now, const PacketSink& sink) {
  for (; next_ && *next_ <= now; *next_ += kAudioInterval) {
    ExtensionBlock extensions;
    const std::array<std::uint8_t, 1> level = {
        static_cast<std::uint8_t>((voice_ ? 0x80 : 0) | (level_ & 0x7F))};
    extensions.add(options_.extensions.audio_level, level);
    add_transport(extensions, options_.extensions.transport_cc, transport_);
    if (packets_ < options_.named_packets) {
      extensions.add(options_.extensions.mid, options_.mid.view());
    }
    const Header header{options_.pt, packets_ == 0, seq_++, timestamp_, options_.ssrc};
    const std::size_t size = std::max(options_.payload, kSoundSize);
    std::vector<std::uint8_t> packet = make_packet(header, extensions, size);
    const rtp::Bytes payload = rtp::Bytes(packet).last(size);
    payload[0] = kOpusFullband20ms;
    store32(payload, 1, kStampMagic);
    store32(payload, 5, options_.identity);
    store32(payload, 9, frame());
    sink(packet);
    ++packets_;
    timestamp_ += kAudioStep * (1 + left_out_);
    *next_ += kAudioInterval * left_out_;
  }
}

}  // namespace parley::client
