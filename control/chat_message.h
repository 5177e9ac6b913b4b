#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "control/json.h"
#include "control/permissions.h"
#include "control/store.h"

namespace parley::control {

// Who writes in a room: a participant, or the backend in a name it gives.
struct ChatAuthor {
  std::string participant_id;  // empty: the backend
  std::string identity;
  std::string name;
  std::optional<Role> role;  // nothing: the backend
};

// What somebody wrote, as it is kept and shown. Plain data and its JSON.
struct ChatMessage {
  std::string id;  // ms_...
  std::string tenant;
  std::string room_id;
  // Of its event in the log: in its order everybody sees the messages of a room.
  std::uint64_t seq = 0;
  ChatAuthor author;
  std::string text;
  std::string ref;  // the sender's own name for it; empty: none
  std::int64_t sent_ms = 0;

  [[nodiscard]] Json to_json() const;
  [[nodiscard]] Row to_row() const;
  [[nodiscard]] static std::optional<ChatMessage> from_row(const Row& row);
};

}  // namespace parley::control
