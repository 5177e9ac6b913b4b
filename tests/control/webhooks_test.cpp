#include "control/webhooks.h"

#include <random>

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kSecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

// The published example of the Standard Webhooks specification's libraries.
TEST(SignWebhook, AgreesWithTheSpecificationsExample) {
  EXPECT_EQ(sign_webhook(kSecretText, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330,
                         R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(SignWebhook, RefusesSecretsThatAreNone) {
  EXPECT_TRUE(is_webhook_secret(kSecretText));
  for (const char* bad :
       {"", "whsec_", "whsec_YQ==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_????????????????????????????????",
        "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
        "whsec_MfKQ9r8GKYqrTwj=PD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaL==="}) {
    EXPECT_FALSE(is_webhook_secret(bad)) << bad;
  }
}

class WebhooksTest : public CallTest {
 protected:
  WebhooksTest() { begin(); }
  void begin() {
    webhooks = std::make_unique<Webhooks>(
        *context, store,
        [this](HttpClient::Request request, HttpClient::Done done) {
          posts.push_back({std::move(request), std::move(done)});
        },
        [this] { outbox->flush(); });
    webhooks->load(store.all_rows());
    webhooks->keys_changed([](std::string_view key_id) -> std::optional<std::vector<std::string>> {
      if (key_id != "crm") return std::nullopt;
      return std::vector<std::string>{"seller-*"};
    });
    outbox->on_event([this](const EventRow& row) { webhooks->publish(row); });
  }
  struct Posted {
    HttpClient::Request request;
    HttpClient::Done done;
  };

  void put(std::vector<std::string> types = {}) {
    Webhooks::Put wanted;
    wanted.name = "crm";
    wanted.url = "https://crm.example.org/parley";
    wanted.filter.scope = {"seller-*"};
    wanted.filter.key_id = "crm";
    wanted.filter.types = std::move(types);
    wanted.secret = kSecretText;
    ASSERT_TRUE(webhooks->put(wanted));
    outbox->flush();
  }
  void tell(const std::string& room, const std::string& type = "room.updated",
            const std::string& tenant = "seller-1") {
    context->event({type, tenant, room, "", Json(Json::Object{})});
    outbox->flush();
  }
  static std::int64_t seq_of(const Posted& posted) {
    return integer_member(*Json::parse(posted.request.body), "seq");
  }
  std::vector<std::int64_t> under_way() const {
    std::vector<std::int64_t> all;
    for (const Posted& posted : posts) all.push_back(seq_of(posted));
    return all;
  }
  // Answers one that is under way.
  void answer(std::int64_t seq, int status) {
    const auto it = std::find_if(posts.begin(), posts.end(),
                                 [&](const Posted& posted) { return seq_of(posted) == seq; });
    ASSERT_NE(it, posts.end()) << seq;
    const Posted posted = std::move(*it);
    posts.erase(it);
    posted.done({status, status == 0 ? "connection refused" : ""});
  }
  // The first event of one room, while those of another are taken.
  void refuse_until_set_aside() {
    tell("rm_bad");
    for (int i = 1; i <= DeliveryQueue::kPatience; ++i) {
      answer(1, 500);
      tell("rm_good");
      answer(i + 1, 200);
      if (i < DeliveryQueue::kPatience) wait(seconds(1 << (i - 1)));
    }
  }
  Json state() { return webhooks->list("crm", false).as_array()->at(0); }

  std::vector<Posted> posts;
  std::unique_ptr<Webhooks> webhooks;
};

TEST_F(WebhooksTest, EachEventIsPostedAndSigned) {
  put();
  tell("rm_1");
  ASSERT_THAT(posts, SizeIs(1));
  const HttpClient::Request& request = posts[0].request;
  EXPECT_EQ(request.url, "https://crm.example.org/parley");
  const std::string id = text(*Json::parse(request.body), "id");
  EXPECT_THAT(request.headers, testing::Contains("webhook-id: " + id));
  EXPECT_THAT(request.headers,
              testing::Contains("webhook-signature: " +
                                sign_webhook(kSecretText, id, wall_ms / 1'000, request.body)));
  answer(1, 204);
  EXPECT_EQ(integer_member(state(), "cursor"), 1);
  EXPECT_EQ(integer_member(state(), "behind"), 0);
}

TEST_F(WebhooksTest, ARoomKeepsItsOrderAndOthersGoOn) {
  put();
  tell("rm_1");
  tell("rm_1");
  tell("rm_2");
  EXPECT_THAT(under_way(), ElementsAre(1, 3));
  answer(3, 200);
  EXPECT_EQ(integer_member(state(), "cursor"), 0);  // not before the first
  answer(1, 500);
  EXPECT_THAT(under_way(), IsEmpty());
  wait(seconds(1));
  EXPECT_THAT(under_way(), ElementsAre(1));
  answer(1, 200);
  EXPECT_THAT(under_way(), ElementsAre(2));
  answer(2, 200);
  EXPECT_EQ(integer_member(state(), "cursor"), 3);
}

TEST_F(WebhooksTest, WhatFailsIsTriedLaterEachTime) {
  put();
  tell("rm_1");
  for (const int pause_s : {1, 2, 4, 8, 16}) {
    answer(1, 0);
    EXPECT_EQ(text(state(), "last_error"), "connection refused");
    wait(milliseconds(pause_s * 1'000 - 1));
    EXPECT_THAT(under_way(), IsEmpty());
    wait(milliseconds(1));
    ASSERT_THAT(under_way(), ElementsAre(1));
  }
  EXPECT_EQ(integer_member(state(), "failed_count"), 5);
  answer(1, 200);
  EXPECT_EQ(integer_member(state(), "failed_count"), 0);
  EXPECT_EQ(webhooks->counters().attempts, 6U);
  EXPECT_EQ(webhooks->counters().failures, 5U);
}

TEST_F(WebhooksTest, ItsPlaceOutlivesTheDaemonAndTheBacklogIsRead) {
  put();
  for (int i = 0; i < 300; ++i) tell("rm_" + std::to_string(i % 5));
  ASSERT_THAT(posts, SizeIs(5));  // one of each room
  answer(1, 200);
  answer(2, 200);
  posts.clear();  // the process dies with what was under way
  webhooks.reset();
  crash();
  begin();
  std::map<std::string, std::int64_t> last;  // of each room
  std::size_t taken = 2;
  while (!posts.empty()) {
    const Json event = *Json::parse(posts.front().request.body);
    const std::int64_t seq = integer_member(event, "seq");
    EXPECT_GT(seq, last[text(event, "room_id")]);
    last[text(event, "room_id")] = seq;
    EXPECT_GT(seq, 2);
    ++taken;
    answer(seq, 200);
  }
  EXPECT_EQ(taken, 300U);
  EXPECT_EQ(integer_member(state(), "cursor"), 300);
}

TEST_F(WebhooksTest, ARoomThatIsRefusedForLongHoldsUpNoOther) {
  put();
  refuse_until_set_aside();
  EXPECT_EQ(integer_member(state(), "set_aside"), 1);
  EXPECT_EQ(integer_member(state(), "behind"), 0);
  EXPECT_EQ(webhooks->states().at(0).aside, 1U);
  for (int i = 0; i < 1'000; ++i) tell(i % 2 == 0 ? "rm_bad" : "rm_good");
  while (!posts.empty()) answer(seq_of(posts.front()), 200);
  // It goes on where it was refused, after a restart too, in its order and to its end.
  webhooks.reset();
  crash();
  begin();
  std::vector<std::int64_t> bad;
  bool again = false;
  while (!posts.empty()) {
    bad.push_back(seq_of(posts.front()));
    if (bad.size() == 100 && !again) {  // once more: what was taken is not sent again
      again = true;
      posts.clear();
      webhooks.reset();
      crash();
      begin();
      EXPECT_THAT(under_way(), ElementsAre(bad.back()));
      bad.pop_back();
      continue;
    }
    answer(bad.back(), 200);
  }
  EXPECT_THAT(bad, SizeIs(501));
  EXPECT_TRUE(std::is_sorted(bad.begin(), bad.end()));
  EXPECT_EQ(integer_member(state(), "set_aside"), 0);
  tell("rm_bad");
  EXPECT_THAT(posts, SizeIs(1));
  outbox->flush();
  EXPECT_THAT(store.all_rows(), Not(testing::Contains(testing::Field(&Row::kind, "webhook_lane"))));
}

TEST_F(WebhooksTest, NothingOfARemovedWebhookStays) {
  put();
  refuse_until_set_aside();
  outbox->flush();
  EXPECT_THAT(store.all_rows(), testing::Contains(testing::Field(&Row::kind, "webhook_lane")));
  EXPECT_TRUE(webhooks->remove("crm", "crm"));
  outbox->flush();
  EXPECT_THAT(store.all_rows(), IsEmpty());
}

TEST_F(WebhooksTest, OnlyWantedEventsAreSent) {
  put({"session.*"});
  tell("rm_1", "room.created");
  tell("rm_1", "session.started");
  tell("rm_1", "session.started", "other-1");
  EXPECT_THAT(under_way(), ElementsAre(2));
  answer(2, 200);
  EXPECT_EQ(integer_member(state(), "cursor"), 3);
}

TEST_F(WebhooksTest, GoneMeansOff) {
  put();
  tell("rm_1");
  answer(1, 410);
  EXPECT_FALSE(flag_member(state(), "enabled"));
  tell("rm_1");
  wait(minutes(20));
  EXPECT_THAT(posts, IsEmpty());
  put();  // on again, from where it stopped
  EXPECT_THAT(under_way(), ElementsAre(1));
}

TEST_F(WebhooksTest, EventsCanBeSentAgain) {
  put();
  for (int i = 0; i < 3; ++i) {
    tell("rm_1");
    answer(i + 1, 200);
  }
  ASSERT_TRUE(webhooks->redeliver("crm", "crm", 2));
  outbox->flush();
  EXPECT_THAT(under_way(), ElementsAre(2));
  answer(2, 200);
  EXPECT_THAT(under_way(), ElementsAre(3));
  EXPECT_EQ(webhooks->redeliver("crm", "crm", 9).error().reason, "cursor_expired");
  EXPECT_EQ(webhooks->redeliver("crm", "other", 1).error().reason, "webhook_not_found");
}

TEST_F(WebhooksTest, AnAnswerToWhatWasChangedMeanwhileCountsForNothing) {
  put();
  tell("rm_1");
  const Posted old = posts.at(0);
  posts.clear();
  put();
  ASSERT_THAT(under_way(), ElementsAre(1));
  old.done({200, ""});
  EXPECT_EQ(integer_member(state(), "cursor"), 0);
  ASSERT_TRUE(webhooks->remove("crm", "crm"));
  const Posted newer = posts.at(0);
  newer.done({200, ""});
}

TEST_F(WebhooksTest, WithItsKeyItStops) {
  put();
  room("one");
  ASSERT_THAT(posts, SizeIs(1));
  webhooks->keys_changed(
      [](std::string_view) -> std::optional<std::vector<std::string>> { return std::nullopt; });
  room("two");
  EXPECT_THAT(posts, SizeIs(1));
  webhooks->keys_changed([](std::string_view) -> std::optional<std::vector<std::string>> {
    return std::vector<std::string>{"seller-*"};
  });
  EXPECT_GT(posts.size(), 1U);
}

class WebhooksRandom : public WebhooksTest, public testing::WithParamInterface<unsigned> {};

TEST_P(WebhooksRandom, NothingIsLostAndEachRoomKeepsItsOrder) {
  std::mt19937 random(GetParam());
  const auto pick = [&](std::uint32_t to) { return static_cast<std::uint32_t>(random() % to); };
  put();
  std::map<std::string, std::int64_t> last;
  std::set<std::int64_t> taken;
  std::int64_t told = 0;
  const auto answer_one = [&](bool good) {
    const Json event =
        *Json::parse(posts[pick(static_cast<std::uint32_t>(posts.size()))].request.body);
    const std::int64_t seq = integer_member(event, "seq");
    if (!good) {
      const int status = pick(2) == 0 ? 0 : 503;
      return answer(seq, status);
    }
    std::int64_t& before = last[text(event, "room_id")];
    if (!taken.contains(seq)) {
      ASSERT_GT(seq, before);
      before = seq;
      taken.insert(seq);
    }
    answer(seq, 200);
  };
  for (int step = 0; step < 400; ++step) {
    switch (pick(6)) {
      case 0:
      case 1:
        tell("rm_" + std::to_string(pick(4)));
        ++told;
        break;
      case 2:
      case 3:
        if (!posts.empty()) answer_one(pick(3) != 0);
        break;
      case 4:
        wait(milliseconds(pick(5'000)));
        break;
      case 5:
        if (pick(10) != 0) break;
        posts.clear();
        webhooks.reset();
        crash();
        begin();
        break;
    }
  }
  for (int i = 0; i < 5'000 && taken.size() < static_cast<std::size_t>(told); ++i) {
    if (posts.empty()) {
      wait(minutes(1));
    } else {
      answer_one(true);
    }
  }
  EXPECT_EQ(taken.size(), static_cast<std::size_t>(told));
}

INSTANTIATE_TEST_SUITE_P(Seeds, WebhooksRandom, testing::Range(1U, 21U));

}  // namespace
}  // namespace parley::control
