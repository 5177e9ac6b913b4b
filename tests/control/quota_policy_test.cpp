#include "control/quota_policy.h"

#include <gtest/gtest.h>

#include "control/account.h"

namespace parley::control {
namespace {

constexpr std::int64_t kHour = 3'600'000;

QuotaPolicy policy_of(QuotaPeriod period, std::string_view zone) {
  QuotaPolicy policy;
  policy.limit_ms = 1'000;
  policy.period = period;
  auto found = TimeZone::find(zone);
  EXPECT_TRUE(found) << found.error();
  if (found) policy.zone = std::move(*found);
  return policy;
}

// The period has that id from its first millisecond to its last, and its neighbours adjoin.
void expect_period(const QuotaPolicy& policy, const std::string& id, std::int64_t from_s,
                   std::int64_t to_s) {
  const std::int64_t from = from_s * 1'000;
  const std::int64_t to = to_s * 1'000;
  for (const std::int64_t at : {from, (from + to) / 2, to - 1}) {
    const auto period = period_at(policy, at);
    ASSERT_TRUE(period);
    EXPECT_EQ(period->id, id) << at;
    EXPECT_EQ(period->from_ms, from) << id;
    EXPECT_EQ(period->to_ms, to) << id;
  }
  EXPECT_EQ(period_at(policy, from - 1)->to_ms, from) << id;
  EXPECT_EQ(period_at(policy, to)->from_ms, to) << id;
}

TEST(QuotaPolicy, AMonthInBerlinBeginsByItsClockOfTheSeason) {
  const QuotaPolicy policy = policy_of(QuotaPeriod::Month, "Europe/Berlin");
  expect_period(policy, "2026-03", 1'772'319'600, 1'774'994'400);  // 23:00Z to 22:00Z
  expect_period(policy, "2026-10", 1'790'805'600, 1'793'487'600);  // 22:00Z to 23:00Z
  EXPECT_EQ(period_at(policy, 1'774'994'400'000)->id, "2026-04");
  EXPECT_EQ(period_at(policy, 1'793'487'600'000)->id, "2026-11");
  expect_period(policy, "2060-07", 2'855'858'400, 2'858'536'800);  // beyond all tables
}

TEST(QuotaPolicy, AMonthMayChangeItsClockInOtherPlacesToo) {
  expect_period(policy_of(QuotaPeriod::Month, "America/New_York"), "2026-03", 1'772'341'200,
                1'775'016'000);
  expect_period(policy_of(QuotaPeriod::Month, "America/New_York"), "2026-11", 1'793'505'600,
                1'796'101'200);
  expect_period(policy_of(QuotaPeriod::Month, "Asia/Kathmandu"), "2026-02", 1'769'883'300,
                1'772'302'500);
}

TEST(QuotaPolicy, ADayHas23Or25HoursWhenTheClocksChange) {
  const QuotaPolicy policy = policy_of(QuotaPeriod::Day, "Europe/Berlin");
  expect_period(policy, "2026-03-29", 1'774'738'800, 1'774'821'600);
  expect_period(policy, "2026-10-25", 1'792'879'200, 1'792'969'200);
  const auto spring = period_at(policy, 1'774'738'800'000);
  const auto autumn = period_at(policy, 1'792'879'200'000);
  EXPECT_EQ(spring->to_ms - spring->from_ms, 23 * kHour);
  EXPECT_EQ(autumn->to_ms - autumn->from_ms, 25 * kHour);
}

TEST(QuotaPolicy, ADayWithoutMidnightBeginsAtItsFirstMoment) {
  const QuotaPolicy havana = policy_of(QuotaPeriod::Day, "America/Havana");
  expect_period(havana, "2026-03-08", 1'772'946'000, 1'773'028'800);  // from 01:00 on
  const QuotaPolicy beirut = policy_of(QuotaPeriod::Day, "Asia/Beirut");
  expect_period(beirut, "2026-03-29", 1'774'735'200, 1'774'818'000);
  // Its last hour came twice.
  expect_period(beirut, "2026-10-24", 1'792'789'200, 1'792'879'200);
}

TEST(QuotaPolicy, RefusesATimeZoneThatThereIsNot) {
  for (const char* name : {"Europe/Atlantis", "../../etc/passwd", "UTC+2"}) {
    const Json json = Json::object({{"timezone", name}});
    Params params(json);
    QuotaPolicy policy;
    policy.read(params);
    const auto done = params.finish();
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().field, "timezone");
    EXPECT_EQ(policy.zone.name(), "UTC");
  }
}

TEST(QuotaPolicy, ComesBackFromTheStoreAsItWas) {
  for (const char* name : {"UTC", "+02:00", "Europe/Berlin"}) {
    const QuotaPolicy policy = policy_of(QuotaPeriod::Day, name);
    const QuotaPolicy again = QuotaPolicy::from_json(policy.to_json());
    EXPECT_EQ(again, policy);
    EXPECT_EQ(period_at(again, 0)->from_ms, period_at(policy, 0)->from_ms);
  }
}

TEST(QuotaPolicy, ATimeZoneThatHasVanishedCountsAsUtcAndKeepsItsName) {
  Json stored = policy_of(QuotaPeriod::Month, "Europe/Berlin").to_json();
  stored.set("timezone", "Europe/Atlantis");
  const QuotaPolicy policy = QuotaPolicy::from_json(stored);
  EXPECT_EQ(policy.limit_ms, 1'000);
  EXPECT_EQ(policy.to_json().dump(), stored.dump());
  expect_period(policy, "2026-03", 1'772'323'200, 1'775'001'600);
}

TEST(QuotaPolicy, TheRunningMonthEndsWhereTheNewTimeZoneSays) {
  const std::int64_t utc_end = 1'775'001'600'000;  // 2026-04-01T00:00:00Z
  Account account;
  account.restart(0);
  account.set_policy(policy_of(QuotaPeriod::Month, "UTC"), {0, utc_end - kHour * 48});
  account.set_policy(policy_of(QuotaPeriod::Month, "America/New_York"), {0, utc_end - kHour * 47});
  EXPECT_EQ(account.available_ms(utc_end + kHour), 1'000);
  EXPECT_EQ(account.available_ms(utc_end + 4 * kHour), 0);
}

}  // namespace
}  // namespace parley::control
