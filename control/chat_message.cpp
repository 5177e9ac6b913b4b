#include "control/chat_message.h"

namespace parley::control {

Json ChatMessage::to_json() const {
  Json json = Json::object({{"message_id", id}, {"seq", seq}});
  if (!author.participant_id.empty()) json.set("participant_id", author.participant_id);
  if (!author.identity.empty()) json.set("identity", author.identity);
  json.set("name", author.name);
  if (author.role) json.set("role", name_of(*author.role));
  json.set("text", text);
  if (!ref.empty()) json.set("ref", ref);
  json.set("sent_ms", sent_ms);
  return json;
}

Row ChatMessage::to_row() const {
  Json body = to_json();
  body.set("room_id", room_id);
  return {"message", id, tenant, body.dump(), sent_ms};
}

std::optional<ChatMessage> ChatMessage::from_row(const Row& row) {
  const auto body = Json::parse_own(row.body);
  if (!body || !body->is_object()) return std::nullopt;
  ChatMessage message;
  message.id = row.id;
  message.tenant = row.tenant;
  message.room_id = text_member(*body, "room_id");
  message.seq = static_cast<std::uint64_t>(integer_member(*body, "seq"));
  message.author = {text_member(*body, "participant_id"), text_member(*body, "identity"),
                    text_member(*body, "name"), role_of(text_member(*body, "role"))};
  message.text = text_member(*body, "text");
  message.ref = text_member(*body, "ref");
  message.sent_ms = row.created_ms;
  if (message.room_id.empty() || message.seq == 0) return std::nullopt;
  return message;
}

}  // namespace parley::control
