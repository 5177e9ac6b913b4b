// What a seller's rooms are like, as a backend has set it once and for all.
#include "tests/acceptance/media_peer.h"

namespace parley::acceptance {
namespace {

using control::text_member;

class TenantSettings : public testing::Test {
 protected:
  TenantSettings() { daemon_.start(); }
  void put(const char* members) {
    Json params = *Json::parse(members);
    daemon_.result("tenant.put", params.set("tenant", "seller-1"));
  }
  void restart() {
    EXPECT_EQ(daemon_.stop(SIGKILL), -SIGKILL);
    daemon_.start();
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path()};
};

TEST_F(TenantSettings, NewRoomsHaveTheSellersDefaultsAfterARestartToo) {
  put(R"({"defaults":{"recording":{"auto":"session"},"max_participants":2}})");
  restart();
  daemon_.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "main"}}));
  const MediaPeer seller(daemon_, join_token("seller", "host"));
  ASSERT_TRUE(seller.is_in());
  const Json* recording = seller.joined.find("result")->find("recording");
  ASSERT_NE(recording, nullptr);
  EXPECT_FALSE(text_member(*recording, "recording_id").empty()) << seller.joined.dump();
  EXPECT_EQ(daemon_.events_of("recording.started").size(), 1U);
  const MediaPeer buyer(daemon_, join_token("buyer"));
  EXPECT_TRUE(buyer.is_in());
  const MediaPeer third(daemon_, join_token("friend"));
  EXPECT_EQ(reason_of(third.joined), "room_full");
  // What room.create says itself is stronger.
  daemon_.result("room.create", Json::object({{"tenant", "seller-1"},
                                              {"name", "open"},
                                              {"recording", Json::object({{"auto", "off"}})}}));
  const MediaPeer unrecorded(daemon_, join_token("seller", "host", "open"));
  ASSERT_TRUE(unrecorded.is_in());
  EXPECT_TRUE(unrecorded.joined.find("result")->find("recording")->is_null());
}

TEST_F(TenantSettings, RolesMayWhatTheSellerSaysAfterARestartToo) {
  put(R"({"roles":{"participant":["publish_microphone","subscribe","end_session"]}})");
  restart();
  daemon_.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", "main"}}));
  MediaPeer buyer(daemon_, join_token("buyer"));
  ASSERT_TRUE(buyer.is_in());
  EXPECT_EQ(buyer.joined.find("result")->find("permissions")->dump(),
            R"(["publish_microphone","subscribe","end_session"])");
  buyer.connect();
  EXPECT_EQ(reason_of(buyer.rtc.ask("recording.start")), "permission_denied");
  // For who is in it stays so; who comes later may what the table says by then.
  put(R"({"roles":null})");
  MediaPeer other(daemon_, join_token("other"));
  EXPECT_EQ(reason_of(other.rtc.ask("session.end")), "permission_denied");
  EXPECT_EQ(reason_of(buyer.rtc.ask("session.end")), "");
  EXPECT_EQ(text_member(daemon_.wait_for("session.ended", 1).at(0), "end_reason"), "ended_by_host");
}

}  // namespace
}  // namespace parley::acceptance
