#include "control/websocket_handshake.h"

#include <gtest/gtest.h>

namespace parley::control {
namespace {

// RFC 6455, section 1.3.
TEST(WebSocketHandshake, MakesTheAcceptValueOfTheRfc) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

HttpRequest handshake() {
  HttpRequest request;
  request.method = "GET";
  request.headers = {{"sec-websocket-version", "13"},
                     {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                     {"sec-websocket-protocol", "a, parley.control.v1"},
                     {"sec-websocket-protocol", "c"}};
  return request;
}

TEST(WebSocketHandshake, SaysWhatIsWrong) {
  EXPECT_TRUE(check_websocket_handshake(handshake()));
  HttpRequest post = handshake();
  post.method = "POST";
  EXPECT_EQ(check_websocket_handshake(post).error().status, 405);
  for (const std::string version : {"", "8", "14", "13, 8"}) {
    HttpRequest request = handshake();
    request.headers[0].second = version;
    const auto refused = check_websocket_handshake(request);
    EXPECT_EQ(refused.error().status, 426);
    EXPECT_EQ(refused.error().headers.front().second, "13");
  }
  for (const std::string key : {"", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZ===",
                                "dGhlIHNhbXBsZSBub25jZQ!!", "dGhlIHNhbXBsZSBub25jZQAAdGhlIHNh"}) {
    HttpRequest request = handshake();
    request.headers[1].second = key;
    EXPECT_EQ(check_websocket_handshake(request).error().status, 400) << key;
  }
}

TEST(WebSocketHandshake, FindsTheOfferedSubprotocol) {
  EXPECT_TRUE(offers_subprotocol(handshake(), "parley.control.v1"));
  EXPECT_TRUE(offers_subprotocol(handshake(), "a"));
  EXPECT_TRUE(offers_subprotocol(handshake(), "c"));
  EXPECT_FALSE(offers_subprotocol(handshake(), "parley"));
  EXPECT_FALSE(offers_subprotocol(handshake(), ""));
}

}  // namespace
}  // namespace parley::control
