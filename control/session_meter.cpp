#include "control/session_meter.h"

#include <algorithm>

namespace parley::control {

Json UsageInterval::to_json(std::int64_t session_clock_ms) const {
  Json json = Json::object({{"participant_id", participant_id},
                            {"identity", identity},
                            {"joined_ms", joined_ms},
                            {"ms", ms_at(session_clock_ms)}});
  if (left_ms != 0) json.set("left_ms", left_ms);
  if (!end_reason.empty()) json.set("end_reason", end_reason);
  return json;
}

bool SessionMeter::runs_with(const std::vector<Present>& people,
                             std::string_view without) const noexcept {
  std::size_t count = 0;
  std::size_t hosts = 0;
  std::size_t senders = 0;
  for (const Present& one : people) {
    if (one.person.participant_id == without) continue;
    ++count;
    if (one.person.host) ++hosts;
    if (one.person.sends) ++senders;
  }
  switch (condition_) {
    case StartCondition::FirstParticipant:
      return count >= 1;
    case StartCondition::TwoParticipants:
      return count >= 2;
    case StartCondition::HostAndParticipant:
      return hosts >= 1 && count >= 2;
    case StartCondition::FirstMedia:
      return senders >= 1;
  }
  return false;
}

SessionMeter::Change SessionMeter::set_present(Moment now,
                                               const std::vector<MeteredPerson>& present,
                                               std::string_view why,
                                               std::optional<Silence> silence) {
  Change change;
  const std::int64_t at = std::max(now.steady_ms, changed_at_);
  const bool was_there =
      silence && std::any_of(present_.begin(), present_.end(), [&](const Present& one) {
        return one.person.participant_id == silence->participant_id;
      });
  if (!was_there) silence.reset();
  const std::string_view silent = silence ? silence->participant_id : std::string_view();
  const std::int64_t silent_from =
      silence ? std::clamp(silence->since_steady_ms, changed_at_, at) : at;
  const std::int64_t silent_clock = room_ms(silent_from);
  if (running_) {
    const bool goes_on = !silence || runs_with(present_, silent);
    const std::int64_t unnoticed = at - silent_from;
    change.back_room_ms = goes_on ? 0 : unnoticed;
    change.back_participant_ms =
        goes_on ? unnoticed : unnoticed * static_cast<std::int64_t>(present_.size());
    clock_ms_ = room_ms(goes_on ? at : silent_from);
  }
  changed_at_ = at;

  std::vector<Present> after;
  for (const Present& one : present_) {
    const auto still = std::find_if(present.begin(), present.end(), [&](const MeteredPerson& p) {
      return p.participant_id == one.person.participant_id;
    });
    if (still != present.end()) {
      after.push_back({*still, one.interval});
      continue;
    }
    UsageInterval& interval = intervals_[one.interval];
    const bool was_silent = one.person.participant_id == silent;
    interval.ms = (was_silent ? silent_clock : clock_ms_) - interval.began_at;
    interval.left_ms = now.wall_ms - (was_silent ? at - silent_from : 0);
    interval.end_reason = std::string(why);
    change.intervals.push_back(one.interval);
  }
  for (const MeteredPerson& person : present) {
    const bool known = std::any_of(present_.begin(), present_.end(), [&](const Present& one) {
      return one.person.participant_id == person.participant_id;
    });
    if (known) continue;
    change.intervals.push_back(intervals_.size());
    after.push_back({person, intervals_.size()});
    intervals_.push_back(
        {person.participant_id, person.identity, now.wall_ms, 0, clock_ms_, 0, {}});
  }
  present_ = std::move(after);
  running_ = runs_with(present_, {});
  return change;
}

Rate SessionMeter::rate() const noexcept {
  if (!running_) return {};
  return {1, static_cast<std::int64_t>(present_.size())};
}

std::int64_t SessionMeter::participant_ms(std::int64_t steady_ms) const noexcept {
  const std::int64_t clock = room_ms(steady_ms);
  std::int64_t sum = 0;
  for (const UsageInterval& interval : intervals_) {
    sum += interval.left_ms == 0 ? clock - interval.began_at : interval.ms;
  }
  return sum;
}

Json SessionMeter::to_row_json() const {
  return Json::object({{"room_ms", clock_ms_}, {"running", running_}, {"as_of", changed_at_}});
}

Json SessionMeter::interval_row_json(const UsageInterval& interval) {
  Json json = interval.to_json(interval.began_at);
  json.set("began_at", interval.began_at);
  return json;
}

SessionMeter SessionMeter::from_row_json(const Json& json) {
  SessionMeter meter(StartCondition::FirstParticipant);
  meter.clock_ms_ = integer_member(json, "room_ms");
  meter.running_ = flag_member(json, "running");
  meter.changed_at_ = integer_member(json, "as_of");
  return meter;
}

void SessionMeter::load_interval(const Json& json) {
  UsageInterval interval;
  interval.participant_id = text_member(json, "participant_id");
  interval.identity = text_member(json, "identity");
  interval.joined_ms = integer_member(json, "joined_ms");
  interval.left_ms = integer_member(json, "left_ms");
  interval.began_at = integer_member(json, "began_at");
  interval.ms = integer_member(json, "ms");
  interval.end_reason = text_member(json, "end_reason");
  intervals_.push_back(std::move(interval));
}

void SessionMeter::close(std::int64_t steady_ms, std::int64_t wall_ms, std::string_view why) {
  clock_ms_ = room_ms(std::max(steady_ms, changed_at_));
  changed_at_ = std::max(steady_ms, changed_at_);
  running_ = false;
  present_.clear();
  for (UsageInterval& interval : intervals_) {
    if (interval.left_ms != 0) continue;
    interval.ms = clock_ms_ - interval.began_at;
    interval.left_ms = std::max(wall_ms, interval.joined_ms);
    interval.end_reason = std::string(why);
  }
}

}  // namespace parley::control
