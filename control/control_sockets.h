#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/api.h"
#include "control/auth.h"
#include "control/consumers.h"
#include "control/context.h"
#include "control/listener.h"
#include "control/rpc.h"
#include "control/store.h"

namespace parley::control {

// Backends' doors: the WebSocket `GET /v1/control` with live events, and `POST /v1/rpc` for those
// who cannot hold one. Both carry a signed token of an API key; both wait with each answer until
// what it tells of is durable.
class ControlSockets {
 public:
  static constexpr std::string_view kSubprotocol = "parley.control.v1";
  static constexpr std::chrono::seconds kDeadline{5};
  static constexpr std::chrono::seconds kLongDeadline{15};  // of webhook.test, which asks others

  ControlSockets(Context& context, const Keyring& keyring, Api& api, Consumers& consumers);
  ~ControlSockets() { context_.timers.cancel(heartbeat_); }
  ControlSockets(const ControlSockets&) = delete;
  ControlSockets& operator=(const ControlSockets&) = delete;

  // The principal of an upgrade or POST: `Authorization: Bearer`, or `access_token` in the query
  // for browsers, which cannot set headers on a WebSocket.
  [[nodiscard]] RpcResult<Principal> authenticate(const HttpRequest& request) const;

  void opened(ConnectionId connection, Principal principal);
  void message(ConnectionId connection, std::string_view text);
  void closed(ConnectionId connection);
  [[nodiscard]] bool knows(ConnectionId connection) const {
    return sockets_.count(connection) != 0;
  }
  // Whether a backend that serves the tenant is connected.
  [[nodiscard]] bool serves(std::string_view tenant) const;
  // Set by the owner: a socket came or went, or its key serves other tenants.
  std::function<void()> on_change = [] {};
  // Sends a durable event to every consumer, and to every other socket that said hello and may see
  // it.
  void publish(const EventRow& event);
  // Says that we are alive to whoever listens to events; begins with the first call.
  void beat();

  // POST /v1/rpc; `respond` is called once.
  void post(const HttpRequest& request, std::function<void(HttpResponse)> respond);

  // The keys were read anew: each socket has the rights its key has now, or is closed with it.
  void keys_changed();

  struct MethodStats {
    std::string name;
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    double seconds = 0;  // from the requests to their answers
  };
  [[nodiscard]] std::vector<MethodStats> method_stats() const;
  [[nodiscard]] std::size_t size() const noexcept { return sockets_.size(); }
  [[nodiscard]] std::uint64_t auth_failures() const noexcept { return auth_failures_; }

 private:
  struct Socket {
    Principal principal;
    bool wants_events = false;   // all of them, without a consumer
    std::uint64_t last_seq = 0;  // of the last event sent, or of hello
    std::set<std::string> unanswered;
  };
  // Counts an answer; unknown methods, which anybody can make up, are one.
  void note(const RpcRequest& request, bool good, rtp::Time since);
  // A request that waits for its answer. When the disk or somebody else takes too long, the caller
  // is told so (deadline_exceeded) and what comes later goes to nobody; it may be done all the
  // same.
  struct Pending {
    bool over = false;
    Timers::Id timer = 0;
  };
  [[nodiscard]] std::shared_ptr<Pending> wait_for(const RpcRequest& request,
                                                  std::function<void(const RpcError&)> late);
  // False when it came too late.
  [[nodiscard]] bool in_time(Pending& pending);
  // Turns a result into text when it may be told, replacing it if it could not be kept.
  [[nodiscard]] std::string answer_text(const RpcRequest& request, const RpcResult<Json>& result,
                                        bool durable) const;

  Context& context_;
  const Keyring& keyring_;
  Api& api_;
  Consumers& consumers_;
  Timers::Id heartbeat_ = 0;
  std::map<ConnectionId, Socket> sockets_;
  std::map<std::string, MethodStats, std::less<>> methods_;
  mutable std::uint64_t auth_failures_ = 0;
};

}  // namespace parley::control
