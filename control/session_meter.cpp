#include "control/session_meter.h"

#include <algorithm>
#include <utility>

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

bool SessionMeter::runs_with(const Counts& counts) const noexcept {
  switch (condition_) {
    case StartCondition::FirstParticipant:
      return counts.people >= 1;
    case StartCondition::TwoParticipants:
      return counts.people >= 2;
    case StartCondition::HostAndParticipant:
      return counts.hosts >= 1 && counts.people >= 2;
    case StartCondition::FirstMedia:
      return counts.senders >= 1;
  }
  return false;
}

void SessionMeter::count(const MeteredPerson& person, bool there) noexcept {
  const auto add = [there](std::size_t& count) { there ? ++count : --count; };
  add(counts_.people);
  if (person.host) add(counts_.hosts);
  if (person.sends) add(counts_.senders);
}

void SessionMeter::advance(Moment now) noexcept {
  const std::int64_t at = std::max(now.steady_ms, changed_at_);
  clock_ms_ = room_ms(at);
  changed_at_ = at;
}

void SessionMeter::end_interval(std::size_t index, std::int64_t clock_ms, std::int64_t wall_ms,
                                std::string_view why) {
  UsageInterval& interval = intervals_[index];
  interval.ms = clock_ms - interval.began_at;
  interval.left_ms = wall_ms;
  interval.end_reason = std::string(why);
}

SessionMeter::Change SessionMeter::come(Moment now, MeteredPerson person) {
  advance(now);
  Change change;
  const auto known = present_.find(person.participant_id);
  count(person, true);
  if (known != present_.end()) {
    count(known->second.person, false);
    known->second.person = std::move(person);
  } else {
    change.intervals.push_back(intervals_.size());
    intervals_.push_back(
        {person.participant_id, person.identity, now.wall_ms, 0, clock_ms_, 0, {}});
    std::string id = person.participant_id;
    present_.emplace(std::move(id), Present{std::move(person), intervals_.size() - 1});
  }
  running_ = runs_with(counts_);
  return change;
}

SessionMeter::Change SessionMeter::go(Moment now, std::string_view participant_id,
                                      std::string_view why,
                                      std::optional<std::int64_t> silent_since) {
  Change change;
  const auto gone = present_.find(std::string(participant_id));
  if (gone == present_.end()) {
    advance(now);
    return change;
  }
  const std::int64_t at = std::max(now.steady_ms, changed_at_);
  const std::int64_t silent_from = std::clamp(silent_since.value_or(at), changed_at_, at);
  const std::int64_t silent_clock = room_ms(silent_from);
  const std::int64_t unnoticed = at - silent_from;
  const std::size_t interval = gone->second.interval;
  const auto were_present = static_cast<std::int64_t>(present_.size());
  count(gone->second.person, false);
  present_.erase(gone);
  if (running_) {
    const bool goes_on = runs_with(counts_);
    change.back_room_ms = goes_on ? 0 : unnoticed;
    change.back_participant_ms = goes_on ? unnoticed : unnoticed * were_present;
    clock_ms_ = room_ms(goes_on ? at : silent_from);
  }
  changed_at_ = at;
  end_interval(interval, silent_clock, now.wall_ms - unnoticed, why);
  change.intervals.push_back(interval);
  running_ = runs_with(counts_);
  return change;
}

SessionMeter::Change SessionMeter::all_go(Moment now, std::string_view why) {
  advance(now);
  Change change;
  for (const auto& [id, one] : present_) change.intervals.push_back(one.interval);
  std::sort(change.intervals.begin(), change.intervals.end());
  for (const std::size_t index : change.intervals) {
    end_interval(index, clock_ms_, now.wall_ms, why);
  }
  present_.clear();
  counts_ = {};
  running_ = false;
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
  counts_ = {};
  for (UsageInterval& interval : intervals_) {
    if (interval.left_ms != 0) continue;
    interval.ms = clock_ms_ - interval.began_at;
    interval.left_ms = std::max(wall_ms, interval.joined_ms);
    interval.end_reason = std::string(why);
  }
}

}  // namespace parley::control
