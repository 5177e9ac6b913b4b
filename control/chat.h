#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/chat_message.h"
#include "control/context.h"
#include "control/params.h"
#include "control/room.h"
#include "control/rpc.h"

namespace parley::control {

// What is written in rooms. A message and its event `message.sent` become durable together, and
// its sender hears of it afterwards only: what was acknowledged is there after any crash, once,
// and in the order in which it was sent. A room keeps its messages over its sessions, so that who
// comes later reads what was said; the oldest go when there are too many or when they are too old.
//
// It knows no sessions: whoever calls tells the participants.
class Chat {
 public:
  // Of what join gives: the latest messages, so many bytes as JSON at most.
  static constexpr std::size_t kHistoryMessages = 100;
  static constexpr std::size_t kHistoryBytes =
      61'440;  // with what stands around them less than 64 KiB
  static constexpr std::size_t kMaxRef = 64;
  static constexpr std::size_t kMaxText = 16'384;  // the configuration may allow less

  explicit Chat(Context& context) : context_(context) {}
  ~Chat();
  Chat(const Chat&) = delete;
  Chat& operator=(const Chat&) = delete;

  // At start, after the rooms; `room_exists` by id.
  void load(const std::vector<Row>& rows,
            const std::function<bool(const std::string&)>& room_exists);

  struct Sent {
    ChatMessage message;
    bool already = false;  // he sent it before, by the same `ref`
  };
  struct Draft {
    ChatAuthor author;
    std::string text;
    std::string ref;         // may be empty
    bool moderates = false;  // slow mode does not bind him
    std::string session_id;  // of the running session; may be empty
  };
  // Errors: chat_disabled, message_too_long, invalid_argument, slow_mode (with retry_after_ms),
  // server_busy.
  [[nodiscard]] RpcResult<Sent> send(const Room& room, Draft draft);
  // The message is gone for good. False when there is none of this id in this room.
  bool remove(const Room& room, std::string_view message_id, std::string_view by);
  // The room was deleted.
  void forget(const std::string& room_id);

  // Which messages somebody wants: the latest in front of one.
  struct Query {
    std::uint64_t before_seq = UINT64_MAX;
    std::size_t limit = kHistoryMessages;
  };
  // `before_seq` and `limit`.
  [[nodiscard]] static Query read_query(Params& params);
  // `messages`, the oldest first, as many as fit, and whether there is `more` in front of them.
  [[nodiscard]] Json list(std::string_view room_id, Query query) const;
  // As join gives it: the rules and the latest messages.
  [[nodiscard]] Json to_json(const Room& room) const;

  [[nodiscard]] std::size_t size() const noexcept { return by_age_.size(); }
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  using BySeq = std::map<std::uint64_t, ChatMessage>;
  struct Conversation {
    BySeq messages;
    std::map<std::string, std::uint64_t, std::less<>> by_ref;  // of identity and ref
  };

  [[nodiscard]] RpcResult<void> check(const Room& room, const Draft& draft) const;
  // Within slow mode: until when this author has to wait.
  [[nodiscard]] std::int64_t wait_ms(const Room& room, const ChatAuthor& author) const;
  void insert(ChatMessage message);
  void trim(const Conversation& conversation);
  // From memory, and with `kept` from the store.
  void erase(std::uint64_t seq, bool kept);
  void forget_old();

  Context& context_;
  std::map<std::string, Conversation, std::less<>> rooms_;
  std::map<std::uint64_t, std::string> by_age_;  // all of them: seq -> room
  Timers::Id timer_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace parley::control
