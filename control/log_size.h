#pragma once

#include <cstdint>

namespace parley::control {

// How near a place in the event log is to being trimmed by size (store.event_retention_bytes).
//
// What is trimmed by is the store's file as a whole, so that is what is measured, every 30 seconds;
// how much of it lies after a place is taken from how many of the events do, as if all were equally
// large and nothing else were in the file. Both cost nothing. Rooms and accounts in the file make
// it say "near" too early, never too late, and at the edge itself they do not count at all.
struct LogSize {
  std::uint64_t used_bytes = 0;
  std::uint64_t max_bytes = 0;
  std::uint64_t earliest_seq = 1;
  std::uint64_t last_seq = 0;

  // Of what comes after `cursor`; all there may be when some of it is gone already.
  [[nodiscard]] std::uint64_t bytes_after(std::uint64_t cursor) const noexcept;
  // How much may be written until the first event after `cursor` goes.
  [[nodiscard]] std::uint64_t bytes_to_edge(std::uint64_t cursor) const noexcept;
  // Of the way to the edge, 100 being there.
  [[nodiscard]] std::int64_t percent(std::uint64_t cursor) const noexcept;
};

}  // namespace parley::control
