#include "control/tz_rule.h"

#include <algorithm>
#include <chrono>

namespace parley::control {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

int year_of(std::int64_t utc_s) {
  using namespace std::chrono;
  const sys_days day = floor<days>(sys_seconds(seconds(utc_s)));
  return static_cast<int>(year_month_day(day).year());
}

}  // namespace

// Reads the string from left to right; what does not fit is nothing.
class TzRuleReader {
 public:
  explicit TzRuleReader(std::string_view text) : rest_(text) {}

  std::optional<TzRule> rule() {
    TzRule rule;
    const auto standard = name() ? time(24) : std::nullopt;
    if (!standard) return std::nullopt;
    rule.standard_s_ = -*standard;  // POSIX counts westwards
    if (rest_.empty()) return rule;
    if (!name()) return std::nullopt;
    TzRule::Summer summer;
    summer.offset_s = rule.standard_s_ + 3'600;
    if (!rest_.empty() && rest_.front() != ',') {
      const auto offset = time(24);
      if (!offset) return std::nullopt;
      summer.offset_s = -*offset;
    }
    const auto from = date();
    const auto to = from ? date() : std::nullopt;
    if (!to || !rest_.empty()) return std::nullopt;
    summer.from = *from;
    summer.to = *to;
    rule.summer_ = summer;
    return rule;
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Three characters at least: letters, or anything like them between < and >.
  bool name() {
    const bool quoted = take('<');
    std::size_t length = 0;
    while (length < rest_.size() && (is_letter(rest_[length]) ||
                                     (quoted && (is_digit(rest_[length]) || rest_[length] == '+' ||
                                                 rest_[length] == '-')))) {
      ++length;
    }
    rest_.remove_prefix(length);
    return length >= 3 && (!quoted || take('>'));
  }

  std::optional<unsigned> number(unsigned min, unsigned max) {
    unsigned value = 0;
    std::size_t length = 0;
    while (length < rest_.size() && length < 3 && is_digit(rest_[length])) {
      value = value * 10 + static_cast<unsigned>(rest_[length] - '0');
      ++length;
    }
    rest_.remove_prefix(length);
    if (length == 0 || value < min || value > max) return std::nullopt;
    return value;
  }

  // [+-]hh[:mm[:ss]] in seconds.
  std::optional<std::int32_t> time(unsigned max_hours) {
    const bool negative = take('-');
    if (!negative) static_cast<void>(take('+'));
    const auto hours = number(0, max_hours);
    if (!hours) return std::nullopt;
    unsigned seconds = *hours * 3'600;
    for (const unsigned unit : {60U, 1U}) {
      if (!take(':')) break;
      const auto part = number(0, 59);
      if (!part) return std::nullopt;
      seconds += *part * unit;
    }
    const auto value = static_cast<std::int32_t>(seconds);
    return negative ? -value : value;
  }

  // ,date[/time]
  std::optional<TzRule::Date> date() {
    if (!take(',')) return std::nullopt;
    TzRule::Date date;
    std::optional<unsigned> day;
    if (take('M')) {
      date.kind = TzRule::Date::Kind::WeekdayOfMonth;
      const auto month = number(1, 12);
      const auto week = month && take('.') ? number(1, 5) : std::nullopt;
      day = week && take('.') ? number(0, 6) : std::nullopt;
      date.month = month.value_or(1);
      date.week = week.value_or(1);
    } else if (take('J')) {
      date.kind = TzRule::Date::Kind::DayWithoutLeapDay;
      day = number(1, 365);
    } else {
      day = number(0, 365);
    }
    if (!day) return std::nullopt;
    date.day = *day;
    if (!take('/')) return date;
    const auto when = time(167);
    if (!when) return std::nullopt;
    date.time_s = *when;
    return date;
  }

  std::string_view rest_;
};

std::optional<TzRule> TzRule::parse(std::string_view text) { return TzRuleReader(text).rule(); }

std::int64_t TzRule::Date::local_s(int year_number) const {
  using namespace std::chrono;
  const std::chrono::year year(year_number);
  const auto on = [&]() -> sys_days {
    switch (kind) {
      case Kind::DayWithoutLeapDay:
        return sys_days(year / January / 1) + days(day - 1) + days(year.is_leap() && day >= 60);
      case Kind::DayOfYear:
        return sys_days(year / January / 1) + days(day);
      case Kind::WeekdayOfMonth:
        break;
    }
    const std::chrono::month of(month);
    const weekday which(day);
    return week == 5 ? sys_days(year / of / which[last]) : sys_days(year / of / which[week]);
  }();
  return duration_cast<seconds>(on.time_since_epoch()).count() + time_s;
}

// Of the year of that moment and the two beside it: the local year may be another one. Where summer
// ends and begins at the same moment it does not end at all, hence the order.
std::array<TzRule::Change, 6> TzRule::changes_around(std::int64_t utc_s) const {
  std::array<Change, 6> changes;
  const int year = year_of(utc_s);
  std::size_t next = 0;
  for (int near = year - 1; near <= year + 1; ++near) {
    changes.at(next++) = {summer_->to.local_s(near) - summer_->offset_s, standard_s_};
  }
  for (int near = year - 1; near <= year + 1; ++near) {
    changes.at(next++) = {summer_->from.local_s(near) - standard_s_, summer_->offset_s};
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.at_s < b.at_s; });
  return changes;
}

std::int32_t TzRule::offset_at(std::int64_t utc_s) const {
  if (!summer_) return standard_s_;
  std::int32_t offset = standard_s_;
  for (const Change& change : changes_around(utc_s)) {
    if (change.at_s <= utc_s) offset = change.offset_s;
  }
  return offset;
}

std::optional<std::int64_t> TzRule::next_change(std::int64_t utc_s) const {
  if (!summer_) return std::nullopt;
  for (const Change& change : changes_around(utc_s)) {
    if (change.at_s > utc_s) return change.at_s;
  }
  return std::nullopt;
}

}  // namespace parley::control
