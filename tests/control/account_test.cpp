#include "control/account.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using testing::SizeIs;

constexpr std::int64_t kWall = 1'795'000'000'000;

// The same moment on both clocks, which run together here.
Moment at(std::int64_t ms) { return {ms, kWall + ms}; }

QuotaPolicy limit(std::int64_t ms, MeterUnit unit = MeterUnit::RoomMs) {
  QuotaPolicy policy;
  policy.limit_ms = ms;
  policy.enforce = unit;
  return policy;
}

Account with_limit(std::int64_t ms, MeterUnit unit = MeterUnit::RoomMs) {
  Account account;
  account.restart(0);
  account.set_policy(limit(ms, unit), at(0));
  return account;
}

TEST(Account, HasNoEndUntilSomethingWasGranted) {
  Account account;
  account.restart(0);
  account.set_rate({3, 7});
  account.settle(at(1'000));
  EXPECT_FALSE(account.limited());
  EXPECT_FALSE(account.exhausted_at(kWall));
  EXPECT_EQ(account.room_ms(), 3'000);
  EXPECT_EQ(account.participant_ms(), 7'000);
  EXPECT_EQ(account.over_ms(), 0);
}

TEST(Account, KnowsTheMillisecondAtWhichItIsEmpty) {
  Account account = with_limit(600'000);
  account.set_rate({1, 2});
  EXPECT_EQ(account.exhausted_at(kWall), 600'000);
  account.settle(at(200'000));
  account.set_rate({2, 4});
  EXPECT_EQ(account.exhausted_at(kWall), 400'000);
  account.settle(at(400'000));
  EXPECT_EQ(account.used_ms(kWall), 600'000);
  EXPECT_EQ(account.available_ms(kWall), 0);
  EXPECT_EQ(account.over_ms(), 0);
}

TEST(Account, NeverBooksMoreThanWasGranted) {
  Account account = with_limit(1'000);
  account.set_rate({3, 9});
  account.settle(at(5'000));
  EXPECT_EQ(account.used_ms(kWall), 1'000);
  EXPECT_EQ(account.over_ms(), 14'000);
  EXPECT_EQ(account.room_ms(), 15'000);
}

TEST(Account, EnforcesTheUnitOfItsPolicy) {
  Account account = with_limit(1'000, MeterUnit::ParticipantMs);
  account.set_rate({1, 4});
  EXPECT_EQ(account.exhausted_at(kWall), 250);
  account.settle(at(100));
  EXPECT_EQ(account.used_ms(kWall), 400);
  EXPECT_EQ(account.room_ms(), 100);
}

TEST(Account, SettlesOverPeriodsAndAsFarAsItLasts) {
  Account account;
  account.restart(0);
  QuotaPolicy policy = limit(1'000);
  policy.period = QuotaPeriod::Day;
  const std::int64_t midnight = 10'000;
  const Moment start{0, (kWall / 86'400'000 + 1) * 86'400'000 - midnight};
  account.set_policy(policy, start);
  account.set_rate({1, 1});
  // The day's second is used up, and more runs: only what the next day gives ends it.
  EXPECT_EQ(account.settle_over(start.at(midnight + 500), false).steady_ms, midnight + 500);
  EXPECT_EQ(account.used_ever_ms(), 1'500);
  EXPECT_EQ(account.over_ms(), 9'000);
  EXPECT_EQ(account.settle_over(start.at(midnight + 5'000), true).steady_ms, midnight + 1'000);
  EXPECT_EQ(account.used_ever_ms(), 2'000);
  EXPECT_EQ(account.over_ms(), 9'000);
  EXPECT_EQ(account.settle_over(start.at(midnight + 5'000), true).steady_ms, midnight + 1'000);
}

TEST(Account, TakesTheSameGrantOnce) {
  Account account = with_limit(1'000);
  const Grant more{"g1", 300'000, 0, 0, std::nullopt};
  EXPECT_EQ(account.add(more, kWall), Account::Added::Yes);
  EXPECT_EQ(account.add(more, kWall), Account::Added::Already);
  EXPECT_EQ(account.add({"g1", 5, 0, 0, std::nullopt}, kWall), Account::Added::Different);
  EXPECT_EQ(account.granted_ms(kWall), 301'000);
}

TEST(Account, UsesFirstWhatEndsFirst) {
  Account account;
  account.restart(0);
  ASSERT_EQ(account.add({"long", 1'000, 0, 0, kWall + 1'000'000}, kWall), Account::Added::Yes);
  ASSERT_EQ(account.add({"short", 1'000, 0, 0, kWall + 5'000}, kWall), Account::Added::Yes);
  ASSERT_EQ(account.add({"ever", 1'000, 0, 0, std::nullopt}, kWall), Account::Added::Yes);
  account.set_rate({1, 2});
  account.settle(at(1'500));
  account.set_rate({});
  account.settle(at(6'000));
  // "short" is over with all of it used, of "long" a half is left.
  EXPECT_EQ(account.available_ms(kWall + 6'000), 1'500);
  EXPECT_EQ(account.granted_ms(kWall + 6'000), 2'000);
  EXPECT_EQ(account.used_ever_ms(), 1'500);
}

TEST(Account, GivesBackWhatHadEndedBeforeItWasNoticed) {
  Account account = with_limit(10'000);
  account.set_rate({1, 2});
  account.settle(at(8'000));
  account.give_back(3'000, 6'000);
  EXPECT_EQ(account.used_ms(kWall), 5'000);
  EXPECT_EQ(account.room_ms(), 5'000);
  EXPECT_EQ(account.participant_ms(), 10'000);
}

TEST(Account, CannotTakeBackWhatIsUsedOrSetAside) {
  Account account = with_limit(10'000);
  account.set_rate({1, 2});
  account.settle(at(4'000));
  ASSERT_TRUE(account.reserve("node-2", 1, 3'000, 1'000, at(4'000)));
  account.set_policy(limit(1'000), at(4'000));
  EXPECT_EQ(account.granted_ms(kWall), 7'000);
  EXPECT_EQ(account.available_ms(kWall), 0);
}

TEST(Account, SetsAsideWhatIsLeftAndSaysThatItIsTheLast) {
  Account account = with_limit(10'000);
  const auto first = account.reserve("node-2", 1, 6'000, 1'000, at(0));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->reserved_ms, 6'000);
  EXPECT_FALSE(first->last);
  const auto second = account.reserve("node-3", 1, 6'000, 1'000, at(0));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->reserved_ms, 4'000);
  EXPECT_TRUE(second->last);
  EXPECT_EQ(account.reserve("node-4", 1, 1, 1'000, at(0)).error(), Account::Refused::Exhausted);
}

TEST(Account, PostsWhatWasUsedOfAReservationOnce) {
  Account account = with_limit(10'000);
  ASSERT_TRUE(account.reserve("node-2", 1, 6'000, 1'000, at(0)));
  for (int i = 0; i < 3; ++i) {
    const auto posted = account.commit("node-2", 2, 5'000, 2'000, at(10));
    ASSERT_TRUE(posted);
    EXPECT_EQ(posted->reserved_ms, 2'000);
  }
  EXPECT_EQ(account.used_ms(kWall), 5'000);
  EXPECT_EQ(account.available_ms(kWall), 3'000);
  EXPECT_EQ(account.commit("node-2", 3, 2'001, 0, at(10)).error(), Account::Refused::TooMuch);
  EXPECT_EQ(account.commit("nobody", 3, 1, 0, at(10)).error(), Account::Refused::Unknown);
  EXPECT_TRUE(account.release("node-2"));
  EXPECT_FALSE(account.release("node-2"));
  EXPECT_EQ(account.available_ms(kWall), 5'000);
}

TEST(Account, TakesAReservationBackWhenNobodyIsHeardOf) {
  Account account = with_limit(10'000);
  ASSERT_TRUE(account.reserve("node-2", 1, 6'000, 1'000, at(0)));
  EXPECT_EQ(account.next_boundary(at(0)), 2'000);
  EXPECT_FALSE(account.expire_reservations(1'999));
  EXPECT_TRUE(account.expire_reservations(2'000));
  EXPECT_EQ(account.available_ms(kWall), 10'000);
}

TEST(Account, ComesBackFromTheStoreAsItWas) {
  Account account = with_limit(10'000);
  ASSERT_EQ(account.add({"g1", 500, 0, kWall + 5, kWall + 900'000}, kWall), Account::Added::Yes);
  ASSERT_TRUE(account.reserve("node-2", 4, 600, 1'000, at(0)));
  account.set_rate({1, 2});
  account.settle(at(700));
  const Account again = Account::from_row_json(account.to_row_json());
  EXPECT_EQ(again.to_row_json().dump(), account.to_row_json().dump());
  EXPECT_EQ(again.to_json(kWall + 700).dump(), account.to_json(kWall + 700).dump());
}

TEST(Account, AMonthBeginsWhereTheTenantIs) {
  QuotaPolicy policy = limit(1'000);
  policy.period = QuotaPeriod::Month;
  policy.zone = *TimeZone::find("+02:00");
  const std::int64_t november = 1'793'484'000'000;  // 2026-10-31T22:00:00Z
  const auto before = period_at(policy, november - 1);
  const auto after = period_at(policy, november);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->id, "2026-10");
  EXPECT_EQ(after->id, "2026-11");
  EXPECT_EQ(before->to_ms, november);
  EXPECT_EQ(after->from_ms, november);
  EXPECT_EQ(after->to_ms - after->from_ms, std::int64_t{30} * 86'400'000);
  policy.period = QuotaPeriod::Day;
  EXPECT_EQ(period_at(policy, november)->id, "2026-11-01");
}

TEST(Account, EachPeriodGivesItsLimitAnew) {
  Account account;
  account.restart(0);
  QuotaPolicy policy = limit(1'000);
  policy.period = QuotaPeriod::Day;
  account.set_policy(policy, at(0));
  account.set_rate({1, 2});
  account.settle(at(800));
  account.set_rate({});
  const auto next = account.next_boundary(at(800));
  ASSERT_TRUE(next);
  account.settle(at(*next));
  EXPECT_TRUE(account.begin_period(at(*next)));
  EXPECT_EQ(account.available_ms(kWall + *next), 1'000);
  EXPECT_FALSE(account.begin_period(at(*next)));
}

TEST(Account, MinutesCanBeBoughtWithoutEnd) {
  Account account;
  account.restart(0);
  account.set_rate({1, 2});
  constexpr int kGrants = 5'000;
  for (int i = 0; i < kGrants; ++i) {
    ASSERT_EQ(account.add({"g" + std::to_string(i), 10, 0, 0, std::nullopt}, kWall + 10 * i),
              Account::Added::Yes)
        << i;
    account.settle(at(10 * (i + 1)));
  }
  EXPECT_EQ(account.used_ever_ms(), 10 * kGrants);
  EXPECT_EQ(account.over_ms(), 0);
  EXPECT_EQ(account.available_ms(kWall + 10 * kGrants), 0);
}

// While minutes are left in them, that many are too many.
TEST(Account, GrantsThatAreNotSpentHaveALimit) {
  Account account;
  account.restart(0);
  for (std::size_t i = 0; i < Account::kMaxGrants; ++i) {
    ASSERT_EQ(account.add({"g" + std::to_string(i), 10, 0, 0, std::nullopt}, kWall),
              Account::Added::Yes);
  }
  EXPECT_EQ(account.add({"more", 10, 0, 0, std::nullopt}, kWall), Account::Added::TooMany);
}

// Against a model that counts every single millisecond.
class AccountModel {
 public:
  explicit AccountModel(std::int64_t granted) : granted_(granted) {}
  void pass(std::int64_t ms, Rate rate, MeterUnit unit) {
    for (std::int64_t i = 0; i < ms; ++i) {
      room_ms += rate.rooms;
      participant_ms += rate.participants;
      const std::int64_t units = unit == MeterUnit::RoomMs ? rate.rooms : rate.participants;
      for (std::int64_t k = 0; k < units; ++k) {
        if (used + reserved < granted_) {
          ++used;
        } else {
          ++over;
        }
      }
    }
  }
  void grant(std::int64_t ms) { granted_ += ms; }
  [[nodiscard]] std::int64_t available() const { return granted_ - used - reserved; }

  std::int64_t used = 0;
  std::int64_t over = 0;
  std::int64_t reserved = 0;
  std::int64_t room_ms = 0;
  std::int64_t participant_ms = 0;

 private:
  std::int64_t granted_;
};

TEST(Account, AgreesWithAModelThatCountsEveryMillisecond) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::int64_t to) {
      return static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(to));
    };
    const MeterUnit unit = pick(2) == 0 ? MeterUnit::RoomMs : MeterUnit::ParticipantMs;
    const std::int64_t granted = pick(5'000);
    Account account = with_limit(granted, unit);
    AccountModel model(granted);
    std::int64_t now = 0;
    Rate rate;
    std::map<std::string, std::int64_t> set_aside;
    for (int step = 0; step < 40; ++step) {
      const std::int64_t passed = pick(100);
      now += passed;
      model.pass(passed, rate, unit);
      account.settle(at(now));
      switch (pick(5)) {
        case 0:
        case 1:
          rate = {pick(3), pick(6)};
          account.set_rate(rate);
          break;
        case 2: {
          const std::int64_t ms = 1 + pick(300);
          ASSERT_EQ(account.add({"g" + std::to_string(step), ms, 0, 0, std::nullopt}, kWall),
                    Account::Added::Yes);
          model.grant(ms);
          break;
        }
        case 3: {
          const std::string id = "r" + std::to_string(step);
          const auto reserved = account.reserve(id, 1, 1 + pick(500), 1'000'000, at(now));
          ASSERT_EQ(reserved.has_value(), model.available() > 0);
          if (!reserved) break;
          set_aside[id] = reserved->reserved_ms;
          model.reserved += reserved->reserved_ms;
          break;
        }
        case 4: {
          if (set_aside.empty()) break;
          const auto [id, ms] = *set_aside.begin();
          const std::int64_t used = pick(ms + 1);
          ASSERT_TRUE(account.commit(id, 2, used, 0, at(now)));
          ASSERT_TRUE(account.release(id));
          set_aside.erase(set_aside.begin());
          model.reserved -= ms;
          model.used += used;
          (unit == MeterUnit::RoomMs ? model.room_ms : model.participant_ms) += used;
          break;
        }
      }
      const std::int64_t wall = kWall + now;
      ASSERT_EQ(account.used_ms(wall), model.used);
      ASSERT_EQ(account.over_ms(), model.over);
      ASSERT_EQ(account.room_ms(), model.room_ms);
      ASSERT_EQ(account.participant_ms(), model.participant_ms);
      ASSERT_EQ(account.reserved_ms(), model.reserved);
      ASSERT_LE(account.used_ms(wall) + account.reserved_ms(), account.granted_ms(wall));
    }
  }
}

}  // namespace
}  // namespace parley::control
