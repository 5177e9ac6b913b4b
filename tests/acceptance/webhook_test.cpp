// Webhooks against a real parleyd that is killed, and a receiver that fails and hangs up.
#include "tests/acceptance/webhook_receiver.h"

namespace parley::acceptance {
namespace {

using control::flag_member;
using control::integer_member;
using control::text_member;

TEST(Webhook, ATestSaysWhatTheReceiverAnswered) {
  TestFolder folder;
  Daemon daemon(folder.path());
  daemon.start();
  std::atomic<int> status{204};
  const Receiver receiver([&](const Receiver::Request&) { return status.load(); });
  const Json put =
      daemon.result("webhook.put", Json::object({{"webhook", "crm"}, {"url", receiver.url()}}));
  EXPECT_TRUE(control::is_webhook_secret(text_member(put, "secret")));
  const Json test = Json::object({{"webhook", "crm"}});
  EXPECT_TRUE(flag_member(daemon.result("webhook.test", test), "delivered"));
  status = 500;
  const Json failed = daemon.result("webhook.test", test);
  EXPECT_FALSE(flag_member(failed, "delivered"));
  EXPECT_EQ(integer_member(failed, "status"), 500);
  status = 0;
  EXPECT_FALSE(text_member(daemon.result("webhook.test", test), "error").empty());
  EXPECT_EQ(reason_of(daemon.call("webhook.put",
                                  Json::object({{"webhook", "x"}, {"url", "http://127.0.0.1/"}}),
                                  api_token("blue", kOtherSecret))),
            "permission_denied");
}

TEST(Webhook, NothingIsLostWhenBothSidesFail) {
  TestFolder folder;
  Daemon daemon(folder.path());
  daemon.start();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const UnreliableReceiver receiver(seed, 50);
  daemon.result(
      "webhook.put",
      Json::object({{"webhook", "crm"}, {"url", receiver.url()}, {"secret", kWebhookSecret}}));
  constexpr int kRooms = 8;
  constexpr int kRounds = 25;
  std::size_t told = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kRooms; ++i) {
      const std::string name = "room-" + std::to_string(i);
      if (round == 0) {
        daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", name}}));
      } else {
        daemon.result("room.update",
                      Json::object({{"tenant", "seller-1"},
                                    {"room", name},
                                    {"attributes", Json::object({{"round", round}})}}));
      }
      ++told;
    }
    if (round % 8 == 7) {
      EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
      daemon.start();
    }
  }
  EXPECT_TRUE(receiver.wait_for(told, std::chrono::seconds(120)));
  EXPECT_EQ(receiver.taken(), told);
  const auto account = receiver.account();
  EXPECT_EQ(account.bad_signatures, 0U);
  EXPECT_EQ(account.out_of_order, 0U);
  EXPECT_EQ(account.other_id, 0U);
  std::printf("%zu events, 3 kills: %zu came again, none was lost\n", told, account.again);
}

}  // namespace
}  // namespace parley::acceptance
