#include <algorithm>
#include <map>
#include <utility>

#include "control/session.h"

// What people in the session write, and what their applications send each other.
namespace parley::control {

void Session::tell_message(const ChatMessage& message) {
  tell_chat("chat.message", message.to_json(), true);
}

void Session::tell_message_deleted(const std::string& message_id, std::string_view by) {
  tell_chat("chat.deleted", Json::object({{"message_id", message_id}, {"by", by}}), true);
}

void Session::set_chat_rules(ChatRules rules) {
  if (rules == chat_rules_) return;
  chat_rules_ = rules;
  tell_chat("chat.rules",
            Json::object({{"enabled", rules.enabled}, {"slow_mode_s", rules.slow_mode_s}}), false);
}

void Session::tell_chat(std::string_view method, const Json& params, bool if_kept) {
  std::vector<ConnectionId> over_sockets;
  std::map<std::pair<std::size_t, std::string>, std::vector<server::PeerId>> over_channels;
  for (const auto& p : participants_) {
    if (const Participant::DataChannel* channel = p->chat_channel()) {
      over_channels[{p->worker, channel->label}].push_back(*p->peer);
    } else if (p->connection) {
      over_sockets.push_back(*p->connection);
    }
  }
  const std::string text = rpc_notification(method, params);
  context_.outbox.after([&context = context_, over_sockets = std::move(over_sockets),
                         over_channels = std::move(over_channels), text, if_kept](bool durable) {
    if (if_kept && !durable) return;
    for (const ConnectionId connection : over_sockets) context.send(connection, text);
    const auto bytes = std::make_shared<const std::vector<std::uint8_t>>(text.begin(), text.end());
    for (const auto& [where, peers] : over_channels) {
      context.post(where.first, server::SendData{peers, where.second, "", true, bytes});
    }
  });
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
  send_to(std::move(to), "data", params);
  return count;
}

}  // namespace parley::control
