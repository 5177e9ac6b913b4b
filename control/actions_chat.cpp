#include <utility>

#include "control/actions.h"

// What is written in rooms, and what applications send to each other.
namespace parley::control {

RpcResult<Json> Actions::send_chat(const Actor& actor, const Session& session, ChatAuthor author,
                                   std::string text, std::string ref) {
  const auto room = room_of(session);
  if (!room) return tl::unexpected(room.error());
  return send_chat(actor, **room, std::move(author), std::move(text), std::move(ref));
}

RpcResult<Json> Actions::send_chat(const Actor& actor, const Room& room, ChatAuthor author,
                                   std::string text, std::string ref) {
  if (auto ok = allow(actor, Permission::SendChat, room.config.tenant, room.id); !ok) {
    return tl::unexpected(ok.error());
  }
  Session* session = sessions_.find_by_room(room.id);
  const bool moderates = actor.key != nullptr || actor.permissions.has(Permission::ModerateChat);
  const auto sent = chat_.send(room, {std::move(author), std::move(text), std::move(ref), moderates,
                                      session == nullptr ? std::string() : session->id()});
  if (!sent) return tl::unexpected(sent.error());
  const ChatMessage& message = sent->message;
  if (!sent->already && session != nullptr) session->tell_message(message);
  return Json::object({{"message_id", message.id},
                       {"seq", message.seq},
                       {"sent_ms", message.sent_ms},
                       {"already", sent->already}});
}

RpcResult<Json> Actions::delete_chat(const Actor& actor, const Session& session,
                                     const std::string& message_id) {
  const auto room = room_of(session);
  if (!room) return tl::unexpected(room.error());
  return delete_chat(actor, **room, message_id);
}

RpcResult<Json> Actions::delete_chat(const Actor& actor, const Room& room,
                                     const std::string& message_id) {
  if (auto ok =
          authorize(actor, Permission::ModerateChat, "chat.delete", room.config.tenant, room.id);
      !ok) {
    return tl::unexpected(ok.error());
  }
  const bool removed = chat_.remove(room, message_id, actor.label);
  Session* session = sessions_.find_by_room(room.id);
  if (removed && session != nullptr) session->tell_message_deleted(message_id, actor.label);
  return Json::object({{"message_id", message_id}, {"already", !removed}});
}

RpcResult<Json> Actions::set_chat(const Actor& actor, const Session& session,
                                  const ChatChange& change) {
  const auto room = room_of(session);
  if (!room) return tl::unexpected(room.error());
  if (auto ok = authorize(actor, Permission::ModerateChat, "chat.set", session.tenant(),
                          session.room_id());
      !ok) {
    return tl::unexpected(ok.error());
  }
  RoomConfig config = (*room)->config;
  config.chat = change.enabled.value_or(config.chat);
  config.chat_slow_mode_s = change.slow_mode_s.value_or(config.chat_slow_mode_s);
  rooms_.change(**room, std::move(config));
  if (Session* running = sessions_.find_by_room((*room)->id))
    sessions_.room_changed(*running, **room);
  return Json::object(
      {{"enabled", (*room)->config.chat}, {"slow_mode_s", (*room)->config.chat_slow_mode_s}});
}

Session::DataMessage read_data_message(Params& params) {
  using Message = Session::DataMessage;
  Message message;
  message.topic = params.optional_text("topic", {1, Message::kMaxTopic}).value_or("");
  if (const Json* data = params.any("data")) {
    message.data = *data;
  } else {
    params.refuse("data", "data is missing");
  }
  if (params.names("to")) {
    message.to = read_texts(params, "to", Message::kMaxReceivers, "participant ids");
  }
  return message;
}

RpcResult<Json> Actions::send_data(const Actor& actor, Session& session,
                                   Session::DataMessage message) {
  if (auto ok = allow(actor, Permission::SendData, session.tenant(), session.room_id()); !ok) {
    return tl::unexpected(ok.error());
  }
  if (!session.data_enabled()) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "data_disabled",
                                    "applications may not send data in this room"));
  }
  if (message.data.dump().size() > kMaxDataBytes) {
    return tl::unexpected(rpc_error(Status::InvalidArgument, "message_too_long",
                                    "data may have " + std::to_string(kMaxDataBytes) +
                                        " bytes as JSON; send a link to what is larger",
                                    "data"));
  }
  return Json::object({{"sent_to", static_cast<std::uint64_t>(session.send_data(message))}});
}

}  // namespace parley::control
