#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "control/session.h"

// How everybody hears of who comes, changes and goes.
namespace parley::control {
namespace {

constexpr std::array<std::string_view, 3> kMethods = {"participant.joined", "participant.updated",
                                                      "participant.left"};  // of RosterKind

}  // namespace

void Session::tell_roster(RosterKind kind, const Participant& about, Json params) {
  if (participants_.size() <= kToldAtOnce && roster_changes_.empty()) {
    return broadcast(kMethods[static_cast<std::size_t>(kind)], params, &about);
  }
  roster_changes_.push_back({kind, about.id, std::move(params)});
  if (roster_timer_ != 0) return;
  roster_timer_ = context_.timers.at(context_.now() + kRosterInterval, [this] {
    roster_timer_ = 0;
    tell_roster_changes();
  });
}

// Who has come meanwhile knows the first of them.
void Session::tell_roster_changes() {
  std::vector<std::optional<Json>> told;
  for (const RosterChange& change : roster_changes_) told.push_back(told_as(change));
  std::map<std::uint64_t, std::vector<ConnectionId>> by_first;
  for (const auto& p : participants_) {
    if (!p->connection) continue;
    by_first[std::max(p->roster_from, first_roster_change_)].push_back(*p->connection);
  }
  for (auto& [first, to] : by_first) {
    if (first >= next_roster_change()) continue;
    std::array<Json, 3> lists = {Json::array(), Json::array(), Json::array()};
    for (auto i = static_cast<std::size_t>(first - first_roster_change_); i < told.size(); ++i) {
      if (told[i]) lists[static_cast<std::size_t>(roster_changes_[i].kind)].push(*told[i]);
    }
    send_to(std::move(to), "roster",
            Json::object({{"joined", std::move(lists[0])},
                          {"updated", std::move(lists[1])},
                          {"left", std::move(lists[2])}}),
            false);
  }
  first_roster_change_ = next_roster_change();
  roster_changes_.clear();
}

std::optional<Json> Session::told_as(const RosterChange& change) const {
  if (change.kind == RosterKind::Left) return change.params;
  const Participant* const now = find(change.participant_id);
  if (now == nullptr) return std::nullopt;
  // Who has joined, as he is now: what he has published was told while nobody knew him.
  return change.kind == RosterKind::Joined ? now->to_json() : change.params;
}

bool Session::raise_hand(Participant& participant, bool raised) {
  if (participant.hand_raised_ms.has_value() == raised) return false;
  participant.hand_raised_ms = raised ? std::optional(context_.wall_ms()) : std::nullopt;
  Json data = Json::object(
      {{"participant_id", participant.id},
       {"state", participant.state == ParticipantState::Active ? "active" : "reconnecting"},
       {"hand_raised_ms", raised ? Json(*participant.hand_raised_ms) : Json()}});
  Json event_data = data;
  event_data.set("identity", participant.claims.identity);
  event("participant.updated", std::move(event_data));
  if (!participant.hidden()) tell_roster(RosterKind::Updated, participant, data);
  notify(participant, "participant.updated", std::move(data));
  return true;
}

}  // namespace parley::control
