#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "rtp/packet_info.h"
#include "rtp/renumberer.h"
#include "rtp/timeline.h"
#include "rtp/types.h"
#include "rtp/vp8.h"
#include "rtp/vp8_numbers.h"

namespace parley::rtp {

// Decides for one slot (or tap) which packets pass and under which numbers. Changing the layer and
// changing the source are the same operation: set_target(), then wait for the target's key frame,
// then continue with running sequence numbers (RFC 3550, section 5.1), a steady time line and
// running VP8 numbers (RFC 7741), so a receiver sees one stream that never ends. While it waits,
// another layer of the same track goes on being forwarded; another track does not, so that no name
// stands over someone else's picture. It sees no bytes and sends none:
//
//   forwarder.set_target(Source{track_no, layer});              // Assign, or another layer chosen
//   for each packet of the track's encodings:
//     auto rewrite = forwarder.on_packet(info, source);
//     if (!rewrite) { ++drops[rewrite.error()]; continue; }
//     egress.write(packet, info, *rewrite);  // to_wire(rewrite->seq); VP8: rewrite(info.vp8, ...)
//     sent_log.on_sent(*rewrite, source, info, size);
//   if (auto source = forwarder.wants_key_frame()) gate_of(*source).want();
//   if (auto source = forwarder.take_switched()) tell("slot shows", *source);
//   every second: sender report {to_ntp(now), *forwarder.timestamp_at(now)}

// One encoding (simulcast layer) of one track. `track` is the server-wide track number.
struct Source {
  std::uint32_t track = 0;
  std::uint8_t encoding = 0;
  friend bool operator==(Source, Source) = default;
};

// Why a packet is not forwarded.
enum class Drop : std::uint8_t {
  NoTarget,     // the slot is empty
  OtherSource,  // a layer or track that this slot does not show
  Muted,
  WaitingForKeyFrame,
  BeforeSwitch,  // late, of before the source was switched to
  TooOld,        // late, and its number is no longer remembered
  PaddingOnly,
};
inline constexpr std::size_t kDropCount = 7;
[[nodiscard]] std::string_view name(Drop drop) noexcept;

// What to write into the forwarded copy.
struct Rewrite {
  ExtSeq seq;
  RtpTimestamp timestamp;
  Vp8Numbers vp8;                  // meaningful for VP8 only
  std::uint16_t frame_number = 0;  // dependency descriptor, where PacketInfo has one
  bool marker = false;
};

class Forwarder {
 public:
  // `first_seq` and `first_timestamp` should be random (RFC 3550, section 5.1).
  Forwarder(MediaKind kind, std::uint32_t clock_rate_hz, Seq first_seq,
            RtpTimestamp first_timestamp) noexcept;

  // What the slot shall show; nothing empties it at once. The same target again changes nothing.
  void set_target(std::optional<Source> target) noexcept;
  // Muted: nothing passes from this very packet on. Afterwards video waits for a key frame, audio
  // goes on at once; numbers run on, time goes on.
  void set_muted(bool muted) noexcept;
  // The source's sequence numbers and timestamps begin anew (new SSRC, or Verdict::Restarted).
  void on_source_restarted(Source source) noexcept;
  // The receiver lost its decoder state (PLI or FIR from a subscriber, or a full tap). Forwarding
  // goes on, a key frame is wanted. With `hold` nothing passes until it comes (taps).
  void request_key_frame(bool hold = false) noexcept;

  [[nodiscard]] tl::expected<Rewrite, Drop> on_packet(const PacketInfo& packet,
                                                      Source source) noexcept;

  // The first packet of a key frame of `source` came late, behind others of its frame, which were
  // dropped. True when that is what is waited for: the caller gives all packets from that one on
  // again, in order, and they pass.
  [[nodiscard]] bool rewind(Source source) noexcept;

  // Of which source a key frame is needed, as long as it is.
  [[nodiscard]] std::optional<Source> wants_key_frame() const noexcept;
  // Once after the first packet of another source has passed: what the slot shows now. Every
  // change of track and of layer is told.
  [[nodiscard]] std::optional<Source> take_switched() noexcept;

  [[nodiscard]] std::optional<Source> target() const noexcept { return target_; }
  [[nodiscard]] std::optional<Source> current() const noexcept { return current_; }
  [[nodiscard]] bool muted() const noexcept { return muted_; }
  // Of current(): what came before it is of before the switch, or of before a mute, and must not
  // be heard here, neither by itself nor within another packet.
  [[nodiscard]] ExtSeq first_in() const noexcept { return renumberer_.first_in(); }

  // The slot's timestamp for media captured now: our sender report says {to_ntp(now), this}.
  // Nothing before the first packet.
  [[nodiscard]] std::optional<RtpTimestamp> timestamp_at(Time now) const noexcept;
  // The slot's timestamp for a timestamp of the current source: a tap re-expresses the publisher's
  // sender reports with it. Nothing unless `source` is the one now shown.
  [[nodiscard]] std::optional<RtpTimestamp> convert(RtpTimestamp timestamp,
                                                    Source source) const noexcept;

 private:
  [[nodiscard]] std::optional<Drop> admit(const PacketInfo& packet, Source source,
                                          bool& first) noexcept;
  void start(const PacketInfo& packet, Source source) noexcept;

  MediaKind kind_;
  std::optional<Source> target_;
  std::optional<Source> current_;         // what the slot shows
  std::optional<Source> switched_;        // to current_, not told yet
  std::optional<ExtSeq> target_highest_;  // seen of target_
  Codec codec_ = Codec::Opus;             // of current_
  bool muted_ = false;
  bool paused_ = true;             // current_ goes on with a start only
  bool new_numbering_ = true;      // timestamps of current_ do not continue those before
  bool key_frame_wanted_ = false;  // by the receiver
  std::uint16_t frame_number_offset_ = 0;
  std::uint16_t last_frame_number_ = 0;
  Vp8Renumberer vp8_;
  Timeline timeline_;
  Renumberer renumberer_;  // large, and last: what each packet needs lies together
};

}  // namespace parley::rtp
