#include "control/control_sockets.h"

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

// The backends' door over a store that can be held up.
class ControlSocketsTest : public CallTest {
 protected:
  ControlSocketsTest()
      : consumers(*context, store, "ep_1"),
        webhooks(
            *context, store, [](HttpClient::Request, HttpClient::Done) {}, [] {}),
        api({*context, *keyring, *tenants, *revocations, *rooms, *metering, *sessions, *actions,
             *recordings, *chat, *idempotency, consumers, webhooks, store,
             ServerFacts{"test", "boot", "ep_1", wall_ms}, ServerHandles{}}),
        sockets(*context, *keyring, api, consumers) {
    sockets.opened({1}, *keyring->principal("crm"));
  }
  void send(std::int64_t id, const std::string& method, Json params = Json(Json::Object{})) {
    sockets.message(
        {1},
        Json::object(
            {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}})
            .dump());
    outbox->flush();
  }
  std::string reason(std::size_t index) const {
    const Json* error = sent.at(1).at(index).find("error");
    return error == nullptr ? "" : text_member(*error->find("data"), "reason");
  }

  Consumers consumers;
  Webhooks webhooks;
  Api api;
  ControlSockets sockets;
};

TEST_F(ControlSocketsTest, AnAnswerWaitsForTheDiskAndNotForEver) {
  store.held = true;
  send(1, "room.create", Json::object({{"tenant", "seller-1"}, {"name", "car"}}));
  send(2, "ping");
  wait(seconds(4));
  EXPECT_THAT(sent[1], IsEmpty());
  wait(seconds(2));
  ASSERT_THAT(sent[1], SizeIs(2));
  EXPECT_EQ(reason(0), "deadline_exceeded");
  // It is done all the same, and its answer goes to nobody; the id may be used again.
  store.held = false;
  store.release();
  EXPECT_THAT(sent[1], SizeIs(2));
  send(1, "room.get", Json::object({{"tenant", "seller-1"}, {"room", "car"}}));
  ASSERT_THAT(sent[1], SizeIs(3));
  EXPECT_EQ(reason(2), "");
  wait(seconds(60));
  EXPECT_THAT(sent[1], SizeIs(3)) << "what was answered is not late afterwards";
}

TEST_F(ControlSocketsTest, CountsByMethodAndMadeUpOnesTogether) {
  send(1, "ping");
  send(2, "no.such");
  send(3, "nor.this");
  const auto stats = sockets.method_stats();
  ASSERT_THAT(stats, SizeIs(2));
  EXPECT_EQ(stats[0].name, "ping");
  EXPECT_EQ(stats[1].name, "unknown");
  EXPECT_EQ(stats[1].errors, 2U);
}

TEST_F(ControlSocketsTest, SaysWhoseBackendIsThereAndWhenThatChanges) {
  int changes = 0;
  sockets.on_change = [&] { ++changes; };
  EXPECT_TRUE(sockets.serves("seller-1"));
  sockets.closed({1});
  EXPECT_EQ(changes, 1);
  EXPECT_FALSE(sockets.serves("seller-1"));
  sockets.closed({1});  // it was none any more
  EXPECT_EQ(changes, 1);
  Principal one = *keyring->principal("crm");
  one.tenants = {"seller-1"};
  sockets.opened({2}, one);
  EXPECT_EQ(changes, 2);
  EXPECT_TRUE(sockets.serves("seller-1"));
  EXPECT_FALSE(sockets.serves("seller-2"));
  sockets.keys_changed();  // the key's own tenants, which are all
  EXPECT_EQ(changes, 3);
  EXPECT_TRUE(sockets.serves("seller-2"));
}

TEST_F(ControlSocketsTest, ASocketGoesWithItsKey) {
  config.auth.api_keys[0].id = "another";
  *keyring = std::move(*Keyring::from_config(config.auth));
  sockets.keys_changed();
  EXPECT_EQ(closed[1], 1008);
}

}  // namespace
}  // namespace parley::control
