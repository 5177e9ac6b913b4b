#include "tests/acceptance/daemon_fixture.h"

// Participants at the door of a real daemon, and what survives its end.
namespace parley::acceptance {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class Join : public testing::Test {
 protected:
  Join()
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("parley-join-" + std::to_string(getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())),
        daemon_(std::make_unique<Daemon>(folder_)) {
    daemon_->start();
    room_id_ =
        *daemon_->result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "car"}}))
             .find("room_id")
             ->as_string();
  }
  static Json claims(const std::string& identity, const std::string& role = "participant") {
    return Json::object(
        {{"iss", "crm"},
         {"aud", "parley-join"},
         {"sub", identity},
         {"jti", "j"},
         {"nbf", now_s()},
         {"exp", now_s() + 600},
         {"parley", Json::object({{"tenant", "seller-1"}, {"room", "car"}, {"role", role}})}});
  }
  static Json with(Json claims, std::string_view name, Json value) {
    claims.set(name, std::move(value));
    return claims;
  }
  static Json with_grant(Json claims, std::string_view name, Json value) {
    Json grants = *claims.find("parley");
    grants.set(name, std::move(value));
    claims.set("parley", std::move(grants));
    return claims;
  }
  Json join(RpcSocket& socket, const std::string& token) {
    return socket.ask("join", Json::object({{"token", token}, {"client", "test"}}));
  }
  static std::string offer(const std::string& name) {
    std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Json publish(RpcSocket& socket) {
    Json tracks = Json::array();
    tracks.push(Json::object({{"mid", "0"}, {"source", "microphone"}}));
    tracks.push(Json::object({{"mid", "1"}, {"source", "camera"}}));
    return socket.ask("offer", Json::object({{"sdp", offer("chromium-simulcast-vp8-offer.sdp")},
                                             {"tracks", tracks}}));
  }
  void restart(int signal_number) {
    daemon_->stop(signal_number);
    daemon_ = std::make_unique<Daemon>(folder_);
    daemon_->start();
  }
  std::vector<std::string> event_types() {
    std::vector<std::string> types;
    for (const Json& event : daemon_->events()) types.push_back(*event.find("type")->as_string());
    return types;
  }

  std::filesystem::path folder_;
  std::unique_ptr<Daemon> daemon_;
  std::string room_id_;
};

TEST_F(Join, A02ATokenOpensItsRoomInItsTimeForItsIdentity) {
  const Json made = daemon_->result(
      "token.create",
      Json::object({{"room_id", room_id_}, {"identity", "buyer-9"}, {"name", "Bea"}}));
  auto socket = RpcSocket::rtc(*daemon_);
  ASSERT_EQ(socket.status, 101);
  const Json joined = *join(socket, *made.find("token")->as_string()).find("result");
  EXPECT_EQ(*joined.find("identity"), Json("buyer-9"));
  EXPECT_EQ(*joined.find("name"), Json("Bea"));
  EXPECT_EQ(*joined.find("room")->find("room_id"), Json(room_id_));
  auto signed_offline = RpcSocket::rtc(*daemon_);
  const Json second = *join(signed_offline, sign(claims("seller", "host"))).find("result");
  EXPECT_THAT(*second.find("participants")->as_array(), SizeIs(1));
}

TEST_F(Join, A1EveryBadTokenIsRefusedByNameAndTheSocketClosed) {
  const std::string good = sign(claims("x"));
  const std::string none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" +
                           good.substr(good.find('.'), good.rfind('.') - good.find('.') + 1);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {sign(with(claims("x"), "exp", now_s() - 30)), "token_expired"},
      {sign(with(claims("x"), "nbf", now_s() + 30)), "token_not_yet_valid"},
      {sign(with_grant(claims("x"), "room", "elsewhere")), "room_not_found"},
      {sign(with_grant(claims("x"), "tenant", "seller-2")), "room_not_found"},
      {sign(with_grant(claims("x"), "tenant", "blue-1")), "token_invalid"},
      {sign(with_grant(claims("x"), "room", "*")), "token_invalid"},
      {sign(with_grant(claims("x"), "role", "admin")), "token_invalid"},
      {sign(with_grant(claims("x"), "name", "a\nb")), "token_invalid"},
      {sign(claims("x"), kOtherSecret), "token_invalid"},
      {sign(with(claims("x"), "aud", "parley-control")), "token_invalid"},
      {none, "token_invalid"},
      {good.substr(0, good.size() - 1), "token_invalid"},
      {"x", "token_invalid"},
  };
  for (const auto& [token, reason] : cases) {
    auto socket = RpcSocket::rtc(*daemon_);
    EXPECT_EQ(reason_of(join(socket, token)), reason) << token;
    EXPECT_TRUE(socket.next().is_null());
    EXPECT_EQ(socket.close_code, 1008U);
  }
  EXPECT_THAT(event_types(), Not(Contains("session.started")));
}

TEST_F(Join, W7AHostileOfferIsNamedAndChangesNothing) {
  auto socket = RpcSocket::rtc(*daemon_);
  join(socket, sign(claims("anna")));
  std::string twice = offer("chromium-simulcast-vp8-offer.sdp");
  twice.replace(twice.find("a=mid:1"), 7, "a=mid:0");
  const Json refused =
      socket.ask("offer", Json::object({{"sdp", twice}, {"tracks", Json::array()}}));
  EXPECT_EQ(reason_of(refused), "sdp_invalid");
  EXPECT_THAT(*refused.find("error")->find("message")->as_string(),
              HasSubstr("duplicate mid \"0\""));
  EXPECT_EQ(reason_of(socket.ask("offer", Json::object({{"sdp", std::string(100'000, '\r')}}))),
            "sdp_invalid");
  EXPECT_EQ(reason_of(socket.ask("fly")), "unknown_method");
  EXPECT_THAT(event_types(), Not(Contains("track.published")));
  EXPECT_NE(publish(socket).find("result"), nullptr);
  EXPECT_THAT(event_types(), Contains("track.published"));
}

TEST_F(Join, A40EndForAllTellsEverybodyBeforeTheSocketCloses) {
  auto host = RpcSocket::rtc(*daemon_);
  join(host, sign(claims("seller", "host")));
  auto guest = RpcSocket::rtc(*daemon_);
  join(guest, sign(claims("buyer")));
  EXPECT_EQ(reason_of(guest.ask("session.end")), "permission_denied");
  host.ask("session.end");
  const Json ended = guest.next();
  EXPECT_EQ(*ended.find("method"), Json("session.ended"));
  EXPECT_EQ(*ended.find("params")->find("reason"), Json("ended_by_host"));
  EXPECT_EQ(*guest.next().find("method"), Json("bye"));
  EXPECT_TRUE(guest.next().is_null());
  EXPECT_EQ(guest.close_code, 1000U);
}

TEST_F(Join, A47RoomsSurviveARestartAndSessionsEndByName) {
  auto socket = RpcSocket::rtc(*daemon_);
  join(socket, sign(claims("anna")));
  const std::size_t before = daemon_->events().size();
  restart(SIGKILL);
  const Json room =
      daemon_->result("room.get", Json::object({{"tenant", "seller-1"}, {"room", "car"}}));
  EXPECT_EQ(*room.find("room_id"), Json(room_id_));
  const auto events = daemon_->events();
  ASSERT_EQ(events.size(), before + 1);
  EXPECT_EQ(*events.back().find("type"), Json("session.ended"));
  EXPECT_EQ(*events.back().find("data")->find("end_reason"), Json("server_restart"));
  auto again = RpcSocket::rtc(*daemon_);
  EXPECT_NE(join(again, sign(claims("anna"))).find("result"), nullptr);
}

TEST_F(Join, ARecordingOfAKilledDaemonComesToAnEnd) {
  auto host = RpcSocket::rtc(*daemon_);
  join(host, sign(claims("seller", "host")));
  publish(host);
  const Json started = *host.ask("recording.start").find("result");
  restart(SIGKILL);
  RpcSocket control(*daemon_, "/v1/control", "parley.control.v1", api_token());
  control.ask("hello");
  std::string state = "processing";
  while (state == "processing") {  // ends with the event, which may have come before hello
    state = *daemon_
                 ->result("recording.get",
                          Json::object({{"recording_id", *started.find("recording_id")}}))
                 .find("state")
                 ->as_string();
    if (state == "processing" && control.next().is_null()) break;
  }
  EXPECT_EQ(state, "failed");  // no packet ever came
  EXPECT_THAT(event_types(), Contains("recording.failed"));
}

TEST_F(Join, ATerminatedDaemonSaysByeAndExitsInTime) {
  auto host = RpcSocket::rtc(*daemon_);
  join(host, sign(claims("seller", "host")));
  publish(host);
  host.ask("recording.start");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(daemon_->stop(SIGTERM), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  std::vector<std::string> methods;
  for (Json message = host.next(); !message.is_null(); message = host.next()) {
    methods.push_back(*message.find("method")->as_string());
  }
  EXPECT_THAT(methods, Contains("session.ended"));
  EXPECT_THAT(methods, Contains("bye"));
  EXPECT_EQ(host.close_code, 1000U);
}

TEST_F(Join, A4SecretsAndTokensStayOutOfTheLog) {
  const std::string token = sign(claims("anna"));
  auto socket = RpcSocket::rtc(*daemon_);
  join(socket, token);
  publish(socket);
  daemon_->stop(SIGTERM);
  EXPECT_THAT(daemon_->log(), HasSubstr("participant_joined"));
  EXPECT_THAT(daemon_->log(), Not(HasSubstr(token.substr(token.rfind('.')))));
  EXPECT_THAT(daemon_->log(), Not(HasSubstr(kSecret)));
  EXPECT_THAT(daemon_->log(), Not(HasSubstr("gz+fYvElI0z5vQ22ihwvKWSk")));  // ice-pwd
}

// A room that takes H.264 first and VP8: a browser that has both changes for an H.264-only one, a
// VP8-only publisher and an H.264-only viewer are never brought together silently.
TEST_F(Join, A31CodecsThatDoNotMatchAreAgreedOnOrRefused) {
  const auto without = [](std::string sdp, const std::vector<std::string>& codecs) {
    for (const std::string& codec : codecs) {
      const std::string from = " " + codec + "/90000";
      for (std::size_t at = 0; (at = sdp.find(from, at)) != std::string::npos; at += 4) {
        sdp.replace(at, from.size(), " x" + codec + "/90000");
      }
    }
    return sdp;
  };
  const std::string watching =
      without(offer("chromium-recvonly-10-offer.sdp"), {"VP8", "VP9", "AV1"});
  const Json watch = Json::object({{"sdp", watching}, {"tracks", Json::array()}});
  Json list = Json::array();
  for (const char* name : {"VP8", "H264/42e01f"}) list.push(name);
  daemon_->result("room.update", Json::object({{"room_id", room_id_}, {"codecs", list}}));

  RpcSocket publisher = RpcSocket::rtc(*daemon_);
  join(publisher, sign(claims("anna", "host")));
  Json tracks = Json::array();
  tracks.push(Json::object({{"mid", "1"}, {"source", "camera"}}));
  const std::string sending = offer("chromium-sendrecv-default-offer.sdp");
  publisher.ask("offer", Json::object({{"sdp", sending}, {"tracks", tracks}}));
  RpcSocket safari = RpcSocket::rtc(*daemon_);
  join(safari, sign(claims("safari")));
  EXPECT_EQ(reason_of(safari.ask("offer", watch)), "");
  for (Json told = publisher.next();; told = publisher.next()) {
    ASSERT_FALSE(told.is_null());
    if (*told.find("method") != Json("track.codec_wanted")) continue;
    EXPECT_THAT(*told.find("params")->find("codec")->as_string(), HasSubstr("H264/42"));
    break;
  }

  const Json refused = publisher.ask(
      "offer", Json::object({{"sdp", without(sending, {"H264"})}, {"tracks", tracks}}));
  EXPECT_EQ(reason_of(refused), "no_shared_codec");
  const Json& data = *refused.find("error")->find("data");
  EXPECT_EQ(data.find("have")->dump(), R"(["VP8"])");
  EXPECT_THAT(data.find("need")->dump(), HasSubstr("H264/42"));
  EXPECT_THAT(event_types(), Contains("participant.failed"));
}

}  // namespace
}  // namespace parley::acceptance
