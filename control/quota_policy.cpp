#include "control/quota_policy.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::int64_t kMaxMs = 1'000'000'000'000'000;  // some thirty thousand years
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kMinuteMs = 60'000;

constexpr std::array kUnits = {
    std::pair<MeterUnit, std::string_view>{MeterUnit::None, "none"},
    std::pair<MeterUnit, std::string_view>{MeterUnit::RoomMs, "room_ms"},
    std::pair<MeterUnit, std::string_view>{MeterUnit::ParticipantMs, "participant_ms"},
};
constexpr std::array kConditions = {
    std::pair<StartCondition, std::string_view>{StartCondition::FirstParticipant,
                                                "first_participant"},
    std::pair<StartCondition, std::string_view>{StartCondition::TwoParticipants,
                                                "two_participants"},
    std::pair<StartCondition, std::string_view>{StartCondition::HostAndParticipant,
                                                "host_and_participant"},
    std::pair<StartCondition, std::string_view>{StartCondition::FirstMedia, "first_media"},
};
constexpr std::array kExhaustions = {
    std::pair<OnExhausted, std::string_view>{OnExhausted::Terminate, "terminate"},
    std::pair<OnExhausted, std::string_view>{OnExhausted::Restrict, "restrict"},
    std::pair<OnExhausted, std::string_view>{OnExhausted::NotifyOnly, "notify_only"},
};
constexpr std::array kAuthorityLosses = {
    std::pair<OnAuthorityLost, std::string_view>{OnAuthorityLost::Continue, "continue"},
    std::pair<OnAuthorityLost, std::string_view>{OnAuthorityLost::Terminate, "terminate"},
};
constexpr std::array kWarned = {
    std::pair<WhomToWarn, std::string_view>{WhomToWarn::Nobody, "nobody"},
    std::pair<WhomToWarn, std::string_view>{WhomToWarn::Hosts, "hosts"},
    std::pair<WhomToWarn, std::string_view>{WhomToWarn::Everybody, "everybody"},
};
constexpr std::array kPeriods = {
    std::pair<QuotaPeriod, std::string_view>{QuotaPeriod::None, "none"},
    std::pair<QuotaPeriod, std::string_view>{QuotaPeriod::Day, "day"},
    std::pair<QuotaPeriod, std::string_view>{QuotaPeriod::Month, "month"},
};

constexpr std::array kRoundings = {
    std::pair<Rounding, std::string_view>{Rounding::ExactMs, "exact_ms"},
    std::pair<Rounding, std::string_view>{Rounding::SecondUp, "second_up"},
    std::pair<Rounding, std::string_view>{Rounding::SixSecondsUp, "6s_up"},
    std::pair<Rounding, std::string_view>{Rounding::MinuteUpPerSession, "minute_up_per_session"},
    std::pair<Rounding, std::string_view>{Rounding::MinuteUpPerConnection,
                                          "minute_up_per_connection"},
};

template <class Value, std::size_t N>
std::string_view name_in(const std::array<std::pair<Value, std::string_view>, N>& names,
                         Value value) noexcept {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return {};
}

template <class Value, std::size_t N>
void take_name(const std::array<std::pair<Value, std::string_view>, N>& names,
               const std::optional<std::string>& text, Value& into) {
  for (const auto& [value, name] : names) {
    if (text && *text == name) into = value;
  }
}

template <class Value, std::size_t N>
std::vector<std::string_view> all_names(
    const std::array<std::pair<Value, std::string_view>, N>& names) {
  std::vector<std::string_view> list;
  for (const auto& [value, name] : names) list.push_back(name);
  return list;
}

void take_list(Params& params, std::string_view name, std::int64_t max,
               std::vector<std::int64_t>& into) {
  const Json::Array* list = params.array(name, QuotaPolicy::kMaxThresholds);
  if (list == nullptr) return;
  std::vector<std::int64_t> values;
  for (const Json& item : *list) {
    const auto value = item.as_int();
    if (!value || *value < 1 || *value > max) {
      return params.refuse(
          name, std::string(name) + " must hold numbers from 1 to " + std::to_string(max));
    }
    values.push_back(*value);
  }
  into = std::move(values);
}

Json list_json(const std::vector<std::int64_t>& values) {
  Json list = Json::array();
  for (const std::int64_t value : values) list.push(value);
  return list;
}

std::string padded(unsigned value, int width) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%0*u", width, value);
  return text.data();
}

}  // namespace

std::string_view name_of(MeterUnit unit) noexcept { return name_in(kUnits, unit); }
std::string_view name_of(StartCondition condition) noexcept {
  return name_in(kConditions, condition);
}

void QuotaPolicy::read(Params& params) {
  take_name(kUnits, params.choice("enforce", all_names(kUnits)), enforce);
  if (params.is_null("limit_ms")) limit_ms.reset();
  if (const auto ms = params.optional_integer("limit_ms", 0, kMaxMs)) limit_ms = ms;
  take_name(kPeriods, params.choice("period", all_names(kPeriods)), period);
  take_name(kConditions, params.choice("start_condition", all_names(kConditions)), start_condition);
  take_name(kExhaustions, params.choice("on_exhausted", all_names(kExhaustions)), on_exhausted);
  if (const Json::Array* list = params.array("restrict", 3)) {
    restrict = {};
    for (const Json& item : *list) {
      const std::string* name = item.as_string();
      if (name != nullptr && *name == "audio_only") {
        restrict.audio_only = true;
      } else if (name != nullptr && *name == "no_recording") {
        restrict.no_recording = true;
      } else if (name != nullptr && *name == "no_new_joins") {
        restrict.no_new_joins = true;
      } else {
        params.refuse("restrict", "restrict takes audio_only, no_recording and no_new_joins");
      }
    }
  }
  grace_ms = params.optional_integer("grace_ms", 0, kDayMs).value_or(grace_ms);
  min_start_ms = params.optional_integer("min_start_ms", 0, kDayMs).value_or(min_start_ms);
  take_name(kAuthorityLosses, params.choice("on_authority_lost", all_names(kAuthorityLosses)),
            on_authority_lost);
  authority_grace_ms =
      params.optional_integer("authority_grace_ms", 0, kDayMs).value_or(authority_grace_ms);
  charge_ahead = params.optional_flag("charge_ahead").value_or(charge_ahead);
  take_name(kRoundings, params.choice("rounding", all_names(kRoundings)), rounding);
  take_name(kWarned, params.choice("warn", all_names(kWarned)), warn);
  take_list(params, "warn_percent", 100, warn_percent);
  take_list(params, "warn_remaining_ms", kMaxMs, warn_remaining_ms);
  // Last: after a mistake nothing is read any more, and from_json() knows what to do about this
  // one.
  if (const auto name = params.optional_text("timezone", {1, TimeZone::kMaxName})) {
    if (auto found = TimeZone::find(*name)) {
      zone = std::move(*found);
    } else {
      params.refuse("timezone", std::move(found.error()));
    }
  }
}

std::int64_t rounded_up(Rounding rounding, std::int64_t ms) noexcept {
  const auto step = [rounding]() -> std::int64_t {
    switch (rounding) {
      case Rounding::ExactMs:
        return 1;
      case Rounding::SecondUp:
        return 1'000;
      case Rounding::SixSecondsUp:
        return 6'000;
      case Rounding::MinuteUpPerSession:
      case Rounding::MinuteUpPerConnection:
        return kMinuteMs;
    }
    return 1;
  }();
  return (ms + step - 1) / step * step;
}

Json QuotaPolicy::to_json() const {
  Json json = Json::object({{"enforce", name_of(enforce)}});
  json.set("limit_ms", limit_ms ? Json(*limit_ms) : Json());
  json.set("period", name_in(kPeriods, period));
  json.set("timezone", zone.name());
  json.set("start_condition", name_of(start_condition));
  json.set("on_exhausted", name_in(kExhaustions, on_exhausted));
  Json list = Json::array();
  if (restrict.audio_only) list.push("audio_only");
  if (restrict.no_recording) list.push("no_recording");
  if (restrict.no_new_joins) list.push("no_new_joins");
  json.set("restrict", std::move(list));
  json.set("grace_ms", grace_ms);
  json.set("min_start_ms", min_start_ms);
  json.set("on_authority_lost", name_in(kAuthorityLosses, on_authority_lost));
  json.set("authority_grace_ms", authority_grace_ms);
  json.set("charge_ahead", charge_ahead);
  json.set("rounding", name_in(kRoundings, rounding));
  json.set("warn", name_in(kWarned, warn));
  json.set("warn_percent", list_json(warn_percent));
  json.set("warn_remaining_ms", list_json(warn_remaining_ms));
  return json;
}

QuotaPolicy QuotaPolicy::from_json(const Json& json) {
  QuotaPolicy policy;
  Params params(json);
  policy.read(params);
  // A zone that the system had when it was taken, and has not any more.
  const std::string name = text_member(json, "timezone");
  if (const auto found = TimeZone::find(name); !found && !name.empty()) {
    policy.zone = TimeZone::missing(name);
    server::log::error("timezone_missing", {{"timezone", name}, {"why", found.error()}});
  }
  return policy;
}

std::optional<PeriodBounds> period_at(const QuotaPolicy& policy, std::int64_t wall_ms) {
  using namespace std::chrono;
  if (policy.period == QuotaPeriod::None) return std::nullopt;
  const sys_days today = policy.zone.day_at(floor<seconds>(milliseconds(wall_ms)).count());
  const year_month_day date(today);
  sys_days from = today;
  sys_days to = today + days(1);
  std::string id = padded(static_cast<unsigned>(static_cast<int>(date.year())), 4) + "-" +
                   padded(static_cast<unsigned>(date.month()), 2);
  if (policy.period == QuotaPeriod::Month) {
    const year_month month = date.year() / date.month();
    from = sys_days(month / day(1));
    to = sys_days((month + months(1)) / day(1));
  } else {
    id += "-" + padded(static_cast<unsigned>(date.day()), 2);
  }
  return PeriodBounds{std::move(id), policy.zone.begin_of(from) * 1'000,
                      policy.zone.begin_of(to) * 1'000};
}

}  // namespace parley::control
