#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tl/expected.hpp>

#include "rtp/clock_map.h"
#include "rtp/extension_reader.h"
#include "rtp/packet.h"
#include "rtp/packet_pool.h"
#include "rtp/rtcp.h"
#include "rtp/twcc.h"
#include "rtp/types.h"
#include "server/alarm.h"
#include "server/api.h"
#include "server/connection.h"
#include "server/context.h"
#include "server/data_channels.h"
#include "server/downlink.h"
#include "server/rtcp_batch.h"
#include "server/ssrc_table.h"
#include "server/subscription.h"
#include "server/track.h"

namespace parley::server {

// One participant's end: the connection, the tracks he publishes and the slots he watches. It tells
// whose an incoming packet is, and speaks RTCP for all of it.
class Peer {
 public:
  Peer(Context& context, Alarm& room_alarm, rtp::Time now, RoomId room, PeerId id,
       PeerParams params);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // After another offer; sections keep their identity by mid.
  void update(rtp::Time now, PeerParams params);
  // False when there is no such slot, or the track is of another kind or room.
  [[nodiscard]] bool assign(rtp::Time now, rtp::Mid slot, Track* track, Subscription::Want want);

  [[nodiscard]] Connection::PathChange on_stun(rtp::Time now, const Path& path,
                                               rtp::ConstBytes datagram);
  void on_dtls(rtp::Time now, const Path& path, rtp::ConstBytes datagram);
  // Whether what comes after his handshake may be data.
  [[nodiscard]] bool takes_data() const noexcept { return data_ != nullptr; }
  void send(rtp::Time now, const SendData& message);
  void close_data(rtp::Time now, std::uint16_t channel);
  // A datagram of media, and what became of opening it.
  void on_media(rtp::Time now, Arrived& arrived, const OpenItem& opened);
  // Call when the alarm is due; sets it anew.
  void tick(rtp::Time now);

  [[nodiscard]] PeerId id() const noexcept { return id_; }
  [[nodiscard]] RoomId room() const noexcept { return room_; }
  [[nodiscard]] const Alarm& alarm() const noexcept { return alarm_; }
  [[nodiscard]] Connection& connection() noexcept { return connection_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Track>>& tracks() const noexcept {
    return tracks_;
  }
  // Of all tracks and slots it ever had.
  [[nodiscard]] Traffic traffic() const noexcept;
  // Memory, its own and behind it: connection, keys and slots, but no tracks.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  // A clock that the receiver told, and when.
  struct Reference {
    rtp::ReferenceTime told;
    rtp::Time arrival;
  };
  static constexpr std::size_t kMaxReferences = 4;  // a browser has one, or one for each kind

  void read_data(rtp::Time now);
  void tick_data(rtp::Time now);
  // Gives the connection what the channels have for him.
  void send_data(rtp::Time now);
  void on_rtp(rtp::Time now, rtp::Buffer datagram);
  void on_rtcp(rtp::Time now, rtp::ConstBytes datagram);
  void set_tracks(std::vector<PublishSection> sections);
  void set_slots(std::vector<SlotSection> sections);
  void latch_announced(Track& track);
  void tell_state();
  [[nodiscard]] tl::expected<SsrcTable::Stream, Drop> stream_of(const rtp::Packet& packet,
                                                                const rtp::ExtensionReader& ext);
  [[nodiscard]] std::optional<SsrcTable::Stream> identify(const rtp::Packet& packet,
                                                          const rtp::ExtensionReader& ext) const;
  [[nodiscard]] Track* track_for(const rtp::Packet& packet, const rtp::ExtensionReader& ext) const;
  [[nodiscard]] bool latch(rtp::Ssrc ssrc, SsrcTable::Stream stream);
  [[nodiscard]] Subscription* slot_of(rtp::Ssrc ssrc) noexcept;
  void send_lost_again(rtp::Time now, std::span<const rtp::PacketResult> results);

  void on_message(rtp::Time now, const rtp::SenderReport& report);
  void on_message(rtp::Time now, const rtp::ReceiverReport& report);
  void on_message(rtp::Time now, const rtp::Nack& nack);
  void on_message(rtp::Time now, const rtp::Pli& pli);
  void on_message(rtp::Time now, const rtp::Fir& fir);
  void on_message(rtp::Time now, const rtp::Bye& bye);
  void on_message(rtp::Time now, const rtp::Remb& remb);
  void on_message(rtp::Time now, const rtp::TransportCc& told);
  void on_message(rtp::Time now, const rtp::ReferenceTime& reference);
  // What says nothing that we act on.
  void on_message(rtp::Time, const rtp::SourceDescription&) {}
  void on_blocks(rtp::Time now, const rtp::WireList<rtp::ReportBlock>& blocks);

  // Soon: browsers repeat MID and RID until it comes.
  static constexpr rtp::Duration kFirstReport{200'000};
  void send_reports(rtp::Time now, RtcpBatch& rtcp);
  [[nodiscard]] rtp::Time feedback_due() const noexcept;
  void send_feedback(rtp::Time now, RtcpBatch& rtcp);
  void tick_slots(rtp::Time now, RtcpBatch& rtcp);
  void answer_references(rtp::Time now, RtcpBatch& rtcp);
  void collect_wishes(rtp::Time now, Sharing& into) const;
  void share_out(rtp::Time now);
  [[nodiscard]] rtp::Bitrate share_audio(rtp::Time now, const std::optional<rtp::Way>& way);
  void probe(rtp::Time now);

  Context& context_;
  RoomId room_;
  PeerId id_;
  Alarm alarm_;
  std::unique_ptr<Downlink> downlink_;  // of who watches and tells what arrives
  Connection connection_;
  Connection::State told_ = Connection::State::Connecting;
  std::string cname_;
  rtp::Ssrc rtcp_ssrc_;           // ours as a receiver
  rtp::ExtensionMap extensions_;  // of all sections: with BUNDLE an id means one thing
  rtp::ClockMap clocks_;
  std::vector<std::unique_ptr<Track>> tracks_;
  std::vector<std::unique_ptr<Subscription>> slots_;
  Traffic past_traffic_;  // of those that another offer took away
  SsrcTable ssrcs_;
  std::unique_ptr<rtp::TwccRecorder> arrivals_;  // of who publishes: its window is large
  rtp::Ssrc last_media_ssrc_;
  std::vector<Reference> references_;  // not answered yet
  std::optional<rtp::Duration> rtt_;   // smoothed, from report blocks on our slots
  std::optional<rtp::Time> next_report_;
  rtp::Time last_feedback_{};
  std::optional<rtp::Time> next_slots_;
  rtp::Time next_share_{};
  std::uint64_t wanted_ = 0;  // a digest, when it was shared out last
  rtp::Time next_probe_{};
  rtp::Time redundancy_from_{};           // not before
  std::vector<rtp::ReportBlock> blocks_;  // scratch
  std::unique_ptr<DataChannels> data_;
  rtp::Time next_data_{};
};

}  // namespace parley::server
