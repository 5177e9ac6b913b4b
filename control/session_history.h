#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "control/json.h"
#include "control/store.h"

namespace parley::control {

// A session as it is remembered after its end, and shown by session.get and session.list.
struct SessionRecord {
  std::string id;
  std::string tenant;
  std::string room_id;
  std::string room_name;
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;  // 0 while it runs
  std::string end_reason;
  std::size_t participants_peak = 0;
  std::size_t participants_total = 0;

  [[nodiscard]] Json to_json() const;
  [[nodiscard]] Row to_row() const;
  [[nodiscard]] static std::optional<SessionRecord> from_row(const Row& row);
};

// All sessions that were, and those that are, by age. Of too many the oldest that has ended is
// forgotten first.
class SessionHistory {
 public:
  // With who was in them when: some 2 KB each.
  static constexpr std::size_t kMaxRemembered = 100'000;
  explicit SessionHistory(std::size_t limit = kMaxRemembered) noexcept : limit_(limit) {}

  void remember(SessionRecord record);
  // What else is kept of it can go, too.
  std::function<void(const std::string& id)> on_forgotten;

  [[nodiscard]] SessionRecord* find(std::string_view id);
  [[nodiscard]] const SessionRecord* find(std::string_view id) const;
  // The oldest first.
  void for_each(const std::function<void(const SessionRecord&)>& visit) const;
  // From when on all are there; older ones may have been forgotten.
  [[nodiscard]] std::int64_t complete_from_ms() const noexcept { return complete_from_ms_; }

 private:
  std::size_t limit_;
  std::map<std::string, SessionRecord, std::less<>> records_;
  std::map<std::pair<std::int64_t, std::string>, std::string> by_age_;  // start, id
  std::int64_t complete_from_ms_ = 0;
};

}  // namespace parley::control
