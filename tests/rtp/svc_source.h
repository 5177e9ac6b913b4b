#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rtp/bytes.h"
#include "rtp/packet_builder.h"
#include "rtp/types.h"
#include "tests/rtp/wire.h"

// A publisher with layers inside its encoding, as far as the wire goes, and a decoder that knows
// which frames need which: what a forwarder leaves must still decode.
namespace parley::rtp {

// As in W3C's scalability modes: LxTy, or with `key_only` LxTy_KEY, where only key pictures are
// predicted from the layer below.
struct SvcMode {
  Codec codec = Codec::Vp9;
  unsigned spatial = 1;
  unsigned temporal = 1;
  bool key_only = false;

  [[nodiscard]] std::string name() const {
    return std::to_string(static_cast<int>(codec)) + ":L" + std::to_string(spatial) + "T" +
           std::to_string(temporal) + (key_only ? "_KEY" : "");
  }
};

// What a packet is part of; its last bytes say it.
struct SvcStamp {
  static constexpr std::size_t kSize = 16;
  static constexpr std::uint32_t kMagic = 0x53564331;
  static constexpr std::uint32_t kNone = 0xffffff;
  std::uint32_t picture = 0;
  std::uint32_t earlier = kNone;  // the picture whose frame of the same size it refers to
  std::uint8_t spatial = 0;
  std::uint8_t temporal = 0;
  bool below = false;  // refers to the next smaller frame of its picture
  bool key = false;
  std::uint8_t index = 0;  // of the packet in its frame
  std::uint8_t count = 1;

  static std::optional<SvcStamp> read(ConstBytes payload) {
    if (payload.size() < kSize) return std::nullopt;
    const ConstBytes b = payload.last(kSize);
    if (load32(b, 0) != kMagic) return std::nullopt;
    SvcStamp s;
    s.picture = load24(b, 4);
    s.earlier = load24(b, 7);
    s.spatial = b[10] >> 4;
    s.temporal = b[10] & 15;
    s.below = (b[11] & 1) != 0;
    s.key = (b[11] & 2) != 0;
    s.index = b[12];
    s.count = b[13];
    return s;
  }
  void write(Bytes payload) const {
    const Bytes b = payload.last(kSize);
    store32(b, 0, kMagic);
    store24(b, 4, picture);
    store24(b, 7, earlier);
    b[10] = static_cast<std::uint8_t>(spatial << 4 | temporal);
    b[11] = static_cast<std::uint8_t>((below ? 1 : 0) | (key ? 2 : 0));
    b[12] = index;
    b[13] = count;
  }
};

struct SvcPacket {
  SvcStamp stamp;
  WireBytes bytes;
};

class SvcSource {
 public:
  struct Options {
    SvcMode mode;
    Ssrc ssrc{1};
    PayloadType pt{96};
    std::uint16_t first_seq = 1;
    std::uint32_t first_timestamp = 0;
    std::uint16_t first_picture_id = 0x7ff0;
    std::uint16_t first_frame_number = 0xfff0;
    std::uint8_t descriptor_id = 12;
    std::uint16_t height = 720;              // of the largest
    std::vector<std::size_t> frame_bytes{};  // by spatial layer; one packet of little by default
  };
  static constexpr std::size_t kMaxPayload = 1'100;

  explicit SvcSource(Options options)
      : options_(std::move(options)),
        seq_(options_.first_seq),
        timestamp_(options_.first_timestamp),
        picture_id_(options_.first_picture_id),
        frame_number_(options_.first_frame_number) {}

  // The next picture with its first `spatial` layers. `extend` may add header extensions.
  template <class Extend>
  std::vector<SvcPacket> next(bool key, unsigned spatial, const Extend& extend) {
    std::vector<SvcPacket> packets;
    begin_picture(key);
    for (unsigned s = 0; s < std::min(spatial, options_.mode.spatial); ++s) {
      add_frame(s, s + 1 == std::min(spatial, options_.mode.spatial), extend, packets);
    }
    ++picture_;
    timestamp_ += 3'000;
    picture_id_ = (picture_id_ + 1) & 0x7fff;
    return packets;
  }
  std::vector<SvcPacket> next(bool key) {
    return next(key, options_.mode.spatial, [](ExtensionWriter&) {});
  }
  [[nodiscard]] std::uint32_t timestamp() const { return timestamp_; }

 private:
  using Mode = SvcMode;
  void begin_picture(bool key) {
    key_ = key;
    position_ = key ? 0 : (position_ + 1) % (1U << (options_.mode.temporal - 1));
    // T1: 0; T2: 0 1; T3: 0 2 1 2.
    temporal_ = position_ == 0 ? 0U : position_ % 2 == 1 ? options_.mode.temporal - 1 : 1U;
    if (temporal_ == 0) ++tl0_;
    if (key) last_.clear();
  }

  // The last picture of a lower temporal layer, or for the base layer of its own.
  [[nodiscard]] std::uint32_t earlier(unsigned s) const {
    if (key_) return SvcStamp::kNone;
    std::uint32_t best = SvcStamp::kNone;
    for (const auto& [layer, frame] : last_) {
      const bool lower = layer.second < temporal_ || (layer.second == 0 && temporal_ == 0);
      if (layer.first != s || !lower) continue;
      if (best == SvcStamp::kNone || frame.picture > best) best = frame.picture;
    }
    return best;
  }
  [[nodiscard]] std::uint16_t number_of(unsigned s, std::uint32_t picture) const {
    for (const auto& [layer, frame] : last_) {
      if (layer.first == s && frame.picture == picture) return frame.number;
    }
    return 0;
  }

  template <class Extend>
  void add_frame(unsigned s, bool last, const Extend& extend, std::vector<SvcPacket>& packets) {
    SvcStamp stamp;
    stamp.picture = picture_;
    stamp.earlier = earlier(s);
    stamp.spatial = static_cast<std::uint8_t>(s);
    stamp.temporal = static_cast<std::uint8_t>(temporal_);
    stamp.below = s > 0 && (key_ || !options_.mode.key_only);
    stamp.key = key_;
    // As large as four, of a key picture.
    const std::size_t size =
        s < options_.frame_bytes.size() ? options_.frame_bytes[s] * (key_ ? 4 : 1) : 60;
    stamp.count = static_cast<std::uint8_t>((size + kMaxPayload - 1) / kMaxPayload);
    for (std::size_t left = size; left > 0; ++stamp.index) {
      const std::size_t chunk = std::max(std::min(left, kMaxPayload), std::size_t{60});
      left -= std::min(left, chunk);
      packets.push_back({stamp, packet(stamp, chunk, last && left == 0, extend)});
    }
    last_[{s, temporal_}] = {picture_, frame_number_};
    ++frame_number_;
  }

  template <class Extend>
  WireBytes packet(const SvcStamp& stamp, std::size_t size, bool marker, const Extend& extend) {
    WireBytes payload = head(stamp);
    payload.resize(std::max(size, payload.size() + SvcStamp::kSize), 0x55);
    stamp.write(payload);
    WireBytes bytes(1'400);
    HeaderFields fields;
    fields.payload_type = options_.pt;
    fields.seq = Seq{seq_++};
    fields.timestamp = RtpTimestamp{timestamp_};
    fields.ssrc = options_.ssrc;
    fields.marker = marker;
    PacketBuilder builder(bytes, fields);
    extend(builder.extensions());
    if (options_.mode.codec == Codec::Av1 || options_.mode.codec == Codec::H264) {
      builder.extensions().add(options_.descriptor_id, descriptor(stamp));
    }
    builder.payload(payload);
    bytes.resize(builder.finish());
    return bytes;
  }

  [[nodiscard]] WireBytes head(const SvcStamp& stamp) const {
    const bool first = stamp.index == 0;
    if (options_.mode.codec == Codec::Vp9) return vp9_head(stamp);
    if (options_.mode.codec == Codec::Vp8) {
      BitWriter w;
      w.bits(first ? 0x90 : 0x80, 8).bits(0xe0, 8).bits(0x8000U | picture_id_, 16).bits(tl0_, 8);
      w.bits(temporal_, 2).bits(temporal_ > 0 && position_ < 3 ? 1 : 0, 1).bits(0, 5);
      if (first && key_) w.bits(0x10'0000, 24).bits(0x9d012a, 24).bits(0x0005'd002, 32);
      if (first && !key_) w.bits(0x11'0000, 24);
      return w.bytes();
    }
    if (options_.mode.codec == Codec::H264) {
      if (first && key_) return {0x67, 0x42, 0xe0, 0x1f};  // parameter sets begin a key picture
      return {0x41, 0x9a};
    }
    // AV1: a sequence header opens a key picture, frames follow; W = 1 or 2.
    if (!first) return {0x90};
    if (!key_ || stamp.spatial > 0) return {0x10, 0x30};
    return {0x28, 0x03, 0x08, 0x00, 0x00, 0x30};
  }

  [[nodiscard]] WireBytes vp9_head(const SvcStamp& stamp) const {
    const bool first = stamp.index == 0;
    const bool structure = first && key_ && stamp.spatial == 0;
    BitWriter w;
    w.bits(1, 1).bits(key_ ? 0 : 1, 1).bits(1, 1).bits(0, 1);  // I P L F
    w.bits(first ? 1 : 0, 1).bits(stamp.index + 1 == stamp.count ? 1 : 0, 1);
    w.bits(structure ? 1 : 0, 1).bits(0, 1).bits(0x8000U | picture_id_, 16);
    w.bits(temporal_, 3).bits(temporal_ == 0 ? 1 : 0, 1).bits(stamp.spatial, 3);
    w.bits(stamp.below ? 1 : 0, 1).bits(tl0_, 8);
    if (!structure) return w.bytes();
    w.bits(options_.mode.spatial - 1, 3).bits(0b10000, 5);
    for (unsigned s = 0; s < options_.mode.spatial; ++s) w.bits(width(s), 16).bits(height(s), 16);
    return w.bytes();
  }
  [[nodiscard]] unsigned height(unsigned s) const {
    return unsigned{options_.height} >> (options_.mode.spatial - 1 - s);
  }
  [[nodiscard]] unsigned width(unsigned s) const { return height(s) * 16 / 9; }

  // Templates: for each spatial layer one for key pictures, then one for each temporal layer.
  [[nodiscard]] unsigned template_of(const SvcStamp& stamp) const {
    const unsigned first = stamp.spatial * (options_.mode.temporal + 1);
    return key_ ? first : first + 1 + temporal_;
  }
  WireBytes descriptor(const SvcStamp& stamp) {
    const bool structure = key_ && stamp.spatial == 0 && stamp.index == 0;
    const unsigned count = options_.mode.spatial * (options_.mode.temporal + 1);
    if (structure) offset_ = (offset_ + count) % 64;
    BitWriter w;
    w.bits(stamp.index == 0 ? 1 : 0, 1).bits(stamp.index + 1 == stamp.count ? 1 : 0, 1);
    w.bits((offset_ + template_of(stamp)) % 64, 6).bits(frame_number_, 16);
    w.bits(structure ? 1 : 0, 1).bits(0, 1).bits(0, 1).bits(1, 1).bits(0, 1);
    if (structure) put_structure(w);
    if (stamp.earlier != SvcStamp::kNone) {
      put_difference(
          w, static_cast<std::uint16_t>(frame_number_ - number_of(stamp.spatial, stamp.earlier)));
    }
    if (stamp.below) put_difference(w, 1);
    w.bits(0, 2);
    return w.bytes();
  }
  static void put_difference(BitWriter& w, std::uint16_t difference) {
    w.bits(2, 2).bits(difference - 1U, 8);
  }
  void put_structure(BitWriter& w) const {
    const Mode& mode = options_.mode;
    w.bits(offset_, 6).bits(mode.spatial * mode.temporal - 1, 5);
    for (unsigned s = 0; s < mode.spatial; ++s) {
      w.bits(0, 2);
      for (unsigned t = 0; t < mode.temporal; ++t) {
        const bool end = t + 1 == mode.temporal;
        w.bits(!end ? 1 : s + 1 == mode.spatial ? 3 : 2, 2);
      }
    }
    for (unsigned s = 0; s < mode.spatial; ++s) {
      put_targets(w, s, 0, true);
      for (unsigned t = 0; t < mode.temporal; ++t) put_targets(w, s, t, false);
    }
    w.bits(0, mode.spatial * (mode.temporal + 1));  // no differences: each frame has its own
    // No chains, ns(n + 1) of 0.
    unsigned width = 0;
    for (unsigned x = mode.spatial * mode.temporal + 1; x != 0; x >>= 1) ++width;
    w.bits(0, width - 1).bits(1, 1);
    for (unsigned s = 0; s < mode.spatial; ++s)
      w.bits(this->width(s) - 1, 16).bits(height(s) - 1, 16);
  }
  // As libwebrtc says it: scalability_structure_full_svc and _key_svc.
  void put_targets(BitWriter& w, unsigned s, unsigned t, bool key) const {
    constexpr unsigned kNotPresent = 0, kDiscardable = 1, kSwitch = 2, kRequired = 3;
    for (unsigned ts = 0; ts < options_.mode.spatial; ++ts) {
      for (unsigned tt = 0; tt < options_.mode.temporal; ++tt) {
        unsigned indication = kRequired;
        if (ts < s || tt < t || (ts != s && !key && options_.mode.key_only)) {
          indication = kNotPresent;
        } else if (ts == s) {
          indication = tt == t && t > 0 ? kDiscardable : kSwitch;
        } else if (key) {
          indication = kSwitch;
        }
        w.bits(indication, 2);
      }
    }
  }

  struct Frame {
    std::uint32_t picture = 0;
    std::uint16_t number = 0;
  };
  Options options_;
  std::uint16_t seq_;
  std::uint32_t timestamp_;
  std::uint16_t picture_id_;
  std::uint16_t frame_number_;
  std::uint32_t picture_ = 0;
  unsigned position_ = 0;
  unsigned temporal_ = 0;
  std::uint8_t tl0_ = 7;
  unsigned offset_ = 0;
  bool key_ = false;
  std::map<std::pair<unsigned, unsigned>, Frame> last_;  // by spatial and temporal layer
};

// Collects frames and tells which of them decode.
class SvcDecoder {
 public:
  void on_packet(const SvcStamp& stamp) {
    auto& [first, got] = frames_[{stamp.picture, stamp.spatial}];
    first = stamp;
    got.insert(stamp.index);
  }
  // Frames that are whole but refer to others that are not.
  [[nodiscard]] std::size_t undecodable() const { return walk().undecodable; }
  // Pictures by their number, with the highest layer that decodes.
  [[nodiscard]] std::map<std::uint32_t, SvcStamp> decoded() const { return walk().pictures; }

 private:
  using Key = std::pair<std::uint32_t, std::uint8_t>;
  struct Walk {
    std::size_t undecodable = 0;
    std::map<std::uint32_t, SvcStamp> pictures;
  };
  [[nodiscard]] Walk walk() const {
    Walk result;
    std::set<Key> decoded;
    for (const auto& [key, frame] : frames_) {
      const auto& [stamp, got] = frame;
      if (got.size() < stamp.count) continue;
      const bool earlier =
          stamp.earlier == SvcStamp::kNone || decoded.contains({stamp.earlier, stamp.spatial});
      const bool below =
          !stamp.below ||
          decoded.contains({stamp.picture, static_cast<std::uint8_t>(stamp.spatial - 1)});
      if (!earlier || !below) {
        ++result.undecodable;
        continue;
      }
      decoded.insert(key);
      result.pictures[stamp.picture] = stamp;
    }
    return result;
  }
  std::map<Key, std::pair<SvcStamp, std::set<std::uint8_t>>> frames_;
};

}  // namespace parley::rtp
