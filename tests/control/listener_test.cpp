#include "control/listener.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/control/listener_fixture.h"

namespace parley::control {
namespace {

using test::close_payload;
using test::frame;
using test::ListenerTest;
using test::RawClient;
using test::text;

TEST_F(ListenerTest, AnswersARequest) {
  start();
  RawClient client(port_);
  const auto answer = client.get("/echo?x");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->fields.at("content-length"), "0");
  EXPECT_EQ(answer->fields.at("content-type"), "application/json");
  EXPECT_EQ(answer->fields.at("connection"), "keep-alive");
  EXPECT_EQ(answer->fields.at("x-remote"), "127.0.0.1");
  EXPECT_EQ(answer->fields.at("x-tls"), "no");
  EXPECT_THAT(answer->fields.at("date"), testing::EndsWith(" GMT"));
  EXPECT_EQ(client.get("/none")->status, 404);
  EXPECT_EQ(stats().accepted, 1U) << "one connection for both";
}

TEST_F(ListenerTest, LeavesTheBodyOutForHead) {
  start();
  RawClient client(port_);
  const auto answer = client.get("/none", "", "HEAD");
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->fields.at("content-length"), "2");
  EXPECT_EQ(client.get("/none")->body, "{}") << "the next answer begins where it should";
}

TEST_F(ListenerTest, AnswersPipelinedRequestsInTheirOrder) {
  start();
  RawClient client(port_);
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    const std::string body = std::to_string(i);
    requests +=
        "GET /later HTTP/1.1\r\nHost: t\r\n\r\nPOST /echo HTTP/1.1\r\nHost: t\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  client.send(requests);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.answer()->body, "later");
    EXPECT_EQ(client.answer()->body, std::to_string(i));
  }
}

TEST_F(ListenerTest, HoldsPipelinedBytesBackWhileAnAnswerIsDue) {
  start();
  RawClient client(port_);
  std::string requests = "GET /later HTTP/1.1\r\nHost: t\r\n\r\n";
  for (int i = 0; i < 40; ++i) {
    requests += "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10000\r\n\r\n" +
                std::string(10'000, 'x');
  }
  client.send(requests);
  EXPECT_EQ(client.answer()->body, "later");
  for (int i = 0; i < 40; ++i) EXPECT_EQ(client.answer()->body.size(), 10'000U);
}

TEST_F(ListenerTest, TakesChunkedBodiesAndExpectations) {
  start();
  RawClient client(port_);
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.answer()->body, "abcde");
  client.send(
      "POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.answer()->status, 100);
  client.send("ok");
  EXPECT_EQ(client.answer()->body, "ok");
}

TEST_F(ListenerTest, ClosesAfterTheAnswerWhenAskedTo) {
  start();
  RawClient client(port_);
  EXPECT_EQ(client.get("/echo", "Connection: close\r\n")->fields.at("connection"), "close");
  EXPECT_EQ(client.rest(), "");
  RawClient old(port_);
  old.send("GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.answer()->fields.at("connection"), "close");
  EXPECT_EQ(old.rest(), "");
}

TEST_F(ListenerTest, AnswersAClientThatHasFinishedSending) {
  start();
  RawClient client(port_);
  client.send("GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
  client.finish_sending();
  EXPECT_EQ(client.answer()->body, "later");
  EXPECT_EQ(client.rest(), "");
}

TEST_F(ListenerTest, KeepsLineBreaksOutOfFields) {
  start();
  RawClient client(port_);
  EXPECT_EQ(client.get("/split")->fields.count("x-injected"), 0U);
}

TEST_F(ListenerTest, SaysWhatIsWrongWithARequest) {
  start();
  const std::vector<std::pair<std::string, int>> cases = {
      {"nonsense\r\n\r\n", 400},
      {"GET /../etc/passwd HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: t\r\n\r\n", 505},
      {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       400}};
  for (const auto& [bytes, status] : cases) {
    RawClient client(port_);
    client.send(bytes);
    const auto answer = client.answer();
    ASSERT_TRUE(answer.has_value()) << bytes;
    EXPECT_EQ(answer->status, status) << bytes;
    EXPECT_EQ(answer->fields.at("connection"), "close");
    EXPECT_EQ(client.rest(), "");
  }
  EXPECT_EQ(stats().bad_http, cases.size());
}

TEST_F(ListenerTest, RefusesTooMuchAndStillGetsItsAnswerThrough) {
  start();
  RawClient client(port_);
  // The client sends all of it before it looks: the answer must not be lost to a reset.
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2000000\r\n\r\n");
  client.send(std::string(2'000'000, 'x'));
  const auto answer = client.answer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 413);
  RawClient head(port_);
  head.send("GET / HTTP/1.1\r\nHost: t\r\nA: " + std::string(20'000, 'a'));
  EXPECT_EQ(head.answer()->status, 431);
  EXPECT_EQ(stats().oversized, 2U);
}

TEST_F(ListenerTest, GivesUpOnAHeadThatDripsIn) {
  config_.handshake_timeout_ms = 150;
  start();
  RawClient client(port_);
  // Sends as fast as the server lets it, one byte at a time, and never the end.
  client.send("GET / HTTP/1.1\r\nHost: t\r\nX");
  EXPECT_EQ(client.answer()->status, 408);
  EXPECT_EQ(client.rest(), "");
  RawClient body(port_);
  body.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.answer()->status, 408);
  RawClient silent(port_);
  EXPECT_EQ(silent.rest(), "");
  EXPECT_EQ(stats().timeouts, 3U);
}

TEST_F(ListenerTest, ServesOthersWhileManyConnectionsHang) {
  start();
  std::vector<std::unique_ptr<RawClient>> hanging;
  for (int i = 0; i < 300; ++i) {
    hanging.push_back(std::make_unique<RawClient>(port_));
    hanging.back()->send("GET / HTTP/1.1\r\nHo");
  }
  RawClient client(port_);
  EXPECT_EQ(client.get("/echo")->status, 200);
}

TEST_F(ListenerTest, ClosesAConnectionThatAsksNothingMore) {
  config_.idle_timeout_ms = 150;
  start();
  RawClient client(port_);
  EXPECT_EQ(client.get("/echo")->status, 200);
  EXPECT_EQ(client.rest(), "");
  EXPECT_EQ(stats().timeouts, 0U) << "that is no fault";
}

TEST_F(ListenerTest, AnswersForAHandlerThatDoesNot) {
  config_.idle_timeout_ms = 150;
  start();
  RawClient client(port_);
  EXPECT_EQ(client.get("/never")->status, 503);
  EXPECT_EQ(stats().timeouts, 1U);
}

TEST_F(ListenerTest, RefusesMoreConnectionsThanItsLimits) {
  config_.max_connections_per_address = 2;
  start();
  RawClient one(port_);
  RawClient two(port_);
  EXPECT_EQ(one.get("/echo")->status, 200);
  EXPECT_EQ(two.get("/echo")->status, 200);
  {
    RawClient three(port_);
    EXPECT_EQ(three.rest(), "");
  }
  EXPECT_EQ(stats().refused_full, 1U);
  EXPECT_EQ(one.get("/echo", "Connection: close\r\n")->status, 200);
  EXPECT_EQ(one.rest(), "");
  ASSERT_TRUE(eventually([](const ListenerStats& now) { return now.open == 2 || now.open == 1; }));
}

TEST_F(ListenerTest, MakesRoomWhenAClientLeaves) {
  config_.max_connections = 1;
  start();
  {
    RawClient one(port_);
    EXPECT_EQ(one.get("/echo")->status, 200);
    RawClient two(port_);
    EXPECT_EQ(two.rest(), "");
  }
  ASSERT_TRUE(eventually([](const ListenerStats& now) { return now.open == 0; }));
  RawClient three(port_);
  EXPECT_EQ(three.get("/echo")->status, 200);
}

TEST_F(ListenerTest, EchoesOverAWebSocket) {
  start();
  RawClient client(port_);
  const auto answer = client.open_websocket("/ws", "Sec-WebSocket-Protocol: parley.control.v1\r\n");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 101);
  EXPECT_EQ(answer->fields.at("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(answer->fields.at("sec-websocket-protocol"), "parley.control.v1");
  client.send(text("hello") + frame(1, "a", {.fin = false}) + frame(9, "ping") + frame(0, "b"));
  // The answer to a ping may overtake messages that came with it.
  std::vector<std::string> payloads;
  for (int i = 0; i < 3; ++i) payloads.push_back(client.next_frame()->payload);
  EXPECT_THAT(payloads, testing::UnorderedElementsAre("hello", "ping", "ab"));
  const std::string large(262'144, 'x');
  client.send(text(large));
  EXPECT_EQ(client.next_frame()->payload, large);
  client.send(frame(8, close_payload(1000)));
  EXPECT_EQ(client.next_frame()->close_code(), 1000U);
  EXPECT_EQ(next_close(), 1000);
  EXPECT_FALSE(client.next_frame().has_value());
}

TEST_F(ListenerTest, TakesFramesThatComeWithTheHandshake) {
  start();
  RawClient client(port_);
  client.send(
      "GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
      text("early"));
  EXPECT_EQ(client.answer()->fields.count("sec-websocket-protocol"), 0U) << "none was offered";
  EXPECT_EQ(client.next_frame()->payload, "early");
}

TEST_F(ListenerTest, RefusesBadHandshakes) {
  start();
  const std::string base = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const auto status = [&](const std::string& fields, const std::string& method = "GET") {
    RawClient client(port_);
    return client.get("/ws", fields, method)->status;
  };
  EXPECT_EQ(status(base + key), 426);
  EXPECT_EQ(status(base + key + "Sec-WebSocket-Version: 8\r\n"), 426);
  EXPECT_EQ(status(base + version), 400);
  EXPECT_EQ(status(base + version + "Sec-WebSocket-Key: short\r\n"), 400);
  EXPECT_EQ(status(base + version + key + key), 400);
  EXPECT_EQ(status(base + version + key, "POST"), 405);
  EXPECT_EQ(status("Upgrade: websocket\r\n" + version + key), 404) << "without Connection: a GET";
  RawClient refused(port_);
  EXPECT_EQ(refused.open_websocket("/other")->status, 401);
  EXPECT_EQ(stats().bad_websocket, 5U);
}

TEST_F(ListenerTest, SendsWhatIsQueuedBeforeItCloses) {
  start();
  RawClient client(port_);
  ASSERT_EQ(client.open_websocket("/ws")->status, 101);
  client.send(text("bye") + text("too late"));
  EXPECT_EQ(client.next_frame()->payload, "one");
  EXPECT_EQ(client.next_frame()->payload, "two");
  const auto last = client.next_frame();
  EXPECT_EQ(last->close_code(), 4'000U);
  EXPECT_EQ(last->payload.substr(2), "as you wish");
  client.send(frame(8, last->payload));
  EXPECT_EQ(next_close(), 4'000);
}

TEST_F(ListenerTest, ClosesOnViolationsWithTheirCode) {
  start();
  const std::vector<std::pair<std::string, unsigned>> cases = {
      {frame(1, "x", {.mask = false}), 1002},
      {frame(1, "\xFF"), 1007},
      {frame(2, "x"), 1003},
      {frame(1, "x", {.length = 262'145}), 1009},
      {frame(3, ""), 1002}};
  for (const auto& [bytes, code] : cases) {
    RawClient client(port_);
    ASSERT_EQ(client.open_websocket("/ws")->status, 101);
    client.send(bytes);
    const auto answer = client.next_frame();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->close_code(), code);
    client.finish_sending();
    EXPECT_EQ(next_close(), code);
  }
  EXPECT_EQ(stats().bad_websocket, 4U);
  EXPECT_EQ(stats().oversized, 1U);
}

TEST_F(ListenerTest, PingsASilentClientAndLetsADeadOneGo) {
  config_.ping_interval_ms = 50;
  config_.idle_timeout_ms = 400;
  start();
  RawClient client(port_);
  ASSERT_EQ(client.open_websocket("/ws")->status, 101);
  for (int i = 0; i < 12; ++i) {  // longer than the timeout, kept alive by pongs
    const auto ping = client.next_frame();
    ASSERT_TRUE(ping.has_value());
    ASSERT_EQ(ping->opcode, 9U);
    client.send(frame(10, ping->payload));
  }
  // From here on it does not answer.
  EXPECT_EQ(next_close(), 1006);
  EXPECT_EQ(stats().timeouts, 1U);
}

TEST_F(ListenerTest, ReportsALostClientAs1006) {
  start();
  {
    RawClient client(port_);
    ASSERT_EQ(client.open_websocket("/ws")->status, 101);
  }
  EXPECT_EQ(next_close(), 1006);
}

TEST_F(ListenerTest, ClosesAClientThatDoesNotRead) {
  config_.max_send_queue_bytes = 500'000;
  start();
  RawClient client(port_);
  client.read_slowly();
  ASSERT_EQ(client.open_websocket("/ws")->status, 101);
  client.send(text("flood"));  // 60 MB
  EXPECT_EQ(next_close(), 1008);
  EXPECT_EQ(stats().slow_readers, 1U);
}

TEST_F(ListenerTest, IgnoresCallsForConnectionsThatAreGone) {
  start();
  on_loop([this] {
    const ConnectionId nobody{4'711};
    listener_->send(nobody, "x");
    listener_->respond(nobody, {});
    listener_->close(nobody, 1000, "");
    return 0;
  });
  RawClient client(port_);
  EXPECT_EQ(client.get("/echo")->status, 200);
}

TEST_F(ListenerTest, StopsAcceptingAndKeepsWhatIsOpen) {
  start();
  RawClient client(port_);
  EXPECT_EQ(client.get("/echo")->status, 200);
  on_loop([this] {
    listener_->stop_accepting();
    return 0;
  });
  EXPECT_EQ(client.get("/echo")->status, 200);
  EXPECT_TRUE(eventually([this](const ListenerStats&) { return !RawClient(port_).connected(); }));
}

TEST_F(ListenerTest, MayEndWhileConnectionsAreOpen) {
  start();
  write_file("big", std::string(3'000'000, 'b'));
  RawClient http(port_);
  http.send("GET /never HTTP/1.1\r\nHost: t\r\n\r\n");
  RawClient websocket(port_);
  ASSERT_EQ(websocket.open_websocket("/ws")->status, 101);
  RawClient file(port_);
  file.read_slowly();
  file.send("GET /file/big HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(file.more());
  stop();
  EXPECT_FALSE(websocket.next_frame().has_value());
}

TEST_F(ListenerTest, ListensOnIpv6Too) {
  config_.listen = {"[::1]:0", "127.0.0.1:0"};
  start();
  const auto urls = listener_->urls();
  if (urls.size() == 1) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_THAT(urls[0], testing::StartsWith("http://[::1]:"));
  EXPECT_THAT(urls[1], testing::StartsWith("http://127.0.0.1:"));
  RawClient client(port_, true);
  EXPECT_EQ(client.get("/echo")->fields.at("x-remote"), "::1");
}

std::string open_error(std::vector<std::string> listen, bool allow_public = false) {
  server::Loop loop;
  config::Control config;
  config.listen = std::move(listen);
  config.allow_plain_public = allow_public;
  const auto opened = Listener::open(loop, config, {});
  return opened ? "" : opened.error();
}

TEST(Listener, RefusesAPublicAddressWithoutTlsUnlessAllowed) {
  EXPECT_THAT(open_error({"0.0.0.0:0"}), testing::HasSubstr("without TLS"));
  EXPECT_THAT(open_error({"127.0.0.1:0", "[::]:0"}), testing::HasSubstr("without TLS"));
  EXPECT_EQ(open_error({"0.0.0.0:0"}, true), "");
  EXPECT_EQ(open_error({"127.1.2.3:0"}), "");
}

TEST(Listener, SaysWhichAddressFailed) {
  for (const std::string bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                                "::1:80", "[::1]", "[::1:80", "localhost:80", "256.0.0.1:80"}) {
    EXPECT_THAT(open_error({bad}), testing::HasSubstr("not of the form")) << bad;
  }
  EXPECT_THAT(open_error({"192.0.2.1:0"}, true), testing::HasSubstr("192.0.2.1:0"));
  EXPECT_FALSE(open_error({}).empty());
}

TEST(Listener, RefusesAPortThatIsTaken) {
  server::Loop loop;
  config::Control config;
  config.listen = {"127.0.0.1:0"};
  const auto first = Listener::open(loop, config, {});
  ASSERT_TRUE(first.has_value());
  const std::string taken = (*first)->urls().front().substr(7);
  EXPECT_THAT(open_error({taken}), testing::HasSubstr("address already in use"));
}

}  // namespace
}  // namespace parley::control
