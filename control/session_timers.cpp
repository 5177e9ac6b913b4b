#include "control/session.h"

// Countdowns that everybody in the session sees.
namespace parley::control {

bool Session::start_timer(const std::string& timer_id, std::int64_t duration_ms,
                          std::string_view by) {
  if (timers_.contains(timer_id)) return false;
  const std::int64_t now_ms = context_.wall_ms();
  Countdown countdown;
  countdown.ends_at_ms = now_ms + duration_ms;
  countdown.timer =
      context_.timers.at(context_.now() + std::chrono::milliseconds(duration_ms), [this, timer_id] {
        timers_.erase(timer_id);
        const Json data = Json::object({{"timer_id", timer_id}});
        broadcast("timer.fired", data);
        event("timer.fired", data);
      });
  timers_[timer_id] = countdown;
  const Json data = Json::object({{"timer_id", timer_id},
                                  {"duration_ms", duration_ms},
                                  {"ends_at_ms", countdown.ends_at_ms},
                                  {"server_time_ms", now_ms},
                                  {"by", by}});
  broadcast("timer.started", data);
  event("timer.started", data);
  return true;
}

bool Session::cancel_timer(const std::string& timer_id, std::string_view by) {
  const auto it = timers_.find(timer_id);
  if (it == timers_.end()) return false;
  context_.timers.cancel(it->second.timer);
  timers_.erase(it);
  const Json data = Json::object({{"timer_id", timer_id}, {"by", by}});
  broadcast("timer.cancelled", data);
  event("timer.cancelled", data);
  return true;
}

Json Session::timer_list() const {
  Json list = Json::array();
  for (const auto& [id, countdown] : timers_) {
    list.push(Json::object({{"timer_id", id}, {"ends_at_ms", countdown.ends_at_ms}}));
  }
  return list;
}

}  // namespace parley::control
