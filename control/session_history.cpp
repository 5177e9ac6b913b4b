#include "control/session_history.h"

#include <utility>

namespace parley::control {

Json SessionRecord::to_json() const {
  Json json =
      Json::object({{"session_id", id},
                    {"tenant", tenant},
                    {"room_id", room_id},
                    {"room_name", room_name},
                    {"state", ended_ms == 0 ? "active" : "ended"},
                    {"started_ms", started_ms},
                    {"participants_peak", static_cast<std::uint64_t>(participants_peak)},
                    {"participants_total", static_cast<std::uint64_t>(participants_total)}});
  if (ended_ms != 0) {
    json.set("ended_ms", ended_ms);
    json.set("duration_ms", ended_ms - started_ms);
    json.set("end_reason", end_reason);
  }
  return json;
}

Row SessionRecord::to_row() const { return {"session", id, tenant, to_json().dump(), started_ms}; }

std::optional<SessionRecord> SessionRecord::from_row(const Row& row) {
  const auto body = Json::parse_own(row.body);
  if (!body || !body->is_object()) return std::nullopt;
  SessionRecord record;
  record.id = row.id;
  record.tenant = row.tenant;
  record.room_id = text_member(*body, "room_id");
  record.room_name = text_member(*body, "room_name");
  record.started_ms = row.created_ms;
  record.ended_ms = integer_member(*body, "ended_ms");
  record.end_reason = text_member(*body, "end_reason");
  record.participants_peak = static_cast<std::size_t>(integer_member(*body, "participants_peak"));
  record.participants_total = static_cast<std::size_t>(integer_member(*body, "participants_total"));
  return record;
}

void SessionHistory::remember(SessionRecord record) {
  by_age_[{record.started_ms, record.id}] = record.id;
  records_[record.id] = std::move(record);
  for (auto it = by_age_.begin(); records_.size() > limit_ && it != by_age_.end();) {
    const auto oldest = records_.find(it->second);
    if (oldest->second.ended_ms == 0) {
      ++it;
      continue;
    }
    complete_from_ms_ = it->first.first + 1;
    if (on_forgotten) on_forgotten(it->second);
    records_.erase(oldest);
    it = by_age_.erase(it);
  }
}

SessionRecord* SessionHistory::find(std::string_view id) {
  const auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

const SessionRecord* SessionHistory::find(std::string_view id) const {
  const auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

void SessionHistory::for_each(const std::function<void(const SessionRecord&)>& visit) const {
  for (const auto& [key, id] : by_age_) visit(records_.find(id)->second);
}

}  // namespace parley::control
