#include "control/ice_servers.h"

#include <gtest/gtest.h>

namespace parley::control {
namespace {

constexpr std::int64_t kNowMs = 1'795'906'800'999;

config::IceServer turn() {
  config::IceServer server;
  server.urls = {"turn:turn.example.org:3478", "turns:turn.example.org:443?transport=tcp"};
  server.secret = "a secret of the TURN server";
  return server;
}

Json added(const std::vector<config::IceServer>& servers, std::string_view identity = "ada") {
  Json json{Json::Object{}};
  add_ice_servers(json, servers, identity, kNowMs);
  return json;
}

TEST(IceServers, ThereMayBeNone) { EXPECT_EQ(added({}).dump(), R"({"ice_servers":[]})"); }

// The credential was made with: printf 1795910400:ada | openssl dgst -sha1 -hmac SECRET -binary |
// base64
TEST(IceServers, MakesCredentialsAsTheTurnServerChecksThem) {
  EXPECT_EQ(
      added({turn()}).dump(),
      R"({"ice_servers":[{"urls":["turn:turn.example.org:3478",)"
      R"("turns:turn.example.org:443?transport=tcp"],"username":"1795910400:ada",)"
      R"("credential":"QduaHpZ3PAQ27V6aR3ZItIMOMtQ="}],"ice_servers_expire_ms":1795910400000})");
}

TEST(IceServers, GivesEachParticipantCredentialsOfHisOwn) {
  EXPECT_NE(added({turn()}, "ada").dump(), added({turn()}, "ben").dump());
}

TEST(IceServers, FixedCredentialsAndStunDoNotExpire) {
  config::IceServer fixed;
  fixed.urls = {"turn:192.0.2.1"};
  fixed.username = "everybody";
  fixed.credential = "the same";
  config::IceServer stun;
  stun.urls = {"stun:stun.example.org"};
  EXPECT_EQ(added({fixed, stun}).dump(),
            R"({"ice_servers":[{"urls":["turn:192.0.2.1"],"username":"everybody",)"
            R"("credential":"the same"},{"urls":["stun:stun.example.org"]}]})");
}

TEST(IceServers, TellsWhenTheFirstIsOver) {
  config::IceServer shorter = turn();
  shorter.ttl_ms = 60'000;
  EXPECT_EQ(added({turn(), shorter}).find("ice_servers_expire_ms")->dump(), "1795906860000");
}

}  // namespace
}  // namespace parley::control
