#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "rtp/packet_info.h"
#include "rtp/packet_layers.h"
#include "rtp/picture_numbers.h"
#include "rtp/renumberer.h"
#include "rtp/timeline.h"
#include "rtp/types.h"

namespace parley::rtp {

// Decides for one slot (or tap) which packets pass and under which numbers. Changing the layer and
// changing the source are the same operation: set_target(), then wait for the target's key frame,
// then continue with running sequence numbers (RFC 3550, section 5.1), a steady time line and
// running picture ids (RFC 7741, RFC 9628), so a receiver sees one stream that never ends. While it
// waits, another encoding of the same track goes on being forwarded; another track does not, so
// that no name stands over someone else's picture.
//
// Of an encoding that has layers inside only those up to a limit pass. It falls with the next
// picture; it rises to a larger picture at a key picture, to more pictures a second where the
// stream says that they decode from there on. What is left out leaves no hole in the numbers, and
// the last packet that is left of a picture gets its marker.
//
// It sees no bytes and sends none:
//
//   forwarder.set_target(Source{track_no, encoding}, limit);    // Assign, or another layer chosen
//   for each packet of the track's encodings:
//     auto rewrite = forwarder.on_packet(info, source);
//     if (!rewrite) { ++drops[rewrite.error()]; continue; }
//     egress.write(packet, info, *rewrite);  // to_wire(rewrite->seq); rewrite(info.picture, ...)
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
  AboveLimit,  // a layer of its encoding that the slot does not get
};
inline constexpr std::size_t kDropCount = 8;
[[nodiscard]] std::string_view name(Drop drop) noexcept;

// What to write into the forwarded copy.
struct Rewrite {
  ExtSeq seq;
  RtpTimestamp timestamp;
  PictureNumbers picture;          // meaningful for VP8 and VP9 only
  std::uint16_t frame_number = 0;  // dependency descriptor, where PacketInfo has one
  LayerLimit limit;                // in force for it
  bool marker = false;
  bool empty = false;  // it goes out without its payload, for its number is waited for

  // The rest of what follows from the limit.
  void limit_to(LayerLimit to, const PacketInfo& packet) noexcept {
    limit = to;
    const PacketLayers& layers = packet.layers;
    empty = packet.padding_only || !layers.within(to);
    marker = !empty && (packet.marker || (layers.frame_end && layers.spatial == to.spatial));
  }
};

class Forwarder {
 public:
  // `first_seq` and `first_timestamp` should be random (RFC 3550, section 5.1).
  Forwarder(MediaKind kind, std::uint32_t clock_rate_hz, Seq first_seq,
            RtpTimestamp first_timestamp) noexcept;

  // What the slot shall show; nothing empties it at once. The same target again changes nothing.
  void set_target(std::optional<Source> target, LayerLimit limit = {}) noexcept;
  // While the target is waited for, nothing else passes either: for a target that is smaller than
  // what is shown, which is more than the way carries.
  void pause_until_target() noexcept {
    if (current_ != target_) paused_ = true;
  }
  // Nothing passes before a key frame.
  [[nodiscard]] bool paused() const noexcept { return paused_; }
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

  // The receiver cannot decode a packet's codec. True when it is what `source`, which he sees,
  // sends from now on: nothing passes until a key frame that he can decode. One that comes late is
  // of before a change and means nothing.
  [[nodiscard]] bool pause_undecodable(const PacketInfo& packet, Source source) noexcept;

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
  [[nodiscard]] LayerLimit target_limit() const noexcept { return target_limit_; }
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
  [[nodiscard]] static std::uint8_t led_up_to(const PacketLayers& layers,
                                              LayerLimit limit) noexcept;
  // At a packet of the current source, in order.
  void follow(const PacketInfo& packet) noexcept {
    const bool new_picture = packet.timestamp != picture_;
    picture_ = packet.timestamp;
    if (limit_ != target_limit_) move_limit(packet, new_picture);
  }
  void move_limit(const PacketInfo& packet, bool new_picture) noexcept;
  void leave_out(const PacketInfo& packet) noexcept;

  // For a point from which more pictures a second decode; then a key frame is asked for.
  static constexpr Duration kPatience{1'000'000};

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
  // Of current_: what is in force since limit_since_, and before.
  LayerLimit target_limit_;
  LayerLimit limit_;
  LayerLimit limit_before_;
  ExtSeq limit_since_;
  RtpTimestamp picture_;                      // the last that came of a source with layers
  std::optional<Time> waiting_for_pictures_;  // for more of them a second, since then
  PictureRenumberer pictures_;
  Timeline timeline_;
  Renumberer renumberer_;  // large, and behind: what each packet needs lies together
  SkippedPictures skipped_;
};

}  // namespace parley::rtp
