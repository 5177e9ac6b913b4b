#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/actions.h"
#include "control/auth.h"
#include "control/consumers.h"
#include "control/context.h"
#include "control/idempotency.h"
#include "control/page.h"
#include "control/params.h"
#include "control/rate_limit.h"
#include "control/recordings.h"
#include "control/rooms.h"
#include "control/rpc.h"
#include "control/sessions.h"
#include "control/tenants.h"
#include "control/webhooks.h"

namespace parley::control {

// What the API needs to know of the daemon itself.
struct ServerFacts {
  std::string version;
  std::string boot_id;
  std::string epoch;  // of the event log
  std::int64_t started_ms = 0;
};

// What the API asks of the daemon itself.
struct ServerHandles {
  std::function<Json()> stats;              // all metrics, as an array
  std::function<RpcResult<Json>()> reload;  // the configuration file, as far as it goes
};

// The methods a backend calls, by name (docs/control-protocol.md): the same over the control
// socket and over POST /v1/rpc. Each one checks the key's rights, reads its params, does the thing
// and gives the result; the socket that asked decides when the answer leaves.
class Api {
 public:
  struct Parts {
    Context& context;
    const Keyring& keyring;
    Tenants& tenants;
    Revocations& revocations;
    Rooms& rooms;
    Metering& metering;
    Sessions& sessions;
    Actions& actions;
    Recordings& recordings;
    Chat& chat;
    Idempotency& idempotency;
    Consumers& consumers;
    Webhooks& webhooks;
    Store& store;
    ServerFacts facts;
    ServerHandles server;
  };
  explicit Api(Parts parts);

  using Reply = std::function<void(RpcResult<Json>)>;
  // Calls `reply` once, at once or later. `connection`: the control socket that asks, if it is one.
  void call(const Principal& principal, const RpcRequest& request, Reply reply,
            std::optional<ConnectionId> connection = std::nullopt);
  [[nodiscard]] static std::vector<std::string> method_names();
  [[nodiscard]] static bool is_method(std::string_view name) { return methods().contains(name); }
  [[nodiscard]] std::uint64_t rate_limited() const noexcept { return rates_.refused(); }
  // Whether an answer must not be given when the store cannot keep what it tells.
  [[nodiscard]] static bool is_mutating(std::string_view method);
  [[nodiscard]] Json hello() const;
  // GET /v1/schema/NAME: openrpc.json, asyncapi.json, or a file of control/schema.
  [[nodiscard]] static std::optional<Json> schema_page(std::string_view name);

 private:
  struct Call {
    const Principal& principal;
    Params& params;
    std::optional<ConnectionId> connection;
  };
  using Handler = RpcResult<Json> (Api::*)(Call&);
  struct Method {
    Handler handler = nullptr;
    bool mutating = false;
  };
  static const std::map<std::string_view, Method>& methods();
  // How long this one has to wait, if it has to.
  [[nodiscard]] std::optional<std::int64_t> over_rate(const Principal& principal,
                                                      const RpcRequest& request, bool write);
  // Of the methods that this principal may call, or of all.
  [[nodiscard]] static Json openrpc(const Principal* principal);
  static void audit(const Principal& principal, const RpcRequest& request,
                    const RpcResult<Json>& result);

  // api.cpp
  RpcResult<Json> ping(Call& call);
  RpcResult<Json> discover(Call& call);
  RpcResult<Json> token_create(Call& call);
  RpcResult<Json> token_revoke(Call& call);
  // api_server.cpp
  RpcResult<Json> server_info(Call& call);
  RpcResult<Json> server_stats(Call& call);
  RpcResult<Json> server_drain(Call& call);
  RpcResult<Json> server_reload(Call& call);
  RpcResult<Json> log_set(Call& call);
  // api_events.cpp
  RpcResult<Json> hello_method(Call& call);
  RpcResult<Json> events_subscribe(Call& call);
  RpcResult<Json> events_ack(Call& call);
  RpcResult<Json> consumer_list(Call& call);
  RpcResult<Json> consumer_delete(Call& call);
  RpcResult<std::string> owner_of(Call& call);
  RpcResult<Json> state_snapshot(Call& call);
  RpcResult<Json> webhook_put(Call& call);
  RpcResult<Json> webhook_list(Call& call);
  RpcResult<Json> webhook_delete(Call& call);
  RpcResult<Json> webhook_redeliver(Call& call);
  void webhook_test(const Principal& principal, const RpcRequest& request, Reply reply);
  [[nodiscard]] Json snapshot_of(const Room& room);
  void events_list(const Principal& principal, const RpcRequest& request, Reply reply);
  // api_rooms.cpp
  RpcResult<Json> room_create(Call& call);
  RpcResult<Json> room_update(Call& call);
  RpcResult<Json> room_lock(Call& call);
  RpcResult<Json> room_unlock(Call& call);
  RpcResult<Json> room_get(Call& call);
  RpcResult<Json> room_list(Call& call);
  RpcResult<Json> room_delete(Call& call);
  RpcResult<Json> session_get(Call& call);
  RpcResult<Json> session_list(Call& call);
  RpcResult<Json> session_end(Call& call);
  // api_calls.cpp
  RpcResult<Json> participant_list(Call& call);
  RpcResult<Json> participant_get(Call& call);
  RpcResult<Json> subscription_get(Call& call);
  RpcResult<Json> participant_update(Call& call);
  RpcResult<Json> participant_remove(Call& call);
  RpcResult<Json> participant_admit(Call& call);
  RpcResult<Json> participant_deny(Call& call);
  RpcResult<Json> participant_ban(Call& call);
  RpcResult<Json> participant_unban(Call& call);
  RpcResult<Json> timer_start(Call& call);
  RpcResult<Json> timer_cancel(Call& call);
  struct Found {
    Session* session = nullptr;
    std::string participant_id;  // perhaps of nobody
  };
  RpcResult<Found> find_participant(Call& call);
  [[nodiscard]] Session* peek_session(const Call& call);
  // Of the params: by participant_id or identity, in the lobby too.
  [[nodiscard]] std::string participant_of(Call& call, const Session& session) const;
  RpcResult<Json> track_list(Call& call);
  RpcResult<Json> track_mute(Call& call);
  RpcResult<Json> room_mute_all(Call& call);
  RpcResult<Json> room_clear_mute_all(Call& call);
  // api_tenants.cpp
  RpcResult<std::string> tenant_of(Call& call);
  RpcResult<Json> tenant_put(Call& call);
  RpcResult<Json> tenant_get(Call& call);
  RpcResult<Json> tenant_list(Call& call);
  RpcResult<Json> tenant_delete(Call& call);
  RpcResult<Json> quota_set(Call& call);
  RpcResult<Json> quota_grant(Call& call);
  RpcResult<Json> quota_get(Call& call);
  RpcResult<Json> quota_reserve(Call& call);
  RpcResult<Json> quota_commit(Call& call);
  RpcResult<Json> quota_release(Call& call);
  RpcResult<Json> usage_list(Call& call);
  // api_calls.cpp (recordings)
  RpcResult<Json> recording_start(Call& call);
  RpcResult<Json> recording_stop(Call& call);
  RpcResult<Json> recording_set_layout(Call& call);
  RpcResult<Json> recording_compose(Call& call);
  RpcResult<Json> recording_pause(Call& call);
  RpcResult<Json> recording_resume(Call& call);
  RpcResult<Json> recording_upload(Call& call);
  RpcResult<Json> recording_delete(Call& call);
  RpcResult<Json> recording_get(Call& call);
  RpcResult<Json> recording_list(Call& call);
  RpcResult<Json> recording_access_link(Call& call);

  // api_chat.cpp
  RpcResult<Json> chat_send(Call& call);
  RpcResult<Json> chat_list(Call& call);
  RpcResult<Json> chat_delete(Call& call);
  RpcResult<Json> data_send(Call& call);

  // By room_id, or by tenant and room (its name). A foreign one is the same as none: ids tell
  // nothing (A11).
  RpcResult<Room*> room_of(Call& call);
  [[nodiscard]] Room* peek_room(const Call& call);
  void read_room_config(Params& params, RoomConfig& config) const;
  RpcResult<Session*> session_of(Call& call);
  RpcResult<const RecordingRecord*> recording_of(Call& call);
  [[nodiscard]] Json room_json(const Room& room);

  Parts parts_;
  RateLimit rates_;
};

}  // namespace parley::control
