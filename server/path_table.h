#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "server/address.h"

namespace parley::server {

// Who is at the other end of each path. Looked up for each datagram, with hundreds of peers taking
// turns, so the keys lie in the table itself: one datagram touches one line of the cache.
template <class Owner>
class PathTable {
 public:
  // Nobody's: nullptr.
  [[nodiscard]] Owner* find(const Path& path) const noexcept {
    return places_.empty() ? nullptr : places_[place_of(path)].owner;
  }
  // Whoever had it before.
  void set(const Path& path, Owner& owner) {
    if (places_.size() < 2 * (size_ + 1)) grow();
    Place& place = places_[place_of(path)];
    if (place.owner == nullptr) ++size_;
    place = {path, &owner};
  }
  void remove(const Path& path) noexcept {
    if (places_.empty()) return;
    const std::size_t at = place_of(path);
    if (places_[at].owner != nullptr) empty(at);
  }
  // All that are his.
  void remove(const Owner& owner) noexcept {
    for (std::size_t at = 0; at < places_.size();) {
      if (places_[at].owner != &owner) {
        ++at;
      } else {
        empty(at);  // and look again: another one may have come here
      }
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct alignas(64) Place {
    Path path;
    Owner* owner = nullptr;  // none: it is empty
  };
  static constexpr std::size_t kLeastPlaces = 64;

  [[nodiscard]] std::size_t mask() const noexcept { return places_.size() - 1; }
  [[nodiscard]] std::size_t home_of(const Path& path) const noexcept {
    return std::hash<Path>{}(path)&mask();
  }
  // Where it is, or the empty place where it would go; there is always one.
  [[nodiscard]] std::size_t place_of(const Path& path) const noexcept {
    std::size_t at = home_of(path);
    while (places_[at].owner != nullptr && places_[at].path != path) at = (at + 1) & mask();
    return at;
  }
  void grow() {
    const std::size_t larger = std::max(kLeastPlaces, 2 * places_.size());
    const auto old = std::exchange(places_, std::vector<Place>(larger));
    for (const Place& place : old) {
      if (place.owner != nullptr) places_[place_of(place.path)] = place;
    }
  }
  // What stands behind it and would be looked for from before it comes forward, so that no search
  // ends too early.
  void empty(std::size_t gap) noexcept {
    --size_;
    for (std::size_t at = (gap + 1) & mask(); places_[at].owner != nullptr;
         at = (at + 1) & mask()) {
      const std::size_t from_home = (at - home_of(places_[at].path)) & mask();
      const std::size_t from_gap = (at - gap) & mask();
      if (from_home < from_gap) continue;
      places_[gap] = places_[at];
      gap = at;
    }
    places_[gap] = {};
  }

  std::vector<Place> places_;  // none yet, or a power of two of which half are empty at least
  std::size_t size_ = 0;
};

}  // namespace parley::server
