#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/config.h"
#include "rtp/allocation.h"
#include "rtp/bytes.h"
#include "rtp/layer_selector.h"
#include "rtp/packet_pool.h"
#include "server/api.h"
#include "server/counters.h"
#include "server/downlink.h"
#include "server/dtls.h"
#include "server/egress.h"
#include "server/media_packet.h"
#include "server/random.h"
#include "server/srtp.h"

namespace parley::server {

class Mirror;
class Subscription;
class Track;

// Scratch of a peer that shares out his way down (peer_downlink.cpp): his slots of video, what they
// wish and get, and the layers they wish for. Kept, because to make it anew costs more than its
// use.
struct Sharing {
  static constexpr std::size_t kMaxLayers = 8;  // of one track
  std::vector<Subscription*> slots;
  std::vector<rtp::LayerActivity::Layer> layers;  // the wishes point into it: it must not grow
  std::vector<rtp::LayerWish> wishes;
  std::vector<rtp::LayerChoice> choices;

  Sharing() {
    slots.reserve(rtp::kMaxWishes);
    layers.reserve(rtp::kMaxWishes * kMaxLayers);
    wishes.reserve(rtp::kMaxWishes);
    choices.reserve(rtp::kMaxWishes);
  }
  void clear() noexcept {
    slots.clear();
    layers.clear();
    wishes.clear();
    choices.clear();
  }
};

// What all parts of one worker share. It belongs to the Worker and outlives them.
struct Context {
  // More than any batch has, so that it does not grow.
  static constexpr std::size_t kMaxWaiting = 512;

  Context(const config::Config& settings, const DtlsContext& dtls_context, RandomSource source,
          WorkerCounters& worker_counters)
      : ice(settings.ice),
        srtp(settings.srtp),
        media(settings.media),
        dtls(dtls_context),
        random(std::move(source)),
        counters(worker_counters),
        pool(settings.media.pool_packets),
        egress(worker_counters, settings.egress.max_padding_bytes) {
    waiting.reserve(kMaxWaiting);
    packet_results.resize(Downlink::kMaxResults);
  }

  void emit(Event event) {
    counters.events.add();
    events.push_back(std::move(event));
  }
  // Another worker is to look at its relays when this turn ends.
  void wake(std::size_t worker) {
    if (std::find(wakes.begin(), wakes.end(), worker) == wakes.end()) wakes.push_back(worker);
  }
  [[nodiscard]] std::uint32_t random32() {
    std::array<std::uint8_t, 4> bytes{};
    random(bytes);
    return rtp::load32(bytes, 0);
  }

  const config::Ice ice;
  const config::Srtp srtp;
  const config::Media media;
  const DtlsContext& dtls;
  RandomSource random;
  WorkerCounters& counters;
  rtp::PacketPool pool;
  Egress egress;
  Opener opener;
  std::vector<Event> events;       // of this turn
  std::vector<std::size_t> wakes;  // of this turn
  // What was received and is to be handed out at the end of the batch, and the tracks it is of.
  std::vector<WaitingPacket> waiting;
  std::vector<Track*> bursts;
  std::vector<rtp::PacketResult> packet_results;  // scratch, of one feedback
  Sharing sharing;
  std::vector<Track*> relaying;                // those that other workers mirror
  std::vector<Mirror*> mirrors;                // of other workers' tracks
  std::unordered_map<TrackNo, Track*> tracks;  // of all rooms; each belongs to its Peer
};

}  // namespace parley::server
