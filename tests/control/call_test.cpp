#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "call_fixture.h"

// Calls from the first join to the end, through the participants' own signalling.
namespace parley::control {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using namespace std::chrono_literals;

class Calls : public CallTest {
 protected:
  Calls() { room(); }

  std::string reason_for(const std::string& token) {
    const Json answer = ask(++fresh_, "join", Json::object({{"token", token}}));
    return text(answer, "reason");
  }
  std::uint64_t fresh_ = 1'000;
};

TEST_F(Calls, TheFirstOneStartsTheSessionAndSeesNobody) {
  const Json joined = join(1, "anna", "host");
  EXPECT_EQ(text(joined, "identity"), "anna");
  EXPECT_EQ(text(joined, "role"), "host");
  EXPECT_EQ(*joined.find("participants"), Json::array());
  EXPECT_TRUE(joined.find("recording")->is_null());
  EXPECT_EQ(text(*joined.find("room"), "name"), "main");
  EXPECT_THAT(*joined.find("permissions")->as_array(), Contains(Json("end_session")));
  EXPECT_THAT(event_types(), ElementsAre("room.created", "session.started", "participant.joined"));
  EXPECT_THAT(commands_of<server::OpenRoom>(), SizeIs(1));
}

TEST_F(Calls, TheSecondSeesTheFirstAndTheFirstIsTold) {
  join(1, "anna");
  publish(1);
  const Json joined = join(2, "bert");
  const Json& anna = joined.find("participants")->as_array()->at(0);
  EXPECT_EQ(text(anna, "identity"), "anna");
  EXPECT_THAT(*anna.find("tracks")->as_array(), SizeIs(2));
  const auto told = notified(1, "participant.joined");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text(*told[0].find("participant"), "identity"), "bert");
}

TEST_F(Calls, AnOfferIsAnsweredAndTheWorkerIsTold) {
  join(1, "anna");
  const Json answered = publish(1);
  EXPECT_THAT(text(answered, "sdp"), HasSubstr("a=ice-lite"));
  EXPECT_THAT(text(answered, "sdp"), HasSubstr("192.0.2.1 40000"));
  EXPECT_THAT(*answered.find("tracks")->as_array(), SizeIs(2));
  const auto set = commands_of<server::SetPeer>();
  ASSERT_THAT(set, SizeIs(1));
  EXPECT_THAT(set[0].params.publishes, SizeIs(2));
}

TEST_F(Calls, SlotsFillAndAreToldWhenThePictureIsThere) {
  join(1, "anna");
  publish(1);
  join(2, "bert");
  subscribe(2);
  const auto assigned = commands_of<server::Assign>();
  ASSERT_THAT(assigned, SizeIs(2));
  EXPECT_EQ(assigned[0].slot.view(), "0");
  EXPECT_EQ(assigned[1].slot.view(), "1");
  EXPECT_THAT(notified(2, "slot.assigned"), SizeIs(0));
  worker_says({server::SlotSwitched{assigned[1].peer, assigned[1].slot, assigned[1].track, 720}});
  const auto told = notified(2, "slot.assigned");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text(told[0], "mid"), "1");
  EXPECT_EQ(text(told[0], "source"), "camera");
  EXPECT_EQ(told[0].find("track_no")->as_int(), assigned[1].track->value);
}

TEST_F(Calls, ALeaversTileIsHiddenAtOnce) {
  join(1, "anna");
  publish(1);
  join(2, "bert");
  subscribe(2);
  const auto assigned = commands_of<server::Assign>();
  worker_says({server::SlotSwitched{assigned[1].peer, assigned[1].slot, assigned[1].track, 720}});
  EXPECT_EQ(ask(1, "leave"), Json(Json::Object{}));
  EXPECT_EQ(closed[1], 1000);
  EXPECT_THAT(notified(2, "track.unpublished"), SizeIs(2));
  ASSERT_THAT(notified(2, "participant.left"), SizeIs(1));
  EXPECT_EQ(text(notified(2, "participant.left")[0], "reason"), "client_left");
  EXPECT_TRUE(notified(2, "slot.assigned").back().find("track_id")->is_null());
  EXPECT_THAT(commands_of<server::RemovePeer>(), SizeIs(1));
}

TEST_F(Calls, OnlyAWantedHeightIsSentToTheWorker) {
  join(1, "anna");
  publish(1);
  join(2, "bert");
  subscribe(2);
  commands.clear();
  EXPECT_EQ(ask(2, "slot.want", Json::object({{"mid", "1"}, {"height", 180}})),
            Json(Json::Object{}));
  ASSERT_THAT(commands_of<server::Assign>(), SizeIs(1));
  EXPECT_EQ(commands_of<server::Assign>()[0].max_height, 180U);
  ask(2, "slot.want", Json::object({{"mid", "1"}, {"height", 180}}));
  EXPECT_THAT(commands_of<server::Assign>(), SizeIs(1));
  ask(2, "slot.want", Json::object({{"mid", "1"}, {"height", 0}}));
  ASSERT_THAT(commands_of<server::Assign>(), SizeIs(2));
  EXPECT_FALSE(commands_of<server::Assign>()[1].track);
  ask(2, "slot.want", Json::object({{"mid", "1"}, {"height", 90}}));
  EXPECT_TRUE(commands_of<server::Assign>().back().track);
  EXPECT_EQ(text(ask(2, "slot.want", Json::object({{"mid", "77"}, {"height", 1}})), "reason"),
            "slot_not_found");
}

TEST_F(Calls, EveryBadTokenIsRefusedByNameAndTheSocketCloses) {
  EXPECT_EQ(
      reason_for(token("x", "host", [&](Json& c, Json&) { c.set("exp", wall_ms / 1'000 - 60); })),
      "token_expired");
  EXPECT_EQ(
      reason_for(token("x", "host", [&](Json& c, Json&) { c.set("nbf", wall_ms / 1'000 + 60); })),
      "token_not_yet_valid");
  EXPECT_EQ(reason_for(token("x", "host", [](Json&, Json& g) { g.set("room", "elsewhere"); })),
            "room_not_found");
  EXPECT_EQ(reason_for(token("x", "host", [](Json&, Json& g) { g.set("tenant", "seller-2"); })),
            "room_not_found");
  EXPECT_EQ(reason_for("a.b.c"), "token_invalid");
  EXPECT_EQ(closed[fresh_], 1008);
  EXPECT_EQ(sessions->running(), 0U);
}

TEST_F(Calls, ARoomOpensAndClosesInItsTime) {
  room("later", [&](RoomConfig& c) {
    c.starts_at_ms = wall_ms + 60'000;
    c.expires_at_ms = wall_ms + 120'000;
  });
  const auto into_later = [](Json&, Json& g) { g.set("room", "later"); };
  const Json early = ask(1, "join", Json::object({{"token", token("anna", "host", into_later)}}));
  EXPECT_EQ(text(early, "reason"), "room_not_open_yet");
  EXPECT_EQ(early.find("opens_at_ms")->as_int(), wall_ms + 60'000);
  EXPECT_EQ(text(last_event("participant.rejected"), "room_id"),
            rooms->find("seller-1", "later")->id);
  wait(61s);
  ask(2, "join", Json::object({{"token", token("anna", "host", into_later)}}));
  EXPECT_EQ(sessions->running(), 1U);
  wait(60s);
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(notified(2, "session.ended").at(0), "reason"), "room_expired");
  EXPECT_EQ(text(notified(2, "bye").at(0), "reason"), "room_expired");
  EXPECT_THAT(event_types(), Contains("room.expired"));
  EXPECT_EQ(reason_for(token("anna", "host", into_later)), "room_expired");
}

TEST_F(Calls, AFullRoomTakesNobodyElse) {
  room("small", [](RoomConfig& c) { c.max_participants = 1; });
  const auto into_small = [](Json&, Json& g) { g.set("room", "small"); };
  ask(1, "join", Json::object({{"token", token("anna", "host", into_small)}}));
  EXPECT_EQ(reason_for(token("bert", "host", into_small)), "room_full");
}

TEST_F(Calls, TheNewerOfTwoSocketsOfOneIdentityWins) {
  join(1, "anna");
  join(2, "bert");
  const Json again = join(3, "anna");
  EXPECT_EQ(text(notified(1, "bye").at(0), "reason"), "duplicate_identity");
  EXPECT_EQ(closed[1], 1000);
  EXPECT_THAT(*again.find("participants")->as_array(), SizeIs(1));
  EXPECT_THAT(session().participants(), SizeIs(2));
  rtc->closed({1}, 1000);  // the old socket's end must not take the new one's place
  EXPECT_THAT(session().participants(), SizeIs(2));
}

TEST_F(Calls, ALostSocketMayComeBackWithinTheWindow) {
  const std::string id = text(join(1, "anna"), "participant_id");
  join(2, "bert");
  rtc->closed({1}, 1006);
  outbox->flush();
  EXPECT_EQ(text(notified(2, "participant.updated").at(0), "state"), "reconnecting");
  wait(10s);
  EXPECT_EQ(text(join(3, "anna"), "participant_id"), id);
  EXPECT_EQ(text(notified(2, "participant.updated").at(1), "state"), "active");
  wait(10s);
  EXPECT_THAT(notified(2, "participant.left"), SizeIs(0));
  rtc->closed({3}, 1006);
  wait(16s);
  EXPECT_EQ(text(notified(2, "participant.left").at(0), "reason"), "connection_timeout");
}

TEST_F(Calls, MediaThatStaysAwayEndsTheParticipation) {
  join(1, "anna");
  publish(1);
  join(2, "bert");
  const server::PeerId peer = commands_of<server::SetPeer>()[0].peer;
  worker_says({server::PeerConnected{peer}});
  worker_says({server::PeerAway{peer, now}});
  EXPECT_EQ(text(notified(2, "participant.updated").at(0), "state"), "reconnecting");
  worker_says({server::PeerBack{peer}});
  EXPECT_EQ(text(notified(2, "participant.updated").at(1), "state"), "active");
  worker_says({server::PeerAway{peer, now}});
  wait(16s);
  EXPECT_EQ(text(notified(1, "bye").at(0), "reason"), "connection_timeout");
  EXPECT_THAT(notified(2, "track.unpublished"), SizeIs(2));
}

TEST_F(Calls, AfterTheWorkerLetGoOnlyANewConnectionHelps) {
  join(1, "anna");
  publish(1);
  const server::PeerId peer = commands_of<server::SetPeer>()[0].peer;
  worker_says({server::PeerConnected{peer},
               server::PeerClosed{peer, server::CloseReason::ConsentExpired, now}});
  EXPECT_EQ(text(publish(1), "reason"), "peer_gone");
  EXPECT_EQ(text(*last_event("participant.failed").find("data"), "reason"), "consent_expired");
  Json tracks = Json::array();
  tracks.push(Json::object({{"mid", "0"}, {"source", "camera"}}));
  const Json answer = offer(1, "firefox-simulcast-vp8-offer.sdp", tracks);
  EXPECT_THAT(text(answer, "sdp"), HasSubstr("a=simulcast:recv q;h;f"));
  EXPECT_NE(commands_of<server::SetPeer>().back().peer, peer);
}

TEST_F(Calls, AnotherConnectionReplacesThePeer) {
  join(1, "anna");
  publish(1);
  join(2, "bert");
  Json tracks = Json::array();
  tracks.push(Json::object({{"mid", "0"}, {"source", "camera"}}));
  offer(1, "firefox-simulcast-vp8-offer.sdp", tracks);
  EXPECT_THAT(commands_of<server::RemovePeer>(), SizeIs(1));
  EXPECT_THAT(notified(2, "track.unpublished"), SizeIs(2));
  EXPECT_THAT(notified(2, "track.published"), SizeIs(1));
}

TEST_F(Calls, MuteIsToldToAllAndAHostsMuteStopsForwarding) {
  join(1, "anna", "host");
  publish(1);
  join(2, "bert");
  const Json published = publish(2);
  const std::string microphone = text(published.find("tracks")->as_array()->at(0), "track_id");
  ask(2, "track.update", Json::object({{"track_id", microphone}, {"muted", true}}));
  EXPECT_EQ(text(notified(1, "track.muted").at(0), "by"), "self");
  EXPECT_THAT(commands_of<server::MuteTrack>(), SizeIs(0));
  ask(2, "track.update", Json::object({{"track_id", microphone}, {"muted", false}}));
  EXPECT_EQ(ask(1, "room.mute_all"), Json::object({{"muted", 1}}));
  EXPECT_EQ(text(notified(2, "track.muted").at(1), "by"), "host");
  ASSERT_THAT(commands_of<server::MuteTrack>(), SizeIs(1));
  EXPECT_TRUE(commands_of<server::MuteTrack>()[0].muted);
  ask(2, "track.update", Json::object({{"track_id", microphone}, {"muted", false}}));
  EXPECT_FALSE(commands_of<server::MuteTrack>().back().muted);
}

TEST_F(Calls, OnlyOnesOwnTrackCanBeUpdated) {
  join(1, "anna");
  const Json published = publish(1);
  join(2, "bert");
  const std::string id = text(published.find("tracks")->as_array()->at(0), "track_id");
  EXPECT_EQ(
      text(ask(2, "track.update", Json::object({{"track_id", id}, {"muted", true}})), "reason"),
      "track_not_found");
}

// Every host action by every role: 100 % of the cells (A37).
TEST_F(Calls, HostActionsNeedTheirPermission) {
  const std::string victim = text(join(1, "victim"), "participant_id");
  const std::string track = text(publish(1).find("tracks")->as_array()->at(0), "track_id");
  const std::vector<std::pair<std::string, Json>> requests = {
      {"room.mute_all", Json(Json::Object{})},
      {"track.mute", Json::object({{"track_id", track}, {"muted", true}})},
      {"recording.start", Json(Json::Object{})},
      {"recording.stop", Json(Json::Object{})},
      {"recording.list", Json(Json::Object{})},
      {"participant.remove", Json::object({{"participant_id", victim}})},
      {"session.end", Json(Json::Object{})},
  };
  std::uint64_t connection = 10;
  for (const char* role : {"participant", "viewer", "observer"}) {
    join(++connection, role, role);
    const auto events_before = store.events.size();
    for (const auto& [method, params] : requests) {
      const std::string reason = text(ask(connection, method, params), "reason");
      if (method == "recording.stop") {
        EXPECT_EQ(reason, "recording_not_found") << role;
      } else {
        EXPECT_EQ(reason, "permission_denied") << role << " " << method;
      }
    }
    EXPECT_EQ(store.events.size(), events_before) << role;
  }
  EXPECT_THAT(commands_of<server::MuteTrack>(), SizeIs(0));
  join(++connection, "cohost", "co_host");
  EXPECT_EQ(text(ask(connection, "session.end"), "reason"), "permission_denied");
  EXPECT_EQ(text(ask(connection, "track.mute", requests[1].second), "reason"), "");
  join(++connection, "boss", "host");
  EXPECT_EQ(text(ask(connection, "participant.remove", requests[5].second), "reason"), "");
  EXPECT_EQ(text(notified(1, "bye").at(0), "reason"), "removed");
  EXPECT_EQ(text(ask(connection, "session.end"), "reason"), "");
  EXPECT_EQ(sessions->running(), 0U);
}

TEST_F(Calls, ABannedIdentityStaysOutEvenAfterARestart) {
  join(1, "anna", "host");
  const std::string bert = text(join(2, "bert"), "participant_id");
  const std::string old_token = token("bert");
  ask(1, "participant.remove", Json::object({{"participant_id", bert}, {"ban", true}}));
  EXPECT_EQ(text(notified(2, "bye").at(0), "reason"), "banned");
  EXPECT_EQ(reason_for(old_token), "banned");
  sessions->end_all("server_shutdown");
  outbox->flush();
  make_parts();
  rooms->load(store.all_rows());
  EXPECT_EQ(reason_for(old_token), "banned");
  wait(5s);
  EXPECT_EQ(reason_for(token("bert")), "");  // a token issued later is the backend's decision
}

TEST_F(Calls, EndForAllTellsEverybodyFirst) {
  join(1, "anna", "host");
  join(2, "bert");
  ask(1, "session.end");
  ASSERT_THAT(notified(2, "session.ended"), SizeIs(1));
  EXPECT_EQ(text(notified(2, "session.ended")[0], "reason"), "ended_by_host");
  EXPECT_EQ(closed[2], 1000);
  EXPECT_THAT(commands_of<server::CloseRoom>(), SizeIs(1));
  EXPECT_EQ(text(*last_event("session.ended").find("data"), "end_reason"), "ended_by_host");
}

TEST_F(Calls, AnEmptySessionEndsAfterTheDepartureTimeout) {
  join(1, "anna");
  publish(1);
  worker_says({server::PeerConnected{commands_of<server::SetPeer>()[0].peer}});
  ask(1, "leave");
  wait(19s);
  EXPECT_EQ(sessions->running(), 1U);
  wait(2s);
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(*last_event("session.ended").find("data"), "end_reason"), "departure_timeout");
}

TEST_F(Calls, ASessionWithoutAnyMediaEndsAsEmpty) {
  join(1, "anna");
  wait(301s);
  EXPECT_EQ(text(notified(1, "session.ended").at(0), "reason"), "empty");
}

TEST_F(Calls, AnObserverIsHiddenFromTheOthers) {
  join(1, "anna");
  join(2, "watcher", "observer");
  EXPECT_THAT(notified(1, "participant.joined"), SizeIs(0));
  EXPECT_EQ(*last_event("participant.joined").find("data")->find("hidden"), Json(true));
  EXPECT_THAT(*join(3, "bert").find("participants")->as_array(), SizeIs(1));
  ask(2, "leave");
  EXPECT_THAT(notified(1, "participant.left"), SizeIs(0));
}

TEST_F(Calls, ATokenMayBoundTheStay) {
  ask(1, "join", Json::object({{"token", token("anna", "host", [](Json&, Json& g) {
                                  g.set("max_session_ms", 30'000);
                                })}}));
  wait(31s);
  EXPECT_EQ(text(notified(1, "bye").at(0), "reason"), "max_duration");
}

TEST_F(Calls, SpeakersAreNamedLoudestFirst) {
  const std::string anna = text(join(1, "anna"), "participant_id");
  publish(1);
  const auto publishes = commands_of<server::SetPeer>()[0].params.publishes;
  worker_says({server::Speakers{session().worker_room(), {publishes[0].track}, {}}});
  ASSERT_THAT(notified(1, "speakers"), SizeIs(1));
  EXPECT_EQ(notified(1, "speakers")[0].find("participant_ids")->as_array()->at(0), Json(anna));
  EXPECT_EQ(*notified(1, "speakers")[0].find("dominant_id"), Json());
}

TEST_F(Calls, TheRoomBoundsHowManyCamerasAndMicrophonesGoToEach) {
  Room& room = *rooms->find("seller-1", "main");
  room.config.last_n = 1;
  room.config.loudest = 1;
  join(1, "anna");
  publish(1);
  join(2, "bert");
  publish(2);
  join(3, "carl");
  commands.clear();
  subscribe(3);
  const auto assigned = [&] {
    std::vector<server::TrackNo> tracks;
    for (const server::Assign& one : commands_of<server::Assign>()) {
      if (one.track) tracks.push_back(*one.track);
    }
    return tracks;
  };
  EXPECT_THAT(assigned(), SizeIs(2));

  commands.clear();
  room.config.last_n.reset();
  room.config.loudest.reset();
  sessions->room_changed(session(), room);
  EXPECT_THAT(assigned(), SizeIs(2)) << "the other camera and the other microphone";

  commands.clear();
  room.config.last_n = 1;
  sessions->room_changed(session(), room);
  ASSERT_THAT(commands_of<server::Assign>(), SizeIs(1));
  EXPECT_EQ(commands_of<server::Assign>()[0].track, std::nullopt);
}

TEST_F(Calls, WhoHasTheFloorKeepsItUntilSomebodyElseHasIt) {
  const std::string anna = text(join(1, "anna"), "participant_id");
  publish(1);
  const std::string bert = text(join(2, "bert"), "participant_id");
  publish(2);
  const auto peers = commands_of<server::SetPeer>();
  const server::TrackNo annas = peers[0].params.publishes[0].track;
  const server::TrackNo berts = peers[1].params.publishes[0].track;
  const server::RoomId room = session().worker_room();
  const auto dominant_when = [&](server::Speakers told) {
    worker_says({std::move(told)});
    return *notified(1, "speakers").back().find("dominant_id");
  };
  EXPECT_EQ(dominant_when({room, {annas}, {annas}}), Json(anna));
  EXPECT_EQ(dominant_when({room, {}, {}}), Json(anna)) << "nobody speaks";
  EXPECT_EQ(dominant_when({room, {berts}, {}}), Json(anna)) << "a cough";
  EXPECT_EQ(dominant_when({room, {berts}, {berts}}), Json(bert));
  const Json late = *join(3, "carl").find("speakers");
  EXPECT_EQ(late, notified(1, "speakers").back()) << "who comes later is told, too";
  ask(2, "leave");
  EXPECT_EQ(dominant_when({room, {annas}, {}}), Json());
}

TEST_F(Calls, WhoDoesNotJoinInTimeIsSentAway) {
  rtc->opened({9});
  EXPECT_EQ(text(ask(9, "ping"), "reason"), "not_joined");
  wait(6s);
  EXPECT_EQ(closed[9], 1008);
}

TEST_F(Calls, NothingIsToldBeforeItIsDurable) {
  store.held = true;
  EXPECT_TRUE(join(1, "anna").is_null());
  EXPECT_THAT(sent[1], SizeIs(0));
  store.release();
  EXPECT_THAT(sent[1], SizeIs(1));
}

TEST_F(Calls, AFailedStoreTakesNobodyInButKeepsTheCallGoing) {
  join(1, "anna");
  join(2, "bert");
  store.failed = true;
  EXPECT_EQ(reason_for(token("carl")), "server_busy");
  publish(1);
  EXPECT_THAT(notified(2, "track.published"), SizeIs(2));
}

TEST_F(Calls, ARestartEndsWhatWasRunning) {
  join(1, "anna");
  make_parts();
  rooms->load(store.all_rows());
  sessions->load(store.all_rows());
  outbox->flush();
  EXPECT_EQ(text(*last_event("session.ended").find("data"), "end_reason"), "server_restart");
  EXPECT_NE(rooms->find("seller-1", "main"), nullptr);
}

TEST_F(Calls, RoomsSpreadOverTheWorkers) {
  room("second");
  join(1, "anna");
  ask(2, "join",
      Json::object(
          {{"token", token("bert", "host", [](Json&, Json& g) { g.set("room", "second"); })}}));
  EXPECT_EQ(commands[0].first, 0U);
  EXPECT_EQ(commands.back().first, 1U);
}

TEST_F(CallTest, TurnCredentialsComeWithTheJoinAndFreshOnesWhenAskedFor) {
  config.ice_servers.emplace_back();
  config.ice_servers[0].urls = {"turn:turn.example.org"};
  config.ice_servers[0].secret = "of the TURN server";
  room();
  const auto credential_of = [](const Json& answer) {
    const Json& server = answer.find("ice_servers")->as_array()->at(0);
    return text(server, "username") + " " + text(server, "credential");
  };
  const Json joined = join(1, "ada");
  const std::int64_t expires_ms = integer_member(joined, "ice_servers_expire_ms");
  EXPECT_EQ(expires_ms, wall_ms / 1'000 * 1'000 + 3'600'000);
  EXPECT_EQ(text(joined.find("ice_servers")->as_array()->at(0), "username"),
            std::to_string(expires_ms / 1'000) + ":ada");
  wait(10s);
  const Json renewed = ask(1, "ice_servers.renew");
  EXPECT_EQ(integer_member(renewed, "ice_servers_expire_ms"), expires_ms + 10'000);
  EXPECT_NE(credential_of(renewed), credential_of(joined));
  EXPECT_EQ(text(ask(2, "ice_servers.renew"), "reason"), "not_joined");
}

}  // namespace
}  // namespace parley::control
