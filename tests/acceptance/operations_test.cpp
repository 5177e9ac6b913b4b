// What an operator does while calls run: other keys, other limits, a look inside.
#include "tests/acceptance/media_peer.h"

namespace parley::acceptance {
namespace {

using control::integer_member;
using control::text_member;
using testing::HasSubstr;

constexpr const char* kNextSecret = "the next secret, of more than thirty-two bytes";

class Operations : public testing::Test {
 protected:
  Operations() { daemon_.start(); }
  // Another text in the place of one in the configuration file.
  void edit(const std::string& what, const std::string& by) const {
    const auto file = daemon_.folder() / "parley.yaml";
    std::ifstream in(file);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    std::ofstream(file) << text.replace(at, what.size(), by);
  }
  Json ops(const std::string& method, Json params = Json(Json::Object{})) const {
    return daemon_.call(method, std::move(params), api_token("ops"));
  }
  [[nodiscard]] int status_of(const std::string& token) const {
    return daemon_.post(R"({"jsonrpc":"2.0","id":1,"method":"ping"})", token).status;
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path()};
};

TEST_F(Operations, KeysAreRotatedWithoutARestart) {
  const std::string next = api_token("blue", kNextSecret);
  EXPECT_EQ(status_of(next), 401);
  const std::string old_secret = std::string("secrets: [\"") + kOtherSecret + "\"]";
  const std::string both =
      std::string("secrets: [\"") + kNextSecret + "\", \"" + kOtherSecret + "\"]";
  edit(old_secret, both);
  ASSERT_EQ(reason_of(ops("server.reload")), "");
  EXPECT_EQ(status_of(next), 200);
  EXPECT_EQ(status_of(api_token("blue", kOtherSecret)), 200);
  RpcSocket socket(daemon_, "/v1/control", "parley.control.v1", next);
  ASSERT_EQ(socket.status, 101);
  edit(both, std::string("secrets: [\"") + kNextSecret + "\"]");
  ASSERT_EQ(reason_of(ops("server.reload")), "");
  EXPECT_EQ(status_of(api_token("blue", kOtherSecret)), 401);
  EXPECT_NE(socket.ask("ping").find("result"), nullptr) << "who is in stays in";
  // Without its key, a socket is closed.
  edit("id: blue", "id: green");
  ASSERT_EQ(reason_of(ops("server.reload")), "");
  EXPECT_TRUE(socket.next().is_null());
  EXPECT_EQ(socket.close_code, 1008U);
  EXPECT_EQ(status_of(next), 401);
}

TEST_F(Operations, AConfigurationThatIsWrongChangesNothing) {
  edit("workers: {count: 1}", "workers: {coutn: 1}");
  const Json refused = ops("server.reload");
  EXPECT_EQ(reason_of(refused), "invalid_config");
  EXPECT_THAT(refused.dump(), HasSubstr("workers.coutn"));
  EXPECT_EQ(status_of(api_token()), 200);
  edit("workers: {coutn: 1}", "workers: {count: 2}");
  const Json waits = *ops("server.reload").find("result")->find("restart_needed");
  EXPECT_EQ(waits.dump(), R"(["workers"])");
}

TEST_F(Operations, ASignalReloadsToo) {
  const std::string next = api_token("blue", kNextSecret);
  edit(kOtherSecret, kNextSecret);
  daemon_.send_signal(SIGHUP);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (status_of(next) != 200 && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_EQ(status_of(next), 200);
}

TEST_F(Operations, OneKeyIsLimitedAndOthersAreNot) {
  const std::string slow = api_token("slow");
  const std::string body = R"({"jsonrpc":"2.0","id":1,"method":"room.list"})";
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    const auto answer = daemon_.post(body, slow);
    if (answer.status != 429) continue;
    ++refused;
    EXPECT_EQ(answer.fields.at("retry-after"), "1");
    EXPECT_THAT(answer.body, HasSubstr("rate_limited"));
    EXPECT_THAT(answer.body, HasSubstr("retry_after_ms"));
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(daemon_.post(body, api_token()).status, 200);
  EXPECT_THAT(daemon_.get("/metrics"),
              HasSubstr("parley_api_rate_limited_total " + std::to_string(refused)));
}

TEST_F(Operations, ShowsItsNumbersToWhoRunsIt) {
  daemon_.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "car"}}));
  const Json stats = ops("server.stats");
  ASSERT_NE(stats.find("result"), nullptr) << stats.dump();
  std::int64_t rooms = -1;
  for (const Json& metric : *stats.find("result")->find("metrics")->as_array()) {
    if (text_member(metric, "name") == "parley_rooms") rooms = integer_member(metric, "value");
  }
  EXPECT_EQ(rooms, 1);
  EXPECT_THAT(daemon_.get("/metrics"),
              HasSubstr(R"(parley_api_requests_total{method="room.create"} 1)"));
  EXPECT_EQ(reason_of(daemon_.call("server.stats")), "permission_denied");
  EXPECT_EQ(text_member(*ops("log.set", Json::object({{"level", "warn"}})).find("result"), "level"),
            "warn");
}

// The file's mode is the credential: no key, no token, no TLS.
TEST(LocalSocket, AUnixSocketIsForWhoMayOpenIt) {
  TestFolder folder;
  const std::string file = (folder.path() / "control.sock").string();
  Daemon daemon(folder.path(), "", ", socket_file: \"" + file + "\"");
  daemon.start();
  EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_all);
  const auto ctl = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"rpc", "--socket", file});
    return Daemon::run_once(words, "parleyctl");
  };
  const auto [made, room] = ctl({"room.create", "tenant=seller-1", "name=car"});
  EXPECT_EQ(made, 0) << room;
  EXPECT_EQ(daemon.events_of("room.created").size(), 1U);
  EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  daemon.start();  // what the killed one has left behind is in nobody's way
  EXPECT_EQ(ctl({"room.list"}).first, 0);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_THAT(daemon.log(), HasSubstr("action=room.create by=key:unix:"));
  // A call without any credential is a mistake of the command line.
  EXPECT_EQ(Daemon::run_once({"rpc", "room.list"}, "parleyctl").first, 2);
}

TEST_F(Operations, HelloMaySubscribeAtOnce) {
  RpcSocket first(daemon_, "/v1/control", "parley.control.v1", api_token());
  const Json hello = *first.ask("hello").find("result");
  const std::string epoch = text_member(hello, "epoch");
  RpcSocket quiet(daemon_, "/v1/control", "parley.control.v1", api_token());
  quiet.ask("hello", Json::object({{"events", false}}));
  daemon_.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "one"}}));
  RpcSocket consumer(daemon_, "/v1/control", "parley.control.v1", api_token());
  const Json resumed = consumer.ask(
      "hello", Json::object({{"consumer", "crm-prod"},
                             {"resume", Json::object({{"epoch", epoch}, {"after_seq", 0}})}}));
  ASSERT_NE(resumed.find("result"), nullptr) << resumed.dump();
  EXPECT_EQ(integer_member(*resumed.find("result")->find("subscription"), "cursor"), 0);
  EXPECT_EQ(integer_member(*consumer.next().find("params"), "seq"), 1);
  RpcSocket stranger(daemon_, "/v1/control", "parley.control.v1", api_token());
  EXPECT_EQ(
      reason_of(stranger.ask(
          "hello",
          Json::object({{"consumer", "crm-prod"},
                        {"resume", Json::object({{"epoch", "another"}, {"after_seq", 0}})}}))),
      "cursor_expired");
  quiet.ask("ping");
  EXPECT_TRUE(quiet.notifications.empty());
  // Whose place is taken away is told.
  daemon_.result("consumer.delete", Json::object({{"consumer", "crm-prod"}}));
  EXPECT_EQ(text_member(consumer.next(), "method"), "consumer_deleted");
}

}  // namespace
}  // namespace parley::acceptance
