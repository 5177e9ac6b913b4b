#include <algorithm>
#include <utility>

#include "control/session.h"

// What people in the session write, and what their applications send each other.
namespace parley::control {

void Session::tell_message(const ChatMessage& message) {
  broadcast_kept("chat.message", message.to_json());
}

void Session::tell_message_deleted(const std::string& message_id, std::string_view by) {
  broadcast_kept("chat.deleted", Json::object({{"message_id", message_id}, {"by", by}}));
}

void Session::set_chat_rules(ChatRules rules) {
  if (rules == chat_rules_) return;
  chat_rules_ = rules;
  broadcast("chat.rules",
            Json::object({{"enabled", rules.enabled}, {"slow_mode_s", rules.slow_mode_s}}));
}

std::size_t Session::send_data(const DataMessage& message) {
  std::vector<ConnectionId> to;
  if (message.to) {
    for (const std::string& id : *message.to) {
      const Participant* one = find(id);
      if (one != nullptr && one != message.from && one->connection) to.push_back(*one->connection);
    }
    std::sort(to.begin(), to.end());
    to.erase(std::unique(to.begin(), to.end()), to.end());
  } else {
    to = sockets(message.from);
  }
  Json params{Json::Object{}};
  if (message.from != nullptr) {
    params.set("participant_id", message.from->id);
    params.set("identity", message.from->claims.identity);
  }
  if (!message.topic.empty()) params.set("topic", message.topic);
  params.set("data", message.data);
  const std::size_t count = to.size();
  send_to(std::move(to), "data", params, false);
  return count;
}

}  // namespace parley::control
