#include "tests/acceptance/daemon_fixture.h"
#include "tests/control/schema_samples.h"

// The control API of a real daemon over its real doors.
namespace parley::acceptance {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class Api : public testing::Test {
 protected:
  Api()
      : daemon_(std::filesystem::path(testing::TempDir()) /
                ("parley-api-" + std::to_string(getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    daemon_.start();
  }
  Json create(const std::string& name) {
    return daemon_.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", name}}));
  }
  Daemon daemon_;
};

TEST_F(Api, A01RepeatedCreateMakesOneRoomAndOneEvent) {
  const Json params =
      Json::object({{"tenant", "seller-1"}, {"name", "car"}, {"idempotency_key", "crm-1"}});
  const Json first = daemon_.result("room.create", params);
  const Json second = daemon_.result("room.create", params);
  EXPECT_EQ(*first.find("room_id"), *second.find("room_id"));
  EXPECT_EQ(*first.find("replayed"), Json(false));
  EXPECT_EQ(*second.find("replayed"), Json(true));
  EXPECT_THAT(daemon_.events(), SizeIs(1));
}

TEST_F(Api, A10OneRequestByPostIsTheSameAsOverTheSocket) {
  create("car");
  RpcSocket socket(daemon_, "/v1/control", "parley.control.v1", api_token());
  ASSERT_EQ(socket.status, 101);
  const Json over_socket =
      socket.ask("room.get", Json::object({{"tenant", "seller-1"}, {"room", "car"}}));
  const Json over_post =
      daemon_.call("room.get", Json::object({{"tenant", "seller-1"}, {"room", "car"}}));
  EXPECT_EQ(*over_socket.find("result"), *over_post.find("result"));
}

TEST_F(Api, EventsReachTheSocketAfterHelloWithAnUnbrokenChain) {
  RpcSocket socket(daemon_, "/v1/control", "parley.control.v1", api_token());
  const Json hello = socket.ask("hello", Json::object({{"client", "test"}}));
  std::int64_t last = *hello.find("result")->find("last_seq")->as_int();
  create("one");
  create("two");
  for (const char* name : {"one", "two"}) {
    const Json message = socket.next();
    EXPECT_EQ(*message.find("method"), Json("event"));
    const Json& params = *message.find("params");
    EXPECT_EQ(params.find("prev_seq")->as_int(), last);
    EXPECT_EQ(*params.find("data")->find("name"), Json(name));
    last = *params.find("seq")->as_int();
  }
}

TEST_F(Api, A11AForeignTenantLearnsNothing) {
  const Json created = create("car");
  const std::string blue = api_token("blue", kOtherSecret);
  EXPECT_EQ(reason_of(daemon_.call("room.create",
                                   Json::object({{"tenant", "seller-1"}, {"name", "car"}}), blue)),
            "permission_denied");
  const Json known =
      daemon_.call("room.get", Json::object({{"room_id", *created.find("room_id")}}), blue);
  const Json unknown =
      daemon_.call("room.get", Json::object({{"room_id", "rm_aaaaaaaaaaaaaaaaaaaaaaaaaa"}}), blue);
  EXPECT_EQ(reason_of(known), "room_not_found");
  EXPECT_EQ(reason_of(unknown), "room_not_found");
  const Json list = daemon_.call("room.list", Json(Json::Object{}), blue);
  EXPECT_EQ(*list.find("result")->find("rooms"), Json::array());
  const Json events = daemon_.call("events.list", Json(Json::Object{}), blue);
  EXPECT_EQ(*events.find("result")->find("events"), Json::array());
}

TEST_F(Api, A34EveryBadCredentialGetsTheSameRefusal) {
  const std::string body = R"({"jsonrpc":"2.0","id":1,"method":"room.list","params":{}})";
  const Json join = Json::object({{"iss", "crm"}, {"aud", "parley-join"}, {"exp", now_s() + 60}});
  const Json old = Json::object(
      {{"iss", "crm"}, {"aud", "parley-control"}, {"jti", "j"}, {"exp", now_s() - 60}});
  const std::string good = api_token();
  const std::string none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" +
                           good.substr(good.find('.'), good.rfind('.') - good.find('.') + 1);
  for (const std::string& token :
       {std::string(), std::string("allow"), std::string("a.b.c"), none,
        api_token("crm", kOtherSecret), api_token("nobody"), sign(join), sign(old)}) {
    const auto answer = daemon_.post(body, token);
    EXPECT_EQ(answer.status, 401) << token;
    EXPECT_THAT(answer.body, HasSubstr("the credential was refused")) << token;
    RpcSocket socket(daemon_, "/v1/control", "parley.control.v1", token.empty() ? "x" : token);
    EXPECT_EQ(socket.status, 401) << token;
  }
  EXPECT_EQ(daemon_.post(body, good).status, 200);
}

TEST_F(Api, W5BadRequestsAreNamedAndChangeNothing) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "parse_error"},
      {"{", "parse_error"},
      {"\xff", "parse_error"},
      {R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", "batch"},
      {R"({"jsonrpc":"2.0","method":"ping"})", "invalid_id"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.destroy"})", "unknown_method"},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":1}})", "unknown_field"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":"seller-1"}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":7,"name":"x"}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":"a/b","name":"x"}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":"seller-1","name":"*"}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":"seller-1","name":"x",)"
       R"("max_participants":0}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":"seller-1","name":"x",)"
       R"("expires_at_ms":5}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.create","params":{"tenant":"seller-1","name":"x",)"
       R"("recording":{"auto":"always"}}})",
       "invalid_argument"},
      {R"({"jsonrpc":"2.0","id":1,"method":"room.get","params":{"room_id":"rm_x"}})",
       "room_not_found"},
      {R"({"jsonrpc":"2.0","id":1,"method":"session.end","params":{"session_id":"se_x"}})",
       "session_not_found"},
      {R"({"jsonrpc":"2.0","id":1,"method":"recording.get","params":{"recording_id":"rec_x"}})",
       "recording_not_found"},
      {R"({"jsonrpc":"2.0","id":1,"method":"token.create","params":{"room_id":"rm_x","identity":"a\u0007"}})",
       "invalid_argument"},
  };
  for (const auto& [body, reason] : cases) {
    const auto answer = daemon_.post(body, api_token());
    EXPECT_EQ(reason_of(Json::parse(answer.body).value_or(Json())), reason) << body;
    EXPECT_GE(answer.status, 400) << body;
  }
  EXPECT_THAT(daemon_.events(), SizeIs(0));
  EXPECT_EQ(*daemon_.result("room.list").find("rooms"), Json::array());
}

TEST_F(Api, ListsComeInPages) {
  for (int i = 0; i < 5; ++i) create("room-" + std::to_string(i));
  std::vector<std::string> names;
  Json params = Json::object({{"limit", 2}});
  for (int page = 0; page < 5; ++page) {
    const Json list = daemon_.result("room.list", params);
    for (const Json& room : *list.find("rooms")->as_array()) {
      names.push_back(*room.find("name")->as_string());
    }
    if (list.find("next_page_token") == nullptr) break;
    params.set("page_token", *list.find("next_page_token"));
  }
  EXPECT_THAT(names, SizeIs(5));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST_F(Api, ServesThePagesHealthAndMetrics) {
  RawClient client(daemon_.port());
  const auto page = client.get("/");
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->fields.at("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_EQ(page->fields.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(client.get("/parley.js")->status, 200);
  EXPECT_EQ(client.get("/nothing")->status, 404);
  EXPECT_EQ(client.get("/healthz")->status, 200);
  EXPECT_EQ(client.get("/readyz")->status, 200);
  EXPECT_THAT(client.get("/metrics")->body, HasSubstr("parley_rooms 0"));
  EXPECT_EQ(client.get("/v1/rpc")->status, 405);
  EXPECT_EQ(client.get("/v1/recordings/rec_x/0.webm")->status, 403);
}

// The page of the documentation must not lie: each request in it is sent, and what the answer there
// says must be in the real one.
bool contains(const Json& real, const Json& shown) {
  const Json::Object* members = shown.as_object();
  if (members == nullptr) return real == shown;
  for (const auto& [name, value] : *members) {
    const Json* member = real.find(name);
    if (member == nullptr || !contains(*member, value)) return false;
  }
  return true;
}

TEST_F(Api, TheDocumentedExamplesRun) {
  std::ifstream page(std::string(PARLEY_SOURCE_DIR) + "/docs/control-protocol.md");
  ASSERT_TRUE(page);
  RpcSocket socket(daemon_, "/v1/control", "parley.control.v1", api_token());
  Json answer;
  int examples = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("-> ")) {
      const auto request = Json::parse(line.substr(3));
      ASSERT_TRUE(request) << line;
      socket.send_text(line.substr(3));
      do {
        answer = socket.next();
      } while (answer.find("method") != nullptr);  // an event
    } else if (line.starts_with("<- ")) {
      const auto shown = Json::parse(line.substr(3));
      ASSERT_TRUE(shown) << line;
      EXPECT_TRUE(contains(answer, *shown)) << line << "\n" << answer.dump();
      ++examples;
    }
  }
  EXPECT_GE(examples, 16);
}

// What a schema describes, the daemon reads: with everything in it that may be there, no request of
// any method is called unknown or misshapen.
TEST_F(Api, EveryDescribedParameterIsServed) {
  const auto& schemas = control::SchemaSet::of_api();
  const auto document = Json::parse(daemon_.get("/v1/schema/openrpc.json"));
  ASSERT_TRUE(document);
  EXPECT_THAT(*document->find("methods")->as_array(), SizeIs(schemas.backend_methods().size()));
  RpcSocket socket(daemon_, "/v1/control", "parley.control.v1", api_token());
  for (const auto& [name, method] : schemas.backend_methods()) {
    const Json answer = socket.ask(name, control::test::full_sample(schemas, *method.params));
    const std::string reason = reason_of(answer);
    EXPECT_NE(reason, "unknown_method") << name;
    EXPECT_NE(reason, "unknown_field") << name << answer.dump();
  }
}

TEST_F(Api, ServesTheDescriptionsOfItself) {
  const auto asyncapi = Json::parse(daemon_.get("/v1/schema/asyncapi.json"));
  ASSERT_TRUE(asyncapi);
  EXPECT_EQ(*asyncapi->find("asyncapi"), Json("3.0.0"));
  EXPECT_TRUE(Json::parse(daemon_.get("/v1/schema/events.json")));
  RawClient client(daemon_.port());
  EXPECT_EQ(client.get("/v1/schema/nothing.json")->status, 404);
  EXPECT_EQ(client.get("/v1/schema/../parley.yaml")->status, 400);
  // A key sees what it may call, an observer's cannot change anything.
  const Json mine = daemon_.result("rpc.discover");
  EXPECT_EQ(*mine.find("openrpc"), Json("1.3.2"));
  const Json theirs =
      *daemon_.call("rpc.discover", Json(Json::Object{}), api_token("blue", kOtherSecret))
           .find("result");
  EXPECT_LT(theirs.find("methods")->as_array()->size(), mine.find("methods")->as_array()->size());
}

TEST(Options, CheckConfigNamesTheMistakeInOneLine) {
  const auto [good, said] = Daemon::run_once({"--check-config"});
  EXPECT_EQ(good, 0);
  const std::string file = testing::TempDir() + "/bad.yaml";
  std::ofstream(file) << "rooms:\n  max_romms: 3\n";
  const auto [bad, error] = Daemon::run_once({"--config", file, "--check-config"});
  EXPECT_EQ(bad, 2);
  EXPECT_THAT(error, HasSubstr("bad.yaml:2:3: rooms.max_romms"));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1);
  EXPECT_EQ(Daemon::run_once({"--help"}).first, 0);
  const auto [shown, version] = Daemon::run_once({"--version"});
  EXPECT_EQ(shown, 0);
  EXPECT_THAT(version, HasSubstr("srtp engine: "));
}

}  // namespace
}  // namespace parley::acceptance
