#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "control/listener.h"
#include "server/loop.h"

namespace parley::control {

class ControlSockets;
class Recordings;
class RtcSockets;
class Sessions;
class Store;

// What comes in over HTTP, and to whom it goes: calls of the API, the two kinds of WebSocket,
// recordings, pages, schemas, metrics, and whether the daemon is well.
class Doors {
 public:
  struct Parts {
    const config::Config& config;  // as it is now
    Store& store;
    Sessions& sessions;
    Recordings& recordings;
    ControlSockets& control;
    RtcSockets& rtc;
    std::string store_origin;  // of the object store, for pages that play what is there; or empty
    std::function<std::string()> render_metrics;
    std::function<void()> end_turn;  // after each that may have changed something
  };
  explicit Doors(Parts parts);
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;

  // Or says which address failed and why. Before it nothing else may be called.
  [[nodiscard]] tl::expected<void, std::string> open(server::Loop& loop);
  // To a WebSocket; to one that is closed nothing is sent.
  void send(ConnectionId to, std::string_view message);
  void close(ConnectionId connection, std::uint16_t code, std::string_view why);
  // Nobody comes in any more; who is in stays.
  void shut();

  [[nodiscard]] std::vector<std::string> urls() const;
  [[nodiscard]] ListenerStats stats() const;

 private:
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> cors_headers(
      const HttpRequest& request) const;
  void route(ConnectionId connection, const HttpRequest& request);
  tl::expected<AcceptWebSocket, HttpResponse> upgrade(ConnectionId connection,
                                                      const HttpRequest& request);
  HttpResponse answer_get(const HttpRequest& request);

  Parts parts_;
  bool shut_ = false;
  std::unique_ptr<Listener> listener_;
};

}  // namespace parley::control
