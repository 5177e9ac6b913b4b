#include "control/http_parser.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace parley::control {
namespace {

using State = HttpParser::State;
using namespace std::string_literals;

constexpr std::string_view kGet = "GET /a?b=1 HTTP/1.1\r\nHost: x\r\nX-One:  two \r\n\r\n";

TEST(HttpParser, ReadsARequestLineAndItsFields) {
  HttpParser parser;
  EXPECT_EQ(parser.state(), State::Idle);
  EXPECT_EQ(parser.feed(kGet), kGet.size());
  ASSERT_EQ(parser.state(), State::Complete) << parser.error().what;
  EXPECT_TRUE(parser.keep_alive());
  const HttpRequest request = parser.take_request();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.query, "b=1");
  ASSERT_NE(request.header("x-one"), nullptr);
  EXPECT_EQ(*request.header("x-one"), "two");
  EXPECT_EQ(request.parameter("b"), "1");
  EXPECT_EQ(parser.state(), State::Idle);
}

TEST(HttpParser, ReadsTheSameInPiecesOfAnySize) {
  const std::string text =
      "POST /v1/rpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: 1\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    HttpParser parser;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      const std::string_view part = std::string_view(text).substr(at, piece);
      ASSERT_EQ(parser.feed(part), part.size());
    }
    ASSERT_EQ(parser.state(), State::Complete) << parser.error().what;
    EXPECT_EQ(parser.request().body, "hello world");
    EXPECT_EQ(parser.request().header("trailer"), nullptr);
  }
}

TEST(HttpParser, LeavesAPipelinedRequestWithTheCaller) {
  const std::string text = std::string(kGet) +
                           "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
                           std::string(kGet);
  HttpParser parser;
  std::string_view rest = text;
  std::vector<std::string> paths;
  while (!rest.empty()) {
    rest.remove_prefix(parser.feed(rest));
    ASSERT_EQ(parser.state(), State::Complete) << parser.error().what;
    paths.push_back(parser.take_request().path);
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"/a", "/2", "/a"}));
}

TEST(HttpParser, SkipsEmptyLinesBeforeARequest) {
  HttpParser parser;
  (void)parser.feed("\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(parser.state(), State::Complete) << parser.error().what;
}

TEST(HttpParser, IsNeverCompleteBeforeTheEnd) {
  const std::string text = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t size = 0; size < text.size(); ++size) {
    HttpParser parser;
    (void)parser.feed(std::string_view(text).substr(0, size));
    EXPECT_NE(parser.state(), State::Complete) << size;
    EXPECT_NE(parser.state(), State::Failed) << size;
  }
}

TEST(HttpParser, RefusesWhatIsNotHttp) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"\x16\x03\x01\x02", 400},  // a TLS hello at a plain port
      {"GET\r\n\r\n", 400},
      {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: x\n\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\n\nGET / HTTP/1.1\r\n\r\n", 400},
      {"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505},
      {"GET / JUNK/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no host
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA: x\r\n\tfolded\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n"s, 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA\xC3: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", 400},
      {"GET /../etc HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /%2e%2e/etc HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\nab\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", 417},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 262145\r\n\r\n", 413},
  };
  for (const auto& [text, status] : cases) {
    HttpParser parser;
    (void)parser.feed(text);
    ASSERT_EQ(parser.state(), State::Failed) << text;
    EXPECT_EQ(parser.error().status, status) << text << ": " << parser.error().what;
    EXPECT_FALSE(parser.error().what.empty()) << text;
    EXPECT_EQ(parser.feed(kGet), 0U) << "reads nothing after a failure";
  }
}

TEST(HttpParser, LimitsTheHead) {
  HttpParser parser;
  std::string text = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
  text += std::string(20'000, 'b');
  (void)parser.feed(text);
  EXPECT_EQ(parser.error().status, 431);
  HttpParser target;
  (void)target.feed("GET /" + std::string(20'000, 'b'));
  EXPECT_EQ(target.error().status, 431);
}

TEST(HttpParser, LimitsTheNumberOfFields) {
  for (const int count : {99, 100}) {
    std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < count; ++i) text += "A" + std::to_string(i) + ": b\r\n";
    HttpParser parser;
    (void)parser.feed(text + "\r\n");
    EXPECT_EQ(parser.state(), count == 99 ? State::Complete : State::Failed);
  }
}

TEST(HttpParser, LimitsTheBodyHoweverItComes) {
  const std::string chunk = "10000\r\n" + std::string(65'536, 'x') + "\r\n";
  HttpParser parser;
  (void)parser.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 4; ++i) (void)parser.feed(chunk);
  EXPECT_EQ(parser.state(), State::Body);
  (void)parser.feed("1\r\nx\r\n");
  EXPECT_EQ(parser.error().status, 413);
}

TEST(HttpParser, LimitsThePaddingOfAChunkedBody) {
  HttpParser parser({16'384, 100, 1'000});
  (void)parser.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;");
  const std::string extension(1'000, 'e');
  for (int i = 0; i < 100; ++i) (void)parser.feed(extension);
  EXPECT_EQ(parser.error().status, 413);
}

TEST(HttpParser, KnowsWhatTheClientWants) {
  const auto parse = [](const std::string& fields) {
    auto parser = std::make_unique<HttpParser>();
    (void)parser->feed("GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
    EXPECT_EQ(parser->state(), State::Complete) << fields << parser->error().what;
    return parser;
  };
  EXPECT_TRUE(
      parse("Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n")->wants_websocket());
  EXPECT_FALSE(parse("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n")->wants_websocket());
  EXPECT_FALSE(parse("Upgrade: websocket\r\n")->wants_websocket());
  EXPECT_TRUE(parse("Expect: 100-continue\r\n")->expects_continue());
  EXPECT_FALSE(parse("Connection: close\r\n")->keep_alive());
  HttpParser old;
  (void)old.feed("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.state(), State::Complete) << old.error().what;
  EXPECT_FALSE(old.keep_alive());
}

TEST(HttpParser, StopsBeforeTheFirstWebSocketByte) {
  const std::string head =
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  HttpParser parser;
  EXPECT_EQ(parser.feed(head + "\x81\x80"), head.size());
  EXPECT_EQ(parser.state(), State::Complete);
}

TEST(HttpParser, NamesStatusCodes) {
  EXPECT_EQ(http_reason(200), "OK");
  EXPECT_EQ(http_reason(416), "Range Not Satisfiable");
  EXPECT_EQ(http_reason(999), "");
}

}  // namespace
}  // namespace parley::control
