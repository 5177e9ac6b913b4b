#include "control/metering.h"

#include "tests/control/metering_fixture.h"

namespace parley::control {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST_F(MeteringTest, EndsTheCallAtTheLastGrantedMillisecond) {
  set_limit(600'000);
  call(1, "seller", "host");
  call(2, "buyer");
  wait(milliseconds(599'999));
  EXPECT_EQ(quota("used_ms"), 599'999);
  EXPECT_EQ(sessions->running(), 1U);
  wait(milliseconds(1));
  wait(milliseconds(1));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ms"), 600'000);
  EXPECT_EQ(quota("over_ms"), 0);
  const auto ended = events("session.ended");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(text(ended[0], "end_reason"), "quota_exhausted");
  EXPECT_EQ(integer_member(ended[0], "room_ms"), 600'000);
  EXPECT_EQ(integer_member(ended[0], "participant_ms"), 1'200'000);
  EXPECT_THAT(events("quota.exhausted"), SizeIs(1));
  EXPECT_THAT(notified(2, "session.ended"), SizeIs(1));
}

TEST_F(MeteringTest, ALateLoopGivesTheTimeAway) {
  set_limit(1'000);
  call(1, "seller", "host");
  call(2, "buyer");
  // The thread was busy with something else for a while.
  move_to(now + seconds(3));
  timers.run(now);
  timers.run(now);
  outbox->flush();
  EXPECT_EQ(quota("used_ms"), 1'000);
  EXPECT_EQ(quota("room_ms"), 1'000);
  EXPECT_EQ(integer_member(events("session.ended").at(0), "room_ms"), 1'000);
}

TEST_F(MeteringTest, WarnsTheBackendAndTheHostBeforehand) {
  set_limit(600'000);
  call(1, "seller", "host");
  call(2, "buyer");
  wait(milliseconds(600'001));
  const auto told = events("quota.threshold");
  std::vector<std::string> order;
  for (const Json& one : told) {
    order.push_back(one.find("percent") != nullptr
                        ? std::to_string(integer_member(one, "percent")) + "%"
                        : std::to_string(integer_member(one, "remaining_ms")));
  }
  EXPECT_THAT(order, testing::ElementsAre("50%", "300000", "80%", "60000", "95%", "10000"));
  EXPECT_EQ(integer_member(told[2], "used_ms"), 480'000);
  EXPECT_EQ(integer_member(told[3], "lasts_ms"), 60'000);
  EXPECT_THAT(notified(1, "quota.warning"), SizeIs(5));  // 50 % and 300 s are one moment
  EXPECT_THAT(notified(2, "quota.warning"), IsEmpty());
}

TEST_F(MeteringTest, ConcurrentRoomsCannotOverspend) {
  set_limit(600'000);
  for (int i = 0; i < 3; ++i) {
    const std::string name = "room-" + std::to_string(i);
    room(name);
    const auto first = static_cast<std::uint64_t>(10 * i + 10);
    call(first, "seller", "host", name);
    call(first + 1, "buyer", "participant", name);
  }
  wait(milliseconds(200'001));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ms"), 600'000);
  const auto ended = events("session.ended");
  ASSERT_THAT(ended, SizeIs(3));
  for (const Json& one : ended) EXPECT_EQ(integer_member(one, "room_ms"), 200'000);
}

TEST_F(MeteringTest, ATopUpMovesTheEndOnce) {
  set_limit(30'000);
  call(1, "seller", "host");
  call(2, "buyer");
  wait(seconds(10));
  for (int i = 0; i < 2; ++i) {
    const auto granted = metering->grant("seller-1", {"topup", 300'000, 0, 0, std::nullopt});
    ASSERT_TRUE(granted);
    EXPECT_EQ(flag_member(*granted, "already"), i == 1);
  }
  outbox->flush();
  EXPECT_THAT(events("quota.replenished"), SizeIs(2));  // the limit itself, and the top-up
  wait(milliseconds(319'999));
  EXPECT_EQ(sessions->running(), 1U);
  wait(milliseconds(2));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ms"), 330'000);
}

TEST_F(MeteringTest, NobodyJoinsWithoutMinutes) {
  set_limit(0);
  EXPECT_EQ(text(join(1, "buyer"), "reason"), "quota_exhausted");
  ASSERT_THAT(events("participant.rejected"), SizeIs(1));
  EXPECT_EQ(text(events("participant.rejected")[0], "reason"), "quota_exhausted");
  EXPECT_THAT(commands_of<server::SetPeer>(), IsEmpty());
}

TEST_F(MeteringTest, NothingBeginsWithLessThanTheLeastToBeginWith) {
  set_limit(59'999, [](QuotaPolicy& policy) { policy.min_start_ms = 60'000; });
  EXPECT_EQ(text(join(1, "buyer"), "reason"), "quota_exhausted");
  ASSERT_TRUE(metering->grant("seller-1", {"g", 1, 0, 0, std::nullopt}));
  EXPECT_EQ(text(join(1, "buyer"), "reason"), "");
}

TEST_F(MeteringTest, WaitingAloneIsFree) {
  set_limit(600'000);
  call(2, "buyer");
  wait(minutes(5));
  EXPECT_EQ(quota("used_ms"), 0);
  EXPECT_EQ(quota("room_ms"), 0);
  call(1, "seller", "host");
  wait(seconds(7));
  EXPECT_EQ(quota("used_ms"), 7'000);
  EXPECT_EQ(quota("participant_ms"), 14'000);
}

TEST_F(MeteringTest, EachTenantSaysWhenTheMeterStarts) {
  set_limit(600'000,
            [](QuotaPolicy& policy) { policy.start_condition = StartCondition::FirstParticipant; });
  call(2, "buyer");
  wait(seconds(3));
  EXPECT_EQ(quota("used_ms"), 3'000);
  set_limit(600'000,
            [](QuotaPolicy& policy) { policy.start_condition = StartCondition::FirstMedia; });
  room("other");
  call(10, "seller", "host", "other");
  wait(seconds(3));
  EXPECT_EQ(quota("used_ms"), 6'000);
  worker_says({server::TrackStarted{peer_of("seller", "other"), {}, {}}});
  wait(seconds(1));
  EXPECT_EQ(quota("used_ms"), 8'000);
}

TEST_F(MeteringTest, AHiddenObserverIsNotMetered) {
  set_limit(600'000,
            [](QuotaPolicy& policy) { policy.start_condition = StartCondition::TwoParticipants; });
  call(1, "seller", "host");
  ask(2, "join", Json::object({{"token", token("watcher", "observer", [](Json&, Json& grants) {
                                  grants.set("hidden", true);
                                })}}));
  subscribe(2);
  connect(peer_of("watcher"));
  wait(seconds(3));
  EXPECT_EQ(quota("used_ms"), 0);
}

TEST_F(MeteringTest, SilenceIsPaidBackUpToTheLastPacket) {
  set_limit(600'000);
  call(1, "seller", "host");
  call(2, "buyer");
  const auto peer = peer_of("buyer");
  wait(seconds(20));
  const rtp::Time last_heard = now - seconds(8);
  worker_says({server::PeerAway{peer, last_heard}});
  EXPECT_EQ(quota("used_ms"), 12'000);
  EXPECT_EQ(quota("participant_ms"), 24'000);
  wait(seconds(3));
  EXPECT_EQ(quota("used_ms"), 12'000);
  worker_says({server::PeerBack{peer}});
  wait(seconds(5));
  EXPECT_EQ(quota("used_ms"), 17'000);
  const Json used = usage(session_id());
  const auto& list = *used.find("intervals")->as_array();
  ASSERT_THAT(list, SizeIs(3));
  EXPECT_EQ(text(list[1], "end_reason"), "connection_timeout");
  EXPECT_EQ(integer_member(list[1], "ms"), 12'000);
  EXPECT_EQ(integer_member(list[2], "ms"), 5'000);
  EXPECT_LE(integer_member(list[1], "left_ms"), integer_member(list[2], "joined_ms"));
}

TEST_F(MeteringTest, WithOthersThereOnlyTheSilentOneIsPaidBack) {
  set_limit(600'000, [](QuotaPolicy& policy) { policy.enforce = MeterUnit::ParticipantMs; });
  call(1, "seller", "host");
  call(2, "buyer");
  call(3, "friend");
  wait(seconds(20));
  worker_says({server::PeerAway{peer_of("friend"), now - seconds(8)}});
  EXPECT_EQ(quota("room_ms"), 20'000);
  EXPECT_EQ(quota("participant_ms"), 52'000);
  EXPECT_EQ(quota("used_ms"), 52'000);
}

TEST_F(MeteringTest, AGracePeriodIsCountedApart) {
  set_limit(10'000, [](QuotaPolicy& policy) { policy.grace_ms = 2'000; });
  call(1, "seller", "host");
  call(2, "buyer");
  wait(milliseconds(11'999));
  EXPECT_EQ(sessions->running(), 1U);
  EXPECT_EQ(quota("used_ms"), 10'000);
  wait(milliseconds(2));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ms"), 10'000);
  EXPECT_EQ(quota("over_ms"), 2'000);
  EXPECT_EQ(quota("room_ms"), 12'000);
}

TEST_F(MeteringTest, NotifyOnlyLetsTheCallGoOn) {
  set_limit(10'000, [](QuotaPolicy& policy) { policy.on_exhausted = OnExhausted::NotifyOnly; });
  call(1, "seller", "host");
  call(2, "buyer");
  wait(seconds(30));
  EXPECT_EQ(sessions->running(), 1U);
  EXPECT_THAT(events("quota.exhausted"), SizeIs(1));
  EXPECT_EQ(quota("used_ms"), 10'000);
  EXPECT_EQ(quota("over_ms"), 20'000);
}

TEST_F(MeteringTest, ACallGoesOnOverMidnightAndEachDayPaysItsOwn) {
  wall_ms = (wall_ms / kDayMs + 1) * kDayMs - 90'000;
  set_limit(100'000, [](QuotaPolicy& policy) { policy.period = QuotaPeriod::Day; });
  call(1, "seller", "host");
  call(2, "buyer");
  wait(minutes(2));
  EXPECT_EQ(sessions->running(), 1U);
  EXPECT_THAT(events("quota.exhausted"), IsEmpty());
  EXPECT_EQ(quota("used_ms"), 30'000);
  EXPECT_EQ(quota("used_ever_ms"), 120'000);
  EXPECT_EQ(quota("over_ms"), 0);
  wait(milliseconds(70'001));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ever_ms"), 190'000);
}

TEST_F(MeteringTest, AGrantPaysForTheTimeInWhichItWasValid) {
  ASSERT_TRUE(metering->grant("seller-1", {"ends", 1'000'000, 0, 0, wall_ms + 90'000}));
  call(1, "seller", "host");
  call(2, "buyer");
  wait(seconds(60));
  ASSERT_TRUE(metering->grant("seller-1", {"bought", 1'000'000, 0, 0, std::nullopt}));
  wait(seconds(60));
  EXPECT_EQ(quota("used_ms"), 30'000);  // of the one that is left
  EXPECT_EQ(quota("used_ever_ms"), 120'000);
  EXPECT_EQ(sessions->running(), 1U);
}

TEST_F(MeteringTest, WithItsLastGrantTheCallEndsAndIsPaidUpToThere) {
  ASSERT_TRUE(metering->grant("seller-1", {"ends", 1'000'000, 0, 0, wall_ms + 90'000}));
  call(1, "seller", "host");
  call(2, "buyer");
  const std::string id = session_id();
  wait(seconds(89));
  EXPECT_EQ(sessions->running(), 1U);
  wait(seconds(2));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ever_ms"), 90'000);
  EXPECT_EQ(integer_member(usage(id), "room_ms"), 90'000);
}

TEST_F(MeteringTest, ADaemonThatWasAwayOverMidnightBeginsTheNewDay) {
  wall_ms = (wall_ms / kDayMs + 1) * kDayMs - 120'000;
  set_limit(60'000, [](QuotaPolicy& policy) { policy.period = QuotaPeriod::Day; });
  call(1, "seller", "host");
  call(2, "buyer");
  wait(seconds(61));
  ASSERT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(join(3, "seller", "host"), "reason"), "quota_exhausted");
  move_to(now + minutes(5));  // nothing runs meanwhile
  crash();
  EXPECT_EQ(quota("available_ms"), 60'000);
  EXPECT_THAT(events("quota.replenished"), Not(IsEmpty()));
  EXPECT_NE(join(4, "seller", "host").find("participant_id"), nullptr);
}

TEST_F(MeteringTest, ABillIsRoundedAndTheAccountIsNot) {
  set_limit(10'000'000);
  call(1, "seller", "host");
  call(2, "buyer");
  const std::string id = session_id();
  wait(milliseconds(61'001));
  const auto billed = [&](Rounding rounding, MeterUnit unit = MeterUnit::RoomMs) {
    set_limit(10'000'000, [&](QuotaPolicy& policy) {
      policy.rounding = rounding;
      policy.enforce = unit;
    });
    return integer_member(usage(id), "billed_ms");
  };
  EXPECT_EQ(billed(Rounding::ExactMs), 61'001);
  EXPECT_EQ(billed(Rounding::ExactMs, MeterUnit::ParticipantMs), 122'002);
  EXPECT_EQ(billed(Rounding::SecondUp), 62'000);
  EXPECT_EQ(billed(Rounding::SixSecondsUp), 66'000);
  EXPECT_EQ(billed(Rounding::MinuteUpPerSession), 120'000);
  EXPECT_EQ(billed(Rounding::MinuteUpPerSession, MeterUnit::ParticipantMs), 180'000);
  EXPECT_EQ(billed(Rounding::MinuteUpPerConnection), 240'000);
  EXPECT_EQ(quota("room_ms"), 61'001);
}

TEST_F(MeteringTest, AStricterPolicyEndsWhatHasNothingLeft) {
  set_limit(10'000, [](QuotaPolicy& p) { p.on_exhausted = OnExhausted::NotifyOnly; });
  call(1, "seller", "host");
  call(2, "buyer");
  wait(seconds(20));
  EXPECT_EQ(sessions->running(), 1U);
  set_limit(10'000);
  wait(milliseconds(1));
  EXPECT_EQ(sessions->running(), 0U);
}

// Ids that grow in JSON, as many as there may be: the account comes back whole.
TEST_F(MeteringTest, ALargeAccountOutlivesTheDaemon) {
  Account account;
  QuotaPolicy policy;
  policy.limit_ms = 1'000'000'000;
  const Moment at{0, wall_ms};
  account.set_policy(policy, at);
  for (std::size_t i = 0; i < Account::kMaxReservations; ++i) {
    const std::string id = std::string(120, '"') + std::to_string(i);
    ASSERT_TRUE(account.reserve(id, 1, 1'000, 60'000, at));
    if (i < 900) {
      ASSERT_EQ(account.add({id, 1'000, 0, 0, std::nullopt}, wall_ms), Account::Added::Yes);
    }
  }
  const std::string row = account.to_row_json().dump();
  ASSERT_GT(row.size(), Json::Limits().max_bytes);
  Metering other(*context);
  ASSERT_TRUE(other.load({{"account", "seller-9", "seller-9", row, 0}}));
  EXPECT_EQ(integer_member(other.get("seller-9"), "available_ms"), account.available_ms(wall_ms));
}

TEST_F(MeteringTest, AnUnreadableAccountIsNotTakenForNone) {
  Metering other(*context);
  const auto loaded = other.load({{"account", "seller-9", "seller-9", "{\"policy\":", 0}});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error(), testing::HasSubstr("account seller-9"));
}

}  // namespace
}  // namespace parley::control
