#include "control/session_traffic.h"

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::seconds;
using testing::SizeIs;

constexpr server::RoomId kRoom{7};

TEST(SessionTraffic, AddsUpWhatEachWorkerTells) {
  SessionTraffic traffic;
  traffic.began(kRoom, "se_1");
  EXPECT_FALSE(traffic.told(0, {server::RoomId{8}, {1, 1}, false}));
  ASSERT_TRUE(traffic.told(0, {kRoom, {100, 1'000}, false}));
  ASSERT_TRUE(traffic.told(1, {kRoom, {7, 70}, false}));
  const auto total = traffic.told(0, {kRoom, {200, 2'000}, false});
  ASSERT_TRUE(total);
  EXPECT_EQ(total->session_id, "se_1");
  EXPECT_EQ(total->traffic, (server::Traffic{207, 2'070}));
  EXPECT_FALSE(total->final);
}

TEST(SessionTraffic, IsFinalWhenEachWorkerHasHadItsLastWord) {
  SessionTraffic traffic;
  traffic.began(kRoom, "se_1");
  traffic.ended(kRoom, 2);
  const auto first = traffic.told(1, {kRoom, {1, 2}, true});
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->final);
  const auto second = traffic.told(0, {kRoom, {10, 20}, true});
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->final);
  EXPECT_EQ(second->traffic, (server::Traffic{11, 22}));
  EXPECT_FALSE(traffic.told(0, {kRoom, {11, 21}, true})) << "it is forgotten";
}

TEST(SessionTraffic, ForgetsTheOldestWhoseLastWordNeverCame) {
  SessionTraffic traffic;
  for (std::uint64_t i = 0; i <= SessionTraffic::kMaxEnded; ++i) {
    traffic.began(server::RoomId{i}, "se");
    traffic.ended(server::RoomId{i}, 1);
  }
  EXPECT_FALSE(traffic.told(0, {server::RoomId{0}, {1, 1}, true}));
  EXPECT_TRUE(traffic.told(0, {server::RoomId{1}, {1, 1}, true}));
}

// In the usage records.
class SessionTrafficTest : public CallTest {
 protected:
  SessionTrafficTest() {
    room();
    join(1, "seller", "host");
    worker_room = session().worker_room();
    session_id = session().id();
  }
  void tell(std::uint64_t bytes_in, std::uint64_t bytes_out, bool last = false) {
    worker_says({server::RoomTraffic{worker_room, {bytes_in, bytes_out}, last}});
  }
  std::pair<std::int64_t, std::int64_t> usage() const {
    Json json = Json(Json::Object{});
    metering->add_usage(session_id, 1, json);
    return {integer_member(json, "bytes_in"), integer_member(json, "bytes_out")};
  }
  std::pair<std::int64_t, std::int64_t> told_at_end() const {
    const Json event = last_event("session.ended");
    const Json& data = *event.find("data");
    return {integer_member(data, "bytes_in"), integer_member(data, "bytes_out")};
  }
  using Bytes = std::pair<std::int64_t, std::int64_t>;

  server::RoomId worker_room;
  std::string session_id;
};

TEST_F(SessionTrafficTest, CountsThoseWhoLeftBeforeTheEnd) {
  join(2, "buyer");
  tell(1'000, 800);
  ask(2, "leave");
  tell(1'500, 900);
  EXPECT_EQ(usage(), Bytes(1'500, 900));
  sessions->end(session(), "ended_by_api");
  outbox->flush();
  EXPECT_EQ(told_at_end(), Bytes(1'500, 900));
}

TEST_F(SessionTrafficTest, TheLastWordComesAfterTheEndAndIsKept) {
  tell(1'000, 800);
  sessions->end(session(), "ended_by_api");
  outbox->flush();
  EXPECT_EQ(told_at_end(), Bytes(1'000, 800));
  tell(1'200, 850, true);
  EXPECT_EQ(usage(), Bytes(1'200, 850));
  crash();
  EXPECT_EQ(usage(), Bytes(1'200, 850));
}

TEST_F(SessionTrafficTest, AfterACrashAMinuteIsMissingAtMost) {
  wait(seconds(61));
  tell(1'000, 800);
  wait(seconds(59));
  tell(2'000, 1'800);
  crash();
  EXPECT_EQ(told_at_end(), Bytes(1'000, 800));
  EXPECT_EQ(usage(), Bytes(1'000, 800));
}

TEST_F(SessionTrafficTest, WhoComesOrGoesBringsThemToTheStore) {
  wait(seconds(61));
  tell(1'000, 800);
  wait(seconds(10));
  tell(2'000, 1'800);
  join(2, "buyer");
  ask(2, "leave");
  crash();
  EXPECT_EQ(usage(), Bytes(2'000, 1'800));
}

TEST_F(SessionTrafficTest, IsNotWrittenEachTimeItIsTold) {
  wait(seconds(61));
  tell(1, 1);
  const auto kept = store.rows.at({"meter", session_id}).body;
  for (std::uint64_t i = 2; i < 50; ++i) {
    wait(seconds(1));
    tell(i, i);
  }
  EXPECT_EQ(store.rows.at({"meter", session_id}).body, kept);
  EXPECT_THAT(store.waiting, SizeIs(0));
}

}  // namespace
}  // namespace parley::control
