#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "control/composing.h"
#include "control/consumers.h"
#include "control/control_sockets.h"
#include "control/json.h"
#include "control/listener.h"
#include "control/metering.h"
#include "control/uploading.h"
#include "control/webhooks.h"
#include "recorder/recorder.h"
#include "server/api.h"
#include "server/loop.h"
#include "server/metrics.h"

namespace parley::control {

// What the media half gives to the control half.
struct MediaServer {
  server::PostCommand post;
  std::vector<server::WorkerInfo> workers;
  std::string fingerprint;
};

// The control half of the daemon on one loop: store, recorder, rooms and sessions, and the HTTP and
// WebSocket doors. Everything runs on the loop's thread.
class Daemon {
 public:
  struct Parts {
    server::Loop& loop;
    const config::Config& config;
    MediaServer media;
    std::string version;
    server::Metrics& metrics;  // the control half adds its own to it
    // The configuration as it stands in its file now, or what is wrong with it.
    std::function<tl::expected<config::Config, std::string>()> read_config;
  };
  // Opens store, recorder and sockets, or says in one sentence what failed.
  [[nodiscard]] static tl::expected<std::unique_ptr<Daemon>, std::string> open(Parts parts);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // What the workers report (server::OnEvents).
  void on_worker_events(std::size_t worker, const std::vector<server::Event>& events);

  // Takes over what can change while it runs: keys, timers, limits of rooms, the log's level. Gives
  // the sections that wait for a restart, or what is wrong with the file; then nothing changes.
  [[nodiscard]] tl::expected<std::vector<std::string>, std::string> reload();

  // Ends sessions and recordings (`server_shutdown`), then calls `done`; at most 10 s.
  void shut_down(std::function<void()> done);

  // Calls an API method from within the process as the key `key_id` with all rights. `reply` gets
  // the result, or an object with the one member `error`.
  void call(std::string_view key_id, std::string_view method, Json params,
            std::function<void(const Json& result)> reply);

  [[nodiscard]] std::vector<std::string> urls() const;
  struct Stats {
    std::size_t rooms = 0;
    std::size_t sessions = 0;
    std::size_t participants = 0;
    std::size_t control_sockets = 0;
    std::size_t rtc_sockets = 0;
    std::uint64_t auth_failures = 0;
    std::uint64_t rate_limited = 0;
    std::uint64_t last_seq = 0;
    std::size_t chat_messages = 0;
    std::uint64_t chat_sent = 0;
    std::uint64_t chat_refused = 0;
    std::vector<ControlSockets::MethodStats> methods;
    Metering::Stats metering;
    std::vector<Consumers::Lag> consumers;
    std::vector<Webhooks::State> webhooks;
    Webhooks::Counters webhook_counters;
    bool store_healthy = true;
    ListenerStats listener;
    recorder::RecorderStats recorder;
    Composing::Stats composing;
    Uploading::Stats uploading;
  };

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::control
