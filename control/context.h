#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "control/listener.h"
#include "control/outbox.h"
#include "control/random_id.h"
#include "control/timers.h"
#include "rtp/types.h"
#include "server/api.h"

namespace parley::control {

// What every part of the control logic works with: time, chance, the way out to the store, to the
// workers and to the sockets. All of them are given, so the whole logic runs in a test without a
// network, a disk or a clock. One per daemon; single thread.
struct Context {
  const config::Config& config;
  Timers& timers;
  Outbox& outbox;
  std::function<rtp::Time()> now;
  std::function<std::int64_t()> wall_ms;
  RandomSource random;
  server::PostCommand post_command;
  std::vector<server::WorkerInfo> workers;
  std::string fingerprint;  // of the media certificate, "sha-256 4A:.."
  std::function<void(ConnectionId, std::string_view)> send;
  std::function<void(ConnectionId, std::uint16_t, std::string_view)> close;
  std::uint64_t last_number = 0;  // of rooms, peers, tracks and taps, which never repeat

  [[nodiscard]] std::uint64_t next_number() { return ++last_number; }
  [[nodiscard]] server::TrackNo next_track() {
    return server::TrackNo(static_cast<std::uint32_t>(next_number()));
  }
  // A full mailbox means a stuck worker; it is logged, and the worker's own counters tell more.
  void post(std::size_t worker, server::Command command);
  [[nodiscard]] std::string id(std::string_view prefix) { return random_id(prefix, random); }
  void event(NewEvent event) { outbox.event(std::move(event), wall_ms()); }
  // A steady time for a wall-clock one, as far as we can know today.
  [[nodiscard]] rtp::Time steady(std::int64_t at_wall_ms) {
    return now() + std::chrono::milliseconds(at_wall_ms - wall_ms());
  }
};

}  // namespace parley::control
