#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/tz_rule.h"

namespace parley::control {

// The clocks of one place as a TZif file tells them (RFC 8536): the changes that were, or are known
// in advance, then a rule for all the time after them. Only the second, 64-bit half of a file is
// believed; files that count leap seconds ("right/...") are refused, because our clock does not.
//
//   +---------------+-------------+  the 32-bit half, which is skipped
//   | header (44)   | data block  |
//   +---------------+-------------+---------------------------+
//   | header (44)   | data block  | \n  TZ string  \n         |  version 2 and later
//   +---------------+-------------+---------------------------+
//
// Moments are seconds since 1970, offsets seconds east of Greenwich.
class Tzif {
 public:
  // The error says what is wrong with the file.
  [[nodiscard]] static tl::expected<Tzif, std::string> parse(std::span<const std::uint8_t> file);

  [[nodiscard]] std::int32_t offset_at(std::int64_t utc_s) const;
  // The first moment after it at which the offset may be another one.
  [[nodiscard]] std::optional<std::int64_t> next_change(std::int64_t utc_s) const;

 private:
  std::int32_t first_offset_s_ = 0;  // before all changes
  std::vector<std::int64_t> changes_s_;
  std::vector<std::int32_t> offsets_s_;  // from each change on
  std::optional<TzRule> rule_;           // after the last change
};

}  // namespace parley::control
