#include "server/peer.h"

#include <algorithm>
#include <utility>

namespace parley::server {
namespace {

// How often a slot looks for a better layer and whether a sender report is due.
constexpr rtp::Duration kSlotInterval{100'000};
// Where little may change much, and where nothing is short.
constexpr rtp::Duration kTightSlotInterval{50'000};
constexpr rtp::Duration kAmpleSlotInterval{200'000};

rtp::Duration slot_interval(const Downlink* downlink) noexcept {
  if (downlink == nullptr) return kSlotInterval;
  if (downlink->ample()) return kAmpleSlotInterval;
  return downlink->tight() ? kTightSlotInterval : kSlotInterval;
}

rtp::ExtensionMap merged(const std::vector<PublishSection>& sections) {
  rtp::ExtensionMap map;
  for (const PublishSection& section : sections) {
    for (std::size_t i = 0; i < rtp::kExtensionCount; ++i) {
      const auto extension = static_cast<rtp::Extension>(i);
      const std::uint8_t id = section.extensions.id(extension);
      if (id != 0) map.set(extension, id);
    }
  }
  return map;
}

// What he has said he will tell of the way down. Who only listens has nothing that could be chosen
// by what it carries.
std::optional<Downlink::Word> word_of(const std::vector<SlotSection>& sections) {
  const auto any = [&](const auto& is_so) {
    return std::any_of(sections.begin(), sections.end(), [&](const SlotSection& section) {
      return section.kind == rtp::MediaKind::Video && is_so(section);
    });
  };
  const bool arrivals = any([](const SlotSection& section) {
    return section.extensions.id(rtp::Extension::TransportCc) != 0;
  });
  if (arrivals) return Downlink::Word::Arrivals;
  const bool estimate = any([](const SlotSection& section) {
    return std::any_of(section.codecs.begin(), section.codecs.end(),
                       [](const CodecParams& codec) { return codec.remb; });
  });
  return estimate ? std::optional(Downlink::Word::Estimate) : std::nullopt;
}

template <class Section>
bool has_mid(const std::vector<Section>& sections, const rtp::Mid& mid) {
  return std::any_of(sections.begin(), sections.end(),
                     [&](const Section& section) { return section.mid == mid; });
}

}  // namespace

Peer::Peer(Context& context, Alarm& room_alarm, rtp::Time now, RoomId room, PeerId id,
           PeerParams params)
    : context_(context),
      room_(room),
      id_(id),
      alarm_(&room_alarm),
      connection_(context, alarm_, now, params),
      rtcp_ssrc_(context.random32()),
      ssrcs_(context.media.max_ssrcs_per_peer) {
  context_.counters.peers.add();
  if (params.data) data_ = std::make_unique<DataChannels>(context, id, *params.data);
  update(now, std::move(params));
}

Peer::~Peer() {
  connection_.say_bye();
  // Slots first: they may show tracks of this very peer.
  slots_.clear();
  tracks_.clear();
  context_.counters.peers.sub();
}

void Peer::update(rtp::Time now, PeerParams params) {
  connection_.update(params.local, params.remote);
  cname_ = std::move(params.cname);
  extensions_ = merged(params.publishes);
  set_slots(std::move(params.slots));
  set_tracks(std::move(params.publishes));
  alarm_.set(now);
}

void Peer::set_tracks(std::vector<PublishSection> sections) {
  if (sections.size() > context_.media.max_tracks_per_peer) {
    sections.resize(context_.media.max_tracks_per_peer);
  }
  // A track lives on if a section has both its mid and its number.
  const auto lives = [&](const std::unique_ptr<Track>& track) {
    return std::any_of(sections.begin(), sections.end(), [&](const PublishSection& section) {
      return section.mid == track->section().mid && section.track == track->number();
    });
  };
  for (const auto& track : tracks_) {
    if (lives(track)) continue;
    past_traffic_.bytes_in += track->payload_bytes();
    ssrcs_.remove(track.get());
  }
  std::erase_if(tracks_, [&](const auto& track) { return !lives(track); });
  for (PublishSection& section : sections) {
    const auto found = std::find_if(tracks_.begin(), tracks_.end(), [&](const auto& track) {
      return track->section().mid == section.mid;
    });
    Track* track = nullptr;
    if (found != tracks_.end()) {
      track = found->get();
      if (track->section().rids != section.rids) ssrcs_.remove(track);
      track->update(std::move(section));
    } else {
      if (context_.tracks.contains(section.track)) {
        context_.counters.bad_commands.add();  // the number is another peer's
        continue;
      }
      tracks_.push_back(
          std::make_unique<Track>(context_, alarm_, clocks_, room_, id_, std::move(section)));
      track = tracks_.back().get();
    }
    latch_announced(*track);
  }
}

// With simulcast the order of announced SSRCs says nothing sure about the RIDs; those are latched
// from the packets.
void Peer::latch_announced(Track& track) {
  if (track.simulcast() || track.section().ssrcs.empty()) return;
  const PublishSection::SsrcPair pair = track.section().ssrcs.front();
  std::ignore = latch(pair.ssrc, {&track, 0, false});
  if (pair.rtx) std::ignore = latch(*pair.rtx, {&track, 0, true});
}

void Peer::set_slots(std::vector<SlotSection> sections) {
  const auto word = word_of(sections);
  if (word && !downlink_) downlink_ = std::make_unique<Downlink>(*word);
  if (word) downlink_->set_word(*word);
  connection_.set_downlink(word ? downlink_.get() : nullptr);
  if (sections.size() > context_.media.max_slots_per_peer) {
    sections.resize(context_.media.max_slots_per_peer);
  }
  std::erase_if(slots_, [&](const auto& slot) {
    if (has_mid(sections, slot->section().mid)) return false;
    past_traffic_.bytes_out += slot->payload_bytes();
    return true;
  });
  for (SlotSection& section : sections) {
    const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) {
      return slot->section().mid == section.mid;
    });
    if (found != slots_.end() && (*found)->section().ssrc == section.ssrc) {
      (*found)->update(std::move(section));
      continue;
    }
    if (found != slots_.end()) {
      past_traffic_.bytes_out += (*found)->payload_bytes();
      slots_.erase(found);
    }
    slots_.push_back(
        std::make_unique<Subscription>(context_, connection_, id_, std::move(section)));
  }
}

bool Peer::assign(rtp::Time now, rtp::Mid slot, Track* track, Subscription::Want want) {
  const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const auto& candidate) {
    return candidate->section().mid == slot;
  });
  if (found == slots_.end()) return false;
  if (track != nullptr && (track->room() != room_ || track->kind() != (*found)->section().kind)) {
    return false;
  }
  (*found)->assign(now, track, want);
  if (connection_.ready()) share_out(now);
  alarm_.set(now);
  return true;
}

Connection::PathChange Peer::on_stun(rtp::Time now, const Path& path, rtp::ConstBytes datagram) {
  const bool reached = connection_.reached();
  const auto change = connection_.on_stun(now, path, datagram);
  if (!reached && connection_.reached()) {
    for (const auto& slot : slots_) slot->on_way_found();
  }
  tell_state();
  return change;
}

void Peer::on_dtls(rtp::Time now, const Path& path, rtp::ConstBytes datagram) {
  connection_.on_dtls(now, path, datagram);
  if (told_ == Connection::State::Connecting &&
      connection_.state() == Connection::State::Connected) {
    context_.counters.connected.add();
    next_report_ = now + kFirstReport;
    next_slots_ = now;
    alarm_.set(now);
    if (data_) data_->start(now);
  }
  tell_state();
  if (data_) read_data(now);
}

void Peer::tell_state() {
  const Connection::State state = connection_.state();
  if (state == told_) return;
  switch (state) {
    case Connection::State::Connecting:
      break;
    case Connection::State::Connected:
      if (told_ == Connection::State::Connecting) {
        context_.emit(PeerConnected{id_});
      } else {
        context_.emit(PeerBack{id_});
      }
      break;
    case Connection::State::Away:
      context_.emit(PeerAway{id_, connection_.last_heard()});
      break;
    case Connection::State::Closed:  // the worker tells it, and forgets the peer
      return;
  }
  told_ = state;
}

void Peer::on_media(rtp::Time now, Arrived& arrived, const OpenItem& opened) {
  const auto taken = connection_.on_opened(now, arrived, opened);
  if (!taken) return context_.counters.drop(taken.error());
  tell_state();
  if (opened.kind == SrtpKind::Rtp) {
    on_rtp(now, std::move(arrived.datagram));
  } else {
    on_rtcp(now, arrived.datagram.bytes());
  }
}

void Peer::on_rtp(rtp::Time now, rtp::Buffer datagram) {
  const auto packet = rtp::Packet::parse(datagram.bytes());
  if (!packet) return context_.counters.drop(Drop::BadRtp);
  const rtp::ExtensionReader extensions(*packet, extensions_);
  if (const auto number = extensions.transport_cc()) {
    if (!arrivals_) arrivals_ = std::make_unique<rtp::TwccRecorder>();
    arrivals_->on_packet(*number, now);
    alarm_.set(feedback_due());
  }
  last_media_ssrc_ = packet->ssrc();
  const auto stream = stream_of(*packet, extensions);
  if (!stream) return context_.counters.drop(stream.error());
  // Walked once: unwrapping a retransmission moves its payload, not its extensions.
  stream->track->on_packet(now, {stream->encoding, stream->rtx}, *packet, extensions,
                           std::move(datagram));
}

tl::expected<SsrcTable::Stream, Drop> Peer::stream_of(const rtp::Packet& packet,
                                                      const rtp::ExtensionReader& ext) {
  if (const auto* known = ssrcs_.find(packet.ssrc())) return *known;
  const auto stream = identify(packet, ext);
  if (!stream) return tl::unexpected(Drop::UnknownSsrc);
  if (!latch(packet.ssrc(), *stream)) return tl::unexpected(Drop::TooManySsrcs);
  return *stream;
}

Track* Peer::track_for(const rtp::Packet& packet, const rtp::ExtensionReader& ext) const {
  if (const auto mid = ext.mid()) {
    const auto found = std::find_if(tracks_.begin(), tracks_.end(), [&](const auto& track) {
      return track->section().mid == *mid;
    });
    return found == tracks_.end() ? nullptr : found->get();
  }
  // RFC 9143, section 9.2: a payload type that only one m-line has names that m-line.
  Track* only = nullptr;
  for (const auto& track : tracks_) {
    const rtp::PayloadType type = packet.payload_type();
    if (track->codec_of(type) == nullptr && track->codec_of_rtx(type) == nullptr) continue;
    if (only != nullptr) return nullptr;
    only = track.get();
  }
  return only;
}

std::optional<SsrcTable::Stream> Peer::identify(const rtp::Packet& packet,
                                                const rtp::ExtensionReader& ext) const {
  Track* track = track_for(packet, ext);
  if (track == nullptr) return std::nullopt;
  bool rtx = track->codec_of_rtx(packet.payload_type()) != nullptr;
  if (!track->simulcast()) return SsrcTable::Stream{track, 0, rtx};
  std::optional<rtp::Rid> rid = ext.repaired_rid();
  if (rid) {
    rtx = true;
  } else {
    rid = ext.rid();
  }
  const auto encoding = rid ? track->encoding_of(*rid) : std::nullopt;
  if (!encoding) return std::nullopt;
  return SsrcTable::Stream{track, static_cast<std::uint8_t>(*encoding), rtx};
}

bool Peer::latch(rtp::Ssrc ssrc, SsrcTable::Stream stream) {
  if (const auto* known = ssrcs_.find(ssrc)) {
    const bool same = known->track == stream.track && known->encoding == stream.encoding &&
                      known->rtx == stream.rtx;
    if (same) return true;
    ssrcs_.remove(ssrc);
  }
  // An SSRC that took another's place frees it first: a peer that changes its SSRC within one
  // m-line never runs into the limit.
  if (const auto before = stream.track->bind(ssrc, stream.encoding, stream.rtx)) {
    ssrcs_.remove(*before);
  }
  return ssrcs_.add(ssrc, stream);
}

Subscription* Peer::slot_of(rtp::Ssrc ssrc) noexcept {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const auto& slot) { return slot->section().ssrc == ssrc; });
  return found == slots_.end() ? nullptr : found->get();
}

void Peer::tick(rtp::Time now) {
  alarm_.clear();
  connection_.tick(now);
  tell_state();
  if (data_) tick_data(now);
  if (!connection_.ready()) return;
  probe(now);  // before a batch of RTCP is begun: both write at the same place
  RtcpBatch rtcp(connection_, rtcp_ssrc_);
  send_reports(now, rtcp);  // reports stand first in a compound
  tick_slots(now, rtcp);
  send_feedback(now, rtcp);
  for (const auto& track : tracks_) track->tick(now, rtt_, rtcp);
}

Traffic Peer::traffic() const noexcept {
  Traffic sum = past_traffic_;
  for (const auto& track : tracks_) sum.bytes_in += track->payload_bytes();
  for (const auto& slot : slots_) sum.bytes_out += slot->payload_bytes();
  return sum;
}

std::size_t Peer::bytes() const noexcept {
  std::size_t total = sizeof *this + connection_.bytes() + ssrcs_.bytes() +
                      (arrivals_ ? sizeof *arrivals_ : 0) + (downlink_ ? sizeof *downlink_ : 0) +
                      blocks_.capacity() * sizeof(rtp::ReportBlock) +
                      references_.capacity() * sizeof(Reference);
  for (const auto& slot : slots_) total += slot->bytes();
  if (data_) total += data_->bytes();
  return total;
}

void Peer::tick_slots(rtp::Time now, RtcpBatch& rtcp) {
  if (slots_.empty() || !next_slots_) return;
  if (now >= *next_slots_) {
    if (downlink_) downlink_->tick(now);
    if (const auto loss = downlink_ ? downlink_->loss() : std::nullopt) {
      for (const auto& slot : slots_) slot->on_loss(now, *loss);
    }
    share_out(now);
    next_slots_ = on_grid(now + slot_interval(downlink_.get()));
    for (const auto& slot : slots_) {
      if (!slot->shows_video()) slot->tick(now);
      const auto report = slot->take_sender_report(now);
      if (!report) continue;
      rtcp.add([&](rtp::RtcpWriter& out) { return out.sender_report(*report); });
      rtcp.add([&](rtp::RtcpWriter& out) { return out.cname(report->sender, cname_); });
    }
    answer_references(now, rtcp);
  }
  alarm_.set(*next_slots_);
}

}  // namespace parley::server
