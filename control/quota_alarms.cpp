#include "control/quota_alarms.h"

#include <algorithm>

namespace parley::control {
namespace {

using Kind = QuotaAlarms::Threshold::Kind;

// How many units are still left when it is crossed: of all that is granted, or for so long at the
// present rate. Nothing for one that makes no sense here: nobody is warned that five minutes are
// left of a grant of three.
std::optional<std::int64_t> left_at(const Account& account, QuotaAlarms::Threshold threshold,
                                    std::int64_t wall_ms) {
  const std::int64_t granted = account.granted_ms(wall_ms);
  switch (threshold.kind) {
    case Kind::UsedPercent:
      return granted - (granted * threshold.value + 99) / 100;
    case Kind::RemainingMs:
      if (account.burn() == 0) return std::nullopt;
      if (threshold.value >= granted / account.burn()) return std::nullopt;
      return threshold.value * account.burn();
  }
  return std::nullopt;
}

std::vector<QuotaAlarms::Threshold> thresholds_of(const QuotaPolicy& policy) {
  std::vector<QuotaAlarms::Threshold> all;
  for (const std::int64_t percent : policy.warn_percent)
    all.push_back({Kind::UsedPercent, percent});
  for (const std::int64_t ms : policy.warn_remaining_ms) all.push_back({Kind::RemainingMs, ms});
  return all;
}

}  // namespace

std::vector<QuotaAlarms::Threshold> QuotaAlarms::crossed(const Account& account,
                                                         std::int64_t wall_ms) {
  std::vector<Threshold> now_crossed;
  if (!account.limited() || account.granted_ms(wall_ms) == 0) return now_crossed;
  const std::int64_t left = account.available_ms(wall_ms);
  for (const Threshold threshold : thresholds_of(account.policy())) {
    const auto at = left_at(account, threshold, wall_ms);
    if (!at) continue;  // while nothing runs, what was told stays told
    if (left > *at) {
      told_.erase(threshold);
    } else if (told_.insert(threshold).second) {
      now_crossed.push_back(threshold);
    }
  }
  return now_crossed;
}

std::optional<std::int64_t> QuotaAlarms::next_in_ms(const Account& account,
                                                    std::int64_t wall_ms) const {
  if (!account.limited() || account.burn() == 0) return std::nullopt;
  std::optional<std::int64_t> next;
  const std::int64_t left = account.available_ms(wall_ms);
  for (const Threshold threshold : thresholds_of(account.policy())) {
    const auto at = left_at(account, threshold, wall_ms);
    if (!at || told_.contains(threshold)) continue;
    const std::int64_t burn = account.burn();
    const std::int64_t in = std::max<std::int64_t>(left - *at + burn - 1, 0) / burn;
    next = std::min(next.value_or(in), in);
  }
  return next;
}

}  // namespace parley::control
