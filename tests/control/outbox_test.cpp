#include "control/outbox.h"

#include <gmock/gmock.h>

#include "call_fixture.h"

namespace parley::control {
namespace {

using ::testing::ElementsAre;

class OutboxTest : public testing::Test {
 protected:
  MemoryStore store_;
  Outbox outbox_{store_, 41, secure_random};
  std::vector<std::string> happened_;

  void note(const std::string& what) {
    outbox_.after([this, what](bool durable) { happened_.push_back(what + (durable ? "" : "!")); });
  }
};

TEST_F(OutboxTest, OutputsWaitForTheirBatchAndKeepTheirOrder) {
  store_.held = true;
  outbox_.on_event([this](const EventRow& event) { happened_.push_back(event.type); });
  note("before");
  outbox_.event({"room.created", "t", "rm_1", "", Json(Json::Object{})}, 5);
  note("after");
  outbox_.flush();
  note("next turn");
  outbox_.flush();
  EXPECT_TRUE(happened_.empty());
  EXPECT_EQ(outbox_.durable_seq(), 41U);
  store_.release();
  EXPECT_THAT(happened_, ElementsAre("before", "room.created", "after", "next turn"));
  EXPECT_EQ(outbox_.durable_seq(), 42U);
}

TEST_F(OutboxTest, AnEventGoesWithTheRowsOfItsTurn) {
  store_.held = true;
  outbox_.put({"room", "rm_1", "t", "{}", 1});
  outbox_.event({"room.created", "t", "rm_1", "se_1", Json::object({{"x", 1}})}, 5);
  outbox_.flush();
  ASSERT_EQ(store_.waiting.size(), 1U);
  const Batch& batch = store_.waiting[0].first;
  EXPECT_EQ(batch.upserts.size(), 1U);
  ASSERT_EQ(batch.events.size(), 1U);
  EXPECT_EQ(batch.events[0].seq, 42U);
  const auto body = Json::parse(batch.events[0].body);
  ASSERT_TRUE(body);
  EXPECT_EQ(*body->find("session_id"), Json("se_1"));
  EXPECT_EQ(*body->find("data"), Json::object({{"x", 1}}));
}

TEST_F(OutboxTest, AFailedStoreStillLetsOutputsRunButNoEventIsTold) {
  store_.failed = true;
  outbox_.on_event([this](const EventRow& event) { happened_.push_back(event.type); });
  outbox_.event({"room.created", "t", "", "", Json(Json::Object{})}, 5);
  note("answer");
  outbox_.flush();
  EXPECT_THAT(happened_, ElementsAre("answer!"));
  EXPECT_EQ(outbox_.durable_seq(), 41U);
}

TEST_F(OutboxTest, NothingWaitsNothingIsWritten) {
  store_.held = true;
  outbox_.flush();
  EXPECT_TRUE(store_.waiting.empty());
}

TEST(Timers, RunInTheOrderOfTheirTimes) {
  Timers timers;
  std::string order;
  const auto at = [](int s) { return rtp::Time(std::chrono::seconds(s)); };
  timers.at(at(2), [&] { order += "b"; });
  timers.at(at(1), [&] { order += "a"; });
  Timers::Id never = timers.at(at(2), [&] { order += "x"; });
  timers.cancel(never);
  EXPECT_EQ(never, 0U);
  timers.cancel(never);
  EXPECT_EQ(timers.next(), at(1));
  timers.run(at(1));
  EXPECT_EQ(order, "a");
  timers.run(at(3));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(Timers, ATaskMayAddAndCancelOthers) {
  Timers timers;
  std::string order;
  const rtp::Time now{};
  Timers::Id second = 0;
  timers.at(now, [&] {
    order += "a";
    timers.cancel(second);
    timers.at(now, [&] { order += "c"; });
  });
  second = timers.at(now, [&] { order += "b"; });
  timers.run(now);
  EXPECT_EQ(order, "ac");
}

}  // namespace
}  // namespace parley::control
