#include "control/chat.h"

#include <algorithm>
#include <utility>

#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::chrono::hours kForgetEvery{1};

std::string ref_key(const ChatAuthor& author, std::string_view ref) {
  return author.identity + '\n' + std::string(ref);
}

// Several lines are fine; what would draw over other people's words is not (A43).
bool is_readable(std::string_view text) {
  bool something = false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of("\n\t", begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (!line.empty() && !is_printable_text(line)) return false;
    something = something || line.find_first_not_of(' ') != std::string_view::npos;
    begin = end + 1;
  }
  return something;
}

}  // namespace

Chat::~Chat() { context_.timers.cancel(timer_); }

void Chat::load(const std::vector<Row>& rows,
                const std::function<bool(const std::string&)>& room_exists) {
  for (const Row& row : rows) {
    if (row.kind != "message") continue;
    auto message = ChatMessage::from_row(row);
    if (!message) {
      server::log::error("message_unreadable", {{"message", row.id}});
      continue;
    }
    if (room_exists(message->room_id)) {
      insert(std::move(*message));
    } else {
      context_.outbox.remove("message", row.id);
    }
  }
  for (auto it = rooms_.begin(); it != rooms_.end();) trim((it++)->second);
  forget_old();
}

// Never to nothing: there is always room for one.
void Chat::trim(const Conversation& conversation) {
  while (conversation.messages.size() > context_.config.chat.keep_per_room) {
    erase(conversation.messages.begin()->first, true);
  }
}

void Chat::insert(ChatMessage message) {
  Conversation& conversation = rooms_[message.room_id];
  by_age_[message.seq] = message.room_id;
  if (!message.ref.empty()) {
    conversation.by_ref[ref_key(message.author, message.ref)] = message.seq;
  }
  conversation.messages.emplace(message.seq, std::move(message));
}

void Chat::erase(std::uint64_t seq, bool kept) {
  const auto age = by_age_.find(seq);
  if (age == by_age_.end()) return;
  const auto room = rooms_.find(age->second);
  const auto it = room->second.messages.find(seq);
  if (kept) context_.outbox.remove("message", it->second.id);
  if (!it->second.ref.empty()) {
    room->second.by_ref.erase(ref_key(it->second.author, it->second.ref));
  }
  room->second.messages.erase(it);
  if (room->second.messages.empty()) rooms_.erase(room);
  by_age_.erase(age);
}

void Chat::forget_old() {
  const config::Chat& limits = context_.config.chat;
  const std::int64_t oldest =
      limits.keep_days == 0 ? 0 : context_.wall_ms() - std::int64_t{limits.keep_days} * kDayMs;
  while (!by_age_.empty()) {
    const auto& [seq, room] = *by_age_.begin();
    const ChatMessage& first = rooms_.find(room)->second.messages.begin()->second;
    if (by_age_.size() <= limits.max_messages && first.sent_ms >= oldest) break;
    erase(seq, true);
  }
  context_.timers.cancel(timer_);
  timer_ = context_.timers.at(context_.now() + kForgetEvery, [this] { forget_old(); });
}

RpcResult<void> Chat::check(const Room& room, const Draft& draft) const {
  const auto no = [](Status status, std::string_view reason, std::string message) {
    return tl::unexpected(rpc_error(status, reason, std::move(message), "text"));
  };
  if (!room.config.chat) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "chat_disabled",
                                    "nobody may write in this room now"));
  }
  const std::size_t longest = context_.config.chat.max_message_bytes;
  if (draft.text.size() > longest) {
    return no(Status::InvalidArgument, "message_too_long",
              "text may have " + std::to_string(longest) + " bytes");
  }
  if (!is_readable(draft.text)) {
    return no(Status::InvalidArgument, "invalid_argument",
              "text must say something, without control characters");
  }
  if (context_.outbox.congested()) {
    return tl::unexpected(
        rpc_error(Status::Unavailable, "server_busy", "the server cannot keep more now"));
  }
  const std::int64_t wait = draft.moderates ? 0 : wait_ms(room, draft.author);
  if (wait == 0) return {};
  RpcError error = rpc_error(Status::ResourceExhausted, "slow_mode",
                             "this room is in slow mode: wait before you write again");
  error.retry_after_ms = wait;
  return tl::unexpected(std::move(error));
}

std::int64_t Chat::wait_ms(const Room& room, const ChatAuthor& author) const {
  const std::int64_t pause_ms = std::int64_t{room.config.chat_slow_mode_s} * 1'000;
  const auto conversation = rooms_.find(room.id);
  if (pause_ms == 0 || conversation == rooms_.end()) return 0;
  const std::int64_t now_ms = context_.wall_ms();
  const BySeq& messages = conversation->second.messages;
  for (auto it = messages.rbegin(); it != messages.rend(); ++it) {
    const std::int64_t left_ms = it->second.sent_ms + pause_ms - now_ms;
    if (left_ms <= 0) break;
    if (it->second.author.identity == author.identity) return std::min(left_ms, pause_ms);
  }
  return 0;
}

RpcResult<Chat::Sent> Chat::send(const Room& room, Draft draft) {
  if (const auto known = rooms_.find(room.id); known != rooms_.end() && !draft.ref.empty()) {
    const auto before = known->second.by_ref.find(ref_key(draft.author, draft.ref));
    if (before != known->second.by_ref.end()) {
      return Sent{known->second.messages.find(before->second)->second, true};
    }
  }
  if (auto ok = check(room, draft); !ok) {
    ++refused_;
    return tl::unexpected(ok.error());
  }
  ChatMessage message{context_.id("ms"),
                      room.config.tenant,
                      room.id,
                      context_.outbox.last_seq() + 1,
                      std::move(draft.author),
                      std::move(draft.text),
                      std::move(draft.ref),
                      context_.wall_ms()};
  context_.event(
      {"message.sent", room.config.tenant, room.id, draft.session_id, message.to_json()});
  context_.outbox.put(message.to_row());
  context_.outbox.after([this, seq = message.seq](bool durable) {
    if (!durable) erase(seq, false);  // nobody was told of it
  });
  insert(message);
  ++sent_;
  trim(rooms_.find(room.id)->second);
  if (by_age_.size() > context_.config.chat.max_messages) forget_old();
  return Sent{std::move(message), false};
}

bool Chat::remove(const Room& room, std::string_view message_id, std::string_view by) {
  const auto conversation = rooms_.find(room.id);
  if (conversation == rooms_.end()) return false;
  const BySeq& messages = conversation->second.messages;
  const auto it = std::find_if(messages.begin(), messages.end(),
                               [&](const auto& entry) { return entry.second.id == message_id; });
  if (it == messages.end()) return false;
  context_.event(
      {"message.deleted", room.config.tenant, room.id, "",
       Json::object(
           {{"message_id", it->second.id}, {"identity", it->second.author.identity}, {"by", by}})});
  erase(it->first, true);
  return true;
}

void Chat::forget(const std::string& room_id) {
  for (auto room = rooms_.find(room_id); room != rooms_.end(); room = rooms_.find(room_id)) {
    erase(room->second.messages.begin()->first, true);
  }
}

Json Chat::to_json(const Room& room) const {
  Json json = list(room.id, {});
  json.set("enabled", room.config.chat);
  json.set("slow_mode_s", room.config.chat_slow_mode_s);
  return json;
}

Chat::Query Chat::read_query(Params& params) {
  Query query;
  if (const auto seq = params.optional_integer("before_seq", 1)) {
    query.before_seq = static_cast<std::uint64_t>(*seq);
  }
  if (const auto limit =
          params.optional_integer("limit", 1, static_cast<std::int64_t>(kHistoryMessages))) {
    query.limit = static_cast<std::size_t>(*limit);
  }
  return query;
}

Json Chat::list(std::string_view room_id, Query query) const {
  std::vector<Json> latest;
  bool more = false;
  if (const auto room = rooms_.find(room_id); room != rooms_.end()) {
    const BySeq& messages = room->second.messages;
    std::size_t bytes = 0;
    auto it = messages.lower_bound(query.before_seq);
    for (; it != messages.begin() && latest.size() < query.limit; --it) {
      Json json = std::prev(it)->second.to_json();
      bytes += json.dump().size() + 1;
      if (bytes > kHistoryBytes && !latest.empty()) break;
      latest.push_back(std::move(json));
    }
    more = it != messages.begin();
  }
  std::reverse(latest.begin(), latest.end());
  return Json::object({{"messages", Json(std::move(latest))}, {"more", more}});
}

}  // namespace parley::control
