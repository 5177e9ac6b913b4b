#include "control/delivery_queue.h"

#include <algorithm>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// A log, a queue before it, and a clock.
class DeliveryQueueTest : public testing::Test {
 protected:
  void tell(const std::string& room, std::size_t bytes = 100) {
    EventRow event;
    event.seq = log.size() + 1;
    event.tenant = "seller-1";
    event.room_id = room;
    event.body.assign(bytes, 'x');
    log.push_back(event);
    if (queue.has_room() && queue.scanned() + 1 == event.seq) queue.take(event);
  }
  // What is due goes under way; lanes that are set aside are looked for in the log.
  void pump() {
    for (bool more = true; more;) {
      more = false;
      while (const EventRow* event = queue.next(now)) {
        under_way.emplace(event->seq, DeliveryQueue::lane_of(*event));
        more = true;
      }
      if (const auto search = queue.search()) {
        look(*search);
        more = true;
      }
      if (queue.has_room() && queue.scanned() < log.size()) {
        queue.take(log[queue.scanned()]);
        more = true;
      }
    }
    for (const DeliveryQueue::Aside& change : queue.changes()) {
      if (change.after) {
        aside[change.lane] = *change.after;
      } else {
        aside.erase(change.lane);
      }
    }
  }
  void look(const DeliveryQueue::Search& search) {
    std::vector<EventRow> found;
    std::uint64_t through = search.after;
    while (through < queue.scanned() && found.size() < 3) {
      const EventRow& event = log[through++];
      if (DeliveryQueue::lane_of(event) == search.lane) found.push_back(event);
    }
    queue.searched(search.lane, std::move(found), through);
  }
  void answer(std::uint64_t seq, bool good) {
    const auto it = under_way.find(seq);
    ASSERT_NE(it, under_way.end()) << seq;
    const std::string lane = it->second;
    under_way.erase(it);
    if (good) {
      taken.push_back(seq);
      queue.delivered(lane, now);
    } else {
      queue.failed(lane, now);
    }
    pump();
  }
  void wait(milliseconds time) {
    now += time;
    pump();
  }
  std::vector<std::uint64_t> sent() const {
    std::vector<std::uint64_t> all;
    for (const auto& [seq, lane] : under_way) all.push_back(seq);
    return all;
  }
  // One room's event fails until it is set aside, while the other room's are taken.
  void set_poison_aside() {
    tell("poison");
    pump();
    for (int i = 0; i < DeliveryQueue::kPatience; ++i) {
      const std::uint64_t seq = 1;
      answer(seq, false);
      tell("good");
      pump();
      answer(log.size(), true);
      if (i + 1 < DeliveryQueue::kPatience) wait(seconds(16));
    }
  }

  std::vector<EventRow> log;
  DeliveryQueue queue;
  rtp::Time now{seconds(1'000)};
  std::map<std::uint64_t, std::string> under_way;
  std::vector<std::uint64_t> taken;
  std::map<std::string, std::uint64_t> aside;  // as it is on the disk
};

TEST_F(DeliveryQueueTest, TheWindowHasALimitOfEventsAndOfBytes) {
  while (queue.has_room()) tell("room");
  EXPECT_EQ(log.size(), DeliveryQueue::kMaxEvents);
  queue.restart(0);
  log.clear();
  while (queue.has_room()) tell("room", 10'000);
  EXPECT_LT(log.size(), DeliveryQueue::kMaxBytes / 10'000 + 1);
  EXPECT_GT(log.size(), DeliveryQueue::kMaxBytes / 11'000);
}

TEST_F(DeliveryQueueTest, AFewAreUnderWayAtATime) {
  for (int i = 0; i < 100; ++i) tell("room-" + std::to_string(i));
  pump();
  EXPECT_THAT(sent(), SizeIs(DeliveryQueue::kMaxInFlight));
  answer(1, true);
  EXPECT_THAT(sent(), SizeIs(DeliveryQueue::kMaxInFlight));
  EXPECT_EQ(queue.cursor(), 1U);
}

TEST_F(DeliveryQueueTest, ALaneThatKeepsFailingIsSetAside) {
  set_poison_aside();
  EXPECT_THAT(aside, ElementsAre(std::pair("poison", 0U)));
  EXPECT_EQ(queue.cursor(), log.size());  // nothing waits for it
  tell("poison");
  tell("good");
  pump();
  EXPECT_EQ(sent(), std::vector<std::uint64_t>{log.size()});
  answer(log.size(), true);
  EXPECT_EQ(queue.cursor(), log.size());
  // It is tried on, and when it is taken at last the rest follows in its order.
  wait(seconds(16));
  EXPECT_THAT(sent(), ElementsAre(1));
  answer(1, false);
  EXPECT_THAT(sent(), IsEmpty());
  wait(seconds(32));
  answer(1, true);
  const std::uint64_t second = log.size() - 1;
  EXPECT_THAT(sent(), ElementsAre(second));
  EXPECT_THAT(aside, ElementsAre(std::pair("poison", 1U)));
  answer(second, true);
  EXPECT_THAT(aside, IsEmpty());
  EXPECT_EQ(queue.aside_count(), 0U);
  tell("poison");
  pump();
  EXPECT_EQ(sent(), std::vector<std::uint64_t>{log.size()});  // with the others again
}

TEST_F(DeliveryQueueTest, AReceiverThatTakesNothingHasNoLanesSetAside) {
  for (int i = 0; i < 20; ++i) tell("room-" + std::to_string(i));
  pump();
  for (int i = 0; i < 200; ++i) {
    for (const std::uint64_t seq : sent()) answer(seq, false);
    wait(seconds(60));
  }
  EXPECT_EQ(queue.aside_count(), 0U);
  EXPECT_EQ(queue.cursor(), 0U);
}

TEST_F(DeliveryQueueTest, AReceiverThatIsAwayIsAskedNowAndThenAndGetsAllWhenItIsBack) {
  for (int i = 0; i < 1'000; ++i) tell("room-" + std::to_string(i));
  pump();
  std::size_t attempts = 0;
  const rtp::Time end = now + std::chrono::hours(1);
  while (now < end) {
    for (const std::uint64_t seq : sent()) {
      ++attempts;
      answer(seq, false);
    }
    const std::size_t first = DeliveryQueue::kMaxInFlight + DeliveryQueue::kSuspicion;
    EXPECT_LE(sent().size(), attempts < first ? first : 1U);
    const auto at = queue.wakes_at(now);
    ASSERT_TRUE(at || !sent().empty());
    if (at) wait(std::chrono::duration_cast<milliseconds>(*at - now));
  }
  EXPECT_LT(attempts, 60U + 3'600U / 30U);
  wait(DeliveryQueue::kLongestPause);
  ASSERT_THAT(sent(), SizeIs(1));
  const rtp::Time back = now;
  while (!sent().empty()) answer(sent().front(), true);
  EXPECT_EQ(now, back);
  EXPECT_THAT(taken, SizeIs(1'000));
  EXPECT_EQ(queue.cursor(), 1'000U);
}

TEST_F(DeliveryQueueTest, WhatWasSetAsideOutlivesARestart) {
  set_poison_aside();
  tell("poison");
  tell("good");
  DeliveryQueue again(queue.cursor());
  for (const auto& [lane, after] : aside) again.set_aside(lane, after);
  for (std::uint64_t seq = again.cursor() + 1; seq <= log.size(); ++seq) again.take(log[seq - 1]);
  const EventRow* event = again.next(now);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->seq, log.size());
  EXPECT_EQ(again.next(now), nullptr);
  const auto search = again.search();
  ASSERT_TRUE(search);
  EXPECT_EQ(search->lane, "poison");
  EXPECT_EQ(search->after, 0U);
  again.searched("poison", {log[0]}, 1);
  EXPECT_EQ(again.next(now)->seq, 1U);
}

TEST_F(DeliveryQueueTest, AReplayForgetsWhatItCoversAnyway) {
  set_poison_aside();
  under_way.clear();
  queue.replay(0);
  pump();
  EXPECT_EQ(queue.aside_count(), 0U);
  EXPECT_THAT(aside, IsEmpty());
  EXPECT_THAT(sent(), ElementsAre(1, 2));
}

class DeliveryQueueRandom : public DeliveryQueueTest,
                            public testing::WithParamInterface<unsigned> {};

// Some rooms fail for a long time, the daemon restarts in between: every event is taken, each
// room's in order but for what is sent again after a restart, and good rooms never wait long.
TEST_P(DeliveryQueueRandom, NothingIsLostWhateverFails) {
  std::mt19937 random(GetParam());
  const auto pick = [&](std::uint32_t to) { return static_cast<std::uint32_t>(random() % to); };
  std::map<std::string, std::uint64_t> last;
  std::set<std::uint64_t> all;
  const auto room_of = [&](std::uint64_t seq) { return log[seq - 1].room_id; };
  const auto answer_one = [&](bool healthy) {
    auto it = std::next(under_way.begin(), pick(static_cast<std::uint32_t>(under_way.size())));
    const std::uint64_t seq = it->first;
    const bool poison = room_of(seq) < "room-2";
    const bool good = healthy || (!poison && pick(5) != 0);
    if (good && all.insert(seq).second) {
      ASSERT_GT(seq, last[room_of(seq)]);
      last[room_of(seq)] = seq;
    }
    answer(seq, good);
  };
  for (int step = 0; step < 3'000; ++step) {
    const auto what = pick(20);
    if (what < 8) {
      tell("room-" + std::to_string(pick(6)));
      pump();
    } else if (what < 17) {
      if (!under_way.empty()) answer_one(false);
    } else if (what < 19 || pick(20) != 0) {
      wait(milliseconds(pick(4'000)));
    } else {
      under_way.clear();
      queue.restart(queue.cursor());
      pump();
    }
  }
  EXPECT_GT(queue.aside_count(), 0U);
  for (int i = 0; i < 20'000 && all.size() < log.size(); ++i) {
    if (under_way.empty()) {
      wait(DeliveryQueue::kLongestRetry);
    } else {
      answer_one(true);
    }
  }
  EXPECT_EQ(all.size(), log.size());
  while (!under_way.empty()) answer_one(true);
  EXPECT_EQ(queue.cursor(), log.size());
  EXPECT_THAT(aside, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, DeliveryQueueRandom, testing::Range(1U, 41U));

}  // namespace
}  // namespace parley::control
