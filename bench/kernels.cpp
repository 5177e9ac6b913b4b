// What single steps of the packet path cost. See bench/README.md.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <benchmark/benchmark.h>

#include "rtp/bytes.h"
#include "rtp/extension_reader.h"
#include "rtp/forwarder.h"
#include "rtp/history.h"
#include "rtp/layer_selector.h"
#include "rtp/nack_tracker.h"
#include "rtp/packet.h"
#include "rtp/packet_builder.h"
#include "rtp/packet_info.h"
#include "rtp/packet_pool.h"
#include "rtp/receive_stream.h"
#include "rtp/sent_log.h"
#include "rtp/twcc.h"
#include "server/media_packet.h"
#include "server/srtp.h"

namespace {

using namespace parley;

constexpr std::size_t kPayload = 1'100;

rtp::ExtensionMap extension_map() {
  rtp::ExtensionMap map;
  map.set(rtp::Extension::AudioLevel, 1);
  map.set(rtp::Extension::TransportCc, 3);
  map.set(rtp::Extension::Mid, 4);
  return map;
}

std::size_t make_packet(std::uint16_t seq, rtp::Bytes out) {
  static const std::vector<std::uint8_t> filler(kPayload - 6, 0x55);
  rtp::HeaderFields fields;
  fields.payload_type = rtp::PayloadType{96};
  fields.seq = rtp::Seq{seq};
  fields.ssrc = rtp::Ssrc{1'234};
  rtp::PacketBuilder builder(out, fields);
  builder.extensions().add_transport_cc(3, rtp::Seq{seq});
  builder.payload(std::array<std::uint8_t, 6>{0x90, 0xf0, 0x80, 0x02, 1, 0x20});
  builder.payload(filler);
  return builder.finish();
}

rtp::PacketInfo info_of(const rtp::Packet& packet, std::int64_t seq) {
  const rtp::ExtensionReader extensions(packet, extension_map());
  return rtp::make_packet_info(packet, rtp::ExtSeq{seq}, rtp::Codec::Vp8, extensions, {}, {});
}

void Parse(benchmark::State& state) {
  std::array<std::uint8_t, 1'500> bytes{};
  const std::size_t size = make_packet(1, bytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(rtp::Packet::parse(rtp::Bytes(bytes).first(size)));
  }
}

void DescribePacket(benchmark::State& state) {
  std::array<std::uint8_t, 1'500> bytes{};
  const auto packet = *rtp::Packet::parse(rtp::Bytes(bytes).first(make_packet(1, bytes)));
  const rtp::ExtensionMap map = extension_map();
  for (auto _ : state) {
    const rtp::ExtensionReader extensions(packet, map);
    benchmark::DoNotOptimize(
        rtp::make_packet_info(packet, rtp::ExtSeq{1}, rtp::Codec::Vp8, extensions, {}, {}));
  }
}

void ReceiveStatistics(benchmark::State& state) {
  rtp::ReceiveStream stream(90'000);
  std::uint32_t n = 0;
  for (auto _ : state) {
    ++n;
    benchmark::DoNotOptimize(stream.on_packet(rtp::Seq{static_cast<std::uint16_t>(n)},
                                              rtp::RtpTimestamp{n * 300}, 1'200,
                                              rtp::Time(rtp::Duration(n * 3'000))));
  }
}

void ForwardDecision(benchmark::State& state) {
  std::array<std::uint8_t, 1'500> bytes{};
  const auto packet = *rtp::Packet::parse(rtp::Bytes(bytes).first(make_packet(1, bytes)));
  rtp::PacketInfo info = info_of(packet, 1);
  info.key_frame = info.frame_start = true;
  rtp::Forwarder forwarder(rtp::MediaKind::Video, 90'000, rtp::Seq{1}, rtp::RtpTimestamp{1});
  const rtp::Source source{1, 0};
  forwarder.set_target(source);
  for (auto _ : state) {
    ++info.seq.value;
    benchmark::DoNotOptimize(forwarder.on_packet(info, source));
  }
}

// Of an encoding with three temporal layers, two of which pass.
void ForwardLayers(benchmark::State& state) {
  std::array<std::uint8_t, 1'500> bytes{};
  const auto packet = *rtp::Packet::parse(rtp::Bytes(bytes).first(make_packet(1, bytes)));
  rtp::PacketInfo info = info_of(packet, 1);
  info.key_frame = info.frame_start = true;
  info.layers.known = true;
  rtp::Forwarder forwarder(rtp::MediaKind::Video, 90'000, rtp::Seq{1}, rtp::RtpTimestamp{1});
  const rtp::Source source{1, 0};
  forwarder.set_target(source, {rtp::LayerLimit::kAll, 1});
  constexpr std::array<std::uint8_t, 4> kPattern{0, 2, 1, 2};
  for (auto _ : state) {
    ++info.seq.value;
    info.timestamp.value += 3'000;
    info.picture.picture_id = (info.picture.picture_id + 1) & 0x7fff;
    info.layers.temporal = kPattern[static_cast<std::size_t>(info.seq.value) % 4];
    benchmark::DoNotOptimize(forwarder.on_packet(info, source));
    info.key_frame = false;
  }
}

void WriteForwarded(benchmark::State& state) {
  std::array<std::uint8_t, 1'500> bytes{};
  std::array<std::uint8_t, 1'500> out{};
  const rtp::ExtensionMap map = extension_map();
  const auto packet = *rtp::Packet::parse(rtp::Bytes(bytes).first(make_packet(1, bytes)));
  const rtp::PacketInfo info = info_of(packet, 1);
  const rtp::ExtensionReader extensions(packet, map);
  const server::CodecParams codec;
  const server::MediaPacket media{packet, info, extensions, codec, {1, 0}};
  const server::SlotHeader slot{rtp::Ssrc{9}, rtp::PayloadType{96}, *rtp::Mid::from("v0"), map};
  const rtp::Rewrite rewrite;
  for (auto _ : state) benchmark::DoNotOptimize(server::write_forwarded(media, rewrite, slot, out));
}

void HistoryStore(benchmark::State& state) {
  rtp::PacketPool pool(1'024);
  rtp::History history(512);
  rtp::PacketInfo info;
  for (auto _ : state) {
    ++info.seq.value;
    rtp::Buffer buffer = pool.take();
    buffer.resize(1'200);
    std::ignore = history.store(info, std::move(buffer));
  }
}

// One packet in fifty is missing and comes when it was asked for.
void NackBookkeeping(benchmark::State& state) {
  rtp::NackTracker tracker;
  std::array<rtp::Seq, rtp::NackTracker::kMaxMissing> asked;
  std::int64_t seq = 0;
  for (auto _ : state) {
    ++seq;
    const rtp::Time now(rtp::Duration(seq * 3'000));
    if (seq % 50 != 0) tracker.on_packet(rtp::ExtSeq{seq}, now);
    if (tracker.next_deadline().value_or(rtp::Time::max()) > now) continue;
    const std::size_t count = tracker.collect(now, rtp::Duration{50'000}, asked);
    for (std::size_t i = 0; i < count; ++i) {
      tracker.on_packet(rtp::ExtSeq{seq - static_cast<std::uint16_t>(seq - asked[i].value)}, now);
    }
  }
}

void RememberSent(benchmark::State& state) {
  rtp::SentLog log(512);
  rtp::Rewrite rewrite;
  rtp::PacketInfo info;
  for (auto _ : state) {
    ++rewrite.seq.value;
    ++info.seq.value;
    log.on_sent(rewrite, {1, 0}, info, 1'200);
  }
}

void SelectLayer(benchmark::State& state) {
  std::array<rtp::LayerActivity::Layer, 3> layers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i] = {true, true, {}, 30, {}, 180U << i};
  }
  std::uint32_t height = 0;
  for (auto _ : state) {
    height = (height + 180) % 1'080;
    benchmark::DoNotOptimize(rtp::select_layer(layers, height, 1));
  }
}

// Fifty arrivals and the feedback that tells of them.
void BuildFeedback(benchmark::State& state) {
  rtp::TwccRecorder recorder;
  std::array<std::uint8_t, 1'200> out{};
  std::uint32_t seq = 0;
  for (auto _ : state) {
    for (int i = 0; i < 50; ++i) {
      ++seq;
      recorder.on_packet(rtp::Seq{static_cast<std::uint16_t>(seq)},
                         rtp::Time(rtp::Duration(std::int64_t{seq} * 2'000)));
    }
    benchmark::DoNotOptimize(recorder.build(rtp::Ssrc{1}, rtp::Ssrc{2}, out));
  }
}

server::SrtpKeys keys(server::SrtpProfile profile, bool mirrored) {
  std::array<std::uint8_t, 32> key{};
  std::array<std::uint8_t, 14> salt{};
  const auto one = [&](std::uint8_t fill) {
    key.fill(fill);
    return server::SrtpMasterKey(rtp::ConstBytes(key).first(server::key_size(profile)),
                                 rtp::ConstBytes(salt).first(server::salt_size(profile)));
  };
  return {profile, one(mirrored ? 2 : 1), one(mirrored ? 1 : 2)};
}

// Engine and profile by name.
struct SrtpCase {
  server::SrtpEngine engine;
  server::SrtpProfile profile;
};
constexpr std::array kEngines = {server::SrtpEngine::IpsecMb, server::SrtpEngine::OpenSsl,
                                 server::SrtpEngine::LibSrtp};
constexpr std::array kProfiles = {server::SrtpProfile::AeadAes128Gcm,
                                  server::SrtpProfile::AeadAes256Gcm,
                                  server::SrtpProfile::AesCm128HmacSha1_80};

std::optional<SrtpCase> srtp_case(benchmark::State& state) {
  const SrtpCase one{kEngines[static_cast<std::size_t>(state.range(0))],
                     kProfiles[static_cast<std::size_t>(state.range(1))]};
  if (server::available(one.engine) != one.engine) {
    state.SkipWithError("this processor cannot run the engine");
    return std::nullopt;
  }
  constexpr std::array kNames = {"AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"};
  state.SetLabel(std::string(server::name_of(one.engine)) + " " +
                 kNames[static_cast<std::size_t>(state.range(1))]);
  return one;
}

// A turn's worth: one packet for each of many peers, so that no key stays in the nearest cache.
constexpr std::size_t kPeers = 200;

void Seal(benchmark::State& state) {
  const auto one = srtp_case(state);
  if (!one) return;
  std::vector<server::SrtpSession> sessions;
  std::vector<std::array<std::uint8_t, 1'600>> buffers(kPeers);
  for (std::size_t i = 0; i < kPeers; ++i) {
    sessions.push_back(*server::SrtpSession::create(keys(one->profile, false), 64, one->engine));
  }
  server::Sealer sealer;
  std::vector<server::SealItem> items(kPeers);
  std::uint16_t seq = 0;
  std::size_t size = 0;
  for (auto& buffer : buffers) size = make_packet(1, buffer);
  for (auto _ : state) {
    ++seq;
    for (std::size_t i = 0; i < kPeers; ++i) {
      rtp::store16(buffers[i], 2, seq);
      items[i] = {&sessions[i], buffers[i], size};
    }
    benchmark::DoNotOptimize(sealer.seal(items));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kPeers));
  state.counters["per_packet"] = benchmark::Counter(
      static_cast<double>(kPeers),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void Open(benchmark::State& state) {
  const auto one = srtp_case(state);
  if (!one) return;
  auto near = server::SrtpSession::create(keys(one->profile, false), 64, one->engine);
  auto far = server::SrtpSession::create(keys(one->profile, true), 64, one->engine);
  server::Sealer sealer;
  server::Opener opener;
  std::vector<std::array<std::uint8_t, 1'600>> buffers(64);  // one read of a socket
  std::vector<server::OpenItem> items(buffers.size());
  std::uint16_t seq = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      server::SealItem item{&*near, buffers[i], make_packet(++seq, buffers[i])};
      sealer.seal({&item, 1});
      items[i] = {&*far, rtp::Bytes(buffers[i]).first(item.size)};
    }
    state.ResumeTiming();
    opener.open(items);
    if (!items.back().result) state.SkipWithError("did not open");
  }
  state.counters["per_packet"] = benchmark::Counter(
      static_cast<double>(buffers.size()),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// As many rounds as PARLEY_ROUNDS says, for counting instructions; else Google Benchmark chooses.
void add(const char* name, void (*kernel)(benchmark::State&), bool srtp = false) {
  auto* const added = benchmark::RegisterBenchmark(name, kernel);
  if (srtp) added->ArgsProduct({{0, 1, 2}, {0, 1, 2}})->ArgNames({"engine", "profile"});
  const char* const rounds = std::getenv("PARLEY_ROUNDS");
  if (rounds != nullptr) added->Iterations(std::strtol(rounds, nullptr, 10));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  add("Parse", Parse);
  add("DescribePacket", DescribePacket);
  add("ReceiveStatistics", ReceiveStatistics);
  add("ForwardDecision", ForwardDecision);
  add("ForwardLayers", ForwardLayers);
  add("WriteForwarded", WriteForwarded);
  add("HistoryStore", HistoryStore);
  add("RememberSent", RememberSent);
  add("NackBookkeeping", NackBookkeeping);
  add("SelectLayer", SelectLayer);
  add("BuildFeedback", BuildFeedback);
  add("Seal", Seal, true);
  add("Open", Open, true);
  benchmark::RunSpecifiedBenchmarks();
}
