#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "rtp/types.h"
#include "server/address.h"
#include "server/api.h"
#include "server/certificate.h"
#include "server/client/arrivals.h"
#include "server/client/client.h"
#include "server/client/synthetic.h"
#include "server/sctp.h"
#include "tests/sim/network.h"
#include "tests/sim/receiver.h"
#include "tests/sim/svc_video.h"

namespace parley::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct PeerOptions {
  bool audio = true;
  bool video = true;
  std::size_t audio_payload = 80;
  std::size_t layers = 1;  // of the video; more than one is simulcast
  // Instead of that: layers inside one encoding, of 75, 300 and 1,200 kbit/s with those below.
  std::optional<rtp::SvcMode> svc{};
  bool descriptors = true;  // its slots take the dependency descriptor
  bool vp8 = true;          // what it encodes and decodes; it begins with the first
  bool h264 = false;
  std::size_t audio_slots = 0;
  bool red = false;  // its audio slots take RED
  std::size_t video_slots = 0;
  bool data = false;             // has data channels
  std::uint32_t first_ssrc = 0;  // of what it publishes; 0: its own range
  server::RoomId room{1};
  std::size_t worker = 0;
  Link up{};
  Link down{};
};

class Sim;

// A browser as far as the wire goes: a client with synthetic media, answering NACK and PLI, asking
// for what it misses, reporting as browsers do.
class SimPeer {
 public:
  SimPeer(Sim& sim, std::size_t index, const PeerOptions& options);

  [[nodiscard]] server::PeerId id() const { return id_; }
  [[nodiscard]] server::TrackNo audio_track() const { return audio_track_; }
  [[nodiscard]] server::TrackNo video_track() const { return video_track_; }
  [[nodiscard]] rtp::Ssrc video_ssrc(std::size_t layer) const;
  [[nodiscard]] server::PeerParams params() const { return params_; }
  [[nodiscard]] Receiver& audio_slot(std::size_t i) { return audio_slots_[i]; }
  [[nodiscard]] Receiver& video_slot(std::size_t i) { return video_slots_[i]; }
  [[nodiscard]] rtp::Mid audio_mid(std::size_t i) const { return audio_slots_[i].mid; }
  [[nodiscard]] rtp::Mid video_mid(std::size_t i) const { return video_slots_[i].mid; }

  void start(rtp::Time now);
  void on_datagram(rtp::Time now, rtp::ConstBytes bytes);
  void tick(rtp::Time now);
  [[nodiscard]] rtp::Time next_deadline() const;
  void send_pli(std::size_t video_slot);
  void send_bye(rtp::Ssrc ssrc);
  void restart_ice(rtp::Time now);
  void lose_first_packet_of_next_key_frame();
  // Sends its video in another codec from the next frame on.
  void switch_codec(rtp::Codec codec);

  client::Client client;
  std::unique_ptr<server::SctpAssociation> sctp;  // with `data`, once connected
  client::SyntheticVideo video;
  client::SyntheticAudio audio;
  std::optional<SvcVideo> svc;  // in place of `video`
  PeerOptions options;
  server::TransportAddress address;
  bool media = true;                // sends its media
  bool tells = true;                // of what arrives, by transport-cc feedback
  bool asks = true;                 // for what is missing, by NACK
  bool silent = false;              // sends nothing at all any more, as if its cable was cut
  std::uint64_t plis = 0;           // received, all streams
  std::uint64_t nacked = 0;         // numbers that were asked from us
  std::uint64_t feedbacks = 0;      // transport-cc
  std::uint64_t unknown_ssrcs = 0;  // packets of streams that were never announced
  // Plain packets for which this says so get lost before they are sent, if set.
  std::function<bool(rtp::ConstBytes)> loses;
  // Gets the plain RTCP that comes, before it is read, if set.
  std::function<void(rtp::Time, rtp::ConstBytes)> hears;
  std::optional<rtp::Time> first_report;
  std::optional<rtp::Time> connected_at;

 private:
  friend class Sim;
  static server::PeerParams make_params(std::size_t index, const PeerOptions& options,
                                        const server::Certificate& certificate);
  void exchange_data();
  void on_rtp(rtp::Time now, rtp::ConstBytes packet);
  void on_rtcp(rtp::Time now, rtp::ConstBytes packet);
  void resend(rtp::Ssrc ssrc, rtp::Seq seq);
  void report(rtp::Time now);
  void ask_missing(rtp::Time now);
  [[nodiscard]] Receiver* receiver_of(rtp::Ssrc ssrc, bool& rtx);

  Sim& sim_;
  server::PeerId id_;
  server::TrackNo audio_track_;
  server::TrackNo video_track_;
  server::PeerParams params_;
  std::deque<Receiver> audio_slots_;
  std::deque<Receiver> video_slots_;
  client::TransportSequence& transport_;
  client::Arrivals arrivals_{std::chrono::milliseconds(60), rtp::Ssrc{77}};
  std::uint16_t rtx_seq_ = 1;
  rtp::Time next_report_{};
  rtp::Time next_nack_{};
  rtp::Time next_data_{};
  bool media_started_ = false;
};

}  // namespace parley::sim
