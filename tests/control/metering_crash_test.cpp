#include "tests/control/metering_fixture.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kDayMs = 86'400'000;

// What a call costs whose daemon was killed in its middle.
class MeteringCrashTest : public MeteringTest {
 protected:
  // A call of seller and buyer in which the last checkpoint was so long ago.
  std::string call_until(std::int64_t ms) {
    call(1, "seller", "host");
    call(2, "buyer");
    wait(milliseconds(ms));
    return session_id();
  }
  static void ahead(QuotaPolicy& policy) { policy.charge_ahead = true; }
};

TEST_F(MeteringCrashTest, IsTheTenantsGainUnlessThePolicySaysOtherwise) {
  set_limit(600'000);
  const std::string id = call_until(10'400);
  crash();
  EXPECT_EQ(quota("used_ms"), 10'000);
  EXPECT_EQ(integer_member(usage(id), "room_ms"), 10'000);
}

TEST_F(MeteringCrashTest, IsTheHousesGainWithChargeAhead) {
  set_limit(600'000, ahead);
  const std::string id = call_until(10'400);
  crash();
  EXPECT_EQ(quota("used_ms"), 11'000);
  EXPECT_EQ(quota("room_ms"), 11'000);
  EXPECT_EQ(quota("participant_ms"), 22'000);
  EXPECT_EQ(integer_member(usage(id), "room_ms"), 11'000);
  const auto ended = events("session.ended");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(integer_member(ended[0], "room_ms"), 11'000);
  EXPECT_EQ(integer_member(ended[0], "duration_ms"), 11'000);
  for (const Json& interval : *ended[0].find("intervals")->as_array()) {
    EXPECT_EQ(integer_member(interval, "ms"), 11'000);
    EXPECT_EQ(integer_member(interval, "left_ms"), integer_member(ended[0], "ended_ms"));
  }
}

TEST_F(MeteringCrashTest, ChargesAheadNoFurtherThanTheMinutesLast) {
  set_limit(10'500, ahead);
  const std::string id = call_until(10'100);
  crash();
  EXPECT_EQ(quota("used_ms"), 10'500);
  EXPECT_EQ(quota("over_ms"), 0);
  EXPECT_EQ(integer_member(usage(id), "room_ms"), 10'500);
  EXPECT_THAT(events("quota.exhausted"), SizeIs(1));
}

TEST_F(MeteringCrashTest, ChargesNothingAheadOnAnAccountThatIsEmpty) {
  set_limit(5'000, [](QuotaPolicy& policy) {
    policy.charge_ahead = true;
    policy.on_exhausted = OnExhausted::NotifyOnly;
  });
  call_until(10'400);
  crash();
  EXPECT_EQ(quota("used_ms"), 5'000);
  EXPECT_EQ(quota("over_ms"), 5'000);
}

TEST_F(MeteringCrashTest, ChargesAheadOverMidnightOnBothDays) {
  wall_ms = (wall_ms / kDayMs + 1) * kDayMs - 10'500;
  set_limit(60'000, [](QuotaPolicy& policy) {
    policy.charge_ahead = true;
    policy.period = QuotaPeriod::Day;
  });
  call_until(10'200);
  crash();
  EXPECT_EQ(quota("used_ever_ms"), 11'000);
  move_to(now + minutes(1));
  EXPECT_EQ(quota("used_ms"), 500);
}

TEST_F(MeteringCrashTest, AChangeAfterTheCheckpointIsKnownToo) {
  set_limit(600'000, ahead);
  const std::string id = call_until(10'400);
  call(3, "friend");
  wait(milliseconds(300));
  crash();
  EXPECT_EQ(quota("room_ms"), 11'000);
  EXPECT_EQ(quota("participant_ms"), 22'600);
  EXPECT_EQ(integer_member(usage(id), "participant_ms"), 22'600);
}

TEST_F(MeteringCrashTest, WhatDidNotRunIsNotCharged) {
  set_limit(600'000, ahead);
  call(2, "buyer");
  wait(seconds(10));
  crash();
  EXPECT_EQ(quota("used_ms"), 0);
  EXPECT_EQ(quota("room_ms"), 0);
}

TEST_F(MeteringCrashTest, TheEndThatWasToldStays) {
  set_limit(600'000, ahead);
  const std::string id = call_until(10'400);
  sessions->end(session(), "ended_by_api");
  outbox->flush();
  crash();
  EXPECT_EQ(quota("used_ms"), 10'400);
  EXPECT_EQ(integer_member(usage(id), "room_ms"), 10'400);
  EXPECT_THAT(events("quota.exhausted"), IsEmpty());
}

}  // namespace
}  // namespace parley::control
