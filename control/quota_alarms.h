#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "control/account.h"

namespace parley::control {

// Which of an account's thresholds have been crossed: each is told once per crossing, and may be
// crossed again after minutes were added. Pure: it is asked with the account as it stands.
class QuotaAlarms {
 public:
  struct Threshold {
    enum class Kind : std::uint8_t { UsedPercent, RemainingMs };
    Kind kind = Kind::UsedPercent;
    std::int64_t value = 0;
    friend auto operator<=>(const Threshold&, const Threshold&) = default;
  };

  // Those crossed since the last time.
  [[nodiscard]] std::vector<Threshold> crossed(const Account& account, std::int64_t wall_ms);
  // How long until the next one, as it runs now; nothing when there is none.
  [[nodiscard]] std::optional<std::int64_t> next_in_ms(const Account& account,
                                                       std::int64_t wall_ms) const;

 private:
  std::set<Threshold> told_;
};

}  // namespace parley::control
