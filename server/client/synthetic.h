#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "rtp/types.h"

// Made-up media for the simulator and the benchmarks: everything that a forwarder looks at is
// right (RTP header, MID, RID and transport-cc extensions, VP8 payload descriptor and frame
// header, H.264 NAL unit headers, Opus TOC); what lies behind is filler that says which frame it
// belongs to.
namespace parley::client {

// Takes one plain RTP packet.
using PacketSink = std::function<void(rtp::ConstBytes)>;

// Counts transport-cc numbers over all streams of one client.
struct TransportSequence {
  std::uint16_t next = 1;
};

// Ids of header extensions (RFC 8285, one-byte form); 0 leaves one out.
struct SyntheticExtensions {
  std::uint8_t mid = 0;
  std::uint8_t rid = 0;
  std::uint8_t transport_cc = 0;
  std::uint8_t audio_level = 0;
};

// The frame a synthetic video payload carries, as found behind its VP8 descriptor and header.
struct SyntheticFrame {
  std::uint32_t stream = 0;  // SyntheticVideo::Options::identity
  std::uint32_t layer = 0;
  std::uint32_t frame = 0;
  bool key_frame = false;
  std::uint16_t height = 0;  // of key frames
};
// Reads it from the first packet of a frame, by the VP8 payload; nothing if it is none of ours.
[[nodiscard]] std::optional<SyntheticFrame> read_synthetic_vp8(rtp::ConstBytes payload) noexcept;
// The same of H.264; the height is not in it.
[[nodiscard]] std::optional<SyntheticFrame> read_synthetic_h264(rtp::ConstBytes payload) noexcept;

// VP8 or H.264 at a steady rate, simulcast if there is more than one layer; one temporal layer. The
// first frame of each layer is a key frame, further ones only on request.
class SyntheticVideo {
 public:
  struct Layer {
    rtp::Ssrc ssrc;
    rtp::Rid rid;  // empty: none
    std::uint16_t width = 1'280;
    std::uint16_t height = 720;
    std::uint32_t bitrate_bps = 1'500'000;
    std::uint16_t first_seq = 1;
    std::uint32_t first_timestamp = 0;
    bool active = true;
  };
  struct Options {
    std::uint32_t identity = 0;
    std::vector<Layer> layers;  // lowest first
    rtp::Codec codec = rtp::Codec::Vp8;
    rtp::PayloadType pt{96};
    rtp::Mid mid;
    SyntheticExtensions extensions;
    std::uint32_t fps = 30;
    std::size_t max_payload = 1'100;
    // Of that many packets after start (or after a call to show_names()) MID and RID are written,
    // as browsers do until the first receiver report.
    std::size_t named_packets = 40;
  };

  SyntheticVideo(Options options, TransportSequence& transport);

  void start(rtp::Time now) noexcept { next_frame_ = now; }
  // Emits all frames due by `now`.
  void poll(rtp::Time now, const PacketSink& sink);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept { return next_frame_; }

  // The layer's next frame is a key frame. Unknown SSRCs are ignored.
  void request_key_frame(rtp::Ssrc ssrc) noexcept;
  void set_active(std::size_t layer, bool active) noexcept;
  // From the next frame on.
  void set_bitrate(std::size_t layer, std::uint32_t bps) noexcept {
    options_.layers[layer].bitrate_bps = bps;
  }
  // From the next frame on, which is a key frame: Codec::Vp8 or Codec::H264.
  void set_codec(rtp::Codec codec, rtp::PayloadType pt) noexcept;
  // Packets that were sent of late, for answering NACKs; nothing if it is too long ago.
  [[nodiscard]] std::optional<rtp::ConstBytes> sent(rtp::Ssrc ssrc, rtp::Seq seq) const noexcept;
  [[nodiscard]] std::uint64_t key_frames(std::size_t layer) const {
    return states_[layer].key_frames;
  }
  [[nodiscard]] std::uint64_t frames(std::size_t layer) const { return states_[layer].frame; }
  [[nodiscard]] std::uint32_t timestamp(std::size_t layer) const {
    return states_[layer].timestamp;
  }

 private:
  static constexpr std::size_t kKept = 512;  // packets per layer
  struct State {
    std::uint16_t seq = 0;
    std::uint32_t timestamp = 0;
    std::uint16_t picture_id = 0;
    std::uint8_t tl0_pic_idx = 0;
    std::uint32_t frame = 0;
    std::size_t packets = 0;
    std::uint64_t key_frames = 0;
    bool key_frame_wanted = true;
    std::vector<std::vector<std::uint8_t>> kept;
  };
  void emit_frame(std::size_t layer, const PacketSink& sink);
  // Write what comes before the stamp of a frame's first packet, and return the stamp's place.
  [[nodiscard]] rtp::Bytes begin_vp8(rtp::Bytes payload, std::size_t layer, bool key, bool first);
  [[nodiscard]] static rtp::Bytes begin_h264(rtp::Bytes payload, bool key, bool first);

  Options options_;
  TransportSequence& transport_;
  std::vector<State> states_;
  std::optional<rtp::Time> next_frame_;
  std::uint64_t tick_ = 0;
};

// The frame a synthetic audio payload carries.
struct SyntheticSound {
  std::uint32_t stream = 0;  // SyntheticAudio::Options::identity
  std::uint32_t frame = 0;   // counted from 0
  friend bool operator==(SyntheticSound, SyntheticSound) = default;
};
[[nodiscard]] std::optional<SyntheticSound> read_synthetic_opus(rtp::ConstBytes payload) noexcept;

// Opus-like packets, one every 20 ms.
class SyntheticAudio {
 public:
  struct Options {
    std::uint32_t identity = 0;
    rtp::Ssrc ssrc;
    rtp::PayloadType pt{111};
    rtp::Mid mid;
    SyntheticExtensions extensions;
    std::uint16_t first_seq = 1;
    std::uint32_t first_timestamp = 0;
    std::size_t payload = 80;
    std::size_t named_packets = 40;
  };

  SyntheticAudio(Options options, TransportSequence& transport);

  void start(rtp::Time now) noexcept { next_ = now; }
  void poll(rtp::Time now, const PacketSink& sink);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept { return next_; }
  // 0 is loudest, 127 silence (RFC 6464).
  void set_level(std::uint8_t dbov, bool voice) noexcept { level_ = dbov, voice_ = voice; }
  // After each packet so many are left out, as an encoder does in a silence (DTX, RFC 7587, section
  // 3.1.3): numbers go on, timestamps jump.
  void set_left_out(std::uint32_t frames) noexcept { left_out_ = frames; }
  [[nodiscard]] std::uint32_t timestamp() const noexcept { return timestamp_; }
  // Of the next packet.
  [[nodiscard]] std::uint32_t frame() const noexcept {
    return static_cast<std::uint32_t>(packets_);
  }

 private:
  Options options_;
  TransportSequence& transport_;
  std::optional<rtp::Time> next_;
  std::uint16_t seq_;
  std::uint32_t timestamp_;
  std::size_t packets_ = 0;
  std::uint32_t left_out_ = 0;
  std::uint8_t level_ = 40;
  bool voice_ = true;
};

}  // namespace parley::client
