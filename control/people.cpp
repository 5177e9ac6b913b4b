#include "control/people.h"

#include <algorithm>
#include <utility>

namespace parley::control {
namespace {

// The first in a list in order of coming that came no earlier.
template <class List>
auto place_of(List& list, const Participant& one) {
  return std::lower_bound(list.begin(), list.end(), one.order,
                          [](const auto& other, auto order) { return other->order < order; });
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
  by_identity_[added.claims.identity] = &added;
  return added;
}

void People::remove(const Participant& one) {
  by_id_.erase(one.id);
  by_identity_.erase(one.claims.identity);
  if (one.peer) by_peer_.erase(*one.peer);
  std::erase(publishers_, &one);
  list_.erase(place_of(list_, one));
}

void People::clear() {
  by_id_.clear();
  by_identity_.clear();
  by_peer_.clear();
  publishers_.clear();
  list_.clear();
}

void People::set_peer(Participant& one, std::optional<server::PeerId> peer) {
  if (one.peer) by_peer_.erase(*one.peer);
  one.peer = peer;
  if (peer) by_peer_[*peer] = &one;
}

void People::note_tracks(Participant& one) {
  const auto place = place_of(publishers_, one);
  const bool known = place != publishers_.end() && *place == &one;
  if (known == !one.tracks.empty()) return;
  if (known) {
    publishers_.erase(place);
  } else {
    publishers_.insert(place, &one);
  }
}

Participant* People::find(std::string_view participant_id) const {
  return find_in(by_id_, participant_id);
}

Participant* People::find_identity(std::string_view identity) const {
  return find_in(by_identity_, identity);
}

Participant* People::find_peer(server::PeerId peer) const { return find_in(by_peer_, peer); }

}  // namespace parley::control
