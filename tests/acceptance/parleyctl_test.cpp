#include "control/tls.h"
#include "server/loop.h"
#include "tests/acceptance/daemon_fixture.h"

// The command line against a real daemon.
namespace parley::acceptance {
namespace {

using ::testing::HasSubstr;

class Parleyctl : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  // `parleyctl rpc METHOD` with more options; its exit code and what it said.
  [[nodiscard]] std::pair<int, std::string> rpc(const std::string& url,
                                                std::vector<std::string> more) const {
    std::vector<std::string> all = {"rpc", "--url",         url,    "--key-id",
                                    "crm", "--secret-file", secret_};
    all.insert(all.end(), more.begin(), more.end());
    return Daemon::run_once(all, "parleyctl");
  }
  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) /
                                  ("parley-ctl-" + std::to_string(getpid()) + "-" +
                                   testing::UnitTest::GetInstance()->current_test_info()->name());
  std::string secret_ = write("secret", std::string(kSecret) + "\n");
};

TEST_F(Parleyctl, CallsMethodsAndSaysWhatWasRefused) {
  Daemon daemon(folder_);
  daemon.start();
  const std::string url = "http://127.0.0.1:" + std::to_string(daemon.port());
  const auto [created, room] = rpc(url, {"room.create", R"({"tenant":"seller-1","name":"car"})"});
  EXPECT_EQ(created, 0);
  EXPECT_THAT(room, HasSubstr(R"("created":true)"));
  const auto [refused, why] = rpc(url, {"room.get", R"({"room_id":"rm_x"})"});
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(why, HasSubstr("room_not_found"));
  EXPECT_EQ(rpc(url, {"room.list", "no json"}).first, 2);
  EXPECT_EQ(rpc("http://127.0.0.1:1", {"room.list"}).first, 1);
  EXPECT_EQ(rpc("file:///etc", {"room.list"}).first, 1);
}

TEST_F(Parleyctl, PrintsTheEventLog) {
  Daemon daemon(folder_);
  daemon.start();
  const std::string url = "http://127.0.0.1:" + std::to_string(daemon.port());
  for (const char* name : {"a", "b", "c"}) {
    daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", name}}));
  }
  const auto [code, lines] = Daemon::run_once(
      {"events", "--after-seq", "1", "--url", url, "--key-id", "crm", "--secret-file", secret_},
      "parleyctl");
  EXPECT_EQ(code, 0);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_THAT(lines, HasSubstr(R"("name":"c")"));
}

TEST_F(Parleyctl, BacksUpAStoreThatIsInUse) {
  Daemon daemon(folder_);
  daemon.start();
  for (int i = 0; i < 20; ++i) {
    daemon.result("room.create",
                  Json::object({{"tenant", "seller-1"}, {"name", "room-" + std::to_string(i)}}));
  }
  const std::string copy = (folder_ / "copy" / "parley.db").string();
  std::filesystem::create_directories(folder_ / "copy");
  const std::string store = (folder_ / "parley.db").string();
  EXPECT_EQ(Daemon::run_once({"backup", store, copy}, "parleyctl").first, 0);
  const auto [again, why] = Daemon::run_once({"backup", store, copy}, "parleyctl");
  EXPECT_EQ(again, 1);
  EXPECT_THAT(why, HasSubstr("exists already"));
  daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "later"}}));
  daemon.stop(SIGKILL);
  // Another daemon lives on what was copied.
  Daemon restored(folder_ / "copy");
  restored.start();
  const Json rooms = restored.result("room.list", Json::object({{"tenant", "seller-1"}}));
  EXPECT_EQ(rooms.find("rooms")->as_array()->size(), 20U);
  EXPECT_EQ(restored.events().size(), 20U);
}

TEST_F(Parleyctl, TrustsOverHttpsOnlyWhatItIsTold) {
  const auto made = control::make_self_signed("localhost", server::Loop::wall_ms());
  const std::string certificate = write("cert.pem", made->cert_pem);
  const std::string key = write("key.pem", made->key_pem);
  Daemon daemon(folder_, "",
                ", tls: {certificate_file: \"" + certificate + "\", key_file: \"" + key + "\"}");
  daemon.start();
  const std::string url = "https://localhost:" + std::to_string(daemon.port());
  const auto [distrusted, why] = rpc(url, {"room.list"});
  EXPECT_EQ(distrusted, 1);
  EXPECT_THAT(why, HasSubstr("certificate"));
  EXPECT_EQ(rpc(url, {"room.list", "--ca-file", certificate}).first, 0);
  EXPECT_EQ(rpc(url, {"room.list", "--insecure"}).first, 0);
}

TEST_F(Parleyctl, SignsJoinTokensThatTheDaemonTakes) {
  Daemon daemon(folder_);
  daemon.start();
  EXPECT_EQ(*daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "car"}}))
                 .find("created"),
            Json(true));
  const auto [signed_, said] =
      Daemon::run_once({"token", "--key-id", "crm", "--secret-file", secret_, "--tenant",
                        "seller-1", "--room", "car", "--identity", "buyer-9"},
                       "parleyctl");
  ASSERT_EQ(signed_, 0);
  RpcSocket socket = RpcSocket::rtc(daemon);
  const Json joined =
      socket.ask("join", Json::object({{"token", said.substr(0, said.find('\n'))}}));
  ASSERT_NE(joined.find("result"), nullptr) << joined.dump();
  EXPECT_EQ(*joined.find("result")->find("identity"), Json("buyer-9"));
  EXPECT_EQ(
      Daemon::run_once({"token", "--key-id", "crm", "--secret-file", secret_}, "parleyctl").first,
      2);
}

}  // namespace
}  // namespace parley::acceptance
