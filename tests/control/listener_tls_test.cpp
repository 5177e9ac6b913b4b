#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/tls.h"
#include "tests/control/listener_fixture.h"

namespace parley::control {
namespace {

using test::ListenerTest;
using test::RawClient;
using test::text;

class TlsListenerTest : public ListenerTest {
 protected:
  TlsListenerTest() {
    const auto made = make_self_signed("localhost", server::Loop::wall_ms());
    config_.tls.certificate_file = write_file("cert.pem", made->cert_pem);
    config_.tls.key_file = write_file("key.pem", made->key_pem);
    config_.max_message_bytes = 4'000'000;
  }
};

TEST_F(TlsListenerTest, ServesHttpsAndSecureWebSockets) {
  start();
  EXPECT_THAT(listener_->urls().front(), testing::StartsWith("https://127.0.0.1:"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawClient client(port_);
    ASSERT_TRUE(client.start_tls(version));
    EXPECT_EQ(client.get("/echo")->fields.at("x-tls"), "yes");
    ASSERT_EQ(client.open_websocket("/ws")->status, 101);
    const std::string large(3'000'000, 'x');  // many records both ways
    client.send(text(large));
    EXPECT_EQ(client.next_frame()->payload, large);
  }
  EXPECT_EQ(stats().tls_failures, 0U);
}

TEST_F(TlsListenerTest, StreamsFiles) {
  const std::string content(3'000'000, 'y');
  write_file("big", content);
  start();
  RawClient client(port_);
  ASSERT_TRUE(client.start_tls());
  EXPECT_EQ(client.get("/file/big")->body, content);
  EXPECT_EQ(client.get("/file/big", "Range: bytes=5-9\r\nConnection: close\r\n")->body, "yyyyy");
  EXPECT_EQ(client.rest(), "");
}

TEST_F(TlsListenerTest, RefusesOldTlsAndPlainHttp) {
  start();
  RawClient old(port_);
  EXPECT_FALSE(old.start_tls(TLS1_1_VERSION));
  RawClient plain(port_);
  plain.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_FALSE(plain.answer().has_value());
  EXPECT_EQ(stats().tls_failures, 2U);
}

TEST_F(TlsListenerTest, GivesUpOnAHandshakeThatStalls) {
  config_.handshake_timeout_ms = 150;
  start();
  RawClient stalled(port_);
  stalled.send("\x16\x03\x01\x02");
  EXPECT_EQ(stalled.rest(), "");
  EXPECT_EQ(stats().timeouts, 1U);
}

TEST_F(TlsListenerTest, NamesTheFileThatIsWrong) {
  const auto error = [this] {
    server::Loop loop;
    const auto opened = Listener::open(loop, config_, {});
    return opened ? std::string() : opened.error();
  };
  EXPECT_EQ(error(), "");
  const std::string good = config_.tls.key_file;
  config_.tls.key_file = write_file("other.pem", make_self_signed("x", 0)->key_pem);
  EXPECT_THAT(error(), testing::HasSubstr("other.pem"));
  config_.tls.key_file = good;
  config_.tls.certificate_file = "/nonexistent.pem";
  EXPECT_THAT(error(), testing::HasSubstr("/nonexistent.pem"));
}

TEST(SelfSigned, TakesNamesAndAddressesOnly) {
  for (const std::string host : {"example.org", "192.0.2.1", "2001:db8::1", "localhost"}) {
    EXPECT_TRUE(make_self_signed(host, 1'700'000'000'000).has_value()) << host;
  }
  const std::string long_name(300, 'a');
  for (const std::string_view host : {"", "a,DNS:b", "a b", "a\n", "*", long_name.c_str()}) {
    EXPECT_FALSE(make_self_signed(host, 1'700'000'000'000).has_value()) << host;
  }
}

}  // namespace
}  // namespace parley::control
