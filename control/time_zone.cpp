#include "control/time_zone.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <vector>

namespace parley::control {
namespace {

constexpr std::size_t kMaxFileBytes = 65'536;  // the largest has some 4,000
constexpr std::int64_t kDayS = 86'400;

// "UTC", "+02:00", "-05:30", in minutes.
std::optional<std::int32_t> offset_of(std::string_view text) {
  if (text == "UTC" || text == "Z") return 0;
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !digit(1) ||
      !digit(2) || !digit(4) || !digit(5)) {
    return std::nullopt;
  }
  const int hours = (text[1] - '0') * 10 + (text[2] - '0');
  const int minutes = (text[4] - '0') * 10 + (text[5] - '0');
  if (hours > 14 || minutes > 59) return std::nullopt;
  const int offset = hours * 60 + minutes;
  return text[0] == '-' ? -offset : offset;
}

// "Europe/Berlin", "Etc/GMT+5", "EST5EDT". All of them begin with a capital, which the other files
// beside them do not ("tzdata.zi", "localtime", "posix/...", "right/...").
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > TimeZone::kMaxName) return false;
  if (name.front() < 'A' || name.front() > 'Z') return false;
  char before = '/';
  for (const char c : name) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool sign = c == '_' || c == '-' || c == '+';
    if (!letter && !sign && !(c >= '0' && c <= '9') && (c != '/' || before == '/')) return false;
    before = c;
  }
  return before != '/';
}

}  // namespace

tl::expected<Tzif, std::string> read_zone(const std::string& directory, std::string_view name) {
  const auto failed = [](const std::string& why) { return tl::unexpected(why); };
  const std::string quoted = "\"" + std::string(name) + "\"";
  if (!is_zone_name(name)) {
    return failed(
        "timezone must be \"UTC\", an offset as \"+02:00\" or a name as "
        "\"Europe/Berlin\"");
  }
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return failed("this server knows no time zones by name: it has no " + directory +
                  " (package tzdata)");
  }
  const std::string path = directory + "/" + std::string(name);
  if (!std::filesystem::is_regular_file(path, error)) {
    return failed("there is no time zone " + quoted);
  }
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes(kMaxFileBytes + 1);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || bytes.empty() || bytes.size() > kMaxFileBytes) {
    return failed("the file of time zone " + quoted + " cannot be read");
  }
  auto zone = Tzif::parse({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (!zone) return failed("time zone " + quoted + ": " + zone.error());
  return zone;
}

tl::expected<TimeZone, std::string> TimeZone::find(std::string_view name) {
  if (const auto offset_min = offset_of(name)) {
    TimeZone zone;
    if (*offset_min != 0) zone.name_ = name;
    zone.offset_s_ = *offset_min * 60;
    return zone;
  }
  // Nodes of a map stay where they are, and none is ever taken out.
  static std::mutex mutex;
  static std::map<std::string, Tzif, std::less<>> known;
  const std::lock_guard lock(mutex);
  auto found = known.find(name);
  if (found == known.end()) {
    auto file = read_zone(std::string(kDirectory), name);
    if (!file) return tl::unexpected(std::move(file.error()));
    found = known.emplace(name, std::move(*file)).first;
  }
  return TimeZone(found->first, &found->second);
}

std::int32_t TimeZone::offset_at(std::int64_t utc_s) const {
  return file_ == nullptr ? offset_s_ : file_->offset_at(utc_s);
}

std::chrono::sys_days TimeZone::day_at(std::int64_t utc_s) const {
  using namespace std::chrono;
  sys_days day = floor<days>(sys_seconds(seconds(utc_s + offset_at(utc_s))));
  while (begin_of(day) > utc_s) day -= days(1);
  while (begin_of(day + days(1)) <= utc_s) day += days(1);
  return day;
}

std::int64_t TimeZone::begin_of(std::chrono::sys_days day) const {
  const std::int64_t midnight_s = day.time_since_epoch().count() * kDayS;
  if (file_ == nullptr) return midnight_s - offset_s_;
  // From a moment that is surely before it, over one change of the clocks after the other.
  std::int64_t from_s = midnight_s - TzRule::kMaxOffsetS;
  for (;;) {
    const std::int64_t reached_s = midnight_s - file_->offset_at(from_s);
    if (reached_s <= from_s) return from_s;  // skipped by the change
    const auto change = file_->next_change(from_s);
    if (!change || reached_s < *change) return reached_s;
    from_s = *change;
  }
}

}  // namespace parley::control
