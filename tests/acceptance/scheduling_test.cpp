// Scheduling, links and notifications: acceptance scenarios A01 to A08, A11 and A47.
#include "tests/acceptance/media_peer.h"

namespace parley::acceptance {
namespace {

using control::flag_member;
using control::integer_member;
using control::text_member;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

class Scheduling : public testing::Test {
 protected:
  Scheduling() { daemon_.start(); }

  Json create(Json more = Json(Json::Object{}), const std::string& name = "main") {
    Json params = Json::object({{"tenant", "seller-1"}, {"name", name}});
    for (const auto& [member, value] : *more.as_object()) params.set(member, value);
    return daemon_.result("room.create", params);
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path(), "", "", ""};
};

TEST_F(Scheduling, A01_TheSameKeyMakesOneRoom) {
  const Json more = Json::object({{"starts_at_ms", now_ms() + 60'000},
                                  {"expires_at_ms", now_ms() + 3'600'000},
                                  {"idempotency_key", "crm-1"}});
  const Json first = create(more);
  const Json second = create(more);
  EXPECT_EQ(text_member(first, "room_id"), text_member(second, "room_id"));
  EXPECT_EQ(text_member(second, "name"), "main");
  EXPECT_FALSE(flag_member(first, "replayed"));
  EXPECT_TRUE(flag_member(second, "replayed"));
  EXPECT_THAT(daemon_.events_of("room.created"), SizeIs(1));
}

TEST_F(Scheduling, A02_ALinkIsForOneRoomOneTimeAndOnePerson) {
  create();
  create(Json(Json::Object{}), "other");
  const Json made = daemon_.result("token.create", Json::object({{"tenant", "seller-1"},
                                                                 {"room", "main"},
                                                                 {"identity", "buyer-9"},
                                                                 {"role", "participant"}}));
  MediaPeer buyer(daemon_, text_member(made, "token"));
  ASSERT_TRUE(buyer.is_in());
  EXPECT_EQ(text_member(*buyer.joined.find("result"), "identity"), "buyer-9");
  EXPECT_EQ(text_member(*buyer.joined.find("result")->find("room"), "name"), "main");
  // One that a backend signs by itself, and that is not yet, or not any more, to be used.
  const auto at = [&](std::int64_t from_s, std::int64_t to_s) {
    return sign(Json::object(
        {{"iss", "crm"},
         {"aud", "parley-join"},
         {"sub", "buyer-9"},
         {"jti", "j"},
         {"nbf", now_s() + from_s},
         {"exp", now_s() + to_s},
         {"parley",
          Json::object({{"tenant", "seller-1"}, {"room", "other"}, {"role", "participant"}})}}));
  };
  EXPECT_TRUE(MediaPeer(daemon_, at(-10, 60)).is_in());
  EXPECT_EQ(reason_of(MediaPeer(daemon_, at(30, 60)).joined), "token_not_yet_valid");
  EXPECT_EQ(reason_of(MediaPeer(daemon_, at(-60, -30)).joined), "token_expired");
  EXPECT_EQ(reason_of(MediaPeer(daemon_, join_token("x", "host", "elsewhere")).joined),
            "room_not_found");
}

TEST_F(Scheduling, A03_WhoComesEarlyIsToldWhenOrWaits) {
  const std::int64_t opens = now_ms() + 600'000;
  create(Json::object({{"starts_at_ms", opens}}));
  const MediaPeer buyer(daemon_, join_token("buyer"));
  EXPECT_EQ(reason_of(buyer.joined), "room_not_open_yet");
  EXPECT_EQ(integer_member(*buyer.joined.find("error")->find("data"), "opens_at_ms"), opens);
  create(Json::object({{"starts_at_ms", opens}, {"lobby", true}}), "lobby");
  const MediaPeer early(daemon_, join_token("buyer", "participant", "lobby"));
  ASSERT_TRUE(early.is_in());
  EXPECT_EQ(text_member(*early.joined.find("result"), "state"), "waiting");
  const Json quota = daemon_.result("quota.get", Json::object({{"tenant", "seller-1"}}));
  EXPECT_EQ(integer_member(quota, "room_ms"), 0);
  EXPECT_EQ(integer_member(quota, "participant_ms"), 0);
}

TEST_F(Scheduling, A04_AttributesComeBackUnchanged) {
  const Json attributes =
      Json::object({{"buyer_email", "b@example.org"},
                    {"car", Json::object({{"id", 5'512}, {"tags", Json::array()}})}});
  create(Json::object({{"attributes", attributes}}));
  ASSERT_THAT(daemon_.events_of("room.created"), SizeIs(1));
  EXPECT_EQ(daemon_.events_of("room.created")[0].find("attributes")->dump(), attributes.dump());
}

TEST_F(Scheduling, A05_ABuyerWithoutSellerIsToldWithinASecond) {
  create();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  ASSERT_THAT(daemon_.events_of("host.absent"), SizeIs(1));  // at once
  EXPECT_EQ(daemon_.events_of("host.absent")[0].find("waiting")->dump(), R"(["buyer"])");
  MediaPeer again(daemon_, join_token("buyer"));
  ASSERT_TRUE(again.is_in());
  MediaPeer seller(daemon_, join_token("seller", "host"));
  EXPECT_THAT(daemon_.events_of("host.absent"), SizeIs(1));
  ASSERT_THAT(daemon_.events_of("host.present"), SizeIs(1));
  EXPECT_GE(integer_member(daemon_.events_of("host.present")[0], "waited_ms"), 0);
}

TEST_F(Scheduling, A06_WithTheSellerThereNothingIsTold) {
  create();
  const MediaPeer seller(daemon_, join_token("seller", "host"));
  const MediaPeer buyer(daemon_, join_token("buyer"));
  ASSERT_TRUE(buyer.is_in());
  EXPECT_THAT(daemon_.events_of("host.absent"), IsEmpty());
}

TEST_F(Scheduling, A07_WhenTheHostIsGoneTheSessionEndsAfterAWhile) {
  create(Json::object({{"on_host_left", "end_after_ms:400"}}));
  MediaPeer seller(daemon_, join_token("seller", "host"));
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  const auto left_at = std::chrono::steady_clock::now();
  EXPECT_NE(seller.rtc.ask("leave").find("result"), nullptr);
  EXPECT_EQ(text_member(buyer.notified("session.ended"), "reason"), "host_left");
  EXPECT_GE(std::chrono::steady_clock::now() - left_at, std::chrono::milliseconds(390));
  ASSERT_THAT(daemon_.events_of("host.absent"), SizeIs(1));
  EXPECT_EQ(text_member(daemon_.events_of("host.absent")[0], "reason"), "host_left");
  EXPECT_EQ(text_member(daemon_.wait_for("session.ended", 1).at(0), "end_reason"), "host_left");
}

TEST_F(Scheduling, A08_TheBackendEndsACall) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  daemon_.result("session.end", Json::object({{"tenant", "seller-1"}, {"room", "main"}}));
  for (MediaPeer* peer : {&seller, &buyer}) {
    EXPECT_EQ(text_member(peer->notified("session.ended"), "reason"), "ended_by_api");
    EXPECT_EQ(text_member(peer->notified("bye"), "reason"), "ended_by_api");
    EXPECT_TRUE(peer->rtc.next().is_null());
    EXPECT_EQ(peer->rtc.close_code, 1000U);
  }
  EXPECT_THAT(daemon_.get("/metrics"), HasSubstr("parley_worker_peers{worker=\"0\"} 0"));
  EXPECT_TRUE(flag_member(
      daemon_.result("session.end", Json::object({{"tenant", "seller-1"}, {"room", "main"}})),
      "already"));
}

TEST_F(Scheduling, A11_AKeyOfOneEnvironmentLearnsNothingOfAnother) {
  const std::string room_id = text_member(create(), "room_id");
  const std::string blue = api_token("blue", kOtherSecret);
  const Json by_name =
      daemon_.call("room.get", Json::object({{"tenant", "seller-1"}, {"room", "main"}}), blue);
  EXPECT_EQ(reason_of(by_name), "permission_denied");
  // Whether it exists is not told either.
  const Json by_other_name =
      daemon_.call("room.get", Json::object({{"tenant", "seller-1"}, {"room", "never"}}), blue);
  EXPECT_EQ(reason_of(by_other_name), "permission_denied");
  const Json by_id = daemon_.call("room.get", Json::object({{"room_id", room_id}}), blue);
  const Json by_no_id = daemon_.call("room.get", Json::object({{"room_id", "rm_none"}}), blue);
  EXPECT_EQ(reason_of(by_id), reason_of(by_no_id));
  EXPECT_EQ(text_member(*by_id.find("error"), "message"),
            text_member(*by_no_id.find("error"), "message"));
  for (const char* method : {"room.update", "room.lock", "room.delete", "room.mute_all",
                             "participant.list", "session.end"}) {
    const Json answer =
        daemon_.call(method, Json::object({{"tenant", "seller-1"}, {"room", "main"}}), blue);
    EXPECT_EQ(reason_of(answer), "permission_denied") << method;
  }
  for (const char* method : {"quota.get", "tenant.get", "tenant.put", "quota.set"}) {
    const Json answer = daemon_.call(method, Json::object({{"tenant", "seller-1"}}), blue);
    EXPECT_EQ(reason_of(answer), "permission_denied") << method;
  }
  const Json listed = *daemon_.call("room.list", Json(Json::Object{}), blue).find("result");
  EXPECT_THAT(*listed.find("rooms")->as_array(), IsEmpty());
}

TEST_F(Scheduling, A47_APermanentRoomHasSessionsOfItsOwn) {
  create(Json::object({{"recording", Json::object({{"auto", "session"}})}}));
  std::vector<std::string> sessions;
  for (int day = 0; day < 2; ++day) {
    MediaPeer seller(daemon_, join_token("seller", "host"));
    seller.connect();
    MediaPeer buyer(daemon_, join_token("buyer"));
    buyer.connect();
    sessions.push_back(text_member(*seller.joined.find("result"), "session_id"));
    while (buyer.heard() < 10) std::this_thread::yield();
    daemon_.result("session.end", Json::object({{"session_id", sessions.back()}}));
    EXPECT_THAT(daemon_.wait_for("recording.completed", static_cast<std::size_t>(day) + 1),
                SizeIs(day + 1));
  }
  EXPECT_NE(sessions[0], sessions[1]);
  const Json usage = daemon_.result("usage.list", Json::object({{"tenant", "seller-1"}}));
  ASSERT_THAT(*usage.find("usage")->as_array(), SizeIs(2));
  for (const Json& one : *usage.find("usage")->as_array()) {
    EXPECT_EQ(text_member(one, "room_name"), "main");
    EXPECT_GT(integer_member(one, "room_ms"), 0);
  }
  const Json recordings = daemon_.result("recording.list", Json::object({{"tenant", "seller-1"}}));
  const auto& list = *recordings.find("recordings")->as_array();
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_NE(text_member(list[0], "session_id"), text_member(list[1], "session_id"));
}

}  // namespace
}  // namespace parley::acceptance
