#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/account.h"
#include "control/context.h"
#include "control/quota_alarms.h"
#include "control/rpc.h"
#include "control/session.h"
#include "control/session_meter.h"
#include "control/session_traffic.h"

namespace parley::control {

// Minutes: ties the sessions' meters to the tenants' accounts and acts when one is empty. Every
// change of who is there is booked in the account and in the session at the same moment, and both
// go to the store in one batch with the events that tell of it. One timer per account, at the next
// moment something happens by itself: nothing is counted in between.
//
// After a crash, what ran is closed at the last moment that is known to the store, which is noted
// once a second while anything runs: never later than it did end, so never to the tenant's loss.
// With charge_ahead it is closed a second later, as far as the minutes last, so never to the
// house's.
class Metering {
 public:
  static constexpr std::int64_t kCheckpointMs = 1'000;
  // Bytes cost nobody anything: after a crash those of a minute may be missing.
  static constexpr std::int64_t kTrafficKeptMs = 60'000;
  // After its start the daemon waits so long for a backend, at least.
  static constexpr std::int64_t kStartUpMs = 30'000;
  static constexpr std::size_t kMaxIntervalsTold = 40;  // in one event
  static constexpr std::size_t kMaxIntervalsListed = 2'000;

  explicit Metering(Context& context) : context_(context), began_at_(moment().steady_ms) {}
  ~Metering();
  Metering(const Metering&) = delete;
  Metering& operator=(const Metering&) = delete;

  // At start, before the sessions are loaded: those that ran are closed. An account that cannot be
  // read is the error: minutes are never taken for unlimited because they were forgotten.
  [[nodiscard]] tl::expected<void, std::string> load(const std::vector<Row>& rows);

  // ---- what happens in sessions
  // Whether another session of the tenant may begin, or somebody join one that runs.
  [[nodiscard]] RpcResult<void> admit(std::string_view tenant, bool session_runs) const;
  void started(Session& session);
  // His media came or went, or he is another in the eyes of the meter. `why`: the reason if he
  // went; `silent_since` as in SessionMeter::go().
  void changed(Session& session, const std::string& participant_id, std::string_view why = "",
               std::optional<std::int64_t> silent_since = std::nullopt);
  // Nobody is there any more: add_usage() is complete.
  void ended(Session& session, std::string_view why);
  // What a worker tells of the media that went through a session; the last of it comes after the
  // session's end.
  void traffic(std::size_t worker, const server::RoomTraffic& word);
  // Another backend holds a control socket, or one does not any more (metering_authority.cpp).
  void authority_changed();
  // It is not remembered any more.
  void forget(std::string_view session_id);

  // ---- the API (metering_balance.cpp)
  RpcResult<Json> set_policy(const std::string& tenant, const QuotaPolicy& policy);
  RpcResult<Json> grant(const std::string& tenant, Grant grant);
  [[nodiscard]] Json get(const std::string& tenant);
  [[nodiscard]] QuotaPolicy policy(std::string_view tenant) const;
  struct ReserveRequest {
    std::string tenant;
    std::string id;
    std::int64_t n = 0;
    std::int64_t used_ms = 0;
    std::int64_t ms = 0;
    std::int64_t valid_for_ms = 0;
  };
  RpcResult<Json> reserve(const ReserveRequest& request);
  RpcResult<Json> commit(const ReserveRequest& request);
  RpcResult<Json> release(const std::string& tenant, const std::string& id);
  // Members that a session's record gets: room_ms, participant_ms, bytes_in, bytes_out, intervals
  // (the first `max_intervals`).
  void add_usage(std::string_view session_id, std::size_t max_intervals, Json& record) const;

  // Until when the process before this one ran, as far as the tenant's account is concerned.
  [[nodiscard]] std::optional<std::int64_t> last_known_wall_ms(std::string_view tenant) const;

  struct Stats {
    std::size_t accounts = 0;
    std::size_t metered_sessions = 0;
    std::uint64_t exhaustions = 0;
  };
  [[nodiscard]] Stats stats() const;

  // Set by the owner: whether a backend that serves the tenant holds a control socket.
  std::function<bool(std::string_view tenant)> has_authority;
  // Set by the owner. Does nothing for one that is over.
  std::function<void(std::string_view session_id, std::string_view reason)> end_session;
  // Set by the owner: the tenant's restrictions begin, or end.
  std::function<void(Session&, const Restrictions&)> restrict_session;

 private:
  struct TenantAccount {
    Account account;
    QuotaAlarms alarms;
    bool exhausted = false;                   // told, and nothing was added since
    std::optional<std::int64_t> grace_until;  // steady
    Timers::Id timer = 0;
    std::map<std::string, Session*, std::less<>> sessions;  // those that go on
    std::optional<std::int64_t> authority_lost_at;          // steady; where the policy asks for it
    Timers::Id authority_timer = 0;
    std::optional<Moment> closed;  // at start, what ran in the process before this one
  };
  struct Metered {
    SessionMeter meter;
    std::string tenant;
    std::int64_t created_ms = 0;
    bool ending = false;  // stopped, and its session will end at once
    server::Traffic traffic{};
    std::int64_t traffic_kept_at = 0;  // steady
  };

  [[nodiscard]] Moment moment() const;
  TenantAccount& account_of(std::string_view tenant);
  [[nodiscard]] const TenantAccount* find(std::string_view tenant) const;
  // Books up to now, acts on all that happened meanwhile at the moment it did. One look at the
  // clock serves a whole change: account and session must be booked at the same millisecond.
  void advance(const std::string& tenant, TenantAccount& one, Moment now);
  // What begins and ends by itself at that moment: periods, grants, reservations.
  void renew(const std::string& tenant, TenantAccount& one, Moment at);
  void exhaust(const std::string& tenant, TenantAccount& one, Moment at);
  void tell_exhausted(const std::string& tenant, TenantAccount& one, Moment at);
  void close_account(const std::string& tenant, TenantAccount& one, std::optional<Moment> known,
                     Moment now);
  // Stops the meters at that moment and ends their sessions when this turn is over: whoever called
  // may hold one of them.
  void terminate(TenantAccount& one, Moment at);
  void end_due();
  void replenished(const std::string& tenant, TenantAccount& one, Moment now,
                   std::string_view grant_id, std::int64_t ms);
  // `changes` makes one change of the meter; what comes of it is booked.
  template <class Changes>
  void apply(TenantAccount& one, const Session& session, Metered& metered, const Changes& changes);
  void tell_thresholds(const std::string& tenant, TenantAccount& one, Moment now);
  void warn(const TenantAccount& one, std::int64_t remaining_ms);
  void arm(const std::string& tenant, TenantAccount& one);
  void store(const std::string& tenant, const TenantAccount& one);
  void store(const std::string& session_id, const Metered& metered,
             const std::vector<std::size_t>& intervals);
  // After each change of grants and policy, and when the timer says that something is due.
  void look_after(const std::string& tenant, TenantAccount& one, Moment now);
  [[nodiscard]] Json balance(const std::string& tenant, const Account& account, Moment now) const;
  void watch_authority(const std::string& tenant, TenantAccount& one);
  void end_for_authority(const std::string& tenant);
  // Until when it goes on without a backend (steady); nothing while there is one.
  [[nodiscard]] std::optional<std::int64_t> goes_on_until(const TenantAccount& one) const;
  void arm_checkpoint();
  void checkpoint();

  Context& context_;
  std::int64_t began_at_;  // steady; this process
  std::map<std::string, TenantAccount, std::less<>> accounts_;
  std::map<std::string, Metered, std::less<>> meters_;  // of all remembered sessions
  SessionTraffic traffic_;
  std::vector<std::string> to_end_;  // sessions
  Timers::Id end_timer_ = 0;
  Timers::Id checkpoint_timer_ = 0;
  std::int64_t running_ = 0;  // metered sessions
  std::optional<std::int64_t> last_known_wall_ms_;
  std::uint64_t exhaustions_ = 0;
};

[[nodiscard]] RpcError authority_lost_error();
[[nodiscard]] RpcError quota_exhausted_error(std::int64_t available_ms);

}  // namespace parley::control
