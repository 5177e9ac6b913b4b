#include <algorithm>
#include <utility>

#include "control/session.h"
#include "server/log.h"

// Who waits to be let in, and whether there is a host to do it.
namespace parley::control {
using std::chrono::milliseconds;

Json Waiting::to_json() const {
  return Json::object({{"participant_id", id},
                       {"identity", claims.identity},
                       {"name", claims.name},
                       {"role", name_of(claims.role)},
                       {"state", "waiting"},
                       {"since_ms", since_ms}});
}

const Waiting* Session::find_waiting(std::string_view participant_id) const {
  for (const Waiting& one : waiting_) {
    if (one.id == participant_id) return &one;
  }
  return nullptr;
}

const Waiting* Session::find_waiting_identity(std::string_view identity) const {
  for (const Waiting& one : waiting_) {
    if (one.claims.identity == identity) return &one;
  }
  return nullptr;
}

const Waiting& Session::wait(JoinClaims claims, ConnectionId connection) {
  waiting_.push_back({context_.id("pa"), std::move(claims), connection, context_.wall_ms()});
  const Waiting& one = waiting_.back();
  event("participant.waiting", one.to_json());
  tell_admitters("participant.waiting", Json::object({{"participant", one.to_json()}}));
  watch_host();
  return one;
}

Json Session::waiting_list() const {
  Json list = Json::array();
  for (const Waiting& one : waiting_) list.push(one.to_json());
  return list;
}

void Session::tell_admitters(std::string_view method, const Json& params) {
  for (const auto& p : participants_) {
    if (p->may(Permission::AdmitOthers)) notify(*p, method, params);
  }
}

std::optional<Waiting> Session::take_waiting(std::string_view participant_id,
                                             std::string_view reason) {
  const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                               [&](const Waiting& one) { return one.id == participant_id; });
  if (it == waiting_.end()) return std::nullopt;
  Waiting one = std::move(*it);
  waiting_.erase(it);
  tell_admitters("participant.stopped_waiting",
                 Json::object({{"participant_id", one.id}, {"reason", reason}}));
  return one;
}

Participant* Session::admit(std::string_view participant_id) {
  auto one = take_waiting(participant_id, "admitted");
  if (!one) return nullptr;
  event("participant.admitted", Json::object({{"participant_id", one->id},
                                              {"identity", one->claims.identity},
                                              {"waited_ms", context_.wall_ms() - one->since_ms}}));
  return &add(std::move(one->claims), one->connection, one->id);
}

bool Session::stop_waiting(std::string_view participant_id, std::string_view reason, bool bye) {
  const auto one = take_waiting(participant_id, reason);
  if (!one) return false;
  const bool denied = reason == "lobby_denied";
  event(denied ? "participant.denied" : "participant.left",
        Json::object({{"participant_id", one->id},
                      {"identity", one->claims.identity},
                      {"reason", reason},
                      {"waiting", true}}));
  if (bye) {
    context_.outbox.after(
        [&context = context_, to = one->connection,
         text = rpc_notification(
             "bye", Json::object(
                        {{"reason", reason}, {"text_key", "bye." + std::string(reason)}}))](bool) {
          context.send(to, text);
          context.close(to, 1000, "bye");
        });
  }
  watch_host();
  return true;
}

// Tells once that somebody is here and no host, and once that one has come.
void Session::watch_host() {
  if (ending_) return;
  if (!participants_.hosts().empty()) {
    had_host_ = true;
    context_.timers.cancel(host_timer_);
    if (!host_absent_since_) return;
    const std::int64_t waited =
        context_.wall_ms() - *std::exchange(host_absent_since_, std::nullopt);
    event("host.present", Json::object({{"waited_ms", waited}}));
    return;
  }
  if (host_absent_since_) return;
  Json others = Json::array();
  for (const auto& p : participants_) {
    if (!p->hidden()) others.push(p->claims.identity);
  }
  for (const Waiting& one : waiting_) others.push(one.claims.identity);
  if (others.as_array()->empty()) return;
  host_absent_since_ = context_.wall_ms();
  event("host.absent", Json::object({{"waiting", std::move(others)},
                                     {"since_ms", *host_absent_since_},
                                     {"reason", had_host_ ? "host_left" : "join_before_host"}}));
  if (!had_host_ || !end_after_host_left_ms_) return;
  host_timer_ = context_.timers.at(context_.now() + milliseconds(*end_after_host_left_ms_), [this] {
    host_timer_ = 0;
    if (on_host_left) on_host_left();
  });
}

}  // namespace parley::control
