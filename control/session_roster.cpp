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

Json Session::roster() const {
  Json list = Json::array();
  for (const auto& p : participants_) {
    if (!p->hidden()) list.push(p->to_json());
  }
  return list;
}

void Session::page_of_people(Page& page, bool listed_only) const {
  const auto after = static_cast<std::uint64_t>(std::max<std::int64_t>(page.begins_after(), 0));
  for (auto it = participants_.after(after); it != participants_.end() && !page.is_full(); ++it) {
    const Participant& p = **it;
    if (p.hidden() || (listed_only && !p.listed)) continue;
    const auto order = static_cast<std::int64_t>(p.order);
    if (page.takes(order, p.id)) page.add(p.to_json(), order, p.id);
  }
}

Session::Snapshot Session::snapshot_for(const Participant& newcomer) const {
  std::vector<const Participant*> people(listed_.begin(), listed_.end());
  std::erase(people, &newcomer);
  const auto taken = [&] {
    Snapshot snapshot{Json::array(), people.size()};
    std::size_t bytes = 0;
    for (const Participant* p : people) {
      if (people.size() - snapshot.omitted >= context_.config.rooms.roster_limit) break;
      Json json = p->to_json();
      bytes += json.dump().size();
      if (bytes > kSnapshotBytes) break;
      snapshot.participants.push(std::move(json));
      --snapshot.omitted;
    }
    return snapshot;
  };
  Snapshot all = taken();
  if (all.omitted == 0) return all;
  std::stable_partition(people.begin(), people.end(),
                        [](const Participant* p) { return !p->tracks.empty(); });
  return taken();
}

void Session::list_if_due(Participant& participant) {
  if (participant.hidden() || participant.listed) return;
  const std::size_t limit = context_.config.rooms.roster_limit;
  const bool matters = !participant.tracks.empty() || participant.may(Permission::MuteOthers) ||
                       (participant.hand_raised_ms && listed_.size() < 2 * limit);
  if (matters || listed_.size() < limit) put_on_list(participant);
}

void Session::put_on_list(Participant& participant) {
  participant.listed = true;
  listed_.push_back(&participant);
  tell_roster(RosterKind::Joined, participant,
              Json::object({{"participant", participant.to_json()}}));
}

void Session::unlist(Participant& participant, std::string_view reason) {
  if (participant.hidden()) return;
  --shown_;
  if (!participant.listed) return tell_count();
  tell_roster(RosterKind::Left, participant,
              Json::object({{"participant_id", participant.id}, {"reason", reason}}));
  participant.listed = false;
  std::erase(listed_, &participant);
  const std::size_t wanted = std::min<std::size_t>(context_.config.rooms.roster_limit, shown_);
  for (const auto& p : participants_) {
    if (listed_.size() >= wanted) break;
    if (p.get() != &participant) list_if_due(*p);
  }
}

void Session::tell_roster(RosterKind kind, const Participant& about, Json params) {
  if (!about.listed) return;
  if (participants_.size() <= kToldAtOnce && roster_changes_.empty()) {
    return broadcast(kMethods[static_cast<std::size_t>(kind)], params, &about);
  }
  roster_changes_.push_back({kind, about.id, std::move(params)});
  arm_roster(kRosterInterval);
}

// How many are there, where not all of them are listed.
void Session::tell_count() {
  count_changed_ = true;
  arm_roster(kCountInterval);
}

void Session::arm_roster(std::chrono::milliseconds after) {
  const rtp::Time due = context_.now() + after;
  if (roster_timer_ != 0 && roster_due_ <= due) return;
  context_.timers.cancel(roster_timer_);
  roster_due_ = due;
  roster_timer_ = context_.timers.at(due, [this] {
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
    if (first >= next_roster_change() && !count_changed_) continue;
    std::array<Json, 3> lists = {Json::array(), Json::array(), Json::array()};
    for (auto i = static_cast<std::size_t>(first - first_roster_change_); i < told.size(); ++i) {
      if (told[i]) lists[static_cast<std::size_t>(roster_changes_[i].kind)].push(*told[i]);
    }
    send_to(std::move(to), "roster",
            Json::object({{"joined", std::move(lists[0])},
                          {"updated", std::move(lists[1])},
                          {"left", std::move(lists[2])},
                          {"count", static_cast<std::uint64_t>(shown_)}}));
  }
  first_roster_change_ = next_roster_change();
  roster_changes_.clear();
  count_changed_ = false;
}

std::optional<Json> Session::told_as(const RosterChange& change) const {
  const Participant* const now = find(change.participant_id);
  const bool is_listed = now != nullptr && now->listed;
  // Whoever came back meanwhile, seen after he was hidden, has not left.
  if (change.kind == RosterKind::Left)
    return is_listed ? std::nullopt : std::optional(change.params);
  if (!is_listed) return std::nullopt;
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
  list_if_due(participant);
  tell_roster(RosterKind::Updated, participant, data);
  notify(participant, "participant.updated", std::move(data));
  return true;
}

}  // namespace parley::control
