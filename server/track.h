#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rtp/audio_level.h"
#include "rtp/clock_map.h"
#include "rtp/encoding_activity.h"
#include "rtp/extension_reader.h"
#include "rtp/forwarder.h"
#include "rtp/history.h"
#include "rtp/layer_selector.h"
#include "rtp/packet.h"
#include "rtp/packet_pool.h"
#include "rtp/types.h"
#include "server/alarm.h"
#include "server/api.h"
#include "server/context.h"
#include "server/encoding.h"
#include "server/media_packet.h"
#include "server/relay.h"
#include "server/rtcp_batch.h"

namespace parley::server {

class Subscription;
class TapSubscription;

// A packet that a track kept, with what a MediaPacket refers to.
struct StoredPacket {
  rtp::Packet packet;
  rtp::ExtensionReader extensions;
  const rtp::PacketInfo& info;
  const CodecParams& codec;
  rtp::Source source;
  const rtp::DependencyReader* descriptors = nullptr;

  [[nodiscard]] MediaPacket media() const {
    return {packet, info, extensions, codec, source, descriptors};
  }
};

// What one peer publishes on one m-line: its encodings, who watches it, and what must be asked of
// the publisher (packets that are missing, key frames). It owns its taps; the subscriptions belong
// to their own peers and come and go by add() and remove().
class Track {
 public:
  static constexpr std::size_t kMaxLayers = 4;
  static constexpr std::size_t kMaxTaps = 4;
  static constexpr std::int64_t kMaxReplay = 256;  // packets behind a key frame's late head

  // `clocks` is the publishing peer's, shared by his tracks. With an `origin` it is a mirror: its
  // packets come from another worker over that relay, which must outlive it (mirror.h).
  Track(Context& context, Alarm& alarm, const rtp::ClockMap& clocks, RoomId room, PeerId peer,
        PublishSection section, Relay* origin = nullptr);
  ~Track();
  Track(const Track&) = delete;
  Track& operator=(const Track&) = delete;

  // The same m-line after another offer.
  void update(PublishSection section);
  void set_muted(rtp::Time now, bool muted);
  // Latches an SSRC to an encoding; the one it had before, if that is another.
  std::optional<rtp::Ssrc> bind(rtp::Ssrc ssrc, std::size_t encoding, bool rtx);

  // Which encoding a packet belongs to, and whether it is a retransmission.
  struct Arrival {
    std::size_t encoding = 0;
    bool rtx = false;
  };
  // A packet of an encoding, decrypted, of the size of the Buffer, with its extensions. It goes to
  // recorders and relays at once, to the subscribers with the next hand_out().
  void on_packet(rtp::Time now, Arrival arrival, rtp::Packet packet,
                 const rtp::ExtensionReader& extensions, rtp::Buffer datagram);
  void on_sender_report(rtp::Time now, rtp::Ssrc ssrc, rtp::NtpTime ntp,
                        rtp::RtpTimestamp timestamp);
  // What came over the relay; `datagram` holds the record's bytes.
  void on_relayed(rtp::Time now, const Relay::Record& record, rtp::Buffer datagram);
  // Gives each subscriber what has come since the last time: all of it to one, then to the next,
  // whose state is so fetched from memory once a burst, not once a packet, and whose packets leave
  // in one run. True when the egress is to be flushed first; then call again. Between two calls of
  // one burst nothing else may happen.
  [[nodiscard]] bool hand_out(rtp::Time now);

  // Of payload that has come, of all encodings there were.
  [[nodiscard]] std::uint64_t payload_bytes() const noexcept;
  // Memory, its own and behind it, without the stored packets' buffers: those are the pool's.
  [[nodiscard]] std::size_t bytes() const noexcept;

  // The publisher stopped the encoding of this SSRC: slots that show it look for another at once.
  void on_bye(rtp::Time now, rtp::Ssrc ssrc);

  // Asks the publisher for what is missing. Sets the alarm for the next time.
  void tick(rtp::Time now, std::optional<rtp::Duration> rtt, RtcpBatch& rtcp);
  // The same of a mirror: it asks the worker at home.
  void tick_mirror(rtp::Time now);
  // Adds a report block for each SSRC that was heard (RFC 3550, section 6.4.1).
  void collect_reports(rtp::Time now, std::vector<rtp::ReportBlock>& blocks);

  void add(Subscription& subscription);
  void remove(Subscription& subscription);
  // A subscriber's redundancy() has begun or ended: as long as one has any, the last frames are
  // kept for it, though nobody could ask for them again.
  void on_redundancy_changed();
  // False when there are kMaxTaps already.
  [[nodiscard]] bool add_tap(rtp::Time now, TapId tap, std::shared_ptr<rtp::Tap> ring);
  void remove_tap(TapId tap);
  // Everything goes to another worker, too.
  void add_relay(std::shared_ptr<Relay> relay);
  // That worker was heard from: perhaps it wants key frames.
  void take_relay_wishes();
  // A subscriber waits for a key frame of this encoding.
  void want_key_frame(std::size_t encoding) noexcept;

  // What can be had of it now, lowest first: the encodings, or the layers inside a single one, and
  // below them the lowest with fewer pictures a second.
  static constexpr std::size_t kMaxRungs = kMaxLayers + rtp::EncodingActivity::kMaxReduced;
  using Layers = std::array<rtp::LayerActivity::Layer, kMaxRungs>;
  [[nodiscard]] std::span<const rtp::LayerActivity::Layer> layers(rtp::Time now,
                                                                  Layers& into) noexcept;
  // Of a picture of the encoding, with its layers up to that one; 0: unknown.
  [[nodiscard]] std::uint32_t height(std::size_t encoding, std::uint8_t spatial) const noexcept {
    return encoding < encodings_.size() ? encodings_[encoding].activity.height(spatial) : 0;
  }
  // What it sends, or may send.
  [[nodiscard]] std::optional<rtp::Codec> codec() const noexcept;
  // A packet of the encoding's history, if it is still there; valid until the next on_packet().
  [[nodiscard]] std::optional<StoredPacket> stored(std::size_t encoding, rtp::ExtSeq seq) noexcept;
  [[nodiscard]] std::optional<std::size_t> encoding_of(rtp::Rid rid) const noexcept;
  // The codec that a payload type stands for, by itself or as its retransmissions.
  [[nodiscard]] const CodecParams* codec_of(rtp::PayloadType type) const noexcept;
  [[nodiscard]] const CodecParams* codec_of_rtx(rtp::PayloadType type) const noexcept;

  [[nodiscard]] const PublishSection& section() const noexcept { return section_; }
  [[nodiscard]] TrackNo number() const noexcept { return section_.track; }
  [[nodiscard]] RoomId room() const noexcept { return room_; }
  [[nodiscard]] rtp::MediaKind kind() const noexcept { return section_.kind; }
  [[nodiscard]] bool simulcast() const noexcept { return !section_.rids.empty(); }
  [[nodiscard]] bool muted() const noexcept { return muted_; }
  [[nodiscard]] const rtp::AudioLevelMeter& level() const noexcept { return level_; }

 private:
  [[nodiscard]] rtp::Source source(std::size_t encoding) const noexcept {
    return {section_.track.value, static_cast<std::uint8_t>(encoding)};
  }
  // One relay to another worker: of which encodings it waits for a key frame, and which it has not
  // been told to have restarted.
  struct RelayEnd {
    std::shared_ptr<Relay> relay;  // shared with the mirror, which may end earlier or later
    std::uint8_t waits = 0;
    std::uint8_t restarted = 0;
  };
  [[nodiscard]] static std::uint8_t bit(std::size_t encoding) noexcept {
    return static_cast<std::uint8_t>(1U << encoding);
  }
  void make_encodings();
  void restart(std::size_t encoding, bool new_ssrc);
  [[nodiscard]] std::optional<rtp::ExtSeq> place(rtp::Time now, std::size_t encoding, bool rtx,
                                                 const rtp::Packet& packet);
  void pass_on(rtp::Time now, const MediaPacket& media, bool rtx, rtp::Buffer datagram);
  void read_descriptor(Encoding& encoding, const rtp::ExtensionReader& extensions,
                       rtp::PacketInfo& info);
  void reread_descriptors(Encoding& encoding, rtp::ExtSeq from, rtp::ExtSeq to);
  void observe(rtp::Time now, Encoding& encoding, const MediaPacket& media, bool rtx);
  void observe_heights(Encoding& encoding, const MediaPacket& media);
  void tell_codec(rtp::Time now, const CodecParams& codec);
  void pass_to_relay(RelayEnd& end, const MediaPacket& media);
  [[nodiscard]] rtp::Buffer store(Encoding& encoding, const rtp::PacketInfo& info,
                                  rtp::Buffer datagram);
  template <class Forward>
  void replay(std::size_t encoding, rtp::ExtSeq from, rtp::ExtSeq to, const Forward& forward);
  void wait(WaitingPacket packet);
  void forget_waiting(std::size_t encoding);
  void ask_key_frames(rtp::Time now, RtcpBatch* rtcp);
  [[nodiscard]] bool reachable(const Encoding& encoding) const noexcept {
    return encoding.ssrc || origin_ != nullptr;
  }
  void ask_missing(rtp::Time now, rtp::Duration rtt, Encoding& encoding, RtcpBatch& rtcp);
  [[nodiscard]] bool waited_for(std::size_t encoding) const noexcept;

  Context& context_;
  Alarm& alarm_;
  const rtp::ClockMap& clocks_;
  RoomId room_;
  PeerId peer_;
  PublishSection section_;
  std::vector<Encoding> encodings_;
  std::vector<Subscription*> subscriptions_;
  // A chain through what waits in the context, in the order of arrival.
  std::uint32_t first_waiting_ = WaitingPacket::kNone;
  std::uint32_t last_waiting_ = WaitingPacket::kNone;
  std::size_t handed_ = 0;  // to so many of subscriptions_
  std::vector<std::unique_ptr<TapSubscription>> taps_;
  std::vector<RelayEnd> relays_;
  Relay* origin_;                              // of a mirror
  std::optional<rtp::Codec> codec_;            // of the last packet
  std::optional<rtp::PayloadType> told_type_;  // by TrackStarted
  rtp::Time next_telling_{};
  rtp::AudioLevelMeter level_;
  std::uint64_t past_payload_bytes_ = 0;  // of encodings that another offer took away
  bool muted_ = false;
};

}  // namespace parley::server
