// Host rights, authorizer and recording links against a real parleyd: acceptance scenarios A22,
// A23, A33, A34, A36 to A44.
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

class Host : public testing::Test {
 protected:
  Host() { daemon_.start(); }

  void create(Json more = Json(Json::Object{}), const std::string& name = "main") {
    Json params = Json::object({{"tenant", "seller-1"}, {"name", name}});
    for (const auto& [member, value] : *more.as_object()) params.set(member, value);
    daemon_.result("room.create", params);
  }
  // Packets that reach a peer within the time that another needs to hear so many.
  static void hear(const MediaPeer& peer, std::uint64_t more) {
    const std::uint64_t then = peer.heard();
    while (peer.heard() < then + more) std::this_thread::yield();
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path(), "timers: {t15: 15s, t30: 300ms, t45: 45s}\n",
                 ", cors_origins: [\"https://crm.example.org\"]"};
};

TEST_F(Host, A22_A23_ARecordingIsForTheSellersBackendAndForSomeTime) {
  create(Json::object({{"recording", Json::object({{"auto", "session"}})}}));
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  hear(buyer, 50);
  EXPECT_EQ(reason_of(buyer.rtc.ask("recording.list")), "permission_denied");
  const std::string running =
      text_member(*seller.joined.find("result")->find("recording"), "recording_id");
  EXPECT_EQ(
      reason_of(buyer.rtc.ask("recording.access_link", Json::object({{"recording_id", running}}))),
      "permission_denied");
  daemon_.result("session.end", Json::object({{"tenant", "seller-1"}, {"room", "main"}}));
  const auto completed = daemon_.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  EXPECT_GT(integer_member(completed[0], "duration_ms"), 500);
  const auto& files = *completed[0].find("files")->as_array();
  ASSERT_THAT(files, SizeIs(2));
  for (const Json& file : files) {
    EXPECT_THAT(text_member(file, "sha256"), SizeIs(64));
    EXPECT_GT(integer_member(file, "size_bytes"), 1'000);
  }
  const Json wanted = Json::object(
      {{"recording_id", running}, {"file", text_member(files[0], "name")}, {"ttl_s", 1}});
  EXPECT_EQ(
      reason_of(daemon_.call("recording.access_link", wanted, api_token("blue", kOtherSecret))),
      "recording_not_found");
  const std::string url = text_member(daemon_.result("recording.access_link", wanted), "url");
  const std::string path = url.substr(url.find("/v1/recordings"));
  const auto fetch = [&](const std::string& range) {
    control::test::RawClient client(daemon_.port());
    client.send("GET " + path + " HTTP/1.1\r\nHost: t\r\n" + range + "\r\n");
    return client.answer().value_or(control::test::Answer{});
  };
  const auto whole = fetch("");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(static_cast<std::int64_t>(whole.body.size()), integer_member(files[0], "size_bytes"));
  const auto part = fetch("Range: bytes=10-19\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, whole.body.substr(10, 10));
  while (fetch("").status == 200) std::this_thread::yield();  // its second is over soon
  EXPECT_EQ(fetch("").status, 403);
}

TEST_F(Host, A33_WhileDrainingCallsGoOnAndNoneBegins) {
  create();
  create(Json(Json::Object{}), "other");
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  EXPECT_THAT(daemon_.get("/readyz"), HasSubstr("ready"));
  EXPECT_EQ(reason_of(daemon_.call("server.drain", Json::object({{"limit_ms", 500}}))),
            "permission_denied")
      << "a seller's key";
  const Json answer =
      daemon_.call("server.drain", Json::object({{"limit_ms", 500}}), api_token("ops"));
  ASSERT_NE(answer.find("result"), nullptr) << answer.dump();
  const Json drained = *answer.find("result");
  EXPECT_EQ(integer_member(drained, "sessions"), 1);
  EXPECT_THAT(daemon_.get("/readyz"), HasSubstr("draining"));
  EXPECT_THAT(daemon_.events_of("server.draining"), SizeIs(1));
  const MediaPeer late(daemon_, join_token("late", "host", "other"));
  EXPECT_EQ(reason_of(late.joined), "server_draining");
  MediaPeer buyer(daemon_, join_token("buyer"));
  EXPECT_TRUE(buyer.is_in());
  EXPECT_EQ(text_member(buyer.notified("session.ended"), "reason"), "server_shutdown");
}

TEST_F(Host, A34_EveryWrongCredentialIsRefusedAlike) {
  const Json create_room = Json::object({{"tenant", "seller-1"}, {"name", "x"}});
  const auto claims = [&](const std::string& issuer, const std::string& audience,
                          std::int64_t exp) {
    return Json::object({{"iss", issuer}, {"aud", audience}, {"exp", now_s() + exp}, {"jti", "j"}});
  };
  const std::vector<std::string> bad = {
      "",
      "allow",
      sign(claims("crm", "parley-control", 60), kOtherSecret),
      sign(claims("nobody", "parley-control", 60)),
      sign(claims("crm", "parley-control", -60)),
      sign(claims("crm", "parley-join", 60)),
      sign(claims("crm", "parley-control", 60)) + "x",
  };
  std::string said;
  for (const std::string& token : bad) {
    const Json answer = daemon_.call("room.create", create_room, token);
    EXPECT_EQ(reason_of(answer), "unauthenticated") << token;
    const std::string message = text_member(*answer.find("error"), "message");
    if (said.empty()) said = message;
    EXPECT_EQ(message, said);
  }
  EXPECT_EQ(reason_of(daemon_.call("room.create", create_room, api_token("blue", kOtherSecret))),
            "permission_denied");
  EXPECT_THAT(daemon_.events_of("room.created"), IsEmpty());
}

TEST_F(Host, A36_OtherOriginsAreLetInByTheConfigurationOnly) {
  const auto preflight = [&](const std::string& origin) {
    control::test::RawClient client(daemon_.port());
    client.send("OPTIONS /v1/rpc HTTP/1.1\r\nHost: t\r\nOrigin: " + origin +
                "\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n");
    return client.answer().value_or(control::test::Answer{});
  };
  const auto allowed = preflight("https://crm.example.org");
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.fields.at("access-control-allow-origin"), "https://crm.example.org");
  const auto refused = preflight("https://evil.example.org");
  EXPECT_EQ(refused.status, 405);
  EXPECT_FALSE(refused.fields.contains("access-control-allow-origin"));
}

TEST_F(Host, A37_RightsComeFromTheTokenAndFromNowhereElse) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  MediaPeer buyer(daemon_, join_token("buyer"));
  const std::string host_id = text_member(*seller.joined.find("result"), "participant_id");
  const std::size_t before = daemon_.events().size();
  for (const auto& [method, params] : std::vector<std::pair<std::string, Json>>{
           {"room.mute_all", Json(Json::Object{})},
           {"timer.start", Json::object({{"timer_id", "t15"}})},
           {"session.end", Json(Json::Object{})},
           {"participant.remove", Json::object({{"participant_id", host_id}})}}) {
    EXPECT_EQ(reason_of(buyer.rtc.ask(method, params)), "permission_denied") << method;
    Json forged = params;
    forged.set("role", "host");
    EXPECT_EQ(reason_of(buyer.rtc.ask(method, forged)), "unknown_field") << method;
  }
  EXPECT_THAT(daemon_.events(), SizeIs(before));
  daemon_.stop(SIGTERM);
  std::size_t lines = 0;
  for (std::size_t at = daemon_.log().find("identity=buyer of="); at != std::string::npos;
       at = daemon_.log().find("identity=buyer of=", at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines, 4U) << daemon_.log();
}

TEST_F(Host, A38_MuteAllStopsTheSoundOnTheServer) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  hear(seller, 10);
  hear(buyer, 10);
  const Json muted = seller.rtc.ask("room.mute_all", Json::object({{"unmute_allowed", false}}));
  EXPECT_EQ(integer_member(*muted.find("result"), "muted"), 1);
  EXPECT_EQ(text_member(buyer.notified("track.muted"), "by"), "host");
  hear(buyer, 5);  // what was under way is over
  const std::uint64_t then = seller.heard();
  hear(buyer, 25);  // half a second of the host's voice
  EXPECT_EQ(seller.heard(), then);
  EXPECT_EQ(reason_of(buyer.rtc.ask(
                "track.update", Json::object({{"track_id", buyer.track_id}, {"muted", false}}))),
            "muted_by_host");
  MediaPeer late(daemon_, join_token("late"));
  EXPECT_TRUE(flag_member(*late.joined.find("result"), "muted_by_host"));
  late.connect();
  hear(buyer, 25);
  EXPECT_EQ(seller.heard(), then);
  EXPECT_FALSE(flag_member(*seller.rtc.ask("room.clear_mute_all").find("result"), "already"));
  hear(seller, 10);
}

TEST_F(Host, A39_CountdownsAreThoseOfTheConfiguration) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  MediaPeer buyer(daemon_, join_token("buyer"));
  EXPECT_NE(seller.rtc.ask("timer.start", Json::object({{"timer_id", "t30"}})).find("result"),
            nullptr);
  const Json started = buyer.notified("timer.started");
  EXPECT_EQ(integer_member(started, "ends_at_ms") - integer_member(started, "server_time_ms"), 300);
  EXPECT_EQ(text_member(buyer.notified("timer.fired"), "timer_id"), "t30");
  EXPECT_EQ(reason_of(seller.rtc.ask("timer.start", Json::object({{"timer_id", "t31"}}))),
            "invalid_argument");
  EXPECT_EQ(reason_of(seller.rtc.ask("timer.start", Json::object({{"seconds", 31}}))),
            "invalid_argument");
  EXPECT_THAT(daemon_.events_of("timer.started"), SizeIs(1));
  EXPECT_THAT(daemon_.events_of("timer.fired"), SizeIs(1));
}

TEST_F(Host, A40_TheHostEndsItForAll) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  MediaPeer buyer(daemon_, join_token("buyer"));
  EXPECT_NE(seller.rtc.ask("session.end").find("result"), nullptr);
  EXPECT_EQ(text_member(buyer.notified("session.ended"), "reason"), "ended_by_host");
  EXPECT_EQ(text_member(buyer.notified("bye"), "reason"), "ended_by_host");
  EXPECT_TRUE(buyer.rtc.next().is_null());
}

TEST_F(Host, APausedRecordingKeepsNothing) {
  create(Json::object({{"recording", Json::object({{"auto", "session"}})}}));
  MediaPeer seller(daemon_, join_token("seller", "host"));
  seller.connect();
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  const std::string id =
      text_member(*seller.joined.find("result")->find("recording"), "recording_id");
  const Json recording = Json::object({{"recording_id", id}});
  hear(buyer, 50);
  EXPECT_FALSE(flag_member(daemon_.result("recording.pause", recording), "already"));
  EXPECT_TRUE(flag_member(daemon_.result("recording.pause", recording), "already"));
  EXPECT_EQ(text_member(daemon_.result("recording.get", recording), "state"), "paused");
  EXPECT_EQ(text_member(buyer.notified("recording.paused"), "recording_id"), id);
  hear(buyer, 100);  // two seconds that nobody will hear again
  EXPECT_FALSE(flag_member(daemon_.result("recording.resume", recording), "already"));
  EXPECT_EQ(text_member(buyer.notified("recording.resumed"), "recording_id"), id);
  hear(buyer, 50);
  daemon_.result("recording.stop", recording);
  const auto completed = daemon_.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  std::int64_t kept = 0;
  for (const Json& file : *completed[0].find("files")->as_array()) {
    if (text_member(file, "identity") == "seller") kept += integer_member(file, "duration_ms");
  }
  const std::int64_t whole = integer_member(completed[0], "duration_ms");
  EXPECT_GT(kept, 1'000);
  EXPECT_LT(kept, whole - 1'500) << completed[0].dump();
  EXPECT_EQ(reason_of(daemon_.call("recording.pause", recording)), "recording_not_running");
}

// However somebody goes: he hears why, the others see him go with his tracks, and his recorded
// track ends there.
TEST_F(Host, A41_WhoGoesIsToldWhyAndLeavesNothingBehind) {
  Daemon daemon(folder_.path() / "of-its-own", "rooms: {reconnect_window_s: 1}\n");
  daemon.start();
  daemon.result("room.create", Json::object({{"tenant", "seller-1"},
                                             {"name", "main"},
                                             {"recording", Json::object({{"auto", "session"}})}}));
  MediaPeer seller(daemon, join_token("seller", "host"));
  seller.connect();
  const auto expect_gone = [&](const std::string& track_id, const std::string& reason) {
    EXPECT_EQ(text_member(seller.notified("track.unpublished"), "track_id"), track_id) << reason;
    EXPECT_EQ(text_member(seller.notified("participant.left"), "reason"), reason);
  };
  {
    MediaPeer kicked(daemon, join_token("kicked"));
    kicked.connect();
    hear(seller, 5);
    daemon.result("participant.remove",
                  Json::object({{"tenant", "seller-1"}, {"room", "main"}, {"identity", "kicked"}}));
    const Json bye = kicked.notified("bye");
    EXPECT_EQ(text_member(bye, "reason"), "removed");
    EXPECT_EQ(text_member(bye, "text_key"), "bye.removed");
    EXPECT_TRUE(kicked.rtc.next().is_null());
    EXPECT_EQ(kicked.rtc.close_code, 1000U);
    expect_gone(kicked.track_id, "removed");
  }
  {
    MediaPeer leaver(daemon, join_token("leaver"));
    leaver.connect();
    hear(seller, 5);
    leaver.rtc.ask("leave");
    expect_gone(leaver.track_id, "client_left");
  }
  std::string lost_track;
  {
    MediaPeer lost(daemon, join_token("lost"));
    lost.connect();
    hear(seller, 5);
    lost_track = lost.track_id;
  }  // media and socket end without a word
  expect_gone(lost_track, "connection_timeout");
  daemon.result("session.end", Json::object({{"tenant", "seller-1"}, {"room", "main"}}));
  EXPECT_EQ(text_member(seller.notified("bye"), "reason"), "ended_by_api");
  const auto completed = daemon.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  const std::int64_t whole = integer_member(completed[0], "duration_ms");
  for (const Json& file : *completed[0].find("files")->as_array()) {
    const std::int64_t end =
        integer_member(file, "offset_ms") + integer_member(file, "duration_ms");
    if (text_member(file, "identity") == "kicked") {
      EXPECT_LT(end, whole - 500) << "a tile that stayed";
    }
  }
}

TEST_F(Host, A42_WhoIsRemovedAndBannedStaysOut) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  MediaPeer buyer(daemon_, join_token("buyer"));
  buyer.connect();
  const auto asked = std::chrono::steady_clock::now();
  daemon_.result(
      "participant.remove",
      Json::object(
          {{"tenant", "seller-1"}, {"room", "main"}, {"identity", "buyer"}, {"ban", true}}));
  EXPECT_EQ(text_member(buyer.notified("bye"), "reason"), "banned");
  EXPECT_TRUE(buyer.rtc.next().is_null());
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::milliseconds(500));
  EXPECT_EQ(reason_of(MediaPeer(daemon_, join_token("buyer")).joined), "banned");
  const Json unbanned = daemon_.result(
      "participant.unban",
      Json::object({{"tenant", "seller-1"}, {"room", "main"}, {"identity", "buyer"}}));
  EXPECT_FALSE(flag_member(unbanned, "already"));
  EXPECT_TRUE(MediaPeer(daemon_, join_token("buyer")).is_in());
}

TEST_F(Host, A43_NamesAreTheTokensAndHaveLimits) {
  create();
  const auto named = [&](const std::string& name) {
    return sign(Json::object({{"iss", "crm"},
                              {"aud", "parley-join"},
                              {"sub", "buyer"},
                              {"jti", "j"},
                              {"nbf", now_s() - 1},
                              {"exp", now_s() + 60},
                              {"parley", Json::object({{"tenant", "seller-1"},
                                                       {"room", "main"},
                                                       {"role", "participant"},
                                                       {"name", name}})}}));
  };
  const MediaPeer good(daemon_, named("Bea Müller"));
  ASSERT_TRUE(good.is_in());
  EXPECT_EQ(text_member(*good.joined.find("result"), "name"), "Bea Müller");
  for (const std::string& bad : {std::string(129, 'x'), std::string("a\nb"), std::string("a\x7f"),
                                 std::string("admin\u202Enimda")}) {
    EXPECT_EQ(reason_of(MediaPeer(daemon_, named(bad)).joined), "token_invalid") << bad;
  }
}

TEST_F(Host, A44_TheLogSaysWhoDidWhat) {
  create();
  MediaPeer seller(daemon_, join_token("seller", "host"));
  std::ignore = seller.rtc.ask("room.lock");
  std::ignore = daemon_.call("room.create", Json::object({{"tenant", "prd-1"}, {"name", "x"}}));
  std::ignore = daemon_.call("room.create", Json::object({{"tenant", "seller-1"}, {"nam", "y"}}));
  daemon_.stop(SIGTERM);
  EXPECT_THAT(daemon_.log(), HasSubstr("audit action=room.create by=key:crm tenant=seller-1"));
  EXPECT_THAT(
      daemon_.log(),
      testing::ContainsRegex("audit action=room.lock by=participant:pa_[a-z0-9]+ identity=seller"));
  EXPECT_THAT(daemon_.log(),
              testing::ContainsRegex("audit action=room.create by=key:crm tenant=prd-1 of=x "
                                     "outcome=permission_denied"));
  EXPECT_THAT(daemon_.log(), testing::ContainsRegex("audit action=room.create by=key:crm "
                                                    "tenant=seller-1.*outcome=invalid_argument"));
}

}  // namespace
}  // namespace parley::acceptance
