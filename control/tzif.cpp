#include "control/tzif.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "rtp/bytes.h"

namespace parley::control {
namespace {

constexpr std::size_t kHeaderBytes = 44;
constexpr std::size_t kTypeBytes = 6;  // offset (4), is summer time (1), index of its name (1)
constexpr std::string_view kMagic = "TZif";

//   0      4   5            20      24      28      32      36      40      44
//   +------+---+------------+-------+-------+-------+-------+-------+-------+
//   | TZif |ver| unused (15)| isut  | isstd | leap  | time  | type  | char  |
//   +------+---+------------+-------+-------+-------+-------+-------+-------+
struct Header {
  std::uint8_t version = 0;
  std::uint64_t ut_flags = 0;
  std::uint64_t standard_flags = 0;
  std::uint64_t leap_seconds = 0;
  std::uint64_t changes = 0;
  std::uint64_t types = 0;
  std::uint64_t name_bytes = 0;

  // Counts of 32 bits: no sum of theirs overflows.
  [[nodiscard]] std::uint64_t data_bytes(std::uint64_t time_bytes) const {
    return changes * (time_bytes + 1) + types * kTypeBytes + name_bytes +
           leap_seconds * (time_bytes + 4) + standard_flags + ut_flags;
  }
};

std::optional<Header> read_header(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) return std::nullopt;
  const auto count = [&](std::size_t index) { return rtp::load32(bytes, 20 + index * 4); };
  return Header{bytes[4], count(0), count(1), count(2), count(3), count(4), count(5)};
}

}  // namespace

tl::expected<Tzif, std::string> Tzif::parse(std::span<const std::uint8_t> file) {
  const auto failed = [](std::string_view why) { return tl::unexpected(std::string(why)); };
  const auto old = read_header(file);
  if (!old) return failed("not a TZif file");
  if (old->version < '2') return failed("TZif of version 1, whose times end in 2038");
  file = file.subspan(kHeaderBytes);
  if (file.size() < old->data_bytes(4)) return failed("TZif file is cut off");
  file = file.subspan(static_cast<std::size_t>(old->data_bytes(4)));
  const auto header = read_header(file);
  if (!header) return failed("TZif file without its second header");
  file = file.subspan(kHeaderBytes);
  if (file.size() < header->data_bytes(8)) return failed("TZif file is cut off");
  if (header->leap_seconds != 0) return failed("TZif file that counts leap seconds");
  if (header->types == 0) return failed("TZif file without an offset");

  const auto changes = static_cast<std::size_t>(header->changes);
  const auto types = static_cast<std::size_t>(header->types);
  const auto times = file.first(changes * 8);
  const auto indexes = file.subspan(changes * 8, changes);
  const auto records = file.subspan(changes * 9, types * kTypeBytes);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < types; ++i) {
    const auto offset = static_cast<std::int32_t>(rtp::load32(records, i * kTypeBytes));
    if (offset <= -TzRule::kMaxOffsetS || offset >= TzRule::kMaxOffsetS) {
      return failed("TZif file with an offset of more than a day");
    }
    offsets.push_back(offset);
  }
  Tzif zone;
  zone.first_offset_s_ = offsets.front();
  for (std::size_t i = 0; i < changes; ++i) {
    const auto at = static_cast<std::int64_t>(rtp::load64(times, i * 8));
    if (i > 0 && at <= zone.changes_s_.back()) return failed("TZif file with times out of order");
    if (indexes[i] >= types) return failed("TZif file that names an offset it has not");
    zone.changes_s_.push_back(at);
    zone.offsets_s_.push_back(offsets[indexes[i]]);
  }

  file = file.subspan(static_cast<std::size_t>(header->data_bytes(8)));
  if (file.size() < 2 || file.front() != '\n' || file.back() != '\n') {
    return failed("TZif file without its footer");
  }
  const std::string footer(file.begin() + 1, file.end() - 1);
  if (!footer.empty()) {  // otherwise it stays as after the last change
    zone.rule_ = TzRule::parse(footer);
    if (!zone.rule_) return failed("TZif file with a footer that is no TZ string");
  }
  return zone;
}

std::int32_t Tzif::offset_at(std::int64_t utc_s) const {
  const auto next = std::upper_bound(changes_s_.begin(), changes_s_.end(), utc_s);
  if (next == changes_s_.end() && rule_) return rule_->offset_at(utc_s);
  if (next == changes_s_.begin()) return first_offset_s_;
  return offsets_s_[static_cast<std::size_t>(next - changes_s_.begin()) - 1];
}

std::optional<std::int64_t> Tzif::next_change(std::int64_t utc_s) const {
  const auto next = std::upper_bound(changes_s_.begin(), changes_s_.end(), utc_s);
  if (next != changes_s_.end()) return *next;
  return rule_ ? rule_->next_change(utc_s) : std::nullopt;
}

}  // namespace parley::control
