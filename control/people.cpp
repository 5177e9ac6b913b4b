#include "control/people.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace parley::control {
namespace {

// The first in a list in order of coming that came no earlier.
template <class List>
auto place_of(List& list, const Participant& one) {
  return std::lower_bound(list.begin(), list.end(), one.order,
                          [](const auto& other, auto order) { return other->order < order; });
}

void keep(std::vector<Participant*>& list, Participant& one, bool belongs) {
  const auto place = place_of(list, one);
  const bool is_in = place != list.end() && *place == &one;
  if (belongs && !is_in) list.insert(place, &one);
  if (!belongs && is_in) list.erase(place);
}

template <class Map, class Key>
Participant* find_in(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

Participant& People::add(std::unique_ptr<Participant> one) {
  Participant& added = *one;
  list_.push_back(std::move(one));
  by_id_[added.id] = &added;
  [[maybe_unused]] const bool is_new = by_identity_.emplace(added.claims.identity, &added).second;
  assert(is_new && "who is there under this name goes first");
  note(added);
  return added;
}

void People::remove(const Participant& one) {
  by_id_.erase(one.id);
  by_identity_.erase(one.claims.identity);
  if (one.peer) {
    by_peer_.erase(*one.peer);
    --peers_on_[one.worker];
  }
  std::erase(publishers_, &one);
  std::erase(hosts_, &one);
  list_.erase(place_of(list_, one));
}

void People::clear() {
  by_id_.clear();
  by_identity_.clear();
  by_peer_.clear();
  peers_on_.clear();
  publishers_.clear();
  hosts_.clear();
  list_.clear();
}

void People::set_peer(Participant& one, std::optional<server::PeerId> peer) {
  if (one.peer) {
    by_peer_.erase(*one.peer);
    --peers_on_[one.worker];
  }
  one.peer = peer;
  if (!peer) return;
  by_peer_[*peer] = &one;
  ++peers_on_[one.worker];
}

void People::note(Participant& one) {
  keep(publishers_, one, !one.tracks.empty());
  keep(hosts_, one, one.claims.is_host() && !one.hidden());
}

People::List::const_iterator People::after(std::uint64_t order) const {
  return std::upper_bound(list_.begin(), list_.end(), order,
                          [](auto number, const auto& one) { return number < one->order; });
}

std::size_t People::peers_on(std::size_t worker) const {
  const auto found = peers_on_.find(worker);
  return found == peers_on_.end() ? 0 : found->second;
}

Participant* People::find(std::string_view participant_id) const {
  return find_in(by_id_, participant_id);
}

Participant* People::find_identity(std::string_view identity) const {
  return find_in(by_identity_, identity);
}

Participant* People::find_peer(server::PeerId peer) const { return find_in(by_peer_, peer); }

}  // namespace parley::control
