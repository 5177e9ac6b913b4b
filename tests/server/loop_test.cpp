#include "server/loop.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

using std::chrono::milliseconds;

TEST(Loop, RunsPostedTasksInOrder) {
  Loop loop;
  std::vector<int> seen;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(loop.post([&seen, i] { seen.push_back(i); }));
  }
  ASSERT_TRUE(loop.post([&loop] { loop.stop(); }));
  loop.run();
  ASSERT_EQ(seen.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Loop, RunsWhatWasPostedBeforeAStop) {
  Loop loop;
  bool ran = false;
  ASSERT_TRUE(loop.post([&ran] { ran = true; }));
  loop.stop();
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(Loop, TakesTasksFromOtherThreads) {
  Loop loop;
  int count = 0;
  std::thread other([&loop, &count] {
    for (int i = 0; i < 1000; ++i) {
      while (!loop.post([&count] { ++count; })) {
      }
    }
    while (!loop.post([&loop] { loop.stop(); })) {
    }
  });
  loop.run();
  other.join();
  EXPECT_EQ(count, 1000);
}

TEST(Loop, RefusesMoreTasksThanItsLimit) {
  Loop loop;
  for (std::size_t i = 0; i < Loop::kMaxPosted; ++i) ASSERT_TRUE(loop.post([] {}));
  EXPECT_FALSE(loop.post([] {}));
}

TEST(Loop, CallsTimersInTheOrderOfTheirDeadlinesAndNeverEarly) {
  Loop loop;
  const rtp::Time start = Loop::now();
  std::vector<int> seen;
  loop.at(start + milliseconds(12), [&] {
    EXPECT_GE(Loop::now(), start + milliseconds(12));
    seen.push_back(2);
    loop.stop();
  });
  loop.at(start + milliseconds(3), [&] {
    EXPECT_GE(Loop::now(), start + milliseconds(3));
    seen.push_back(1);
  });
  loop.at(start - milliseconds(5), [&] { seen.push_back(0); });
  loop.run();
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
}

TEST(Loop, DoesNotCallACancelledTimer) {
  Loop loop;
  bool called = false;
  const rtp::Time start = Loop::now();
  const Loop::TimerId id = loop.at(start + milliseconds(1), [&called] { called = true; });
  loop.cancel(id);
  loop.cancel(id);
  loop.cancel(12345);
  loop.at(start + milliseconds(5), [&loop] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(called);
}

TEST(Loop, ATimerMaySetAnother) {
  Loop loop;
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds == 5) {
      loop.stop();
    } else {
      loop.at(Loop::now() + milliseconds(1), again);
    }
  };
  loop.at(Loop::now(), again);
  loop.run();
  EXPECT_EQ(rounds, 5);
}

}  // namespace
}  // namespace parley::server
