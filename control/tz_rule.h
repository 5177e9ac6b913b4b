#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace parley::control {

// How the clocks of a place go on for ever: the TZ string in the footer of a TZif file (RFC 8536,
// section 3.3; https://www.rfc-editor.org/rfc/rfc8536), which is POSIX's with hours from -167 to
// 167, for example "CET-1CEST,M3.5.0,M10.5.0/3". Moments are seconds since 1970, offsets seconds
// east of Greenwich. It need not know how the place came to this rule.
class TzRule {
 public:
  // Less than 26 hours either way.
  static constexpr std::int32_t kMaxOffsetS = 93'600;

  [[nodiscard]] static std::optional<TzRule> parse(std::string_view text);

  [[nodiscard]] std::int32_t offset_at(std::int64_t utc_s) const;
  // The first moment after it at which summer time begins or ends; nothing where there is none.
  [[nodiscard]] std::optional<std::int64_t> next_change(std::int64_t utc_s) const;

 private:
  friend class TzRuleReader;

  struct Date {
    enum class Kind : std::uint8_t {
      DayWithoutLeapDay,  // J1 to J365: J60 is always the first of March
      DayOfYear,          // 0 to 365
      WeekdayOfMonth,     // Mmonth.week.weekday, the fifth week being the last
    } kind = Kind::DayOfYear;
    unsigned month = 1;
    unsigned week = 1;
    unsigned day = 0;
    std::int32_t time_s = 7'200;  // of the clock before the change

    [[nodiscard]] std::int64_t local_s(int year) const;
  };
  struct Summer {
    std::int32_t offset_s = 0;
    Date from;
    Date to;
  };
  struct Change {
    std::int64_t at_s = 0;
    std::int32_t offset_s = 0;  // from then on
  };
  [[nodiscard]] std::array<Change, 6> changes_around(std::int64_t utc_s) const;

  std::int32_t standard_s_ = 0;
  std::optional<Summer> summer_;
};

}  // namespace parley::control
