#include <map>
#include <random>
#include <set>
#include <unordered_map>

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
    config.rooms.roster_limit = 600;
  }
  std::string come(std::uint64_t connection) {
    return text(join(connection, "p" + std::to_string(connection)), "participant_id");
  }
  void fill(std::uint64_t count) {
    for (std::uint64_t i = 1; i <= count; ++i) come(i);
    wait(seconds(1));
  }
  // How many are there, as a client was told last.
  std::int64_t count(std::uint64_t connection) {
    std::int64_t told = 0;
    for (const Json& message : sent[connection]) {
      if (const Json* result = message.find("result")) {
        if (result->find("participants_count") != nullptr) {
          told = integer_member(*result, "participants_count");
        }
      } else if (text(message, "method") == "roster") {
        told = integer_member(*message.find("params"), "count");
      }
    }
    return told;
  }
  std::size_t received_bytes(std::uint64_t connection) {
    std::size_t bytes = 0;
    for (const Json& message : sent[connection]) bytes += message.dump().size();
    return bytes;
  }
  // What a client knows of the others that takes what it is told.
  std::set<std::string> roster(std::uint64_t connection) {
    std::set<std::string> known;
    std::string self;
    for (const Json& message : sent[connection]) {
      if (const Json* result = message.find("result")) {
        const Json* all = result->find("participants");
        if (all == nullptr) continue;
        if (self.empty()) self = text_member(*result, "participant_id");
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
        const bool is_new = known.insert(text(one, "participant_id")).second;
        EXPECT_TRUE(is_new || comes_again) << "told twice";
      }
      for (const Json& one : *params->find("left")->as_array()) {
        known.erase(text(one, "participant_id"));
      }
    }
    known.erase(self);  // who came onto the list later is told so, too
    return known;
  }
  bool comes_again = false;  // somebody who was hidden for a moment
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
  for (std::uint64_t i = 21; i <= 200; ++i) {
    come(i);
    wait(milliseconds(5));
  }
  wait(seconds(1));
  const auto took = std::chrono::duration<double>(now - began).count();
  EXPECT_LE(static_cast<double>(sent[1].size() - before), took * 10 + 1);
  EXPECT_EQ(session().participants().size(), 200U);
  for (const std::uint64_t one : {1U, 20U, 21U, 77U, 199U, 200U}) {
    EXPECT_EQ(roster(one), others(one)) << one;
  }
}

// Each of them is told as much by the last join as by the first beyond the limit.
TEST_F(RosterTest, WhatAJoinTellsDoesNotGrowWithTheRoom) {
  config.rooms.roster_limit = 30;
  fill(40);
  const auto grow = [&](std::uint64_t from, std::uint64_t to) {
    const std::size_t before = received_bytes(1);
    for (std::uint64_t i = from; i <= to; ++i) come(i);
    wait(seconds(2));
    return received_bytes(1) - before;
  };
  const std::size_t first = grow(41, 80);
  const std::size_t answer = sent[80].front().dump().size();
  const std::size_t last = grow(461, 500);
  EXPECT_LE(last, first + 100);
  EXPECT_LT(first, 40 * 100U) << "nobody's name";
  EXPECT_NEAR(static_cast<double>(sent[500].front().dump().size()), static_cast<double>(answer),
              50);
  EXPECT_EQ(count(1), 120);
  EXPECT_EQ(count(500), 120);
  EXPECT_THAT(roster(1), SizeIs(29));
  EXPECT_THAT(roster(500), SizeIs(30));
}

TEST_F(RosterTest, WhoPublishesRaisesAHandOrMaySilenceOthersIsListedBeyondTheLimit) {
  config.rooms.roster_limit = 20;
  fill(40);
  const std::string speaker = text(*sent[35].front().find("result"), "participant_id");
  const std::string asks = text(*sent[36].front().find("result"), "participant_id");
  EXPECT_EQ(roster(1).count(speaker), 0U);
  publish(35);
  ask(36, "hand.raise");
  const std::string host = text(join(50, "seller", "host"), "participant_id");
  wait(seconds(1));
  for (const std::string& one : {speaker, asks, host}) EXPECT_EQ(roster(1).count(one), 1U) << one;
  EXPECT_THAT(roster(40), SizeIs(23));
  ask(35, "leave");
  wait(seconds(1));
  EXPECT_EQ(roster(1).count(speaker), 0U);
  EXPECT_EQ(count(1), 40);
}

TEST_F(RosterTest, WhenOneOfTheListLeavesAnotherTakesHisPlace) {
  config.rooms.roster_limit = 20;
  fill(25);
  for (const std::uint64_t one : {2U, 3U, 4U}) ask(one, "leave");
  wait(seconds(1));
  EXPECT_THAT(roster(1), SizeIs(19));
  EXPECT_EQ(roster(25).size(), 20U) << "he is not on it himself";
  for (const std::uint64_t one : {5U, 6U, 7U}) ask(one, "leave");
  wait(seconds(1));
  for (const std::uint64_t one : {1U, 8U, 25U}) EXPECT_EQ(roster(one), others(one)) << one;
  EXPECT_EQ(count(1), 19);
}

TEST_F(RosterTest, OfACrowdOnlyTheCountIsToldOnceASecond) {
  config.rooms.roster_limit = 20;
  fill(30);
  const std::size_t before = notified(1, "roster").size();
  for (std::uint64_t i = 31; i <= 60; ++i) {
    come(i);
    wait(milliseconds(100));
  }
  wait(seconds(1));
  EXPECT_LE(notified(1, "roster").size() - before, 4U);
  EXPECT_EQ(count(1), 60);
  EXPECT_EQ(count(30), 60);
}

TEST_F(RosterTest, AllAreFoundPageByPage) {
  config.rooms.roster_limit = 20;
  fill(50);
  std::set<std::string> found;
  std::string token;
  std::size_t pages = 0;
  do {
    Json params = Json::object({{"limit", 20}});
    if (!token.empty()) params.set("page_token", token);
    const Json page = ask(1, "roster.list", params);
    EXPECT_EQ(integer_member(page, "count"), 50);
    for (const Json& one : *page.find("participants")->as_array()) {
      EXPECT_TRUE(found.insert(text(one, "participant_id")).second);
    }
    token = text_member(page, "next_page_token");
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(pages, 3U);
  EXPECT_THAT(found, SizeIs(50));
  const Json listed = ask(1, "roster.list", Json::object({{"listed", true}}));
  EXPECT_THAT(*listed.find("participants")->as_array(), SizeIs(20));
  EXPECT_EQ(text(ask(1, "roster.list", Json::object({{"page_token", "x"}})), "reason"),
            "invalid_argument");
}

// Many who publish: their names do not fit into one answer.
TEST_F(RosterTest, WhatDoesNotFitIntoTheAnswerIsSaid) {
  config.rooms.roster_limit = 20;
  fill(25);
  for (std::uint64_t i = 1; i <= 25; ++i) publish(i);
  const Json joined = join(100, "late");
  EXPECT_THAT(*joined.find("participants")->as_array(), SizeIs(20));
  EXPECT_EQ(integer_member(joined, "participants_omitted"), 5);
  EXPECT_EQ(integer_member(joined, "participants_count"), 26);
  const Json listed = ask(100, "roster.list", Json::object({{"listed", true}}));
  EXPECT_THAT(*listed.find("participants")->as_array(), SizeIs(25));
}

TEST_F(RosterTest, WhoComesHiddenIsNotCountedAndWhoComesBackSeenIs) {
  fill(3);
  join(10, "guard", "observer");
  EXPECT_EQ(count(10), 3);
  rtc->closed({10}, 1006);
  const Json seen = join(11, "guard", "participant");
  EXPECT_EQ(integer_member(seen, "participants_count"), 4);
  rtc->closed({11}, 1006);
  EXPECT_EQ(integer_member(join(12, "guard", "observer"), "participants_count"), 3);
  EXPECT_THAT(roster(1), SizeIs(2));
}

// What does not fit in by its size is not who publishes.
TEST_F(RosterTest, WhoPublishesComesFirstWhereTheAnswerIsFull) {
  fill(30);
  Session::ParticipantChange change;
  change.attributes = Json::object({{"note", std::string(4'000, 'x')}});
  for (std::uint64_t i = 1; i <= 30; ++i) {
    sessions->change_participant(session(), *session().find_identity("p" + std::to_string(i)),
                                 change);
  }
  publish(30);
  const Json joined = join(100, "late");
  const auto& first = joined.find("participants")->as_array()->front();
  EXPECT_EQ(text(first, "identity"), "p30");
  EXPECT_GT(integer_member(joined, "participants_omitted"), 5);
  EXPECT_LT(joined.dump().size(), Session::kSnapshotBytes + 4'000);
}

TEST_F(RosterTest, WhoIsHiddenAndSeenAgainAtOnceIsKnownToAll) {
  comes_again = true;
  fill(30);
  const std::string id = text(*sent[7].front().find("result"), "participant_id");
  rtc->closed({7}, 1006);
  join(100, "p7", "observer");
  rtc->closed({100}, 1006);
  join(101, "p7", "participant");
  wait(seconds(1));
  EXPECT_EQ(roster(1).count(id), 1U);
  rtc->closed({101}, 1006);
  join(102, "p7", "observer");
  wait(seconds(1));
  EXPECT_EQ(roster(1).count(id), 0U);
  EXPECT_EQ(roster(2).count(id), 0U);
}

TEST_F(RosterTest, ACrowdThatRaisesItsHandsDoesNotMakeTheListEndless) {
  config.rooms.roster_limit = 20;
  fill(100);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ask(i, "hand.raise");
    wait(milliseconds(200));
  }
  wait(seconds(1));
  EXPECT_THAT(roster(1), SizeIs(39));
}

TEST_F(RosterTest, ListsAreReadWhileTheDiskIsFullAndNotTooOften) {
  fill(3);
  store.failed = true;
  EXPECT_NE(ask(1, "roster.list").find("participants"), nullptr);
  for (int i = 0; i < 30; ++i) ask(1, "roster.list");
  EXPECT_EQ(text(ask(1, "roster.list"), "reason"), "rate_limited");
  EXPECT_NE(ask(1, "ping").find("server_time_ms"), nullptr) << "the others have their own limit";
}

// Whatever happens, in whatever order: the server's own books agree with a recount, and a client
// that takes what it is told knows who is listed.
class RosterRandom : public RosterTest, public testing::WithParamInterface<unsigned> {
 protected:
  RosterRandom() { comes_again = true; }
  void step() {
    const std::uint64_t who = pick(40);
    const std::string name = "p" + std::to_string(who);
    const bool there = session_now() != nullptr && session().find_identity(name) != nullptr;
    switch (pick(8)) {
      case 0:
      case 1:
        if (!there) sockets_[who] = come_as(name, pick(6) == 0 ? "observer" : "participant");
        break;
      case 2:
        if (there && who != 1) ask(sockets_[who], "leave");
        break;
      case 3:
        if (there) publish(sockets_[who]);
        break;
      case 4:
        if (there) ask(sockets_[who], "hand.raise", Json::object({{"raised", pick(2) == 0}}));
        break;
      case 5: {  // another token
        if (!there || who == 1) break;
        rtc->closed({sockets_[who]}, 1006);
        sockets_[who] = come_as(name, pick(3) == 0 ? "observer" : pick(2) == 0 ? "host" : "viewer");
        break;
      }
      default:
        wait(milliseconds(pick(150)));
    }
  }
  void check() {
    wait(seconds(3));
    std::set<std::string> publishers;
    std::set<std::string> shown;
    std::unordered_map<server::TrackNo, std::uint32_t> wanted;
    for (const auto& p : session().participants()) {
      if (!p->hidden()) shown.insert(p->id);
      if (!p->tracks.empty() && !p->hidden()) publishers.insert(p->id);
      for (const Slot& slot : p->slots) {
        if (!slot.told_track || slot.view.kind != rtp::MediaKind::Video) continue;
        std::uint32_t& height = wanted[*slot.told_track];
        height = std::max(height, slot.told_height);
      }
    }
    EXPECT_EQ(session().shown(), shown.size());
    for (const auto& p : session().participants()) {
      for (const Track& track : p->tracks) {
        if (track.kind != rtp::MediaKind::Video) continue;
        const auto found = wanted.find(track.no);
        EXPECT_EQ(track.wanted_height, found == wanted.end() ? 0 : found->second);
      }
    }
    const std::set<std::string> known = roster(sockets_[1]);
    std::set<std::string> listed;
    for (const auto& p : session().participants()) {
      if (p->listed && p->connection != ConnectionId{sockets_[1]}) listed.insert(p->id);
      EXPECT_FALSE(p->listed && p->hidden());
    }
    EXPECT_EQ(known, listed);
    EXPECT_EQ(count(sockets_[1]), static_cast<std::int64_t>(shown.size()));
    for (const std::string& one : publishers) {
      EXPECT_TRUE(session().find(one)->listed) << one << " publishes";
    }
  }
  std::uint64_t come_as(const std::string& name, const std::string& role) {
    join(++last_socket_, name, role);
    return last_socket_;
  }
  std::uint64_t pick(std::uint64_t below) {
    return std::uniform_int_distribution<std::uint64_t>(0, below - 1)(random_);
  }
  Session* session_now() { return sessions->find_by_room(rooms->find("seller-1", "main")->id); }

  std::mt19937 random_{GetParam()};
  std::map<std::uint64_t, std::uint64_t> sockets_;
  std::uint64_t last_socket_ = 1'000;
};

TEST_P(RosterRandom, BooksAgreeWithARecount) {
  config.rooms.roster_limit = 20;
  for (std::uint64_t i = 1; i <= 25; ++i) {
    sockets_[i] = come_as("p" + std::to_string(i), "participant");
  }
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 30; ++j) step();
    check();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RosterRandom, testing::Range(0U, 8U));

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
