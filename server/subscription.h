#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "rtp/allocation.h"
#include "rtp/bandwidth.h"
#include "rtp/forwarder.h"
#include "rtp/layer_hold.h"
#include "rtp/layer_selector.h"
#include "rtp/redundancy.h"
#include "rtp/rtcp_writer.h"
#include "rtp/sent_log.h"
#include "rtp/types.h"
#include "server/api.h"
#include "server/connection.h"
#include "server/context.h"
#include "server/media_packet.h"

namespace parley::server {

class Track;

// One slot of a peer: a stream that never ends, whatever track is put into it. It chooses the
// layer, lets the Forwarder decide and renumber, writes packets into the peer's lane, and
// sends again what the peer asks for.
class Subscription {
 public:
  Subscription(Context& context, Connection& connection, PeerId peer, SlotSection section);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // The same slot after another offer: the SSRCs stay.
  void update(SlotSection section);
  struct Want {
    std::uint32_t max_height = 0;
    std::int32_t priority = 0;
    friend bool operator==(const Want&, const Want&) = default;
  };
  // nullptr empties it. The track must be of the slot's kind. What a slot of video shows is shared
  // out by the Peer as soon as it is connected.
  void assign(rtp::Time now, Track* track, Want want);
  // For another slot of the same peer.
  void on_other_wishes() noexcept { hold_.on_other_wishes(); }
  // What it would like of `layers`, for the Peer who shares out what the way down carries.
  [[nodiscard]] rtp::LayerWish wish(rtp::Time now,
                                    std::span<const rtp::LayerActivity::Layer> layers) const;
  // What it got of `layers`, at an estimate of so much (0: there is none).
  void show(rtp::Time now, const rtp::LayerChoice& choice,
            std::span<const rtp::LayerActivity::Layer> layers, const rtp::WayEstimate& estimate);
  // Sends one packet of padding; false when it has nothing to send it on.
  bool send_probe(rtp::Time now);

  // It is the next but one, and the next, to be given packets.
  void prefetch() const noexcept;
  void prefetch_connection() const noexcept { connection_.prefetch(); }
  // From the track.
  void forward(rtp::Time now, const MediaPacket& media);
  void on_source_restarted(rtp::Source source) { forwarder_.on_source_restarted(source); }
  [[nodiscard]] bool rewind(rtp::Source source) noexcept { return forwarder_.rewind(source); }
  void on_codecs_changed() noexcept { forget_match(); }
  void set_muted(bool muted) { forwarder_.set_muted(muted); }
  void on_track_ended();
  [[nodiscard]] bool waits_for(rtp::Source source) const noexcept;

  // From the peer.
  void on_nack(rtp::Time now, std::span<const rtp::Seq> lost, std::optional<rtp::Duration> rtt);
  // One of its packets was lost, as transport-wide feedback tells: of the media, or sent again.
  void on_lost(rtp::Time now, const rtp::PacketResult& packet);
  void on_key_frame_request();
  // The peer can be reached again after there was no path to him: what came meanwhile was never
  // sent, so nothing could be decoded before a key frame.
  void on_way_found();
  // Of what was sent to it such a share was lost.
  void on_loss(rtp::Time now, double share) noexcept;
  // How many earlier frames should go along with each, for what was lost and was negotiated.
  [[nodiscard]] std::size_t redundancy_wanted() const noexcept;
  // How many do, from now on.
  void set_redundancy(std::size_t frames);
  [[nodiscard]] std::size_t redundancy() const noexcept { return redundancy_; }
  // Of audio: looks whether its track goes on by itself.
  void tick(rtp::Time now);
  [[nodiscard]] bool shows_video() const noexcept {
    return track_ != nullptr && section_.kind == rtp::MediaKind::Video;
  }
  // When one is due.
  [[nodiscard]] std::optional<rtp::SenderInfo> take_sender_report(rtp::Time now);

  [[nodiscard]] const SlotSection& section() const noexcept { return section_; }
  [[nodiscard]] Track* track() const noexcept { return track_; }
  // Of payload that was sent, but for what was sent again.
  [[nodiscard]] std::uint64_t payload_bytes() const noexcept { return octets_sent_; }
  // Memory, its own and behind it.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  static constexpr std::size_t kMaxResends = 64;  // for one NACK message
  [[nodiscard]] const CodecParams* codec_for(const CodecParams& source) noexcept;
  void forget_match() noexcept { matched_for_ = matched_ = nullptr; }
  // The last packet's codec is one that the receiver lacks: no key frame is of use to him.
  [[nodiscard]] bool undecodable() const noexcept {
    return matched_for_ != nullptr && matched_ == nullptr;
  }
  void drop_undecodable(const MediaPacket& media) noexcept;
  void choose_layer(rtp::Time now, std::uint32_t max_height);
  struct Shown {
    TrackNo track;
    std::uint8_t encoding = 0;
    std::uint8_t spatial = 0;
    friend bool operator==(const Shown&, const Shown&) = default;
  };
  using Rungs = std::span<const rtp::LayerActivity::Layer>;
  [[nodiscard]] Rungs usable(Rungs layers) const noexcept;
  [[nodiscard]] bool takes_spatial_layers() const noexcept;
  [[nodiscard]] std::optional<std::size_t> current_layer(Rungs layers) const noexcept;
  void set_target(const rtp::LayerActivity::Layer& layer) noexcept;
  // Who takes note of what is sent: all of it, or what carries a transport-wide number.
  [[nodiscard]] Downlink* measured() const noexcept;
  [[nodiscard]] SlotHeader header(rtp::Ssrc ssrc, rtp::PayloadType type) const noexcept;
  void pass_on_wishes() noexcept;
  [[nodiscard]] std::size_t write(const MediaPacket& media, const rtp::Rewrite& rewrite,
                                  const CodecParams& codec, rtp::Bytes out);
  [[nodiscard]] std::size_t write_with_redundancy(const MediaPacket& media,
                                                  const rtp::Rewrite& rewrite,
                                                  const CodecParams& codec, rtp::Bytes out);
  void note_shown(rtp::Time now, const MediaPacket& media, Shown shown);
  void give_up_shown() noexcept;
  // All that was sent so far.
  [[nodiscard]] bool is_given_up() const noexcept { return gives_up_ && forwarder_.paused(); }
  void tell_choice(rtp::Time now, const rtp::LayerChoice& choice, Rungs layers,
                   rtp::Bitrate estimate);
  void send_again(rtp::Time now, const rtp::SentLog::Resend& resend);
  void retransmit(rtp::Time now, const rtp::SentLog::Resend& resend);
  void count_refusals(rtp::Time now, const rtp::SentLog::Counters& before);
  void on_refused(rtp::Time now);
  void begin_anew(rtp::ExtSeq first) noexcept;

  Context& context_;
  Connection& connection_;
  PeerId peer_;
  SlotSection section_;
  Track* track_ = nullptr;
  Want want_;
  std::uint8_t redundancy_ = 0;  // earlier frames that go along with each
  bool gives_up_ = false;        // what was sent before the target's next key frame
  const CodecParams* matched_for_ = nullptr;
  const CodecParams* matched_ = nullptr;
  std::optional<Shown> shown_;
  std::uint32_t shown_height_ = 0;  // as told by SlotSwitched
  std::uint32_t packets_sent_ = 0;
  rtp::Seq rtx_seq_;
  rtp::LayerHold hold_;
  std::uint64_t octets_sent_ = 0;
  rtp::Time next_report_{};
  // Since when something is asked for that is not sent again any more, and when it was last.
  struct Refused {
    rtp::Time first;
    rtp::Time last;
  };
  std::optional<Refused> refused_;
  rtp::Time next_start_{};
  rtp::Duration start_wait_{};
  // Each begins with what every packet needs.
  rtp::Forwarder forwarder_;
  std::optional<rtp::SentLog> sent_log_;  // from the first assignment on
  rtp::RedundancyControl redundancy_control_;
  // As told by SlotLayer.
  struct Told {
    std::optional<rtp::LayerChoice> choice;
    std::uint32_t height = 0;
    rtp::Time at{};
  };
  Told told_;
};

}  // namespace parley::server
