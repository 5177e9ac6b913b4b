#include "tests/sim/sim_peer.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/clock_map.h"
#include "rtp/packet_builder.h"
#include "rtp/rtcp_reader.h"
#include "rtp/rtcp_writer.h"
#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

constexpr rtp::PayloadType kOpus{111};
constexpr rtp::PayloadType kRed = Receiver::kRed;
constexpr rtp::PayloadType kVp8{96};
constexpr rtp::PayloadType kVp9{98};
constexpr rtp::PayloadType kAv1{100};
constexpr rtp::PayloadType kH264{102};
constexpr std::uint8_t kDescriptor = 12;
constexpr client::SyntheticExtensions kExtensions{
    .mid = 4, .rid = 10, .transport_cc = 3, .audio_level = 1};

rtp::Mid mid(const std::string& text) { return *rtp::Mid::from(text); }
rtp::Rid rid(std::size_t layer) { return *rtp::Rid::from(std::string(1, "qhf"[layer])); }

std::uint32_t ssrc_base(std::size_t index, const PeerOptions& options) {
  return options.first_ssrc != 0 ? options.first_ssrc
                                 : static_cast<std::uint32_t>(10'000 + index * 100);
}

rtp::ExtensionMap extension_map() {
  rtp::ExtensionMap map;
  map.set(rtp::Extension::AudioLevel, 1);
  map.set(rtp::Extension::TransportCc, 3);
  map.set(rtp::Extension::Mid, 4);
  map.set(rtp::Extension::Rid, 10);
  map.set(rtp::Extension::RepairedRid, 11);
  return map;
}

const rtp::ExtensionMap& descriptor_map() {
  static const rtp::ExtensionMap map = [] {
    rtp::ExtensionMap with = extension_map();
    with.set(rtp::Extension::DependencyDescriptor, kDescriptor);
    return with;
  }();
  return map;
}

server::CodecParams opus() {
  server::CodecParams codec;
  codec.codec = rtp::Codec::Opus;
  codec.pt = kOpus;
  codec.clock_rate_hz = 48'000;
  codec.transport_cc = true;
  return codec;
}

rtp::PayloadType type_of(rtp::Codec codec) {
  if (codec == rtp::Codec::Vp9) return kVp9;
  if (codec == rtp::Codec::Av1) return kAv1;
  return codec == rtp::Codec::H264 ? kH264 : kVp8;
}
// As Chromium numbers them.
rtp::PayloadType rtx_of(rtp::PayloadType type) {
  return rtp::PayloadType{static_cast<std::uint8_t>(type.value + 1)};
}

server::CodecParams video_codec(rtp::Codec name, rtp::PayloadType type) {
  server::CodecParams codec;
  codec.codec = name;
  codec.pt = type;
  codec.rtx_pt = rtx_of(type);
  codec.nack = codec.pli = codec.transport_cc = true;
  if (name == rtp::Codec::H264) {
    codec.h264_profile = 0x42e01f;
    codec.packetization_mode = 1;
  }
  return codec;
}

std::vector<server::CodecParams> video_codecs(const PeerOptions& options) {
  std::vector<server::CodecParams> codecs;
  for (const auto& [name, has] :
       {std::pair{rtp::Codec::Vp8, options.vp8}, {rtp::Codec::H264, options.h264}}) {
    if (has) codecs.push_back(video_codec(name, type_of(name)));
  }
  return codecs;
}

std::vector<server::CodecParams> slot_codecs(const PeerOptions& options) {
  std::vector<server::CodecParams> codecs = video_codecs(options);
  for (const rtp::Codec name : {rtp::Codec::Vp9, rtp::Codec::Av1}) {
    codecs.push_back(video_codec(name, type_of(name)));
  }
  return codecs;
}

std::optional<rtp::SvcSource::Options> svc_options(std::size_t index, const PeerOptions& options) {
  if (!options.svc) return std::nullopt;
  rtp::SvcSource::Options svc;
  svc.mode = *options.svc;
  svc.ssrc = rtp::Ssrc{ssrc_base(index, options) + 10};
  svc.pt = kVp8;
  svc.first_seq = 65'400;
  svc.first_timestamp = 0xffff'f000;
  svc.frame_bytes = {312, 937, 3'750};
  return svc;
}

client::ClientParams client_params(const server::PeerParams& params, const Sim& sim,
                                   std::size_t worker) {
  client::ClientParams out;
  out.local = params.remote;
  out.remote = params.local;
  out.fingerprints = {sim.certificate.fingerprint()};
  out.server = sim.address_of(worker);
  return out;
}

client::SyntheticVideo::Options video_options(std::size_t index, const PeerOptions& options) {
  client::SyntheticVideo::Options video;
  video.identity = static_cast<std::uint32_t>(index);
  video.codec = options.vp8 ? rtp::Codec::Vp8 : rtp::Codec::H264;
  video.pt = type_of(video.codec);
  video.mid = mid("1");
  video.extensions = kExtensions;
  for (std::size_t i = 0; i < options.layers; ++i) {
    const std::size_t down = options.layers - 1 - i;
    client::SyntheticVideo::Layer layer;
    layer.ssrc = rtp::Ssrc{ssrc_base(index, options) + 10 + static_cast<std::uint32_t>(i)};
    if (options.layers > 1) layer.rid = rid(i);
    layer.width = static_cast<std::uint16_t>(1'280 >> down);
    layer.height = static_cast<std::uint16_t>(720 >> down);
    layer.bitrate_bps = 1'200'000U >> (2 * down);
    // Browsers start each layer anywhere.
    layer.first_seq = static_cast<std::uint16_t>(65'400 - 20'000 * i + 7 * index);
    layer.first_timestamp = static_cast<std::uint32_t>(0xfffff000U + 123'456'789U * i);
    video.layers.push_back(layer);
  }
  return video;
}

client::SyntheticAudio::Options audio_options(std::size_t index, const PeerOptions& options) {
  client::SyntheticAudio::Options audio;
  audio.identity = static_cast<std::uint32_t>(index);
  audio.ssrc = rtp::Ssrc{ssrc_base(index, options)};
  audio.pt = kOpus;
  audio.mid = mid("0");
  audio.extensions = kExtensions;
  audio.first_seq = 65'500;
  audio.payload = options.audio_payload;
  return audio;
}

}  // namespace

server::PeerParams SimPeer::make_params(std::size_t index, const PeerOptions& options,
                                        const server::Certificate& certificate) {
  server::PeerParams params;
  const std::string n = std::to_string(index);
  params.local = {"server" + n, "server-password-of-peer-" + n};
  params.remote = {"client" + n, "client-password-of-peer-" + n};
  params.fingerprints = {certificate.fingerprint()};
  params.cname = "cname" + n;
  if (options.data) params.data.emplace();
  const auto track = static_cast<std::uint32_t>(1'000 + index * 10);
  if (options.audio) {
    server::PublishSection section;
    section.track = server::TrackNo{track};
    section.mid = mid("0");
    section.kind = rtp::MediaKind::Audio;
    section.codecs = {opus()};
    section.extensions = extension_map();
    params.publishes.push_back(section);
  }
  if (options.video) {
    server::PublishSection section;
    section.track = server::TrackNo{track + 1};
    section.mid = mid("1");
    section.kind = rtp::MediaKind::Video;
    section.codecs =
        options.svc ? std::vector{video_codec(options.svc->codec, kVp8)} : video_codecs(options);
    section.extensions = extension_map();
    if (options.svc) section.extensions.set(rtp::Extension::DependencyDescriptor, kDescriptor);
    for (std::size_t i = 0; options.layers > 1 && i < options.layers; ++i) {
      section.rids.push_back(rid(i));
    }
    if (options.layers == 1) {
      const std::uint32_t media_ssrc = ssrc_base(index, options) + 10;
      section.ssrcs = {{rtp::Ssrc{media_ssrc}, rtp::Ssrc{media_ssrc + 10}}};
    }
    params.publishes.push_back(section);
  }
  for (std::size_t i = 0; i < options.audio_slots + options.video_slots; ++i) {
    const bool audio = i < options.audio_slots;
    server::SlotSection slot;
    slot.mid = mid((audio ? "a" : "v") + std::to_string(audio ? i : i - options.audio_slots));
    slot.kind = audio ? rtp::MediaKind::Audio : rtp::MediaKind::Video;
    slot.ssrc = rtp::Ssrc{static_cast<std::uint32_t>(500'000 + index * 1'000 + i * 2)};
    slot.rtx_ssrc = rtp::Ssrc{slot.ssrc.value + 1};
    slot.codecs = audio ? std::vector{opus()} : slot_codecs(options);
    if (audio && options.red) slot.codecs.front().red_pt = kRed;
    slot.extensions = extension_map();
    if (options.descriptors) slot.extensions.set(rtp::Extension::DependencyDescriptor, kDescriptor);
    params.slots.push_back(slot);
  }
  return params;
}

SimPeer::SimPeer(Sim& sim, std::size_t index, const PeerOptions& opts)
    : client(sim.client_dtls,
             client_params(make_params(index, opts, sim.client_certificate), sim, opts.worker),
             server::seeded_random(sim.seed * 1'000 + index)),
      video(video_options(index, opts), sim.transports_[index]),
      audio(audio_options(index, opts), sim.transports_[index]),
      options(opts),
      address(server::TransportAddress::v4({10, 0, 0, static_cast<std::uint8_t>(index + 1)},
                                           static_cast<std::uint16_t>(50'000 + index))),
      sim_(sim),
      id_(index + 1),
      audio_track_(static_cast<std::uint32_t>(1'000 + index * 10)),
      video_track_(static_cast<std::uint32_t>(1'001 + index * 10)),
      params_(make_params(index, opts, sim.client_certificate)),
      transport_(sim.transports_[index]) {
  if (opts.data) client.expect_data();
  if (auto layers = svc_options(index, opts)) svc.emplace(*std::move(layers), transport_);
  for (const server::SlotSection& slot : params_.slots) {
    auto& slots = slot.kind == rtp::MediaKind::Audio ? audio_slots_ : video_slots_;
    slots.emplace_back(slot.kind, slot.mid, slot.ssrc, slot.rtx_ssrc);
  }
}

rtp::Ssrc SimPeer::video_ssrc(std::size_t layer) const {
  return rtp::Ssrc{ssrc_base(id_.value - 1, options) + 10 + static_cast<std::uint32_t>(layer)};
}

void SimPeer::start(rtp::Time now) {
  client.start(now);
  next_report_ = now + milliseconds(500);
  next_nack_ = now;
}

rtp::Time SimPeer::next_deadline() const {
  if (silent) return rtp::Time::max();
  rtp::Time at = client.next_deadline().value_or(rtp::Time::max());
  if (!client.connected()) return at;
  at = std::min({at, next_report_, next_nack_});
  if (options.data) at = std::min(at, next_data_);
  if (tells) at = std::min(at, arrivals_.next_deadline().value_or(at));
  if (media && options.audio) at = std::min(at, audio.next_deadline().value_or(at));
  if (media && svc) {
    at = std::min(at, svc->next_deadline().value_or(at));
  } else if (media && options.video) {
    at = std::min(at, video.next_deadline().value_or(at));
  }
  return at;
}

void SimPeer::tick(rtp::Time now) {
  client.tick(now);
  if (!client.connected()) return;
  if (!media_started_) {
    media_started_ = true;
    connected_at = now;
    audio.start(now);
    video.start(now);
    if (svc) svc->start(now);
  }
  if (options.data && now >= next_data_) {
    if (!sctp) sctp = server::SctpAssociation::open(server::DataParams{}.remote_port);
    server::SctpAssociation::advance(now);
    exchange_data();
    next_data_ = now + server::SctpAssociation::kTick;
  }
  const auto send = [this](rtp::ConstBytes packet) {
    if (!loses || !loses(packet)) client.send_rtp(packet);
  };
  if (media && options.audio) audio.poll(now, send);
  if (media && svc) {
    svc->poll(now, send);
  } else if (media && options.video) {
    video.poll(now, send);
  }
  if (now >= next_nack_) {
    ask_missing(now);
    next_nack_ = now + milliseconds(10);
  }
  if (tells) arrivals_.tick(now, client);
  if (now >= next_report_) {
    report(now);
    next_report_ = now + milliseconds(700);
  }
}

void SimPeer::exchange_data() {
  if (!sctp) return;
  for (const auto& packet : client.take_data()) sctp->on_packet(packet);
  for (const auto& packet : sctp->take_packets()) client.send_data(packet);
}

void SimPeer::report(rtp::Time now) {
  std::array<std::uint8_t, 1'400> bytes{};
  rtp::RtcpWriter out(bytes);
  // The publisher's clock is some other clock.
  const rtp::NtpTime ntp = rtp::to_ntp(now + seconds(12'345));
  if (media && options.audio) {
    out.sender_report(
        {params_.publishes.empty() ? rtp::Ssrc{1} : rtp::Ssrc{ssrc_base(id_.value - 1, options)},
         ntp, rtp::RtpTimestamp{audio.timestamp()}, 1, 1});
  }
  if (media && options.video) {
    for (std::size_t i = 0; i < options.layers; ++i) {
      const std::uint32_t timestamp = svc ? svc->timestamp() : video.timestamp(i);
      out.sender_report({video_ssrc(i), ntp, rtp::RtpTimestamp{timestamp}, 1, 1});
    }
  }
  std::vector<rtp::ReportBlock> blocks;
  for (auto* slots : {&audio_slots_, &video_slots_}) {
    for (Receiver& slot : *slots) {
      const auto report = slot.stats.take_report(now);
      if (!report) continue;
      rtp::ReportBlock block;
      block.ssrc = slot.ssrc;
      block.fraction_lost = report->fraction_lost;
      block.highest_seq = report->highest_seq;
      block.last_sender_report = report->last_sr;
      block.delay_since_last = report->delay_since_last_sr;
      blocks.push_back(block);
    }
  }
  if (!blocks.empty()) out.receiver_report(rtp::Ssrc{77}, blocks);
  if (!out.empty()) client.send_rtcp(out.written());
}

void SimPeer::ask_missing(rtp::Time now) {
  if (!asks) return;
  for (Receiver& slot : video_slots_) {
    std::array<rtp::Seq, 100> missing;
    const std::size_t count = slot.nack.collect(now, milliseconds(50), missing);
    if (count == 0) continue;
    std::array<std::uint8_t, 1'400> bytes{};
    rtp::RtcpWriter out(bytes);
    out.nack(rtp::Ssrc{77}, slot.ssrc, std::span(missing).first(count));
    client.send_rtcp(out.written());
  }
}

void SimPeer::send_pli(std::size_t video_slot) {
  std::array<std::uint8_t, 64> bytes{};
  rtp::RtcpWriter out(bytes);
  out.pli(rtp::Ssrc{77}, video_slots_[video_slot].ssrc);
  client.send_rtcp(out.written());
}

void SimPeer::send_bye(rtp::Ssrc ssrc) {
  std::array<std::uint8_t, 64> bytes{};
  rtp::RtcpWriter out(bytes);
  out.bye({&ssrc, 1});
  client.send_rtcp(out.written());
}

void SimPeer::lose_first_packet_of_next_key_frame() {
  loses = [done = false](rtp::ConstBytes bytes) mutable {
    std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    const rtp::ConstBytes payload = rtp::Packet::parse(copy)->payload();
    auto frame = client::read_synthetic_vp8(payload);
    if (!frame) frame = client::read_synthetic_h264(payload);
    return frame && frame->key_frame && !std::exchange(done, true);
  };
}

void SimPeer::restart_ice(rtp::Time now) {
  params_.local = {params_.local.ufrag + "x", params_.local.pwd + "x"};
  params_.remote = {params_.remote.ufrag + "x", params_.remote.pwd + "x"};
  sim_.command(server::SetPeer{options.room, id_, params_});
  client.restart_ice(now, params_.remote, params_.local);
}

void SimPeer::on_datagram(rtp::Time now, rtp::ConstBytes bytes) {
  if (silent) return;
  const auto received = client.on_datagram(now, bytes);
  switch (received.kind) {
    case client::Client::Received::Kind::None:
      exchange_data();
      break;
    case client::Client::Received::Kind::Rtp:
      on_rtp(now, received.packet);
      break;
    case client::Client::Received::Kind::Rtcp:
      on_rtcp(now, received.packet);
      break;
  }
}

Receiver* SimPeer::receiver_of(rtp::Ssrc ssrc, bool& rtx) {
  for (auto* slots : {&audio_slots_, &video_slots_}) {
    for (Receiver& slot : *slots) {
      rtx = slot.rtx_ssrc == ssrc;
      if (rtx || slot.ssrc == ssrc) return &slot;
    }
  }
  return nullptr;
}

void SimPeer::on_rtp(rtp::Time now, rtp::ConstBytes bytes) {
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  const auto packet = rtp::Packet::parse(copy);
  ASSERT_TRUE(packet) << "the server sent a broken packet, seed " << sim_.seed;
  static const rtp::ExtensionMap kMap = extension_map();
  if (const auto number = rtp::ExtensionReader(*packet, kMap).transport_cc()) {
    arrivals_.on_packet(*number, now);
  }
  bool rtx = false;
  if (Receiver* receiver = receiver_of(packet->ssrc(), rtx)) {
    receiver->on_packet(now, *packet, rtx);
    if (const auto element = rtp::ExtensionReader(*packet, descriptor_map())
                                 .find(rtp::Extension::DependencyDescriptor)) {
      receiver->on_descriptor(*element);
    }
  } else {
    ++unknown_ssrcs;
  }
}

void SimPeer::on_rtcp(rtp::Time now, rtp::ConstBytes bytes) {
  if (hears) hears(now, bytes);
  rtp::RtcpReader reader(bytes);
  while (const auto message = reader.next()) {
    if (const auto* nack = std::get_if<rtp::Nack>(&*message)) {
      nack->for_each_missing([&](rtp::Seq seq) {
        ++nacked;
        resend(nack->media, seq);
      });
    } else if (const auto* pli = std::get_if<rtp::Pli>(&*message)) {
      ++plis;
      if (svc) {
        svc->request_key_frame(pli->media);
      } else {
        video.request_key_frame(pli->media);
      }
    } else if (std::holds_alternative<rtp::TransportCc>(*message)) {
      ++feedbacks;
    } else if (std::holds_alternative<rtp::ReceiverReport>(*message)) {
      if (!first_report) first_report = now;
    } else if (const auto* sr = std::get_if<rtp::SenderReport>(&*message)) {
      bool rtx = false;
      if (Receiver* receiver = receiver_of(sr->sender, rtx)) {
        ++receiver->sender_reports;
        receiver->stats.on_sender_report(sr->ntp, now);
      }
    }
  }
  EXPECT_EQ(reader.malformed(), 0U) << "seed " << sim_.seed;
}

void SimPeer::switch_codec(rtp::Codec codec) { video.set_codec(codec, type_of(codec)); }

// RFC 4588, as a browser does it: MID and the RID it repairs come along.
void SimPeer::resend(rtp::Ssrc ssrc, rtp::Seq seq) {
  const auto sent = svc ? svc->sent(ssrc, seq) : video.sent(ssrc, seq);
  if (!sent) return;
  std::vector<std::uint8_t> copy(sent->begin(), sent->end());
  const auto packet = rtp::Packet::parse(copy);
  std::array<std::uint8_t, 1'500> bytes{};
  rtp::HeaderFields fields;
  fields.payload_type = rtx_of(packet->payload_type());
  fields.seq = rtp::Seq{rtx_seq_++};
  fields.timestamp = packet->timestamp();
  fields.ssrc = rtp::Ssrc{ssrc.value + 10};
  fields.marker = packet->marker();
  rtp::PacketBuilder builder(bytes, fields);
  builder.extensions().add(4, std::string_view("1"));
  if (const auto element = rtp::ExtensionReader(*packet, descriptor_map())
                               .find(rtp::Extension::DependencyDescriptor)) {
    builder.extensions().add(kDescriptor, *element);
  }
  if (options.layers > 1) {
    const std::size_t layer = ssrc.value - ssrc_base(id_.value - 1, options) - 10;
    builder.extensions().add(11, rid(layer).view());
  }
  builder.extensions().add_transport_cc(3, rtp::Seq{transport_.next++});
  std::array<std::uint8_t, 2> original{};
  rtp::store16(original, 0, seq.value);
  builder.payload(original);
  builder.payload(packet->payload());
  const std::size_t size = builder.finish();
  client.send_rtp(rtp::ConstBytes(bytes).first(size));
}

}  // namespace parley::sim
