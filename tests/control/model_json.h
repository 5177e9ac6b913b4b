#pragma once

#include "model_state.h"

// What the daemon's answers and events must say of the things of model_state.h.
namespace parley::control::model {

inline Json json(const Track& t) {
  return Json::object({{"track_id", t.id}, {"source", t.source}, {"muted", t.muted()}});
}

inline Json json(const Person& p) {
  Json tracks = Json::array();
  for (const Track& t : p.tracks) tracks.push(json(t));
  return Json::object({{"participant_id", p.id},
                       {"identity", p.token.identity},
                       {"name", p.name},
                       {"role", p.role},
                       {"joined_ms", p.since_ms},
                       {"state", p.active ? "active" : "reconnecting"},
                       {"tracks", tracks}});
}

inline Json waiting_json(const Person& p) {
  return Json::object({{"participant_id", p.id},
                       {"identity", p.token.identity},
                       {"role", p.role},
                       {"state", "waiting"},
                       {"since_ms", p.since_ms}});
}

inline Json roster(const Session& s, const Person* without) {
  Json list = Json::array();
  for (const Person& p : s.people) {
    if (&p != without && !p.token.hidden) list.push(json(p));
  }
  return list;
}

inline Json waiting_list(const Session& s) {
  Json list = Json::array();
  for (const Person& p : s.waiting) list.push(waiting_json(p));
  return list;
}

inline Json json(const Session& s) {
  const bool over = s.ended_ms != 0;
  Json members = Json::object({{"session_id", s.id},
                               {"tenant", s.tenant},
                               {"room_id", s.room_id},
                               {"state", over ? "ended" : "active"},
                               {"started_ms", s.started_ms}});
  if (!over) return members;
  return members.set("duration_ms", s.ended_ms - s.started_ms)
      .set("end_reason", s.end_reason)
      .set("participants_peak", s.peak)
      .set("participants_total", s.total);
}

inline Json join_result(const Session& s, const Person& p) {
  Json rights = Json::array();
  for (const std::string& right : p.rights) rights.push(right);
  Json timers = Json::array();
  for (const auto& [id, ends] : s.timers) {
    timers.push(Json::object({{"timer_id", id}, {"ends_at_ms", ends.second}}));
  }
  Json members = Json::object({{"participant_id", p.id},
                               {"role", p.role},
                               {"state", "active"},
                               {"permissions", rights},
                               {"session_id", s.id},
                               {"participants", roster(s, &p)},
                               {"muted_by_host", s.mute_all && s.mute_all->covers(p)},
                               {"timers", timers}});
  if (p.may("admit_others")) members.set("waiting", waiting_list(s));
  return members;
}

}  // namespace parley::control::model
