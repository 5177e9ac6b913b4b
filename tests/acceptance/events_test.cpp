// Events that cannot be lost: acceptance scenarios A10, A26, A27, A28 and A35, against a real
// parleyd that is killed and cut off.
#include <cstdlib>
#include <random>
#include <set>

#include "tests/acceptance/daemon_fixture.h"
#include "tests/acceptance/webhook_receiver.h"

namespace parley::acceptance {
namespace {

using control::integer_member;
using control::text_member;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

bool is_long() { return std::getenv("PARLEY_LONG") != nullptr; }

class Events : public testing::Test {
 protected:
  TestFolder folder_;
};

// A backend that keeps what it has done and up to where, as one would in a database.
class Backend {
 public:
  explicit Backend(std::string consumer, Json more = Json(Json::Object{}))
      : consumer_(std::move(consumer)), more_(std::move(more)) {}

  // False when the daemon does not answer.
  bool connect(const Daemon& daemon) {
    socket_.emplace(daemon, "/v1/control", "parley.control.v1", api_token());
    Json params = Json::object({{"consumer", consumer_}});
    for (const auto& [name, value] : *more_.as_object()) params.set(name, value);
    answer = socket_->ask("events.subscribe", std::move(params));
    for (const Json& early : std::exchange(socket_->notifications, {})) take(early);
    return answer.find("result") != nullptr;
  }
  void cut() { socket_.reset(); }
  // The next message; false when the socket has ended.
  bool read() {
    const Json message = socket_->next();
    if (message.is_null()) return false;
    take(message);
    return true;
  }
  bool read_until(std::size_t count) {
    while (seqs.size() < count) {
      if (!read()) return false;
    }
    return true;
  }
  Json acknowledge() {
    const Json params = Json::object({{"consumer", consumer_}, {"seq", seqs.back()}});
    const Json answered = socket_->ask("events.ack", params);
    for (const Json& early : std::exchange(socket_->notifications, {})) take(early);
    return answered;
  }

  Json answer;
  std::vector<std::int64_t> seqs;  // in the order of their effects, each once
  std::vector<std::string> types;
  std::vector<Json> data;
  std::set<std::string> ids;
  std::vector<Json> others;  // notifications that are no events
  std::size_t again = 0;     // came more than once
  std::size_t broken = 0;    // did not follow what came before

 private:
  void take(const Json& message) {
    const Json* method = message.find("method");
    if (method == nullptr) return;
    const Json* event = message.find("params");
    if (*method != Json("event") || event->find("seq") == nullptr) {
      others.push_back(message);
      return;
    }
    const std::int64_t seq = integer_member(*event, "seq");
    const std::string id = text_member(*event, "id");
    if (!seqs.empty() && seq <= seqs.back()) {
      ++again;
      if (!ids.contains(id)) ++broken;  // another event under a known number
      return;
    }
    if (!seqs.empty() && integer_member(*event, "prev_seq") > seqs.back()) ++broken;
    seqs.push_back(seq);
    types.push_back(text_member(*event, "type"));
    data.push_back(*event->find("data"));
    ids.insert(id);
  }

  std::string consumer_;
  Json more_;
  std::optional<RpcSocket> socket_;
};

TEST_F(Events, A10_AServerlessBackendMissesNothing) {
  Daemon daemon(folder_.path());
  daemon.start();
  const Json create = Json::object({{"tenant", "seller-1"}, {"name", "a"}});
  RpcSocket socket(daemon, "/v1/control", "parley.control.v1", api_token());
  const Json over_socket = socket.ask("room.create", create);
  const Json over_http = daemon.result("room.create", create);
  EXPECT_EQ(text_member(over_http, "room_id"), text_member(*over_socket.find("result"), "room_id"));
  daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "b"}}));
  const Json first = daemon.result("events.list", Json::object({{"limit", 1}}));
  ASSERT_THAT(*first.find("events")->as_array(), SizeIs(1));
  const Json rest = daemon.result(
      "events.list", Json::object({{"after_seq", integer_member(first, "next_after_seq")}}));
  ASSERT_THAT(*rest.find("events")->as_array(), SizeIs(1));
  EXPECT_EQ(integer_member(rest.find("events")->as_array()->at(0), "prev_seq"), 1);
  EXPECT_EQ(reason_of(daemon.call("events.subscribe", Json::object({{"consumer", "x"}}))),
            "needs_websocket");
}

TEST_F(Events, A26_WhatABackendMissedComesInOrder) {
  Daemon daemon(folder_.path());
  daemon.start();
  Backend backend("crm-prod");
  ASSERT_TRUE(backend.connect(daemon)) << backend.answer.dump();
  const auto make = [&](const std::string& name) {
    daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", name}}));
  };
  for (int i = 0; i < 5; ++i) make("before-" + std::to_string(i));
  ASSERT_TRUE(backend.read_until(5));
  EXPECT_EQ(integer_member(*backend.acknowledge().find("result"), "cursor"), 5);
  backend.cut();
  for (int i = 0; i < 600; ++i) make("down-" + std::to_string(i));
  EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  daemon.start();
  ASSERT_TRUE(backend.connect(daemon));
  EXPECT_EQ(integer_member(*backend.answer.find("result"), "cursor"), 5);
  while (backend.seqs.size() < 605) {
    ASSERT_TRUE(backend.read());
    if (backend.seqs.size() % 200 == 0) backend.acknowledge();
  }
  EXPECT_EQ(backend.broken, 0U);
  for (std::size_t i = 0; i < backend.seqs.size(); ++i) {
    EXPECT_EQ(backend.seqs[i], static_cast<std::int64_t>(i + 1));
  }
}

TEST_F(Events, A27_ACursorOutOfRetentionIsSaidAndTheStateCanBeRead) {
  Daemon daemon(folder_.path());
  daemon.start();
  Backend backend("crm-prod");
  ASSERT_TRUE(backend.connect(daemon));
  daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "a"}}));
  ASSERT_TRUE(backend.read_until(1));
  backend.acknowledge();
  backend.cut();
  for (int i = 0; i < 5; ++i) {
    daemon.result("room.create",
                  Json::object({{"tenant", "seller-1"}, {"name", "b" + std::to_string(i)}}));
  }
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  // Another life of it keeps events for one second only, and looks at each start.
  Daemon forgetful(folder_.path(), "", "", "event_retention_s: 1");
  forgetful.start();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto gone = [&] {
    const Json hello = forgetful.result("hello");
    return integer_member(hello, "earliest_seq") > 2;
  };
  while (!gone() && std::chrono::steady_clock::now() < end) {
    forgetful.stop(SIGTERM);
    forgetful.start();
  }
  EXPECT_FALSE(backend.connect(forgetful));
  EXPECT_EQ(reason_of(backend.answer), "cursor_expired");
  const Json* details = backend.answer.find("error")->find("data");
  EXPECT_GT(integer_member(*details, "earliest_seq"), 2);
  EXPECT_FALSE(text_member(*details, "epoch").empty());
  const Json snapshot = forgetful.result("state.snapshot", Json::object({{"limit", 4}}));
  ASSERT_THAT(*snapshot.find("rooms")->as_array(), SizeIs(4));
  const std::int64_t as_of = integer_member(snapshot, "as_of_seq");
  forgetful.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "late"}}));
  const Json more = forgetful.result(
      "state.snapshot", Json::object({{"page_token", text_member(snapshot, "next_page_token")}}));
  EXPECT_EQ(integer_member(more, "as_of_seq"), as_of);
  Backend resynced("crm-prod", Json::object({{"from", as_of}}));
  ASSERT_TRUE(resynced.connect(forgetful)) << resynced.answer.dump();
  ASSERT_TRUE(resynced.read_until(1));
  EXPECT_EQ(resynced.seqs.front(), as_of + 1);
  EXPECT_EQ(text_member(resynced.data.front(), "name"), "late");
}

TEST_F(Events, A28_WhoLagsIsSeenByTheOthersAndInTheMetrics) {
  Daemon daemon(folder_.path(), "", ", consumer_lag_ms: 300, heartbeat_interval_ms: 50");
  daemon.start();
  Backend watcher("watcher");
  Backend slow("slow");
  ASSERT_TRUE(watcher.connect(daemon));
  ASSERT_TRUE(slow.connect(daemon));
  daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "a"}}));
  ASSERT_TRUE(watcher.read_until(1));
  watcher.acknowledge();
  ASSERT_TRUE(watcher.read_until(2));
  EXPECT_EQ(watcher.types[1], "consumer.lagging");
  EXPECT_EQ(text_member(watcher.data[1], "consumer"), "slow");
  EXPECT_GT(integer_member(watcher.data[1], "lag_ms"), 300);
  EXPECT_THAT(watcher.others, Not(IsEmpty()));  // heartbeats, meanwhile
  const std::string metrics = daemon.get("/metrics");
  const std::string name = "parley_consumer_lag_seconds{consumer=\"crm/slow\"} ";
  const std::size_t at = metrics.find(name);
  ASSERT_NE(at, std::string::npos) << metrics;
  EXPECT_GT(std::strtod(metrics.c_str() + at + name.size(), nullptr), 0.3);
}

TEST_F(Events, A35_TwoConsumersDoNotHoldEachOther) {
  Daemon daemon(folder_.path());
  daemon.start();
  Json rooms = Json::array();
  rooms.push("room.created");
  Json deleted = Json::array();
  deleted.push("room.deleted");
  Backend store("store", Json::object({{"types", rooms}, {"window", 1}}));
  Backend carrier("carrier", Json::object({{"types", deleted}}));
  ASSERT_TRUE(store.connect(daemon));
  ASSERT_TRUE(carrier.connect(daemon));
  for (const char* name : {"a", "b", "c"}) {
    const Json room = Json::object({{"tenant", "seller-1"}, {"name", name}});
    daemon.result("room.create", room);
    daemon.result("room.delete", Json::object({{"tenant", "seller-1"}, {"room", name}}));
  }
  ASSERT_TRUE(carrier.read_until(3));  // while the store has acknowledged nothing
  EXPECT_THAT(carrier.seqs, ElementsAre(2, 4, 6));
  ASSERT_TRUE(store.read_until(1));
  while (store.seqs.size() < 3) {
    store.acknowledge();
    if (store.seqs.size() == 3) break;
    ASSERT_TRUE(store.read());
  }
  EXPECT_THAT(store.seqs, ElementsAre(1, 3, 5));
  EXPECT_EQ(store.broken + carrier.broken, 0U);
}

// The whole of it at once: events are made while the daemon is killed and the socket cut.
TEST_F(Events, NoneIsLostWhenDaemonAndSocketDieAtRandom) {
  const std::size_t wanted = is_long() ? 100'000 : 1'500;
  const int kills = is_long() ? 100 : 5;
  const int cuts = is_long() ? 1'000 : 25;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Daemon daemon(folder_.path());
  daemon.start();
  Backend backend("crm-prod", Json::object({{"window", 1'000}}));
  ASSERT_TRUE(backend.connect(daemon));
  // Beside it a receiver of webhooks that fails and stalls.
  const UnreliableReceiver receiver(seed, 3);
  daemon.result(
      "webhook.put",
      Json::object({{"webhook", "crm"}, {"url", receiver.url()}, {"secret", kWebhookSecret}}));
  std::set<std::size_t> kill_at;
  std::set<std::size_t> cut_at;
  while (kill_at.size() < static_cast<std::size_t>(kills)) kill_at.insert(random() % wanted);
  while (cut_at.size() < static_cast<std::size_t>(cuts)) cut_at.insert(random() % wanted);
  std::size_t acknowledged = 0;  // events whose call was answered
  const auto reconnect = [&] {
    backend.cut();
    ASSERT_TRUE(backend.connect(daemon)) << backend.answer.dump();
  };
  // Requests are pipelined on a socket of their own; the last ones of a killed daemon may be lost.
  auto maker = std::make_unique<RpcSocket>(daemon, "/v1/control", "parley.control.v1", api_token());
  for (std::size_t i = 0; i < wanted; ++i) {
    // Two events for each room in turn.
    const bool create = i % 2 == 0;
    const std::string name = "room-" + std::to_string(i / 2);
    const Json answer =
        maker->ask(create ? "room.create" : "room.delete",
                   Json::object({{"tenant", "seller-1"}, {create ? "name" : "room", name}}));
    ASSERT_NE(answer.find("result"), nullptr) << i << ": " << answer.dump();
    ++acknowledged;
    if (backend.seqs.size() + 300 < acknowledged) {
      ASSERT_TRUE(backend.read_until(acknowledged - random() % 200));
      backend.acknowledge();
    }
    if (cut_at.contains(i)) reconnect();
    if (kill_at.contains(i)) {
      EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
      daemon.start();
      reconnect();
      maker = std::make_unique<RpcSocket>(daemon, "/v1/control", "parley.control.v1", api_token());
    }
  }
  while (backend.seqs.size() < acknowledged) {
    ASSERT_TRUE(backend.read());
    if (backend.seqs.size() % 100 == 0) backend.acknowledge();
  }
  backend.acknowledge();
  EXPECT_EQ(backend.broken, 0U);
  EXPECT_EQ(backend.ids.size(), backend.seqs.size());
  ASSERT_THAT(backend.seqs, SizeIs(acknowledged));
  for (std::size_t i = 0; i < backend.seqs.size(); ++i) {
    ASSERT_EQ(backend.seqs[i], static_cast<std::int64_t>(i + 1));
  }
  EXPECT_TRUE(receiver.wait_for(acknowledged, std::chrono::seconds(is_long() ? 600 : 60)));
  const auto account = receiver.account();
  EXPECT_EQ(receiver.taken(), acknowledged);
  EXPECT_EQ(account.bad_signatures + account.out_of_order + account.other_id, 0U);
  std::printf(
      "%zu events, %d kills, %d cuts, seed %u: %zu came again on the socket, %zu by webhook, none "
      "was lost\n",
      acknowledged, kills, cuts, seed, backend.again, account.again);
}

}  // namespace
}  // namespace parley::acceptance
