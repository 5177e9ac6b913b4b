#include "control/consumers.h"

#include <random>

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ConsumersTest : public CallTest {
 protected:
  ConsumersTest() { begin(); }
  void begin() {
    consumers = std::make_unique<Consumers>(*context, store, "ep_1");
    consumers->load(store.all_rows());
    outbox->on_event([this](const EventRow& row) { consumers->publish(row); });
  }

  void tell(int count, const std::string& type = "room.created",
            const std::string& tenant = "seller-1") {
    for (int i = 0; i < count; ++i) context->event({type, tenant, "", "", Json(Json::Object{})});
    outbox->flush();
  }
  Consumers::Subscribe request(const std::string& name, const std::string& key = "crm") const {
    Consumers::Subscribe subscribe;
    subscribe.name = name;
    subscribe.filter.scope = {"seller-*"};
    subscribe.filter.key_id = key;
    return subscribe;
  }
  RpcResult<Json> subscribe(std::uint64_t connection, Consumers::Subscribe wanted) {
    auto result = consumers->subscribe({connection}, std::move(wanted));
    outbox->flush();
    consumers->start({connection});
    return result;
  }
  void ack(const std::string& name, std::uint64_t seq) {
    ASSERT_TRUE(consumers->acknowledge("crm", name, seq));
    outbox->flush();
  }
  // The numbers a socket was sent; each says the one before it.
  std::vector<std::int64_t> seqs(std::uint64_t connection) {
    std::vector<std::int64_t> all;
    for (const Json& event : notified(connection, "event")) {
      if (!all.empty()) {
        EXPECT_EQ(integer_member(event, "prev_seq"), all.back());
      }
      all.push_back(integer_member(event, "seq"));
    }
    return all;
  }

  std::unique_ptr<Consumers> consumers;
};

TEST_F(ConsumersTest, ANewOneBeginsWithWhatComesNext) {
  tell(3);
  ASSERT_TRUE(subscribe(1, request("crm-prod")));
  EXPECT_THAT(seqs(1), IsEmpty());
  tell(2);
  EXPECT_THAT(seqs(1), ElementsAre(4, 5));
}

TEST_F(ConsumersTest, OneThatComesBackGetsAllSinceItsLastAcknowledgement) {
  ASSERT_TRUE(subscribe(1, request("crm-prod")));
  tell(3);
  ack("crm-prod", 2);
  consumers->closed({1});
  tell(500);
  ASSERT_TRUE(subscribe(2, request("crm-prod")));
  ASSERT_THAT(seqs(2), SizeIs(Consumers::kDefaultWindow));
  EXPECT_EQ(seqs(2).front(), 3);
  EXPECT_EQ(integer_member(notified(2, "event")[0], "prev_seq"), 2);
  ack("crm-prod", 258);
  ack("crm-prod", 503);
  EXPECT_EQ(seqs(2).back(), 503);
  EXPECT_THAT(seqs(2), SizeIs(501));
}

TEST_F(ConsumersTest, ItsPlaceOutlivesTheDaemon) {
  ASSERT_TRUE(subscribe(1, request("crm-prod")));
  tell(5);
  ack("crm-prod", 3);
  last_seq = 5;
  consumers.reset();
  crash();
  begin();
  ASSERT_TRUE(subscribe(2, request("crm-prod")));
  EXPECT_THAT(seqs(2), ElementsAre(4, 5));
}

TEST_F(ConsumersTest, NoMoreThanTheWindowIsUnderWay) {
  auto wanted = request("crm-prod");
  wanted.window = 3;
  ASSERT_TRUE(subscribe(1, wanted));
  tell(10);
  EXPECT_THAT(seqs(1), ElementsAre(1, 2, 3));
  ack("crm-prod", 2);
  EXPECT_THAT(seqs(1), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(ConsumersTest, FiltersLeaveHolesButNotInTheChain) {
  auto wanted = request("crm-prod");
  wanted.filter.types = {"session.*"};
  ASSERT_TRUE(subscribe(1, wanted));
  tell(2, "room.created");
  tell(1, "session.started");
  tell(1, "session.started", "other-1");
  tell(1, "session.ended");
  EXPECT_THAT(seqs(1), ElementsAre(3, 5));
}

TEST_F(ConsumersTest, EachHasItsOwnPlace) {
  ASSERT_TRUE(subscribe(1, request("store")));
  ASSERT_TRUE(subscribe(2, request("carrier")));
  tell(2);
  ack("store", 2);
  consumers->closed({1});
  tell(1);
  EXPECT_THAT(seqs(2), ElementsAre(1, 2, 3));
  ASSERT_TRUE(subscribe(3, request("store")));
  EXPECT_THAT(seqs(3), ElementsAre(3));
}

TEST_F(ConsumersTest, TheNewerSocketTakesItOver) {
  ASSERT_TRUE(subscribe(1, request("crm-prod")));
  ASSERT_TRUE(subscribe(2, request("crm-prod")));
  EXPECT_THAT(notified(1, "superseded"), SizeIs(1));
  tell(1);
  EXPECT_THAT(seqs(1), IsEmpty());
  EXPECT_THAT(seqs(2), ElementsAre(1));
  // The same name of another key is another consumer.
  EXPECT_EQ(consumers->acknowledge("other", "crm-prod", 1).error().reason, "consumer_not_found");
}

TEST_F(ConsumersTest, ACursorBeforeTheLogsBeginningIsExpired) {
  ASSERT_TRUE(subscribe(1, request("crm-prod")));
  tell(10);
  consumers->closed({1});
  store.trim(4);
  const auto refused = subscribe(2, request("crm-prod"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "cursor_expired");
  EXPECT_EQ(refused.error().details.at(0).second.as_int(), 5);
  auto again = request("crm-prod");
  again.from = Consumers::Subscribe::From::Seq;
  again.seq = 10;
  ASSERT_TRUE(subscribe(2, again));
  tell(1);
  EXPECT_THAT(seqs(2), ElementsAre(11));
  again.epoch = "ep_0";
  EXPECT_EQ(subscribe(2, again).error().reason, "cursor_expired");
}

TEST_F(ConsumersTest, OneThatIsOvertakenByRetentionIsToldSo) {
  auto wanted = request("crm-prod");
  wanted.window = 2;
  ASSERT_TRUE(subscribe(1, wanted));
  tell(10);
  store.trim(6);
  ack("crm-prod", 2);
  EXPECT_THAT(seqs(1), ElementsAre(1, 2));
  ASSERT_THAT(notified(1, "cursor_expired"), SizeIs(1));
  EXPECT_EQ(integer_member(notified(1, "cursor_expired")[0], "earliest_seq"), 7);
}

TEST_F(ConsumersTest, WhoLagsIsToldOfOnce) {
  auto alive = request("alive");
  ASSERT_TRUE(subscribe(1, alive));
  ASSERT_TRUE(subscribe(2, request("slow")));
  tell(1);
  ack("alive", 1);
  wait(seconds(29));
  EXPECT_TRUE(last_event("consumer.lagging").is_null());
  wait(seconds(12));
  const Json lagging = last_event("consumer.lagging");
  ASSERT_FALSE(lagging.is_null());
  EXPECT_EQ(text(*lagging.find("data"), "consumer"), "slow");
  EXPECT_THAT(notified(1, "event"), SizeIs(2));
  ack("alive", 2);
  const auto lags = consumers->lags();
  ASSERT_THAT(lags, SizeIs(2));
  EXPECT_EQ(lags[1].name, "crm/slow");
  EXPECT_GE(lags[1].seconds, 30);
  wait(seconds(60));
  EXPECT_EQ(event_types().size(), 2U);
  // Caught up, and behind again.
  ack("slow", 2);
  wait(seconds(10));
  tell(1);
  ack("alive", 3);
  wait(seconds(45));
  EXPECT_EQ(event_types().size(), 4U);
}

TEST_F(ConsumersTest, WhoComesNearTheEdgeBySizeIsToldOfAtHalfAndAtFourFifths) {
  config.store.event_retention_bytes = 1'000'000;
  config.control.consumer_lag_ms = 3'600'000;
  ASSERT_TRUE(subscribe(1, request("alive")));
  ASSERT_TRUE(subscribe(2, request("slow")));
  tell(10);
  ack("alive", 10);
  store.bytes = 499'000;
  wait(seconds(10));
  EXPECT_TRUE(last_event("consumer.lagging").is_null());
  store.bytes = 600'000;
  wait(seconds(10));
  const Json half = *last_event("consumer.lagging").find("data");
  EXPECT_EQ(text(half, "consumer"), "slow");
  EXPECT_EQ(text(half, "retention_bound"), "size");
  EXPECT_EQ(integer_member(half, "retention_percent"), 60);
  EXPECT_EQ(integer_member(half, "bytes_to_edge"), 400'000);
  ack("alive", 11);
  wait(seconds(60));
  EXPECT_EQ(store.events.size(), 11U);  // once
  store.bytes = 900'000;
  wait(seconds(10));
  EXPECT_EQ(integer_member(*last_event("consumer.lagging").find("data"), "retention_percent"), 90);
  ack("alive", 12);
  EXPECT_EQ(consumers->lags()[0].bytes_to_edge, 1'000'000U);
  EXPECT_EQ(consumers->lags()[1].bytes_to_edge, 100'000U);
  wait(seconds(60));
  EXPECT_EQ(store.events.size(), 12U);
  // Half of the log is behind it then.
  ack("slow", 6);
  EXPECT_EQ(consumers->lags()[1].bytes_to_edge, 550'000U);
}

TEST_F(ConsumersTest, ByAgeTheAlarmSaysSo) {
  config.store.event_retention_s = 100;
  config.control.consumer_lag_ms = 3'600'000;
  ASSERT_TRUE(subscribe(1, request("slow")));
  tell(10);
  store.bytes = 1'000;
  wait(seconds(56));
  const Json half = *last_event("consumer.lagging").find("data");
  EXPECT_EQ(text(half, "retention_bound"), "age");
  EXPECT_GE(integer_member(half, "retention_percent"), 50);
}

TEST(LogSize, CountsAsTheShareOfEvents) {
  const LogSize log{800, 1'000, 101, 200};
  EXPECT_EQ(log.bytes_after(100), 800U);
  EXPECT_EQ(log.bytes_after(150), 400U);
  EXPECT_EQ(log.bytes_to_edge(150), 600U);
  EXPECT_EQ(log.percent(150), 40);
  EXPECT_EQ(log.percent(200), 0);
  EXPECT_EQ(log.bytes_to_edge(200), 1'000U);
}

TEST(LogSize, AtTheEdgeAndBeyondNothingIsLeft) {
  const LogSize full{1'010, 1'000, 101, 200};  // between two trims
  EXPECT_EQ(full.bytes_to_edge(100), 0U);
  EXPECT_EQ(full.percent(100), 101);
  EXPECT_EQ(full.percent(50), 100);  // gone already
  EXPECT_EQ(full.bytes_to_edge(50), 0U);
  const LogSize empty{1'010, 1'000, 201, 200};
  EXPECT_EQ(empty.percent(200), 0);
}

TEST_F(ConsumersTest, AnAbsentOnesLagIsFoundInTheLog) {
  ASSERT_TRUE(subscribe(1, request("gone")));
  consumers->closed({1});
  tell(300, "room.created", "other-1");  // which it does not get
  wait(seconds(60));
  EXPECT_TRUE(last_event("consumer.lagging").is_null());
  tell(1);
  wait(seconds(60));
  EXPECT_FALSE(last_event("consumer.lagging").is_null());
}

// Events, acknowledgements, lost sockets and a slow disk in any order.
// Whoever waits for what is rare acknowledges nothing for a week, while the log goes on.
TEST_F(ConsumersTest, OnesPlaceDoesNotExpireWithEventsItNeverWanted) {
  auto rare = request("money");
  rare.filter.types = {"quota.*"};
  ASSERT_TRUE(subscribe(1, rare));
  tell(1, "quota.exhausted");
  ack("money", 1);
  tell(400);
  wait(seconds(10));
  store.trim(300);
  consumers->closed({1});
  tell(100);
  wait(seconds(10));
  store.trim(150);
  ASSERT_TRUE(subscribe(2, rare));
  consumers->closed({2});
  outbox->flush();
  // Its own note is older still, and says the same.
  auto by_its_note = rare;
  by_its_note.from = Consumers::Subscribe::From::Seq;
  by_its_note.seq = 1;
  ASSERT_TRUE(subscribe(3, by_its_note));
  tell(1, "quota.replenished");
  const auto got = notified(3, "event");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(integer_member(got[0], "prev_seq"), 1);
  // With other wishes, what is gone may have been wanted.
  auto all = request("money");
  all.from = Consumers::Subscribe::From::Seq;
  all.seq = 1;
  EXPECT_EQ(subscribe(4, all).error().reason, "cursor_expired");
}

TEST_F(ConsumersTest, OneWhoseKeyIsGoneAlarmsNobody) {
  ASSERT_TRUE(subscribe(1, request("old")));
  consumers->closed({1});
  consumers->keys_changed(
      [](std::string_view) -> std::optional<std::vector<std::string>> { return std::nullopt; });
  tell(5);
  wait(seconds(600));
  for (const EventRow& row : store.events) EXPECT_NE(row.type, "consumer.lagging");
}

class ConsumersRandom : public ConsumersTest, public testing::WithParamInterface<unsigned> {};

TEST_P(ConsumersRandom, NothingIsLostAndTheOrderIsKept) {
  std::mt19937 random(GetParam());
  const auto pick = [&](std::uint32_t to) { return static_cast<std::uint32_t>(random() % to); };
  std::uint64_t connection = 1;
  std::size_t read = 0;               // of this socket's messages
  std::vector<std::int64_t> effects;  // what the backend has done, each once
  auto wanted = request("crm-prod");
  wanted.window = 1 + pick(20);
  wanted.from = Consumers::Subscribe::From::Earliest;
  ASSERT_TRUE(subscribe(connection, wanted));
  wanted.from = Consumers::Subscribe::From::Cursor;
  std::int64_t told = 0;
  const auto consume = [&] {
    const auto events = notified(connection, "event");
    for (; read < events.size(); ++read) {
      const std::int64_t seq = integer_member(events[read], "seq");
      const std::int64_t before = integer_member(events[read], "prev_seq");
      ASSERT_LE(before, effects.empty() ? 0 : effects.back());
      if (!effects.empty() && seq <= effects.back()) continue;  // again after a reconnect
      effects.push_back(seq);
    }
  };
  for (int step = 0; step < 300; ++step) {
    switch (pick(5)) {
      case 0:
      case 1: {
        const int count = static_cast<int>(pick(10));
        tell(count);
        told += count;
        break;
      }
      case 2:
        consume();
        if (!effects.empty()) {
          ASSERT_TRUE(consumers->acknowledge("crm", "crm-prod",
                                             static_cast<std::uint64_t>(effects.back())));
        }
        outbox->flush();
        break;
      case 3:
        if (pick(4) != 0) break;
        consumers->closed({connection});
        ++connection;
        read = 0;
        ASSERT_TRUE(subscribe(connection, wanted));
        break;
      case 4:
        store.held = !store.held;
        if (!store.held) store.release();
        break;
    }
  }
  store.held = false;
  store.release();
  for (int i = 0; i < 2'000 && effects.size() < static_cast<std::size_t>(told); ++i) {
    consume();
    const auto seq = effects.empty() ? 0 : effects.back();
    ASSERT_TRUE(consumers->acknowledge("crm", "crm-prod", static_cast<std::uint64_t>(seq)));
    outbox->flush();
  }
  ASSERT_THAT(effects, SizeIs(static_cast<std::size_t>(told)));
  for (std::size_t i = 0; i < effects.size(); ++i) {
    ASSERT_EQ(effects[i], static_cast<std::int64_t>(i + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ConsumersRandom, testing::Range(1U, 31U));

}  // namespace
}  // namespace parley::control
