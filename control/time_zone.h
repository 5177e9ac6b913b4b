#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/tzif.h"

namespace parley::control {

// Where somebody's days begin: "UTC", an offset ("+02:00") or a name of the IANA time zone database
// ("Europe/Berlin"), whose file the system has in /usr/share/zoneinfo. A zone's file is read when
// it is named for the first time and kept as long as the process lives, so that a thousand tenants
// of one place share it; there are some 600.
class TimeZone {
 public:
  static constexpr std::size_t kMaxName = 64;
  static constexpr std::string_view kDirectory = "/usr/share/zoneinfo";

  TimeZone() = default;  // UTC
  // The file outlives it.
  TimeZone(std::string name, const Tzif* file) : name_(std::move(name)), file_(file) {}

  // The error is for whoever gave the name.
  [[nodiscard]] static tl::expected<TimeZone, std::string> find(std::string_view name);
  // UTC under another name: the zone was there once, and may come back with the next start.
  [[nodiscard]] static TimeZone missing(std::string name) { return {std::move(name), nullptr}; }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // The day that a moment belongs to, in seconds since 1970.
  [[nodiscard]] std::chrono::sys_days day_at(std::int64_t utc_s) const;
  // The first moment at which a clock there shows that day or a later one: midnight, unless that is
  // skipped. A clock that is put back over midnight does not end the day that had begun.
  [[nodiscard]] std::int64_t begin_of(std::chrono::sys_days day) const;

  friend bool operator==(const TimeZone& a, const TimeZone& b) { return a.name_ == b.name_; }

 private:
  [[nodiscard]] std::int32_t offset_at(std::int64_t utc_s) const;

  std::string name_ = "UTC";
  std::int32_t offset_s_ = 0;  // when there is no file
  const Tzif* file_ = nullptr;
};

// Reads DIRECTORY/NAME; names are refused that could lead out of it, or to its other files.
[[nodiscard]] tl::expected<Tzif, std::string> read_zone(const std::string& directory,
                                                        std::string_view name);

}  // namespace parley::control
