#include "control/api.h"

// What a backend writes in rooms and sends to applications, and what it reads there.
namespace parley::control {

RpcResult<Json> Api::chat_send(Call& call) {
  std::string text = call.params.text("text", {1, Chat::kMaxText});
  std::string ref = call.params.optional_text("ref", {1, Chat::kMaxRef}).value_or("");
  ChatAuthor author;
  author.name = call.params.optional_text("name").value_or("");
  if (!is_printable_text(author.name)) {
    call.params.refuse("name", "name must have no control characters");
  }
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.actions.send_chat(actor_of(call.principal), **room, std::move(author),
                                  std::move(text), std::move(ref));
}

RpcResult<Json> Api::chat_list(Call& call) {
  const Chat::Query query = Chat::read_query(call.params);
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.chat.list((*room)->id, query);
}

RpcResult<Json> Api::chat_delete(Call& call) {
  const std::string id = call.params.text("message_id");
  const auto room = room_of(call);
  if (!room) return tl::unexpected(room.error());
  return parts_.actions.delete_chat(actor_of(call.principal), **room, id);
}

RpcResult<Json> Api::data_send(Call& call) {
  Session::DataMessage message = read_data_message(call.params);
  const auto session = session_of(call);
  if (!session) return tl::unexpected(session.error());
  return parts_.actions.send_data(actor_of(call.principal), **session, std::move(message));
}

}  // namespace parley::control
