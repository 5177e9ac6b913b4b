#include <set>

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// What people write in a room, and what their applications send each other.
class ChatTest : public CallTest {
 protected:
  ChatTest() { room(); }

  Json send(std::uint64_t connection, const std::string& words, const std::string& ref = "") {
    Json params = Json::object({{"text", words}});
    if (!ref.empty()) params.set("ref", ref);
    return ask(connection, "chat.send", std::move(params));
  }
  static std::vector<std::string> texts(const Json& list) {
    std::vector<std::string> found;
    for (const Json& message : *list.find("messages")->as_array()) {
      found.push_back(text_member(message, "text"));
    }
    return found;
  }
  // As somebody who joins now finds it.
  std::vector<std::string> history(const std::string& identity = "late") {
    const std::uint64_t socket = next_socket_++;
    const Json joined = join(socket, identity);
    const std::vector<std::string> found = texts(*joined.find("chat"));
    ask(socket, "leave");
    return found;
  }
  std::vector<std::string> heard(std::uint64_t connection) {
    std::vector<std::string> found;
    for (const Json& message : notified(connection, "chat.message")) {
      found.push_back(text_member(message, "text"));
    }
    return found;
  }
  std::size_t rows() const {
    return static_cast<std::size_t>(
        std::count_if(store.rows.begin(), store.rows.end(),
                      [](const auto& r) { return r.first.first == "message"; }));
  }
  Room& main_room() { return *rooms->find("seller-1", "main"); }

 private:
  std::uint64_t next_socket_ = 1'000;
};

TEST_F(ChatTest, GoesToEverybodyInOneOrderAndIntoTheLog) {
  join(1, "seller", "host");
  join(2, "buyer");
  const Json first = send(1, "Good morning!");
  const Json second = send(2, "Is it still\nfor sale? \xf0\x9f\x9a\x97");
  EXPECT_LT(integer_member(first, "seq"), integer_member(second, "seq"));
  for (const std::uint64_t one : {1U, 2U}) {
    EXPECT_THAT(heard(one),
                ElementsAre("Good morning!", "Is it still\nfor sale? \xf0\x9f\x9a\x97"));
  }
  const Json message = notified(1, "chat.message").at(1);
  EXPECT_EQ(text(message, "message_id"), text(second, "message_id"));
  EXPECT_EQ(text(message, "identity"), "buyer");
  EXPECT_EQ(text(message, "role"), "participant");
  const Json event = last_event("message.sent");
  EXPECT_EQ(event.find("seq")->as_int(), second.find("seq")->as_int());
  EXPECT_EQ(*event.find("data"), message);
  EXPECT_EQ(text(event, "session_id"), session().id());
}

// A30: acknowledged means kept.
TEST_F(ChatTest, NobodyHearsOfAMessageBeforeItIsKept) {
  join(1, "seller", "host");
  join(2, "buyer");
  store.held = true;
  EXPECT_TRUE(send(1, "slowly").is_null());
  EXPECT_THAT(heard(2), IsEmpty());
  store.release();
  EXPECT_THAT(heard(2), ElementsAre("slowly"));
  store.held = false;
  store.failed = true;
  EXPECT_EQ(text(send(1, "lost"), "reason"), "store_failed");
  EXPECT_THAT(heard(2), ElementsAre("slowly"));
  EXPECT_EQ(chat->size(), 1U) << "what nobody was told of is not remembered either";
}

// A29: the same connection, and nothing of media is needed.
TEST_F(ChatTest, WhoComesLaterReadsWhatWasSaid) {
  const Json joined = join(1, "seller", "host");
  EXPECT_TRUE(*joined.find("chat")->find("enabled")->as_bool());
  for (int i = 1; i <= 3; ++i) send(1, "number " + std::to_string(i));
  EXPECT_THAT(history(), ElementsAre("number 1", "number 2", "number 3"));
  ask(1, "leave");
  wait(seconds(60));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_THAT(history(), SizeIs(3)) << "a room keeps it over its sessions";
}

TEST_F(ChatTest, HistoryIsShortAndTheRestIsThereInPages) {
  join(1, "seller", "host");
  for (int i = 0; i < 250; ++i) {
    wait(seconds(1));
    send(1, std::to_string(i));
  }
  const Json joined = join(2, "buyer");
  const Json latest = *joined.find("chat");
  EXPECT_THAT(texts(latest), SizeIs(100));
  EXPECT_EQ(texts(latest).front(), "150");
  std::vector<std::string> all = texts(latest);
  Json page = latest;
  while (flag_member(page, "more")) {
    const Json* first = page.find("messages")->as_array()->front().find("seq");
    page = ask(2, "chat.list", Json::object({{"before_seq", *first}, {"limit", 40}}));
    const auto older = texts(page);
    all.insert(all.begin(), older.begin(), older.end());
  }
  ASSERT_THAT(all, SizeIs(250));
  for (int i = 0; i < 250; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST_F(ChatTest, HistoryHasAtMost64KiB) {
  join(1, "seller", "host");
  for (int i = 0; i < 40; ++i) {
    wait(seconds(1));
    send(1, std::string(4'000, static_cast<char>('a' + i % 26)));
  }
  const Json joined = join(2, "buyer");
  const Json& latest = *joined.find("chat");
  EXPECT_LE(latest.find("messages")->dump().size(), 65'536U);
  EXPECT_THAT(texts(latest), SizeIs(testing::Ge(14)));
  EXPECT_TRUE(flag_member(latest, "more"));
}

// The answer was lost on the way: whoever sends again by the same name has sent once.
TEST_F(ChatTest, TheSameRefIsTheSameMessageEvenAfterACrash) {
  join(1, "seller", "host");
  join(2, "buyer");
  const Json first = send(1, "once", "r-1");
  EXPECT_FALSE(flag_member(first, "already"));
  const Json again = send(1, "once", "r-1");
  EXPECT_EQ(text(again, "message_id"), text(first, "message_id"));
  EXPECT_TRUE(flag_member(again, "already"));
  EXPECT_FALSE(flag_member(send(2, "another's", "r-1"), "already")) << "names are each one's own";
  EXPECT_THAT(heard(2), ElementsAre("once", "another's"));
  crash();
  join(3, "seller", "host");
  EXPECT_TRUE(flag_member(send(3, "once", "r-1"), "already"));
  EXPECT_THAT(history(), ElementsAre("once", "another's"));
}

TEST_F(ChatTest, WhatIsNotToBeReadIsRefused) {
  join(1, "seller", "host");
  for (const std::string& bad : {std::string("  \n "),
                                 std::string("a\x01"
                                             "b"),
                                 std::string("evil \xe2\x80\xae txt")}) {
    EXPECT_EQ(text(send(1, bad), "reason"), "invalid_argument") << bad;
  }
  EXPECT_EQ(text(send(1, std::string(4'097, 'x')), "reason"), "message_too_long");
  EXPECT_EQ(text(send(1, ""), "reason"), "invalid_argument");
  EXPECT_EQ(chat->refused(), 4U);
  EXPECT_EQ(rows(), 0U);
}

TEST_F(ChatTest, WhoOnlyWatchesHiddenCannotWriteAndAViewerCan) {
  join(1, "viewer", "viewer");
  EXPECT_TRUE(send(1, "hello").find("message_id"));
  join(2, "auditor", "observer");
  EXPECT_EQ(text(send(2, "hello"), "reason"), "permission_denied");
  EXPECT_THAT(heard(2), IsEmpty()) << "he came later";
  send(1, "more");
  EXPECT_THAT(heard(2), ElementsAre("more")) << "but reads";
}

TEST_F(ChatTest, AHostDeletesWhatShouldNotStand) {
  join(1, "seller", "host");
  join(2, "buyer");
  const Json bad = send(2, "bad words");
  const Json id = Json::object({{"message_id", text(bad, "message_id")}});
  EXPECT_EQ(text(ask(2, "chat.delete", id), "reason"), "permission_denied");
  EXPECT_FALSE(flag_member(ask(1, "chat.delete", id), "already"));
  EXPECT_TRUE(flag_member(ask(1, "chat.delete", id), "already"));
  EXPECT_THAT(notified(2, "chat.deleted"), SizeIs(1));
  EXPECT_EQ(text(*last_event("message.deleted").find("data"), "identity"), "buyer");
  EXPECT_THAT(history(), IsEmpty());
  EXPECT_EQ(rows(), 0U);
}

TEST_F(ChatTest, AHostTurnsItOffAndSlowsItDown) {
  join(1, "seller", "host");
  join(2, "buyer");
  EXPECT_EQ(text(ask(2, "chat.set", Json::object({{"enabled", false}})), "reason"),
            "permission_denied");
  ask(1, "chat.set", Json::object({{"enabled", false}}));
  EXPECT_FALSE(flag_member(notified(2, "chat.rules").at(0), "enabled"));
  EXPECT_EQ(text(send(2, "but"), "reason"), "chat_disabled");
  EXPECT_EQ(text(send(1, "but"), "reason"), "chat_disabled");
  ask(1, "chat.set", Json::object({{"enabled", true}, {"slow_mode_s", 30}}));
  EXPECT_EQ(integer_member(notified(2, "chat.rules").at(1), "slow_mode_s"), 30);
  EXPECT_TRUE(send(2, "first").find("message_id"));
  wait(seconds(10));
  const Json slow = send(2, "second");
  EXPECT_EQ(text(slow, "reason"), "slow_mode");
  EXPECT_EQ(integer_member(slow, "retry_after_ms"), 20'000);
  EXPECT_TRUE(send(1, "a host").find("message_id"));
  EXPECT_TRUE(send(1, "is free of it").find("message_id"));
  wait(seconds(20));
  EXPECT_TRUE(send(2, "second").find("message_id"));
  EXPECT_EQ(main_room().config.chat_slow_mode_s, 30U);
  crash();
  EXPECT_EQ(main_room().config.chat_slow_mode_s, 30U) << "it lasts as the room does";
}

TEST_F(ChatTest, OfARoomTheLatestStay) {
  config.chat.keep_per_room = 3;
  join(1, "seller", "host");
  for (int i = 0; i < 10; ++i) send(1, std::to_string(i));
  EXPECT_THAT(history(), ElementsAre("7", "8", "9"));
  EXPECT_EQ(rows(), 3U);
  config.chat.keep_per_room = 2;
  crash();
  EXPECT_EQ(rows(), 2U) << "and of an older configuration too";
  EXPECT_THAT(history(), ElementsAre("8", "9"));
}

TEST_F(ChatTest, OfAllRoomsTheLatestStay) {
  config.chat.max_messages = 5;
  room("other");
  join(1, "seller", "host");
  ask(2, "join", Json::object({{"token", token("other-seller", "host", [](Json&, Json& grants) {
                                  grants.set("room", "other");
                                })}}));
  for (int i = 0; i < 4; ++i) send(1, "here " + std::to_string(i));
  for (int i = 0; i < 4; ++i) send(2, "there " + std::to_string(i));
  EXPECT_EQ(chat->size(), 5U);
  EXPECT_EQ(rows(), 5U);
  EXPECT_THAT(history(), ElementsAre("here 3"));
}

TEST_F(ChatTest, WhatIsOldGoes) {
  config.chat.keep_days = 2;
  join(1, "seller", "host");
  send(1, "old");
  wait(hours(30));
  join(2, "seller", "host");
  send(2, "newer");
  wait(hours(19));
  EXPECT_THAT(history(), ElementsAre("newer"));
  EXPECT_EQ(rows(), 1U);
}

TEST_F(ChatTest, ARoomTakesItsMessagesWithIt) {
  join(1, "seller", "host");
  send(1, "hello");
  const std::string id = main_room().id;
  chat->forget(id);
  outbox->flush();
  EXPECT_EQ(rows(), 0U);
  send(1, "again");
  sessions->end(session(), "room_deleted");
  rooms->remove(main_room());  // the process is killed before it has removed them, too
  outbox->flush();
  EXPECT_EQ(rows(), 1U);
  crash();
  EXPECT_EQ(rows(), 0U);
}

TEST_F(ChatTest, WhoWaitsInTheLobbyReadsItWhenHeIsLetIn) {
  main_room().config.lobby = true;
  join(1, "seller", "host");
  send(1, "before");
  const Json waiting = join(2, "buyer");
  EXPECT_EQ(waiting.find("chat"), nullptr);
  EXPECT_EQ(text(send(2, "let me in"), "reason"), "waiting");
  ask(1, "participant.admit", Json::object({{"participant_id", text(waiting, "participant_id")}}));
  EXPECT_THAT(texts(*notified(2, "admitted").at(0).find("chat")), ElementsAre("before"));
}

TEST_F(ChatTest, AFloodIsBoundedForEachSender) {
  join(1, "seller", "host");
  join(2, "buyer");
  std::set<std::string> reasons;
  for (int i = 0; i < 100; ++i) reasons.insert(text(send(2, "flood"), "reason"));
  EXPECT_THAT(reasons, ElementsAre("", "rate_limited"));
  EXPECT_LE(heard(1).size(), 41U);
  EXPECT_TRUE(send(1, "others go on").find("message_id"));
}

// ---- what applications send to each other

TEST_F(ChatTest, DataGoesToAllOthersOrToThoseWhoAreNamed) {
  const Json seller = join(1, "seller", "host");
  const Json buyer = join(2, "buyer");
  join(3, "friend");
  const Json pointer = Json::object({{"x", 10}, {"y", Json::array().push(1).push("2")}});
  EXPECT_EQ(
      integer_member(ask(1, "data.send", Json::object({{"topic", "pointer"}, {"data", pointer}})),
                     "sent_to"),
      2);
  EXPECT_THAT(notified(1, "data"), IsEmpty());
  for (const std::uint64_t one : {2U, 3U}) {
    const Json got = notified(one, "data").at(0);
    EXPECT_EQ(text(got, "participant_id"), text(seller, "participant_id"));
    EXPECT_EQ(text(got, "topic"), "pointer");
    EXPECT_EQ(*got.find("data"), pointer);
  }
  Json to = Json::array();
  to.push(text(buyer, "participant_id")).push(text(buyer, "participant_id")).push("pa_nobody");
  EXPECT_EQ(
      integer_member(ask(3, "data.send", Json::object({{"data", "psst"}, {"to", to}})), "sent_to"),
      1);
  EXPECT_THAT(notified(2, "data"), SizeIs(2));
  EXPECT_THAT(notified(1, "data"), IsEmpty());
  EXPECT_EQ(rows(), 0U) << "it is not kept";
}

// A50.
TEST_F(ChatTest, DataHas64KiBAtMostAndABoundedRate) {
  join(1, "seller", "host");
  join(2, "buyer");
  const std::string large(65'534, 'x');  // and two quotes
  EXPECT_EQ(integer_member(ask(2, "data.send", Json::object({{"data", large}})), "sent_to"), 1);
  EXPECT_EQ(text(ask(2, "data.send", Json::object({{"data", large + "x"}})), "reason"),
            "message_too_long");
  std::size_t refused = 0;
  for (int i = 0; i < 10; ++i) {
    const Json answer = ask(2, "data.send", Json::object({{"data", large}}));
    if (text(answer, "reason") == "rate_limited") ++refused;
  }
  EXPECT_GE(refused, 6U);
  wait(milliseconds(1'000));
  EXPECT_TRUE(ask(2, "data.send", Json::object({{"data", large}})).find("sent_to"));
  join(3, "auditor", "observer");
  EXPECT_EQ(text(ask(3, "data.send", Json::object({{"data", 1}})), "reason"), "permission_denied");
}

// ---- data channels

class DataChannelTest : public ChatTest {
 protected:
  // Offers data channels and has one open, as the worker tells it.
  void join_with(std::uint64_t connection, const std::string& identity, const std::string& label,
                 const std::string& protocol = "", const std::string& role = "participant") {
    ids[identity] = text(join(connection, identity, role), "participant_id");
    offer(connection, "chromium-datachannel-offer.sdp");
    open(identity, label, protocol);
  }
  void open(const std::string& identity, const std::string& label, const std::string& protocol) {
    worker_says({server::DataOpened{peer(identity), 0, label, protocol}});
  }
  server::PeerId peer(const std::string& identity) {
    return *session().find_identity(identity)->peer;
  }
  void say(const std::string& identity, std::string_view message) {
    worker_says({server::DataReceived{
        peer(identity), 0, true,
        std::make_shared<const std::vector<std::uint8_t>>(message.begin(), message.end())}});
  }
  // To whom, and what.
  std::vector<std::pair<std::vector<server::PeerId>, std::string>> sent_data() {
    std::vector<std::pair<std::vector<server::PeerId>, std::string>> all;
    for (const auto& command : commands_of<server::SendData>()) {
      all.emplace_back(command.peers, std::string(command.bytes->begin(), command.bytes->end()));
    }
    return all;
  }
  std::map<std::string, std::string> ids;
};

TEST_F(DataChannelTest, AMessageGoesToAllWhoHaveAChannelOfThatLabel) {
  join_with(1, "a", "x");
  join_with(2, "b", "x");
  join_with(3, "c", "y");
  join_with(4, "d", "x", std::string(server::kDataProtocol));
  ASSERT_TRUE(commands_of<server::SetPeer>().at(0).params.data);
  say("a", "hello");
  const auto all = sent_data();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_THAT(all[0].first, ElementsAre(peer("b"), peer("d")));
  EXPECT_EQ(all[0].second, "hello");
  EXPECT_EQ(commands_of<server::SendData>().at(0).from, ids["a"]);
}

// What the server said on channels of this label, as JSON.
std::vector<Json> said_on(const std::vector<server::SendData>& commands, std::string_view label,
                          server::PeerId to) {
  std::vector<Json> all;
  for (const server::SendData& command : commands) {
    if (command.label != label) continue;
    if (std::find(command.peers.begin(), command.peers.end(), to) == command.peers.end()) continue;
    all.push_back(
        Json::parse(std::string(command.bytes->begin(), command.bytes->end())).value_or(Json()));
  }
  return all;
}

TEST_F(DataChannelTest, ChatIsWrittenAndReadOnAChannelOfItsOwn) {
  const std::string over_channel(Participant::kChatProtocol);
  join_with(1, "a", "chat", over_channel);
  join(2, "b");
  store.held = true;
  say("a", R"({"jsonrpc":"2.0","id":7,"method":"chat.send","params":{"text":"over here"}})");
  EXPECT_THAT(commands_of<server::SendData>(), IsEmpty()) << "not before it is kept";
  EXPECT_THAT(heard(2), IsEmpty());
  store.release();
  store.held = false;
  const auto said = said_on(commands_of<server::SendData>(), "chat", peer("a"));
  ASSERT_THAT(said, SizeIs(2)) << "the answer, and what all are told";
  EXPECT_EQ(*said[0].find("id"), Json(7));
  EXPECT_EQ(text(said[1], "method"), "chat.message");
  EXPECT_EQ(text(*said[1].find("params"), "message_id"),
            text(*said[0].find("result"), "message_id"));
  EXPECT_THAT(heard(2), ElementsAre("over here"));
  EXPECT_THAT(heard(1), IsEmpty()) << "he has it already";
  send(2, "and here");
  EXPECT_THAT(said_on(commands_of<server::SendData>(), "chat", peer("a")), SizeIs(3));
  // When the channel is gone, his socket has it again.
  worker_says({server::DataClosed{peer("a"), 0, server::DataClosed::Reason::ByPeer}});
  send(2, "still there?");
  EXPECT_THAT(heard(1), ElementsAre("still there?"));
}

TEST_F(DataChannelTest, OnAChannelForChatNothingElseIsDone) {
  const std::string over_channel(Participant::kChatProtocol);
  join_with(1, "a", "chat", over_channel, "host");
  const auto ask_there = [&](std::string_view request) {
    say("a", request);
    outbox->flush();
    return said_on(commands_of<server::SendData>(), "chat", peer("a")).back();
  };
  const auto reason = [](const Json& answer) {
    return text_member(*answer.find("error")->find("data"), "reason");
  };
  EXPECT_EQ(reason(ask_there(R"({"jsonrpc":"2.0","id":1,"method":"session.end"})")),
            "unknown_method");
  EXPECT_EQ(reason(ask_there("{")), "parse_error");
  EXPECT_EQ(reason(ask_there(R"({"jsonrpc":"2.0","id":2,"method":"chat.send","params":{}})")),
            "invalid_argument");
  const Json list = ask_there(R"({"jsonrpc":"2.0","id":3,"method":"chat.list","params":{}})");
  EXPECT_NE(list.find("result"), nullptr) << list.dump();
  // He shares the limits of his socket.
  Json answer;
  for (int i = 0; i < 60; ++i) {
    answer =
        ask_there(R"({"jsonrpc":"2.0","id":4,"method":"chat.send","params":{"text":"again"}})");
  }
  EXPECT_EQ(reason(answer), "rate_limited");
  rtc->closed({1}, 1006);
  EXPECT_EQ(reason(ask_there(R"({"jsonrpc":"2.0","id":5,"method":"chat.list","params":{}})")),
            "connection_lost");
}

// What stands on a channel for chat comes from the server.
TEST_F(DataChannelTest, NobodyElseSpeaksOnAChannelForChat) {
  const std::string over_channel(Participant::kChatProtocol);
  join_with(1, "a", "chat", over_channel);
  join_with(2, "b", "chat");
  say("b", R"({"jsonrpc":"2.0","method":"chat.message","params":{"text":"forged"}})");
  outbox->flush();
  EXPECT_THAT(said_on(commands_of<server::SendData>(), "chat", peer("a")), IsEmpty());
  const auto close_of = [&](std::uint16_t number, const std::string& label,
                            const std::string& protocol) {
    const std::size_t before = commands_of<server::CloseData>().size();
    worker_says({server::DataOpened{peer("a"), number, label, protocol}});
    return commands_of<server::CloseData>().size() - before;
  };
  EXPECT_EQ(close_of(2, "chat", ""), 1U) << "another of its label";
  EXPECT_EQ(close_of(4, "more", over_channel), 1U) << "a second one";
  EXPECT_EQ(close_of(6, "free", ""), 0U);
}

TEST_F(DataChannelTest, AnAddressedOneGoesToThoseWhoAreNamed) {
  const std::string framed(server::kDataProtocol);
  join_with(1, "a", "x", framed);
  join_with(2, "b", "x");
  join_with(3, "c", "x");
  const std::string& id = ids["c"];
  say("a", std::string(1, '\1') + static_cast<char>(id.size()) + id + "psst");
  ASSERT_THAT(sent_data(), SizeIs(1));
  EXPECT_THAT(sent_data()[0].first, ElementsAre(peer("c")));
  EXPECT_EQ(sent_data()[0].second, "psst");
  say("a", std::string("\0to all", 7));
  EXPECT_THAT(sent_data()[1].first, ElementsAre(peer("b"), peer("c")));
  EXPECT_EQ(sent_data()[1].second, "to all");
  say("a",
      "\x05"
      "cut");
  EXPECT_THAT(sent_data(), SizeIs(2));
}

TEST_F(DataChannelTest, WhoMayNotSendIsNotHeardAndNobodyIsWhereItIsOff) {
  join_with(1, "a", "x", "", "observer");
  join_with(2, "b", "x");
  say("a", "hidden");
  EXPECT_THAT(sent_data(), IsEmpty());
  say("b", "heard");
  EXPECT_THAT(sent_data(), SizeIs(1));
  main_room().config.data = false;
  sessions->room_changed(session(), main_room());
  say("b", "no more");
  EXPECT_THAT(sent_data(), SizeIs(1));
  join(3, "c");
  EXPECT_EQ(text(ask(3, "data.send", Json::object({{"data", 1}})), "reason"), "data_disabled");
  offer(3, "chromium-datachannel-offer.sdp");
  EXPECT_FALSE(session().find_identity("c")->peer) << "there was nothing else in the offer";
}

TEST_F(DataChannelTest, WhoSendsTooMuchLosesTheChannelAndIsTold) {
  join_with(1, "a", "x");
  join_with(2, "b", "x");
  for (int i = 0; i < 1'100; ++i) say("a", "flood");
  EXPECT_THAT(sent_data(), SizeIs(1'000));
  const auto ended = commands_of<server::CloseData>();
  ASSERT_FALSE(ended.empty());
  EXPECT_EQ(ended[0].peer, peer("a"));
  worker_says({server::DataClosed{peer("a"), 0, server::DataClosed::Reason::TooFast}});
  EXPECT_EQ(text(notified(1, "data.closed").at(0), "reason"), "too_fast");
  say("a", "of no channel any more");
  EXPECT_THAT(sent_data(), SizeIs(1'000));
  wait(seconds(1));
  open("a", "x", "");
  say("a", "again");
  EXPECT_THAT(sent_data(), SizeIs(1'001));
}

TEST_F(DataChannelTest, WhatGoesToManyIsBoundedByWhatIsDelivered) {
  rooms->find("seller-1", "main")->config.max_participants = 100;
  join_with(1, "a", "x");
  for (std::uint64_t i = 2; i < 52; ++i) join_with(i, "p" + std::to_string(i), "x");
  const std::string large(60'000, 'x');
  for (int i = 0; i < 5; ++i) say("a", large);
  EXPECT_THAT(sent_data(), SizeIs(2)) << "50 times 60 KB twice, and the rest later";
}

}  // namespace
}  // namespace parley::control
