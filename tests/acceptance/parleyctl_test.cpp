#include "control/tls.h"
#include "server/loop.h"
#include "tests/acceptance/daemon_fixture.h"

// The command line against a real daemon.
namespace parley::acceptance {
namespace {

using control::integer_member;
using control::text_member;
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
  const std::string epoch = text_member(daemon.result("hello"), "epoch");
  daemon.stop(SIGKILL);
  // Another daemon lives on what was copied.
  Daemon restored(folder_ / "copy");
  restored.start();
  const Json rooms = restored.result("room.list", Json::object({{"tenant", "seller-1"}}));
  EXPECT_EQ(rooms.find("rooms")->as_array()->size(), 20U);
  EXPECT_EQ(restored.events().size(), 20U);
  // It goes on under numbers that the other has given away: its log is another one.
  RpcSocket socket(restored, "/v1/control", "parley.control.v1", api_token());
  EXPECT_NE(text_member(*socket.ask("hello").find("result"), "epoch"), epoch);
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

// A call with everything in it, as a monitor makes it every minute.
TEST_F(Parleyctl, ProbesTheWholeWay) {
  Daemon daemon(folder_);
  daemon.start();
  const std::string url = "http://127.0.0.1:" + std::to_string(daemon.port());
  const std::vector<std::string> as = {"--url",         url,     "--key-id", "ops",
                                       "--secret-file", secret_, "--json"};
  std::vector<std::string> command = {"probe", "--seconds", "2"};
  command.insert(command.end(), as.begin(), as.end());
  const auto [code, said] = Daemon::run_once(command, "parleyctl");
  ASSERT_EQ(code, 0) << said;
  const auto figures = Json::parse(said.substr(0, said.find('\n')));
  ASSERT_TRUE(figures) << said;
  EXPECT_GT(integer_member(*figures, "heard"), 50);
  EXPECT_GE(integer_member(*figures, "recorded_ms"), 1'000);
  // Nothing of it is left.
  const std::string ops = api_token("ops");
  EXPECT_EQ(*daemon.call("room.list", Json(Json::Object{}), ops).find("result")->find("rooms"),
            Json::array());
  const Json list = daemon.call("recording.list", Json(Json::Object{}), ops);
  const Json& record = list.find("result")->find("recordings")->as_array()->at(0);
  EXPECT_EQ(text_member(record, "state"), "deleted");
  EXPECT_FALSE(
      std::filesystem::exists(folder_ / "recordings" / text_member(record, "recording_id")));
  EXPECT_EQ(daemon.wait_for("recording.deleted", 0).size(), 0U);
}

TEST_F(Parleyctl, AProbeThatFailsSaysAtWhat) {
  Daemon daemon(folder_, "recording: {enabled: false}\n");
  const auto [dead, nobody] = Daemon::run_once(
      {"probe", "--url", "http://127.0.0.1:1", "--key-id", "ops", "--secret-file", secret_},
      "parleyctl");
  EXPECT_EQ(dead, 1);
  EXPECT_THAT(nobody, HasSubstr("probe: "));
}

TEST_F(Parleyctl, ShowsTablesToPeopleAndTakesWords) {
  Daemon daemon(folder_);
  daemon.start();
  const std::string url = "http://127.0.0.1:" + std::to_string(daemon.port());
  const auto [created, room] =
      rpc(url, {"room.create", "tenant=seller-1", "name=car 5", "max_participants=3", "lobby=true",
                R"(attributes={"buyer":"b"})", "--table"});
  ASSERT_EQ(created, 0) << room;
  EXPECT_THAT(room, HasSubstr("created"));
  const auto [listed, table] = rpc(url, {"room.list", "tenant=seller-1", "--table"});
  EXPECT_EQ(listed, 0);
  EXPECT_THAT(table, HasSubstr("max_participants"));
  EXPECT_THAT(table, HasSubstr("car 5"));
  EXPECT_THAT(table, HasSubstr(" UTC"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2);
  const auto [wrong, why] = rpc(url, {"room.create", "tenant=seller-1", "max_participants=many"});
  EXPECT_EQ(wrong, 2);
  EXPECT_THAT(why, HasSubstr("max_participants: \"many\" is no integer"));
  const auto [known, methods] = Daemon::run_once({"methods", "room"}, "parleyctl");
  EXPECT_EQ(known, 0);
  EXPECT_THAT(methods, HasSubstr("room.mute_all"));
}

}  // namespace
}  // namespace parley::acceptance
