#include "control/log_size.h"

#include <algorithm>

namespace parley::control {

std::uint64_t LogSize::bytes_after(std::uint64_t cursor) const noexcept {
  if (cursor >= last_seq) return 0;
  if (cursor + 1 < earliest_seq) return max_bytes;
  const auto share =
      static_cast<double>(last_seq - cursor) / static_cast<double>(last_seq - earliest_seq + 1);
  return static_cast<std::uint64_t>(share * static_cast<double>(used_bytes));
}

std::uint64_t LogSize::bytes_to_edge(std::uint64_t cursor) const noexcept {
  return max_bytes - std::min(bytes_after(cursor), max_bytes);
}

std::int64_t LogSize::percent(std::uint64_t cursor) const noexcept {
  const double of = static_cast<double>(std::max<std::uint64_t>(max_bytes, 1));
  return static_cast<std::int64_t>(static_cast<double>(bytes_after(cursor)) * 100 / of);
}

}  // namespace parley::control
