#include <array>

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Hosts, lobby, locks, countdowns: what a call has beside its media.
class HostTest : public CallTest {
 protected:
  HostTest() {
    config.timers = {{"t15", 15'000}, {"t30", 30'000}};
    room();
  }
  std::string id_of(const Json& joined) { return text(joined, "participant_id"); }
  Json data_of(std::string_view type) const {
    const Json event = last_event(type);
    const Json* data = event.find("data");
    return data == nullptr ? Json() : *data;
  }
  std::size_t count(std::string_view type) const {
    const auto types = event_types();
    return static_cast<std::size_t>(std::count(types.begin(), types.end(), type));
  }
  Json id(const std::string& participant_id) {
    return Json::object({{"participant_id", participant_id}});
  }
};

// ---- whether there is a host

TEST_F(HostTest, ABuyerWithoutSellerIsToldOfOnce) {
  join(1, "buyer");
  EXPECT_EQ(text(data_of("host.absent"), "reason"), "join_before_host");
  EXPECT_EQ(data_of("host.absent").find("waiting")->dump(), R"(["buyer"])");
  rtc->closed({1}, 1006);  // the net was gone for a moment
  outbox->flush();
  join(2, "buyer");
  join(3, "friend");
  EXPECT_EQ(count("host.absent"), 1U);
  wait(seconds(7));
  join(4, "seller", "host");
  EXPECT_EQ(integer_member(data_of("host.present"), "waited_ms"), 7'000);
  EXPECT_EQ(count("host.present"), 1U);
}

TEST_F(HostTest, WithTheSellerThereNobodyIsMissed) {
  join(1, "seller", "host");
  join(2, "buyer");
  EXPECT_EQ(count("host.absent") + count("host.present"), 0U);
}

TEST_F(HostTest, AHostWhoDoesNotComeBackIsMissedAfterTheWindow) {
  rooms->find("seller-1", "main")->config.end_after_host_left_ms = 120'000;
  join(1, "seller", "host");
  join(2, "buyer");
  rtc->closed({1}, 1006);
  wait(seconds(14));
  EXPECT_EQ(count("host.absent"), 0U);
  wait(seconds(2));
  EXPECT_EQ(text(data_of("host.absent"), "reason"), "host_left");
  wait(seconds(110));
  join(3, "seller", "host");
  wait(seconds(30));
  EXPECT_EQ(sessions->running(), 1U);
  ask(3, "leave");
  EXPECT_EQ(count("host.absent"), 2U);
  wait(seconds(119));
  EXPECT_EQ(sessions->running(), 1U);
  wait(seconds(2));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(data_of("session.ended"), "end_reason"), "host_left");
}

TEST_F(HostTest, ASessionMayHaveAnEnd) {
  rooms->find("seller-1", "main")->config.max_duration_ms = 60'000;
  join(1, "seller", "host");
  wait(milliseconds(59'999));
  EXPECT_EQ(sessions->running(), 1U);
  wait(milliseconds(1));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(data_of("session.ended"), "end_reason"), "max_duration");
  EXPECT_EQ(text(data_of("participant.left"), "reason"), "max_duration");
}

// ---- lobby and lock

TEST_F(HostTest, WhoIsNoHostWaitsInTheLobby) {
  rooms->find("seller-1", "main")->config.lobby = true;
  const Json host = join(1, "seller", "host");
  EXPECT_EQ(text(host, "state"), "active");
  const Json buyer = join(2, "buyer");
  EXPECT_EQ(text(buyer, "state"), "waiting");
  EXPECT_EQ(buyer.find("participants"), nullptr);
  EXPECT_THAT(notified(1, "participant.waiting"), SizeIs(1));
  EXPECT_EQ(text(publish(2), "reason"), "waiting");
  EXPECT_EQ(session().participants().size(), 1U);

  EXPECT_FALSE(flag_member(ask(1, "participant.admit", id(id_of(buyer))), "already"));
  ASSERT_THAT(notified(2, "admitted"), SizeIs(1));
  EXPECT_EQ(text(notified(2, "admitted")[0], "participant_id"), id_of(buyer));
  EXPECT_THAT(*notified(2, "admitted")[0].find("participants")->as_array(), SizeIs(1));
  EXPECT_NE(publish(2).find("sdp"), nullptr);
  EXPECT_EQ(integer_member(data_of("participant.admitted"), "waited_ms"), 0);
  EXPECT_TRUE(flag_member(ask(1, "participant.admit", id(id_of(buyer))), "already"));
}

TEST_F(HostTest, WhoIsDeniedIsSentAway) {
  rooms->find("seller-1", "main")->config.lobby = true;
  join(1, "seller", "host");
  const Json buyer = join(2, "buyer");
  ask(1, "participant.deny", id(id_of(buyer)));
  EXPECT_EQ(text(notified(2, "bye").at(0), "reason"), "lobby_denied");
  EXPECT_EQ(closed[2], 1000);
  EXPECT_EQ(text(data_of("participant.denied"), "identity"), "buyer");
}

TEST_F(HostTest, TheEarlyBuyerWaitsUntilAHostComes) {
  Room& early = *rooms->find("seller-1", "main");
  early.config.lobby = true;
  early.config.starts_at_ms = wall_ms + 600'000;
  const Json buyer = join(1, "buyer");
  EXPECT_EQ(text(buyer, "state"), "waiting");
  EXPECT_EQ(integer_member(buyer, "opens_at_ms"), *early.config.starts_at_ms);
  EXPECT_EQ(count("host.absent"), 1U);
  EXPECT_EQ(text(join(2, "seller", "host"), "reason"), "room_not_open_yet");
  wait(minutes(9));
  EXPECT_EQ(session().waiting().size(), 1U);
  EXPECT_THAT(notified(1, "bye"), IsEmpty());
  // Longer than a room may stand empty; the room is open by now.
  wait(minutes(4));
  ASSERT_EQ(session().waiting().size(), 1U);
  join(2, "seller", "host");
  ask(2, "participant.admit", id(id_of(buyer)));
  EXPECT_THAT(notified(1, "admitted"), SizeIs(1));
}

TEST_F(HostTest, FromTheLobbyNobodyComesInBesideTheTenantsLimits) {
  rooms->find("seller-1", "main")->config.lobby = true;
  Tenant tenant;
  tenant.id = "seller-1";
  tenant.max_participants = 1;
  ASSERT_TRUE(tenants->put(tenant, std::nullopt));
  join(1, "seller", "host");
  const Json buyer = join(2, "buyer");
  if (text(buyer, "state") != "waiting") return;  // refused at once, which is as good
  EXPECT_EQ(text(ask(1, "participant.admit", id(id_of(buyer))), "reason"), "too_many_participants");
  EXPECT_EQ(session().waiting().size(), 1U);
}

TEST_F(HostTest, ARoleThatWasTakenAwayDoesNotComeBackWithTheToken) {
  join(1, "seller", "host");
  const Json helper = join(2, "helper", "co_host");
  Participant& p = *session().find(id_of(helper));
  Session::ParticipantChange change;
  change.role = Role::Viewer;
  sessions->change_participant(session(), p, std::move(change));
  outbox->flush();
  rtc->closed({2}, 1006);
  outbox->flush();
  EXPECT_EQ(text(join(3, "helper", "co_host"), "role"), "viewer");
  rtc->closed({3}, 1000);
  outbox->flush();
  EXPECT_EQ(text(join(4, "helper", "co_host"), "role"), "viewer");
  EXPECT_EQ(text(ask(4, "room.mute_all"), "reason"), "permission_denied");
}

// Whoever calls his microphone the sound of his screen is as silent as the others.
TEST_F(HostTest, MuteAllIsForAllSound) {
  join(1, "seller", "host");
  join(2, "buyer");
  Json tracks = Json::array();
  tracks.push(Json::object({{"mid", "0"}, {"source", "screen_share_audio"}}));
  offer(2, "chromium-simulcast-vp8-offer.sdp", std::move(tracks));
  ask(1, "room.mute_all", Json::object({{"unmute_allowed", false}}));
  const auto muted = commands_of<server::MuteTrack>();
  ASSERT_FALSE(muted.empty());
  EXPECT_TRUE(muted.back().muted);
  const std::string track = session().find_identity("buyer")->tracks.front().id;
  EXPECT_EQ(
      text(ask(2, "track.update", Json::object({{"track_id", track}, {"muted", false}})), "reason"),
      "muted_by_host");
}

TEST_F(HostTest, WhoMutesHimselfTooOftenHasToWait) {
  join(1, "seller", "host");
  publish(1);
  const std::string track = session().find_identity("seller")->tracks.front().id;
  const std::size_t before = store.events.size();
  Json last;
  for (int i = 0; i < 1'000; ++i) {
    last = ask(1, "track.update", Json::object({{"track_id", track}, {"muted", i % 2 == 0}}));
  }
  EXPECT_EQ(text(last, "reason"), "rate_limited");
  EXPECT_GT(integer_member(last, "retry_after_ms"), 0);
  EXPECT_LT(store.events.size() - before, 50U);
  EXPECT_EQ(ask(1, "ping").find("reason"), nullptr);
  wait(seconds(1));
  EXPECT_EQ(
      ask(1, "track.update", Json::object({{"track_id", track}, {"muted", true}})).find("reason"),
      nullptr);
}

TEST_F(HostTest, RefusedGuestsDoNotFillTheLog) {
  rooms->find("seller-1", "main")->locked = true;
  for (std::uint64_t i = 1; i <= 300; ++i) join(i, "guest-" + std::to_string(i));
  EXPECT_GE(count("participant.rejected"), 5U);
  EXPECT_LE(count("participant.rejected"), 20U);
}

// Somebody with last week's link: the backend may send him another.
TEST_F(HostTest, WhoComesTooLateIsToldOf) {
  const std::string link = token("buyer");
  wait(minutes(20));
  EXPECT_EQ(text(ask(1, "join", Json::object({{"token", link}})), "reason"), "token_expired");
  EXPECT_EQ(text(data_of("participant.rejected"), "identity"), "buyer");
  EXPECT_EQ(text(data_of("participant.rejected"), "reason"), "token_expired");
  // One that nobody signed tells of nobody.
  ask(2, "join", Json::object({{"token", link.substr(0, link.size() - 4) + "AAAA"}}));
  EXPECT_EQ(count("participant.rejected"), 1U);
}

TEST_F(HostTest, WhatAHostDecidesIsNotSaidToBeDoneWhenItIsNotKept) {
  join(1, "seller", "host");
  store.failed = true;
  EXPECT_EQ(text(ask(1, "room.lock"), "reason"), "store_failed");
  EXPECT_EQ(ask(1, "ping").find("reason"), nullptr);
}

TEST_F(HostTest, WhoWaitsMayGoAndMayBypass) {
  rooms->find("seller-1", "main")->config.lobby = true;
  join(1, "seller", "host");
  join(2, "buyer");
  EXPECT_NE(ask(2, "ping").find("server_time_ms"), nullptr);
  ask(2, "leave");
  EXPECT_EQ(session().waiting().size(), 0U);
  EXPECT_THAT(notified(1, "participant.stopped_waiting"), SizeIs(1));
  const Json known =
      ask(3, "join", Json::object({{"token", token("known", "participant", [](Json&, Json& grants) {
                                      grants.set("bypass_lobby", true);
                                    })}}));
  EXPECT_EQ(text(known, "state"), "active");
}

TEST_F(HostTest, ALobbyEndsWithItsSession) {
  rooms->find("seller-1", "main")->config.lobby = true;
  join(1, "seller", "host");
  join(2, "buyer");
  ask(1, "session.end");
  EXPECT_THAT(notified(2, "bye"), SizeIs(1));
  EXPECT_EQ(closed[2], 1000);
}

TEST_F(HostTest, ALockedRoomTakesOnlyHosts) {
  join(1, "seller", "host");
  join(2, "buyer");
  EXPECT_FALSE(flag_member(ask(1, "room.lock"), "already"));
  EXPECT_TRUE(flag_member(ask(1, "room.lock"), "already"));
  EXPECT_EQ(text(join(3, "friend"), "reason"), "room_locked");
  EXPECT_EQ(text(join(4, "colleague", "co_host"), "reason"), "");
  rtc->closed({2}, 1006);
  EXPECT_EQ(text(join(5, "buyer"), "reason"), "");  // was in already
  ask(1, "room.unlock");
  EXPECT_EQ(text(join(6, "friend"), "reason"), "");
  EXPECT_EQ(count("room.locked"), 1U);
  EXPECT_EQ(count("room.unlocked"), 1U);
}

// ---- mute all

TEST_F(HostTest, MuteAllLastsForThoseWhoComeLater) {
  join(1, "seller", "host");
  publish(1);
  join(2, "buyer");
  publish(2);
  commands.clear();
  EXPECT_EQ(integer_member(ask(1, "room.mute_all"), "muted"), 1);
  ASSERT_THAT(commands_of<server::MuteTrack>(), SizeIs(1));
  EXPECT_TRUE(commands_of<server::MuteTrack>()[0].muted);
  ASSERT_THAT(notified(2, "track.muted"), SizeIs(1));
  EXPECT_EQ(text(notified(2, "track.muted")[0], "by"), "host");
  const Json late = join(3, "friend");
  EXPECT_TRUE(flag_member(late, "muted_by_host"));
  commands.clear();
  publish(3);
  EXPECT_THAT(commands_of<server::MuteTrack>(), SizeIs(1));
  ask(1, "room.clear_mute_all");
  EXPECT_THAT(notified(3, "track.unmuted"), SizeIs(2));
  EXPECT_TRUE(flag_member(ask(1, "room.clear_mute_all"), "already"));
}

TEST_F(HostTest, WhereItIsNotAllowedNobodyUnmutesHimself) {
  join(1, "seller", "host");
  publish(1);
  join(2, "buyer");
  const Json track = publish(2).find("tracks")->as_array()->at(0);
  const Json unmute = Json::object({{"track_id", text(track, "track_id")}, {"muted", false}});
  ask(1, "room.mute_all");
  EXPECT_EQ(ask(2, "track.update", unmute), Json(Json::Object{}));
  ask(1, "room.mute_all", Json::object({{"unmute_allowed", false}}));
  commands.clear();
  EXPECT_EQ(text(ask(2, "track.update", unmute), "reason"), "muted_by_host");
  EXPECT_THAT(commands_of<server::MuteTrack>(), IsEmpty());
  // The host may let one speak.
  ask(1, "track.mute", unmute);
  EXPECT_THAT(commands_of<server::MuteTrack>(), SizeIs(1));
  EXPECT_FALSE(commands_of<server::MuteTrack>()[0].muted);
}

TEST_F(HostTest, WhoIsExceptedIsNotMuted) {
  join(1, "seller", "host");
  publish(1);
  join(2, "buyer");
  publish(2);
  Json except = Json::array();
  except.push("buyer");
  EXPECT_EQ(integer_member(ask(1, "room.mute_all", Json::object({{"except", except}})), "muted"),
            0);
}

// ---- countdowns

TEST_F(HostTest, ACountdownIsSeenByAllAndFires) {
  join(1, "seller", "host");
  join(2, "buyer");
  EXPECT_FALSE(flag_member(ask(1, "timer.start", Json::object({{"timer_id", "t30"}})), "already"));
  const auto started = notified(2, "timer.started");
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(integer_member(started[0], "ends_at_ms") - integer_member(started[0], "server_time_ms"),
            30'000);
  EXPECT_TRUE(flag_member(ask(1, "timer.start", Json::object({{"timer_id", "t30"}})), "already"));
  EXPECT_THAT(*join(3, "late").find("timers")->as_array(), SizeIs(1));
  wait(milliseconds(29'999));
  EXPECT_THAT(notified(2, "timer.fired"), IsEmpty());
  wait(milliseconds(1));
  EXPECT_THAT(notified(2, "timer.fired"), SizeIs(1));
  EXPECT_EQ(count("timer.fired"), 1U);
}

TEST_F(HostTest, OnlyTheConfigurationsCountdownsExist) {
  join(1, "seller", "host");
  const Json refused = ask(1, "timer.start", Json::object({{"timer_id", "t31"}}));
  EXPECT_EQ(text(refused, "reason"), "invalid_argument");
  EXPECT_EQ(text(refused, "field"), "timer_id");
  EXPECT_EQ(text(ask(1, "timer.start", Json::object({{"seconds", 31}})), "reason"),
            "invalid_argument");
  EXPECT_EQ(count("timer.started"), 0U);
}

TEST_F(HostTest, ACancelledCountdownDoesNotFire) {
  join(1, "seller", "host");
  ask(1, "timer.start", Json::object({{"timer_id", "t15"}}));
  EXPECT_FALSE(flag_member(ask(1, "timer.cancel", Json::object({{"timer_id", "t15"}})), "already"));
  EXPECT_TRUE(flag_member(ask(1, "timer.cancel", Json::object({{"timer_id", "t15"}})), "already"));
  wait(seconds(20));
  EXPECT_EQ(count("timer.fired"), 0U);
  EXPECT_EQ(count("timer.cancelled"), 1U);
}

// ---- revocation, tenants

TEST_F(HostTest, ARevokedTokenIsRefusedAndItsBearerSentAway) {
  join(1, "seller", "host");
  join(2, "buyer");
  ASSERT_TRUE(revocations->revoke_identity("seller-1", "buyer", wall_ms));
  sessions->remove_revoked();
  outbox->flush();
  EXPECT_THAT(notified(2, "bye"), SizeIs(1));
  EXPECT_EQ(text(join(3, "buyer"), "reason"), "token_revoked");
  crash();
  EXPECT_EQ(text(join(4, "buyer"), "reason"), "token_revoked");
  wait(seconds(2));
  EXPECT_EQ(text(join(5, "buyer"), "reason"), "");  // a newer token
  ASSERT_TRUE(revocations->revoke_token("seller-1", "jt-friend"));
  EXPECT_EQ(text(join(6, "friend"), "reason"), "token_revoked");
}

TEST_F(HostTest, ASuspendedTenantTakesNobody) {
  Tenant tenant;
  tenant.id = "seller-1";
  tenant.suspended = true;
  ASSERT_TRUE(tenants->put(tenant, std::nullopt));
  EXPECT_EQ(text(join(1, "buyer"), "reason"), "tenant_suspended");
  tenant.suspended = false;
  tenant.max_participants = 1;
  ASSERT_TRUE(tenants->put(tenant, std::nullopt));
  EXPECT_EQ(text(join(1, "buyer"), "reason"), "");
  EXPECT_EQ(text(join(2, "friend"), "reason"), "too_many_participants");
}

TEST_F(HostTest, WhileDrainingNothingBegins) {
  join(1, "seller", "host");
  room("other");
  sessions->drain(true, seconds(30));
  outbox->flush();
  EXPECT_EQ(text(join(2, "buyer"), "reason"), "");  // its session runs
  EXPECT_EQ(
      text(ask(3, "join",
               Json::object({{"token", token("x", "host",
                                             [](Json&, Json& g) { g.set("room", "other"); })}})),
           "reason"),
      "server_draining");
  EXPECT_EQ(count("server.draining"), 1U);
  wait(seconds(30));
  EXPECT_EQ(sessions->running(), 0U);
}

// ---- who may do what: every role with every method that is not everybody's

struct Right {
  const char* method;
  Permission permission;
};
constexpr std::array kRights = {
    Right{"room.mute_all", Permission::MuteOthers},
    Right{"room.clear_mute_all", Permission::MuteOthers},
    Right{"track.mute", Permission::MuteOthers},
    Right{"participant.remove", Permission::RemoveOthers},
    Right{"participant.admit", Permission::AdmitOthers},
    Right{"participant.deny", Permission::AdmitOthers},
    Right{"room.lock", Permission::AdmitOthers},
    Right{"room.unlock", Permission::AdmitOthers},
    Right{"timer.start", Permission::RunTimers},
    Right{"timer.cancel", Permission::RunTimers},
    Right{"recording.start", Permission::Record},
    Right{"recording.list", Permission::ListRecordings},
    Right{"session.end", Permission::EndSession},
};
// Which roles have which: host, co_host, participant, viewer, observer.
constexpr std::array<std::pair<const char*, const char*>, 5> kRoles = {{
    {"host", "mute remove admit timers record list end"},
    {"co_host", "mute remove admit timers record list"},
    {"participant", ""},
    {"viewer", ""},
    {"observer", ""},
}};
std::string word_of(Permission permission) {
  switch (permission) {
    case Permission::MuteOthers:
      return "mute";
    case Permission::RemoveOthers:
      return "remove";
    case Permission::AdmitOthers:
      return "admit";
    case Permission::RunTimers:
      return "timers";
    case Permission::Record:
      return "record";
    case Permission::ListRecordings:
      return "list";
    case Permission::EndSession:
      return "end";
    default:
      return "?";
  }
}

TEST_F(HostTest, EachRoleMayDoWhatItMayAndNothingElse) {
  std::uint64_t socket = 100;
  for (const auto& [role, may] : kRoles) {
    for (const Right& right : kRights) {
      SCOPED_TRACE(std::string(role) + " " + right.method);
      const bool allowed = std::string(may).find(word_of(right.permission)) != std::string::npos;
      const std::uint64_t me = ++socket;
      const std::uint64_t other = ++socket;
      const std::string name = "p" + std::to_string(me);
      const Json joined = join(me, name, role);
      ASSERT_EQ(text(joined, "role"), role);
      const Json somebody = join(other, "other");
      const Json published = publish(other);
      ASSERT_NE(published.find("tracks"), nullptr);
      Json params = Json(Json::Object{});
      const std::string method = right.method;
      if (method == "track.mute") {
        params.set("track_id", text(published.find("tracks")->as_array()->at(0), "track_id"));
        params.set("muted", true);
      }
      if (method.starts_with("participant.")) params.set("participant_id", id_of(somebody));
      if (method.starts_with("timer.")) params.set("timer_id", "t15");
      const std::size_t before = store.events.size();
      commands.clear();
      const Json answer = ask(me, method, params);
      if (allowed) {
        EXPECT_EQ(text(answer, "reason"), "") << answer.dump();
      } else {
        EXPECT_EQ(text(answer, "reason"), "permission_denied") << answer.dump();
        EXPECT_EQ(store.events.size(), before);
        EXPECT_TRUE(commands.empty());
      }
      // A role that the params claim is none: unknown params are refused before rights are asked.
      params.set("role", "host");
      EXPECT_NE(text(ask(me, method, params), "reason"), "") << method;
      if (Session* found = sessions->find_by_room(rooms->find("seller-1", "main")->id)) {
        sessions->end(*found, "ended_by_api");
      }
      rooms->set_locked(*rooms->find("seller-1", "main"), false);
      outbox->flush();
    }
  }
}

}  // namespace
}  // namespace parley::control
