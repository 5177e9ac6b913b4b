#include "control/rtc_sockets.h"

// Who is there, what people write, whether they want to speak, and what their applications send
// each other.
namespace parley::control {

RpcResult<Json> RtcSockets::chat_send(Caller& caller, Params& params) {
  std::string text = params.text("text", {1, Chat::kMaxText});
  std::string ref = params.optional_text("ref", {1, Chat::kMaxRef}).value_or("");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  const JoinClaims& claims = caller.participant.claims;
  return actions_.send_chat(actor_of(caller.participant, caller.session), caller.session,
                            {caller.participant.id, claims.identity, claims.name, claims.role},
                            std::move(text), std::move(ref));
}

RpcResult<Json> RtcSockets::chat_list(Caller& caller, Params& params) {
  const Chat::Query query = Chat::read_query(params);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  Json result = chat_.list(caller.session.room_id(), query);
  result.set("enabled", caller.session.chat_rules().enabled);
  result.set("slow_mode_s", std::int64_t{caller.session.chat_rules().slow_mode_s});
  return result;
}

RpcResult<Json> RtcSockets::chat_delete(Caller& caller, Params& params) {
  const std::string id = params.text("message_id");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.delete_chat(actor_of(caller.participant, caller.session), caller.session, id);
}

RpcResult<Json> RtcSockets::chat_set(Caller& caller, Params& params) {
  Actions::ChatChange change;
  change.enabled = params.optional_flag("enabled");
  if (const auto pause = params.optional_integer("slow_mode_s", 0, kLongestSlowModeS)) {
    change.slow_mode_s = static_cast<std::uint32_t>(*pause);
  }
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.set_chat(actor_of(caller.participant, caller.session), caller.session, change);
}

RpcResult<Json> RtcSockets::data_send(Caller& caller, Params& params) {
  Session::DataMessage message = read_data_message(params);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  message.from = &caller.participant;
  Socket& socket = sockets_.find(caller.connection)->second;
  const double bytes = static_cast<double>(message.data.dump().size());
  if (const auto wait_ms = socket.data_bytes.take(context_.now(), bytes)) {
    RpcError error = rpc_error(Status::ResourceExhausted, "rate_limited",
                               "more data a second than one may send to all");
    error.retry_after_ms = *wait_ms;
    return tl::unexpected(std::move(error));
  }
  return actions_.send_data(actor_of(caller.participant, caller.session), caller.session,
                            std::move(message));
}

RpcResult<Json> RtcSockets::roster_list(Caller& caller, Params& params) {
  Page page(params);
  const bool listed_only = params.optional_flag("listed").value_or(false);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  caller.session.page_of_people(page, listed_only);
  Json result = page.result("participants");
  result.set("count", static_cast<std::uint64_t>(caller.session.shown()));
  return result;
}

RpcResult<Json> RtcSockets::hand_raise(Caller& caller, Params& params) {
  const bool raised = params.optional_flag("raised").value_or(true);
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"already", !caller.session.raise_hand(caller.participant, raised)}});
}

RpcResult<Json> RtcSockets::hand_lower(Caller& caller, Params& params) {
  const std::string id = params.text("participant_id");
  if (auto ok = params.finish(); !ok) return tl::unexpected(ok.error());
  return actions_.lower_hand(actor_of(caller.participant, caller.session), caller.session, id);
}

}  // namespace parley::control
