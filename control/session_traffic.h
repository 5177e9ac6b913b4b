#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "server/api.h"

namespace parley::control {

// What went through each session, added up from what its workers tell. Each of them counts for
// itself and tells totals; the last word comes when it has closed the session's room, and so
// shortly after the session's end.
class SessionTraffic {
 public:
  // Sessions that ended and of which a last word is still missing. It is lost only when the control
  // loop is so far behind that its mailbox is full.
  static constexpr std::size_t kMaxEnded = 10'000;

  void began(server::RoomId room, std::string session_id);
  // Its room is being closed on so many workers.
  void ended(server::RoomId room, std::size_t workers);

  struct Total {
    std::string session_id;
    server::Traffic traffic;
    bool final = false;
  };
  // Nothing when it is of no session that is known.
  [[nodiscard]] std::optional<Total> told(std::size_t worker, const server::RoomTraffic& word);

 private:
  struct Session {
    std::string id;
    std::map<std::size_t, server::Traffic> by_worker;
    std::size_t open_rooms = 0;  // once it has ended
  };
  using ByRoom = std::map<std::uint64_t, Session>;  // rooms are numbered in the order of time
  [[nodiscard]] static server::Traffic sum_of(const Session& session) noexcept;

  ByRoom running_;
  ByRoom ended_;
};

}  // namespace parley::control
