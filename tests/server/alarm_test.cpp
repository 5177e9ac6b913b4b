#include "server/alarm.h"

#include <gtest/gtest.h>

namespace parley::server {
namespace {

rtp::Time at(int seconds) { return rtp::Time(std::chrono::seconds(seconds)); }

TEST(Alarm, PassesTheEarliestWishUp) {
  Alarm worker;
  Alarm room(&worker);
  Alarm one(&room);
  Alarm two(&room);
  one.set(at(5));
  two.set(at(3));
  one.set(at(9));
  EXPECT_EQ(one.at(), at(5));
  EXPECT_EQ(room.at(), at(3));
  EXPECT_EQ(worker.at(), at(3));
  EXPECT_FALSE(worker.due(at(2)));
  EXPECT_TRUE(worker.due(at(3)));
}

TEST(Alarm, ForgetsOnlyItsOwnWish) {
  Alarm worker;
  Alarm room(&worker);
  room.set(at(3));
  room.clear();
  EXPECT_EQ(room.at(), rtp::Time::max());
  EXPECT_EQ(worker.at(), at(3));
}

}  // namespace
}  // namespace parley::server
