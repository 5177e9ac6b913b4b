#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "rtp/depacketizer.h"
#include "rtp/extensions.h"
#include "rtp/sequence.h"
#include "rtp/types.h"

namespace parley::rtp {

class Packet;

// One whole frame as a muxer or decoder wants it: VP8 and VP9 without descriptors, H.264 in Annex B
// (start codes, parameter sets kept in band), AV1 as a temporal unit of OBUs with size fields and
// without temporal delimiter, Opus one packet (RED unwrapped).
struct Frame {
  Codec codec = Codec::Opus;  // never Red
  RtpTimestamp timestamp;     // as in the packets; 90 kHz video, 48 kHz audio
  ExtSeq first;               // packets it came from, on the assembler's own count
  ExtSeq last;
  bool key_frame = false;   // video
  bool after_gap = false;   // something before it is missing for good
  std::uint16_t width = 0;  // when a key frame says it, else 0
  std::uint16_t height = 0;
  // Clockwise, to show it upright (3GPP TS 26.114, section 7.4.5): 0, 90, 180, 270. As told last,
  // since a sender may say it of key frames and changes only.
  std::uint16_t rotation_degrees = 0;
  Time arrival{};                   // of its last packet
  std::vector<std::uint8_t> bytes;  // reused from frame to frame
};

// Jitter buffer and depacketizers for one received stream with gapless numbering (a tap, or what a
// client gets into a slot): packets in any order in, whole frames in order out. It waits for a hole
// no longer than `reorder_wait`, measured from the first packet behind it, and never holds more
// than `max_packets`; then the incomplete frame is dropped and counted, and video goes on at the
// next key frame. Copies packets into slots that are reused; after a while nothing is allocated.
//
//   assembler.push(bytes, codec, arrival);
//   while (const Frame* frame = assembler.pop(now)) mux(*frame);
//   if (assembler.take_key_frame_request()) tap.request_key_frame();
class FrameAssembler {
 public:
  struct Limits {
    std::size_t max_packets = 1'024;  // rounded up to a power of two
    std::size_t max_frame_bytes = 4'194'304;
    Duration reorder_wait{1'000'000};
  };
  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t broken = 0;  // neither RTP nor a payload of its codec
    std::uint64_t duplicates = 0;
    std::uint64_t late = 0;            // came after the hole was given up
    std::uint64_t lost = 0;            // packets that never came
    std::uint64_t gaps = 0;            // holes given up
    std::uint64_t dropped_frames = 0;  // incomplete, or undecodable for want of a key frame
    std::uint64_t recovered = 0;       // Opus packets taken from a later packet's redundancy
    std::uint64_t frames = 0;
  };

  explicit FrameAssembler(MediaKind kind);
  // `extensions` are those of the packets' headers.
  FrameAssembler(MediaKind kind, const Limits& limits, const ExtensionMap& extensions = {});

  // One RTP packet, without SRTP. `codec` says what its payload is (RED: of Opus).
  void push(ConstBytes packet, Codec codec, Time arrival);
  // The next whole frame, or nullptr. Valid until the next push() or pop().
  [[nodiscard]] const Frame* pop(Time now);
  // No more packets will come: holes are not waited for any longer. Then pop() until nullptr.
  void finish() noexcept { finishing_ = true; }
  // Forgets what it holds, waits for a key frame (video); counters stay.
  void reset() noexcept;

  // When pop() may give up a hole, if it waits for one.
  [[nodiscard]] std::optional<Time> next_deadline() const noexcept;
  // True once each time video begins to wait for a key frame after a loss.
  [[nodiscard]] bool take_key_frame_request() noexcept;
  [[nodiscard]] bool waits_for_key_frame() const noexcept { return waits_for_key_frame_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  struct Slot {
    bool used = false;
    ExtSeq seq;
    Codec codec = Codec::Opus;
    RtpTimestamp timestamp;
    bool marker = false;
    std::optional<std::uint16_t> rotation_degrees;
    Time arrival{};
    std::vector<std::uint8_t> payload;
  };
  enum class Step : std::uint8_t { Nothing, Progress, Done };

  [[nodiscard]] Slot& slot(ExtSeq seq) noexcept {
    return slots_[static_cast<std::size_t>(seq.value) & (slots_.size() - 1)];
  }
  [[nodiscard]] bool holds(ExtSeq seq) noexcept { return slot(seq).used && slot(seq).seq == seq; }
  [[nodiscard]] Step step(Time now);
  [[nodiscard]] Step cross_hole(Time now);
  [[nodiscard]] std::optional<std::uint16_t> rotation_of(const Packet& packet) const noexcept;
  [[nodiscard]] bool recover(const Slot& packet);
  [[nodiscard]] Step take_audio(const Slot& packet);
  [[nodiscard]] Step take_video(const Slot& packet);
  void begin_frame(const Slot& packet);
  void drop_frame() noexcept;
  void lose(std::int64_t packets) noexcept;
  void clear_slots() noexcept;

  MediaKind kind_;
  Limits limits_;
  ExtensionMap extensions_;
  std::vector<Slot> slots_;  // a ring by sequence number
  SeqUnwrapper unwrapper_;
  std::optional<ExtSeq> next_;  // wanted next
  std::optional<Time> hole_since_;
  std::size_t held_ = 0;
  Frame frame_;
  Depacketizer depacketizer_;
  bool in_frame_ = false;
  bool broken_frame_ = false;
  bool after_gap_ = false;
  bool waits_for_key_frame_;
  bool key_frame_request_ = false;
  bool finishing_ = false;
  Counters counters_;
};

}  // namespace parley::rtp
