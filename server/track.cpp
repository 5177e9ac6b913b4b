#include "server/track.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "rtp/packet_info.h"
#include "server/subscription.h"
#include "server/tap_subscription.h"

namespace parley::server {
namespace {

// Below this share of free buffers an encoding gives up its history before it keeps more: else
// packets kept for a retransmission that nobody asks for would leave none to receive with.
constexpr std::size_t kScarceDivisor = 8;
constexpr std::size_t kMinHistory = 64;
// Of audio that is kept for redundancy: what goes along with a packet, behind some that came in the
// same burst.
constexpr std::size_t kRedundancyHistory = 8;
constexpr rtp::Duration kTellingInterval{100'000};

CodecParams first_codec(const PublishSection& section) {
  if (!section.codecs.empty()) return section.codecs.front();
  CodecParams none;
  if (section.kind == rtp::MediaKind::Audio) none.clock_rate_hz = 48'000;
  return none;
}

}  // namespace

Track::Track(Context& context, Alarm& alarm, const rtp::ClockMap& clocks, RoomId room, PeerId peer,
             PublishSection section, Relay* origin)
    : context_(context),
      alarm_(alarm),
      clocks_(clocks),
      room_(room),
      peer_(peer),
      section_(std::move(section)),
      origin_(origin) {
  make_encodings();
  context_.tracks[section_.track] = this;
  context_.counters.tracks.add();
}

Track::~Track() {
  for (Subscription* subscription : subscriptions_) subscription->on_track_ended();
  for (auto& tap : taps_) tap->end();
  if (!relays_.empty()) std::erase(context_.relaying, this);
  if (first_waiting_ != WaitingPacket::kNone) std::erase(context_.bursts, this);
  context_.tracks.erase(section_.track);
  context_.counters.tracks.sub();
}

void Track::make_encodings() {
  past_payload_bytes_ = payload_bytes();
  encodings_.clear();
  if (section_.rids.size() > kMaxLayers) section_.rids.resize(kMaxLayers);
  const CodecParams codec = first_codec(section_);
  const std::size_t count = std::max<std::size_t>(section_.rids.size(), 1);
  encodings_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const rtp::Rid rid = section_.rids.empty() ? rtp::Rid{} : section_.rids[i];
    // A lower layer has fewer packets a second, so it needs fewer for the same time.
    std::size_t history =
        std::max(kMinHistory, std::size_t{context_.media.history_packets} >> (count - 1 - i));
    if (section_.kind == rtp::MediaKind::Audio && !codec.nack) history = 1;
    encodings_.emplace_back(section_.kind, codec, rid, history, context_.media);
  }
}

void Track::update(PublishSection section) {
  const bool same_layers = section.rids == section_.rids;
  section_ = std::move(section);
  for (Subscription* subscription : subscriptions_) subscription->on_codecs_changed();
  if (same_layers) return;
  make_encodings();
  for (std::size_t i = 0; i < encodings_.size(); ++i) restart(i, true);
  on_redundancy_changed();
}

void Track::set_muted(rtp::Time now, bool muted) {
  if (muted_ == muted) return;
  muted_ = muted;
  if (muted) level_.on_muted();
  for (Subscription* subscription : subscriptions_) subscription->set_muted(muted);
  for (auto& tap : taps_) tap->set_muted(now, muted);
  if (muted) return;
  for (std::size_t i = 0; i < encodings_.size(); ++i) {
    if (waited_for(i)) want_key_frame(i);
  }
}

std::optional<rtp::Ssrc> Track::bind(rtp::Ssrc ssrc, std::size_t encoding, bool rtx) {
  Encoding& e = encodings_[encoding];
  std::optional<rtp::Ssrc>& place = rtx ? e.rtx_ssrc : e.ssrc;
  if (place == ssrc) return std::nullopt;
  const std::optional<rtp::Ssrc> before = std::exchange(place, ssrc);
  if (!before) return std::nullopt;
  if (rtx) {
    e.rtx_receive = rtp::ReceiveStream(e.clock_rate_hz);
  } else {
    restart(encoding, true);
  }
  return before;
}

void Track::restart(std::size_t encoding, bool new_ssrc) {
  forget_waiting(encoding);
  encodings_[encoding].restart(new_ssrc);
  for (Subscription* subscription : subscriptions_) {
    subscription->on_source_restarted(source(encoding));
  }
  for (auto& tap : taps_) tap->on_source_restarted(source(encoding));
  for (RelayEnd& end : relays_) end.restarted |= bit(encoding);
}

// The number the packet has in its encoding, or nothing when it is dropped.
std::optional<rtp::ExtSeq> Track::place(rtp::Time now, std::size_t encoding, bool rtx,
                                        const rtp::Packet& packet) {
  Encoding& e = encodings_[encoding];
  const std::size_t size = packet.bytes().size();
  const auto received = rtx ? e.receive.on_recovered(packet.seq(), size, now)
                            : e.receive.on_packet(packet.seq(), packet.timestamp(), size, now);
  switch (received.verdict) {
    case rtp::ReceiveStream::Verdict::Duplicate:
      context_.counters.drop(Drop::Duplicate);
      return std::nullopt;
    case rtp::ReceiveStream::Verdict::TooOld:
      context_.counters.drop(Drop::TooOld);
      return std::nullopt;
    case rtp::ReceiveStream::Verdict::Restarted:
      restart(encoding, false);
      break;
    case rtp::ReceiveStream::Verdict::New:
      break;
  }
  if (e.nack_negotiated) {
    e.nack.on_packet(received.seq, now, rtx);
    if (const auto at = e.nack.next_deadline()) alarm_.set(*at);
  }
  return received.seq;
}

void Track::on_packet(rtp::Time now, Arrival arrival, rtp::Packet packet,
                      const rtp::ExtensionReader& extensions, rtp::Buffer datagram) {
  const auto [encoding, rtx] = arrival;
  Encoding& e = encodings_[encoding];
  const rtp::PayloadType type = packet.payload_type();
  const CodecParams* codec = rtx ? codec_of_rtx(type) : codec_of(type);
  if (codec == nullptr) return context_.counters.drop(Drop::UnknownPayloadType);
  if (rtx) {
    context_.counters.rtx_in.add();
    // Its own numbers only count for its reports.
    std::ignore = e.rtx_receive.on_packet(packet.seq(), packet.timestamp(), datagram.size(), now);
    if (!e.ssrc) return context_.counters.drop(Drop::BadRtx);  // of what, is not known yet
    const auto size = unwrap_retransmission(datagram.bytes(), *e.ssrc, codec->pt);
    if (!size) return context_.counters.drop(Drop::PaddingOnly);
    datagram.resize(*size);
    const auto original = rtp::Packet::parse(datagram.bytes());
    if (!original) return context_.counters.drop(Drop::BadRtx);
    packet = *original;
  }
  const auto seq = place(now, encoding, rtx, packet);
  if (!seq) return;
  rtp::PacketInfo info = rtp::make_packet_info(packet, *seq, codec->codec, extensions, now,
                                               e.clock.capture_time(packet.timestamp(), clocks_));
  read_descriptor(e, extensions, info);
  context_.counters.media_in.add();
  pass_on(now, {packet, info, extensions, *codec, source(encoding), e.descriptors.get()}, rtx,
          std::move(datagram));
}

void Track::on_relayed(rtp::Time now, const Relay::Record& record, rtp::Buffer datagram) {
  if (record.encoding >= encodings_.size()) return;  // of before another offer
  Encoding& e = encodings_[record.encoding];
  if (record.kind == Relay::Kind::Restarted) return restart(record.encoding, false);
  if (record.kind == Relay::Kind::Paused) {
    e.activity.on_end();
    for (Subscription* subscription : subscriptions_) subscription->tick(now);
    return;
  }
  const auto packet = rtp::Packet::parse(datagram.bytes());
  if (!packet) return context_.counters.drop(Drop::BadRtp);
  const CodecParams* codec = codec_of(packet->payload_type());
  if (codec == nullptr) return context_.counters.drop(Drop::UnknownPayloadType);
  const rtp::ExtensionReader extensions(*packet, section_.extensions);
  rtp::PacketInfo info = rtp::make_packet_info(*packet, record.seq, codec->codec, extensions,
                                               record.arrival, record.capture);
  read_descriptor(e, extensions, info);
  context_.counters.relayed_in.add();
  pass_on(now, {*packet, info, extensions, *codec, source(record.encoding), e.descriptors.get()},
          false, std::move(datagram));
}

// Into the history, and to everybody who is to have it.
void Track::pass_on(rtp::Time now, const MediaPacket& media, bool rtx, rtp::Buffer datagram) {
  const std::size_t encoding = media.source.encoding;
  Encoding& e = encodings_[encoding];
  const rtp::PacketInfo& info = media.info;
  observe(now, e, media, rtx);
  // The first packet of a key frame came behind others of its frame (it was lost and sent again):
  // who waits for a key frame gets all again from that one on, instead of waiting for the next.
  std::optional<rtp::ExtSeq> replay_to;
  const bool late = e.highest && info.seq < *e.highest;
  if (late && info.key_frame && e.video && e.highest->value - info.seq.value <= kMaxReplay) {
    replay_to = e.highest;
    reread_descriptors(e, info.seq, *replay_to);
  }
  if (!late) e.highest = info.seq;
  // What comes late or again may be of before a change of codec.
  if (!late && !rtx && !info.padding_only && told_type_ != media.codec.pt) {
    tell_codec(now, media.codec);
  }
  rtp::Buffer held = store(e, info, std::move(datagram));
  for (auto& tap : taps_) {
    tap->forward(media);
    if (!replay_to || !tap->rewind(media.source)) continue;
    replay(encoding, info.seq, *replay_to, [&](const MediaPacket& kept) { tap->forward(kept); });
  }
  for (RelayEnd& end : relays_) pass_to_relay(end, media);
  wait({media.packet, media.extensions, info, &media.codec, media.source, media.descriptors,
        replay_to, std::move(held)});
}

void Track::wait(WaitingPacket packet) {
  const auto at = static_cast<std::uint32_t>(context_.waiting.size());
  context_.waiting.push_back(std::move(packet));
  if (first_waiting_ == WaitingPacket::kNone) {
    context_.bursts.push_back(this);
    first_waiting_ = at;
  } else {
    context_.waiting[last_waiting_].next = at;
  }
  last_waiting_ = at;
}

bool Track::hand_out(rtp::Time now) {
  while (handed_ < subscriptions_.size()) {
    Subscription& subscription = *subscriptions_[handed_++];
    if (handed_ < subscriptions_.size()) subscriptions_[handed_]->prefetch_connection();
    if (handed_ + 1 < subscriptions_.size()) subscriptions_[handed_ + 1]->prefetch();
    for (std::uint32_t i = first_waiting_; i != WaitingPacket::kNone;) {
      const WaitingPacket& one = context_.waiting[i];
      i = one.next;
      subscription.forward(now, one.media());
      if (!one.replay_to || !subscription.rewind(one.source)) continue;
      replay(one.source.encoding, one.info.seq, *one.replay_to,
             [&](const MediaPacket& kept) { subscription.forward(now, kept); });
    }
    if (context_.egress.wants_flush()) return true;
  }
  handed_ = 0;
  first_waiting_ = WaitingPacket::kNone;
  return false;
}

// Its numbers begin anew, and its history goes.
void Track::forget_waiting(std::size_t encoding) {
  std::uint32_t* link = &first_waiting_;
  if (*link == WaitingPacket::kNone) return;
  last_waiting_ = WaitingPacket::kNone;
  while (*link != WaitingPacket::kNone) {
    WaitingPacket& one = context_.waiting[*link];
    if (one.source.encoding == encoding) {
      context_.counters.drop(Drop::HistoryGone);
      *link = one.next;
    } else {
      last_waiting_ = *link;
      link = &one.next;
    }
  }
  if (first_waiting_ == WaitingPacket::kNone) std::erase(context_.bursts, this);
}

void Track::tell_codec(rtp::Time now, const CodecParams& codec) {
  if (now < next_telling_) return;  // one of the next packets tells it
  next_telling_ = now + kTellingInterval;
  told_type_ = codec.pt;
  // A mirror's publisher is told of at home.
  if (origin_ == nullptr) context_.emit(TrackStarted{peer_, section_.track, codec});
}

void Track::pass_to_relay(RelayEnd& end, const MediaPacket& media) {
  Relay& relay = *end.relay;
  if (!relay.watched()) return;
  const std::uint8_t encoding = media.source.encoding;
  context_.wake(relay.to());
  if ((end.restarted & bit(encoding)) != 0) {
    if (!relay.push({.kind = Relay::Kind::Restarted, .encoding = encoding})) {
      return context_.counters.drop(Drop::RelayFull);
    }
    end.restarted &= static_cast<std::uint8_t>(~bit(encoding));
  }
  const rtp::PacketInfo& info = media.info;
  if (!relay.push({Relay::Kind::Rtp, encoding, info.seq, info.arrival, info.capture,
                   media.packet.bytes()})) {
    return context_.counters.drop(Drop::RelayFull);
  }
  context_.counters.relayed_out.add();
  if (info.key_frame) end.waits &= static_cast<std::uint8_t>(~bit(encoding));
}

// Returns what has to be held until the burst is over: the packet itself if it is not kept, or one
// that it pushed out, which the burst may still refer to.
rtp::Buffer Track::store(Encoding& e, const rtp::PacketInfo& info, rtp::Buffer datagram) {
  if (info.padding_only || !e.keeps) return datagram;
  const bool scarce = context_.pool.available() < context_.pool.capacity() / kScarceDivisor;
  if (scarce && first_waiting_ == WaitingPacket::kNone) e.history.clear();
  return e.history.store(info, std::move(datagram));
}

template <class Forward>
void Track::replay(std::size_t encoding, rtp::ExtSeq from, rtp::ExtSeq to, const Forward& forward) {
  for (rtp::ExtSeq seq = from; seq <= to; ++seq.value) {
    if (const auto kept = stored(encoding, seq)) forward(kept->media());
  }
}

void Track::add(Subscription& subscription) {
  subscriptions_.push_back(&subscription);
  if (origin_ != nullptr) origin_->set_watched(true);
  if (subscription.redundancy() > 0) on_redundancy_changed();
}

void Track::remove(Subscription& subscription) {
  std::erase(subscriptions_, &subscription);
  if (origin_ != nullptr) origin_->set_watched(!subscriptions_.empty());
  if (subscription.redundancy() > 0) on_redundancy_changed();
}

void Track::on_redundancy_changed() {
  const bool wanted = std::any_of(subscriptions_.begin(), subscriptions_.end(),
                                  [](const Subscription* s) { return s->redundancy() > 0; });
  for (Encoding& e : encodings_) {
    if (e.video || e.nack_negotiated || e.keeps == wanted) continue;
    e.keeps = wanted;
    // What waits to be handed out may lie there: then it stays until it is pushed out.
    if (wanted || first_waiting_ == WaitingPacket::kNone) {
      e.history = rtp::History(wanted ? kRedundancyHistory : 1);
    }
  }
}

void Track::add_relay(std::shared_ptr<Relay> relay) {
  if (relays_.empty()) context_.relaying.push_back(this);
  relays_.push_back({std::move(relay)});
}

void Track::take_relay_wishes() {
  for (RelayEnd& end : relays_) {
    const std::uint8_t wishes = end.relay->take_wishes();
    end.waits |= wishes;
    for (std::size_t i = 0; i < encodings_.size(); ++i) {
      if ((wishes & bit(i)) != 0) want_key_frame(i);
    }
  }
}

bool Track::add_tap(rtp::Time now, TapId tap, std::shared_ptr<rtp::Tap> ring) {
  if (taps_.size() >= kMaxTaps) return false;
  taps_.push_back(std::make_unique<TapSubscription>(context_, *this, tap, std::move(ring)));
  taps_.back()->set_muted(now, muted_);
  taps_.back()->tick(now);
  return true;
}

void Track::remove_tap(TapId tap) {
  std::erase_if(taps_, [&](const auto& candidate) { return candidate->id() == tap; });
}

std::uint64_t Track::payload_bytes() const noexcept {
  std::uint64_t sum = past_payload_bytes_;
  for (const Encoding& encoding : encodings_) sum += encoding.activity.total_bytes();
  return sum;
}

std::size_t Track::bytes() const noexcept {
  std::size_t total = sizeof *this;
  for (const Encoding& encoding : encodings_) {
    total += sizeof encoding + encoding.history.capacity() * sizeof(rtp::History::Stored) +
             encoding.activity.bytes() + (encoding.descriptors ? sizeof *encoding.descriptors : 0);
  }
  return total;
}

std::optional<StoredPacket> Track::stored(std::size_t encoding, rtp::ExtSeq seq) noexcept {
  if (encoding >= encodings_.size()) return std::nullopt;
  rtp::History::Stored* kept = encodings_[encoding].history.find(seq);
  if (kept == nullptr) return std::nullopt;
  const auto packet = rtp::Packet::parse(kept->packet.bytes());
  const CodecParams* codec = packet ? codec_of(packet->payload_type()) : nullptr;
  if (codec == nullptr) return std::nullopt;  // another offer took it away
  return StoredPacket{*packet,          rtp::ExtensionReader(*packet, section_.extensions),
                      kept->info,       *codec,
                      source(encoding), encodings_[encoding].descriptors.get()};
}

std::optional<std::size_t> Track::encoding_of(rtp::Rid rid) const noexcept {
  for (std::size_t i = 0; i < encodings_.size(); ++i) {
    if (encodings_[i].rid == rid) return i;
  }
  return std::nullopt;
}

const CodecParams* Track::codec_of(rtp::PayloadType type) const noexcept {
  const auto found = std::find_if(section_.codecs.begin(), section_.codecs.end(),
                                  [&](const CodecParams& codec) { return codec.pt == type; });
  return found == section_.codecs.end() ? nullptr : &*found;
}

const CodecParams* Track::codec_of_rtx(rtp::PayloadType type) const noexcept {
  const auto found = std::find_if(section_.codecs.begin(), section_.codecs.end(),
                                  [&](const CodecParams& codec) { return codec.rtx_pt == type; });
  return found == section_.codecs.end() ? nullptr : &*found;
}

}  // namespace parley::server
