#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/json.h"
#include "control/params.h"
#include "control/time_zone.h"

namespace parley::control {

// What a tenant has paid for and what happens when it is used up (control-api.md, section 7). Plain
// data with its JSON; account.h keeps the balance, metering.h acts.

// Both are always metered; one is enforced.
enum class MeterUnit : std::uint8_t { None, RoomMs, ParticipantMs };
// From when on a session is metered.
enum class StartCondition : std::uint8_t {
  FirstParticipant,
  TwoParticipants,
  HostAndParticipant,
  FirstMedia,
};
enum class OnExhausted : std::uint8_t { Terminate, Restrict, NotifyOnly };
// No backend that serves the tenant holds a control socket.
enum class OnAuthorityLost : std::uint8_t { Continue, Terminate };
enum class WhomToWarn : std::uint8_t { Nobody, Hosts, Everybody };
enum class QuotaPeriod : std::uint8_t { None, Day, Month };

// How a session's use is rounded for a bill. The account never is.
enum class Rounding : std::uint8_t {
  ExactMs,
  SecondUp,
  SixSecondsUp,
  MinuteUpPerSession,
  MinuteUpPerConnection,  // each stay of each participant
};

struct Restrictions {
  bool audio_only = false;  // no picture is forwarded
  bool no_recording = false;
  bool no_new_joins = false;
  friend bool operator==(const Restrictions&, const Restrictions&) = default;
};

struct QuotaPolicy {
  static constexpr std::size_t kMaxThresholds = 8;

  MeterUnit enforce = MeterUnit::RoomMs;
  std::optional<std::int64_t> limit_ms;  // of each period, or for ever; grants come on top
  QuotaPeriod period = QuotaPeriod::None;
  TimeZone zone;  // where a period begins at midnight
  StartCondition start_condition = StartCondition::HostAndParticipant;
  OnExhausted on_exhausted = OnExhausted::Terminate;
  Restrictions restrict;
  std::int64_t grace_ms = 0;           // goes on for so long after the end
  std::int64_t min_start_ms = 60'000;  // with less left nothing begins
  OnAuthorityLost on_authority_lost = OnAuthorityLost::Continue;
  std::int64_t authority_grace_ms = 0;  // goes on for so long without a backend
  // After a crash, what ran is booked to the end of the second in which it was last known to run,
  // not to its beginning.
  bool charge_ahead = false;
  Rounding rounding = Rounding::ExactMs;
  WhomToWarn warn = WhomToWarn::Hosts;
  std::vector<std::int64_t> warn_percent = {50, 80, 95};
  std::vector<std::int64_t> warn_remaining_ms = {300'000, 60'000, 10'000};
  friend bool operator==(const QuotaPolicy&, const QuotaPolicy&) = default;

  // Members that the params name replace those of the policy; mistakes are left in `params`.
  void read(Params& params);
  [[nodiscard]] Json to_json() const;
  // What to_json() wrote. A time zone that is gone counts as UTC and is told in the log.
  [[nodiscard]] static QuotaPolicy from_json(const Json& json);
};

// `ms`, rounded up as a bill wants it.
[[nodiscard]] std::int64_t rounded_up(Rounding rounding, std::int64_t ms) noexcept;

// The period a moment lies in: an id that names it ("2026-11"), and its two ends (wall clock, the
// second not in it). Nothing when there are no periods.
struct PeriodBounds {
  std::string id;
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
};
[[nodiscard]] std::optional<PeriodBounds> period_at(const QuotaPolicy& policy,
                                                    std::int64_t wall_ms);

[[nodiscard]] std::string_view name_of(MeterUnit unit) noexcept;
[[nodiscard]] std::string_view name_of(StartCondition condition) noexcept;

}  // namespace parley::control
