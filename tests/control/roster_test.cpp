#include <set>

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// How everybody hears of who comes and goes, above all in large rooms.
class RosterTest : public CallTest {
 protected:
  RosterTest() {
    room("main", [](RoomConfig& large) { large.max_participants = 600; });
  }
  std::string come(std::uint64_t connection) {
    return text(join(connection, "p" + std::to_string(connection)), "participant_id");
  }
  void fill(std::uint64_t count) {
    for (std::uint64_t i = 1; i <= count; ++i) come(i);
    wait(seconds(1));
  }
  // What a client knows of the others that takes what it is told.
  std::set<std::string> roster(std::uint64_t connection) {
    std::set<std::string> known;
    for (const Json& message : sent[connection]) {
      if (const Json* result = message.find("result")) {
        const Json* all = result->find("participants");
        if (all == nullptr) continue;
        for (const Json& one : *all->as_array()) known.insert(text(one, "participant_id"));
      }
      const std::string method = text(message, "method");
      const Json* params = message.find("params");
      if (method == "participant.joined") {
        known.insert(text(*params->find("participant"), "participant_id"));
      }
      if (method == "participant.left") known.erase(text(*params, "participant_id"));
      if (method != "roster") continue;
      for (const Json& one : *params->find("joined")->as_array()) {
        EXPECT_TRUE(known.insert(text(one, "participant_id")).second) << "told twice";
      }
      for (const Json& one : *params->find("left")->as_array()) {
        known.erase(text(one, "participant_id"));
      }
    }
    return known;
  }
  std::set<std::string> others(std::uint64_t connection) {
    std::set<std::string> all;
    for (const auto& p : session().participants()) {
      if (p->connection != ConnectionId{connection}) all.insert(p->id);
    }
    return all;
  }
};

TEST_F(RosterTest, InSmallRoomsEachChangeIsToldAtOnce) {
  fill(20);
  EXPECT_THAT(notified(1, "participant.joined"), SizeIs(19));
  EXPECT_THAT(notified(1, "roster"), IsEmpty());
}

// A46: what a join costs the others does not grow with the room.
TEST_F(RosterTest, WhileARoomFillsEachGetsTenMessagesASecond) {
  fill(20);
  const std::size_t before = sent[1].size();
  const rtp::Time began = now;
  for (std::uint64_t i = 21; i <= 500; ++i) {
    come(i);
    wait(milliseconds(5));
  }
  wait(seconds(1));
  const auto took = std::chrono::duration<double>(now - began).count();
  EXPECT_LE(static_cast<double>(sent[1].size() - before), took * 10 + 1);
  EXPECT_EQ(session().participants().size(), 500U);
  for (const std::uint64_t one : {1U, 20U, 21U, 77U, 300U, 499U, 500U}) {
    EXPECT_EQ(roster(one), others(one)) << one;
  }
}

TEST_F(RosterTest, WhoComesAndGoesInBetweenIsNotLeftOver) {
  fill(30);
  come(31);
  ask(31, "leave");
  come(32);
  ask(5, "leave");
  wait(milliseconds(50));
  come(33);  // has seen the first of them
  ask(32, "leave");
  wait(seconds(1));
  for (const std::uint64_t one : {1U, 29U, 33U}) EXPECT_EQ(roster(one), others(one)) << one;
  EXPECT_THAT(notified(1, "roster"), SizeIs(testing::Le(3)));
}

// His tracks were told while nobody knew him.
TEST_F(RosterTest, WhoHasJoinedIsToldWithWhatHePublishesByThen) {
  fill(30);
  come(31);
  publish(31);
  wait(milliseconds(200));
  const Json told = notified(1, "roster").back();
  EXPECT_THAT(*told.find("joined")->as_array()->back().find("tracks")->as_array(), SizeIs(2));
}

TEST_F(RosterTest, ReconnectingIsToldToo) {
  fill(30);
  rtc->closed({7}, 1006);
  wait(milliseconds(200));
  const Json gone = notified(1, "roster").back();
  EXPECT_EQ(text(gone.find("updated")->as_array()->at(0), "state"), "reconnecting");
  join(7'000, "p7");
  wait(milliseconds(200));
  EXPECT_EQ(text(notified(1, "roster").back().find("updated")->as_array()->at(0), "state"),
            "active");
  EXPECT_EQ(roster(7'000), others(7'000));
}

TEST_F(RosterTest, AHandIsSeenByAllAndByWhoComesLater) {
  const std::string id = come(1);
  join(2, "seller", "host");
  EXPECT_FALSE(flag_member(ask(1, "hand.raise"), "already"));
  EXPECT_TRUE(flag_member(ask(1, "hand.raise"), "already"));
  EXPECT_EQ(integer_member(notified(2, "participant.updated").back(), "hand_raised_ms"), wall_ms);
  const Json joined = join(3, "late");
  EXPECT_EQ(integer_member(joined.find("participants")->as_array()->at(0), "hand_raised_ms"),
            wall_ms);
  rtc->closed({1}, 1006);
  EXPECT_EQ(integer_member(join(11, "p1"), "hand_raised_ms"), wall_ms)
      << "it outlives a lost socket";
  const Json of = Json::object({{"participant_id", id}});
  EXPECT_EQ(text(ask(3, "hand.lower", of), "reason"), "permission_denied");
  EXPECT_FALSE(flag_member(ask(2, "hand.lower", of), "already"));
  EXPECT_TRUE(flag_member(ask(2, "hand.lower", of), "already"));
  EXPECT_TRUE(notified(11, "participant.updated").back().find("hand_raised_ms")->is_null());
  EXPECT_THAT(notified(1, "participant.updated"), SizeIs(1)) << "he himself is told as well";
  EXPECT_THAT(notified(11, "participant.updated"), SizeIs(1));
}

}  // namespace
}  // namespace parley::control
