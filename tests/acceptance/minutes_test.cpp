// Minutes per seller: acceptance scenarios A12 to A20, against a real parleyd with real media.
#include "tests/acceptance/media_peer.h"

namespace parley::acceptance {
namespace {

using testing::SizeIs;

constexpr const char* kTenant = "seller-1";

class Minutes : public testing::Test {
 protected:
  Minutes() { daemon_.start(); }

  void make_room(const std::string& name = "main") {
    daemon_.result("room.create", Json::object({{"tenant", kTenant}, {"name", name}}));
  }
  void set_quota(std::int64_t ms, Json more = Json(Json::Object{})) {
    Json params = Json::object({{"tenant", kTenant}, {"limit_ms", ms}, {"min_start_ms", 0}});
    for (const auto& [name, value] : *more.as_object()) params.set(name, value);
    daemon_.result("quota.set", params);
  }
  std::int64_t quota(std::string_view name) {
    return control::integer_member(daemon_.result("quota.get", Json::object({{"tenant", kTenant}})),
                                   name);
  }
  static std::int64_t number(const Json& json, std::string_view name) {
    return control::integer_member(json, name);
  }
  static std::string text(const Json& json, std::string_view name) {
    return control::text_member(json, name);
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path()};
};

TEST_F(Minutes, A12_TheCallEndsAtTheLimitAndUsedIsTheLimit) {
  make_room();
  set_quota(1'500);
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  EXPECT_EQ(text(buyer.notified("session.ended"), "reason"), "quota_exhausted");
  EXPECT_EQ(text(buyer.notified("bye"), "reason"), "quota_exhausted");
  const auto ended = daemon_.wait_for("session.ended", 1);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(number(ended[0], "room_ms"), 1'500);
  EXPECT_EQ(quota("used_ms"), 1'500);
  EXPECT_EQ(quota("available_ms"), 0);
  EXPECT_EQ(quota("over_ms"), 0);
}

TEST_F(Minutes, A13_WarningsGoToTheBackendAndTheHost) {
  make_room();
  Json warn_at = Json::array();
  warn_at.push(300).push(60);
  set_quota(1'000, Json::object({{"warn_percent", Json(Json::Array{Json(80)})},
                                 {"warn_remaining_ms", std::move(warn_at)}}));
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  EXPECT_LE(number(seller.notified("quota.warning"), "remaining_ms"), 300);
  EXPECT_LE(number(seller.notified("quota.warning"), "remaining_ms"), 200);
  EXPECT_LE(number(seller.notified("quota.warning"), "remaining_ms"), 60);
  EXPECT_TRUE(buyer.notified("quota.warning").is_null());  // only the end
  EXPECT_THAT(daemon_.wait_for("quota.threshold", 3), SizeIs(3));
  EXPECT_THAT(daemon_.events_of("quota.exhausted"), SizeIs(1));
}

TEST_F(Minutes, A14_ConcurrentRoomsCannotOverspend) {
  set_quota(3'000);
  std::vector<std::unique_ptr<MediaPeer>> peers;
  for (const char* name : {"one", "two", "three"}) {
    make_room(name);
    for (const char* role : {"host", "participant"}) {
      peers.push_back(std::make_unique<MediaPeer>(daemon_, join_token(role, role, name)));
      peers.back()->connect();
    }
  }
  for (auto& peer : peers) {
    EXPECT_EQ(text(peer->notified("session.ended"), "reason"), "quota_exhausted");
  }
  const auto ended = daemon_.wait_for("session.ended", 3);
  std::int64_t sum = 0;
  for (const Json& one : ended) sum += number(one, "room_ms");
  EXPECT_EQ(sum, quota("used_ms"));
  EXPECT_LE(sum, 3'000);
  EXPECT_GE(sum, 2'998);  // the last millisecond or two are less than all three need
}

TEST_F(Minutes, A15_ATopUpInTheMiddleMovesTheEndOnce) {
  make_room();
  set_quota(1'000);
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  const Json grant = Json::object({{"tenant", kTenant}, {"grant_id", "top-up"}, {"ms", 700}});
  EXPECT_FALSE(control::flag_member(daemon_.result("quota.grant", grant), "already"));
  EXPECT_TRUE(control::flag_member(daemon_.result("quota.grant", grant), "already"));
  EXPECT_EQ(text(seller.notified("session.ended"), "reason"), "quota_exhausted");
  EXPECT_EQ(quota("used_ms"), 1'700);
  EXPECT_THAT(daemon_.events_of("quota.replenished"), SizeIs(2));  // the limit and the top-up
}

TEST_F(Minutes, A16_WithoutMinutesNobodyGetsIn) {
  make_room();
  set_quota(0);
  MediaPeer buyer(daemon_, join_token("buyer"));
  EXPECT_EQ(reason_of(buyer.joined), "quota_exhausted");
  ASSERT_THAT(daemon_.events_of("participant.rejected"), SizeIs(1));
  EXPECT_EQ(text(daemon_.events_of("participant.rejected")[0], "reason"), "quota_exhausted");
}

TEST_F(Minutes, A17_TheRecordingOfACallThatRanOutIsComplete) {
  daemon_.result("room.create", Json::object({{"tenant", kTenant},
                                              {"name", "main"},
                                              {"recording", Json::object({{"auto", "session"}})}}));
  set_quota(2'000);
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  const auto completed = daemon_.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  EXPECT_EQ(text(completed[0], "end_reason"), "quota_exhausted");
  EXPECT_GE(number(completed[0], "duration_ms"), 1'500);
  EXPECT_FALSE(control::flag_member(completed[0], "truncated"));
  const Json usage = daemon_.result("usage.list", Json::object({{"tenant", kTenant}}));
  const Json& record = usage.find("usage")->as_array()->at(0);
  EXPECT_GT(number(record, "bytes_in"), 0);
  EXPECT_GT(number(record, "bytes_out"), 0);
  EXPECT_LE(number(record, "bytes_out"), number(record, "bytes_in"));  // two who hear each other
}

TEST_F(Minutes, A18_WaitingAloneIsFree) {
  make_room();
  set_quota(60'000);
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  MediaPeer other(daemon_, join_token("another-buyer"));
  other.connect();
  while (other.heard() < 25) std::this_thread::yield();  // half a second of voice
  EXPECT_EQ(quota("used_ms"), 0);
  EXPECT_EQ(quota("room_ms"), 0);
}

TEST_F(Minutes, A19_AKilledDaemonNeverBooksMoreThanRan) {
  make_room();
  set_quota(600'000);
  {
    MediaPeer seller(daemon_, join_token("seller", "host"));
    seller.connect();
    MediaPeer buyer(daemon_, join_token("buyer"));
    buyer.connect();
    while (quota("used_ms") < 2'500) std::this_thread::yield();
    const std::int64_t before = quota("used_ms");
    EXPECT_EQ(daemon_.stop(SIGKILL), -SIGKILL);
    daemon_.start();
    EXPECT_LE(quota("used_ms"), before + 20);  // what ran between the answer and the kill
    EXPECT_GE(quota("used_ms"), before - 1'100);
  }
  const auto ended = daemon_.events_of("session.ended");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(text(ended[0], "end_reason"), "server_restart");
  EXPECT_EQ(number(ended[0], "room_ms"), quota("used_ms"));
  EXPECT_EQ(number(ended[0], "participant_ms"), quota("participant_ms"));
}

TEST_F(Minutes, A20_WhoComesBackIsNotBilledTwice) {
  make_room();
  set_quota(600'000, Json::object({{"enforce", "participant_ms"}}));
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  std::string session_id;
  {
    MediaPeer buyer(daemon_, join_token("buyer"));
    buyer.connect();
    while (quota("used_ms") < 300) std::this_thread::yield();
    MediaPeer again(daemon_, join_token("buyer"));
    again.connect();
    session_id = text(*again.joined.find("result"), "session_id");
    const std::int64_t then = quota("used_ms");
    while (quota("used_ms") < then + 300) std::this_thread::yield();
    daemon_.result("session.end", Json::object({{"session_id", session_id}}));
  }
  const Json page = daemon_.result("usage.list", Json::object({{"tenant", kTenant}}));
  const Json usage = page.find("usage")->as_array()->at(0);
  std::vector<std::pair<std::int64_t, std::int64_t>> of_buyer;
  std::int64_t sum = 0;
  for (const Json& interval : *usage.find("intervals")->as_array()) {
    sum += number(interval, "ms");
    if (text(interval, "identity") != "buyer") continue;
    of_buyer.emplace_back(number(interval, "joined_ms"), number(interval, "left_ms"));
  }
  ASSERT_THAT(of_buyer, SizeIs(2));
  EXPECT_LE(of_buyer[0].second, of_buyer[1].first);
  EXPECT_EQ(sum, quota("used_ms"));
  EXPECT_EQ(sum, number(usage, "participant_ms"));
}

}  // namespace
}  // namespace parley::acceptance
