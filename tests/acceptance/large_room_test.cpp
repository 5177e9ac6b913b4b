// Rooms in which few speak and many watch, against a real parleyd: acceptance scenarios A32, A46
// and A52.
#include "tests/acceptance/media_peer.h"

namespace parley::acceptance {
namespace {

using control::integer_member;
using control::text_member;
using testing::ElementsAre;
using testing::Le;
using testing::SizeIs;

class LargeRoom : public testing::Test {
 protected:
  LargeRoom() {
    daemon_.start();
    // Nobody reads its log meanwhile, and it would have much to say.
    static_cast<void>(daemon_.call("log.set", Json::object({{"level", "warn"}}), api_token("ops")));
  }

  void create(std::int64_t people) {
    daemon_.result(
        "room.create",
        Json::object({{"tenant", "seller-1"}, {"name", "main"}, {"max_participants", people}}));
  }
  // Comes without media.
  Json come(const std::string& identity, const std::string& role) {
    sockets_.push_back(std::make_unique<RpcSocket>(daemon_, "/v1/rtc", "parley.rtc.v1"));
    return sockets_.back()->ask("join", Json::object({{"token", join_token(identity, role)}}));
  }
  Json room_tracks() const { return *daemon_.result("track.list", in_room()).find("tracks"); }
  static Json in_room(const std::string& identity = "") {
    Json params = Json::object({{"tenant", "seller-1"}, {"room", "main"}});
    if (!identity.empty()) params.set("identity", identity);
    return params;
  }
  static std::string offer_with_camera() {
    std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/chromium-simulcast-vp8-offer.sdp");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static Json source_of(const std::string& mid, const std::string& source) {
    return Json::object({{"mid", mid}, {"source", source}});
  }
  // Until so many packets more have come to him.
  static void hear(const MediaPeer& peer, std::uint64_t more) {
    const std::uint64_t then = peer.heard();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (peer.heard() < then + more && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    EXPECT_GE(peer.heard(), then + more);
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path()};
  std::vector<std::unique_ptr<RpcSocket>> sockets_;
};

TEST_F(LargeRoom, A32_OnlyTheHostIsHeardByTwoHundredAndTheServerRefusesWhatViewersPublish) {
  create(300);
  MediaPeer host(daemon_, join_token("host", "host"));
  host.connect();
  for (int i = 0; i < 190; ++i) {
    ASSERT_NE(come("viewer-" + std::to_string(i), "viewer").find("result"), nullptr);
  }
  // They try, with a camera or a microphone and with what they may not say it is.
  for (std::size_t i = 0; i < sockets_.size(); i += 10) {
    const Json refused = sockets_[i]->ask(
        "offer", Json::object({{"sdp", offer_with_camera()},
                               {"tracks", Json(std::vector<Json>{source_of("0", "microphone"),
                                                                 source_of("1", "camera")})}}));
    EXPECT_EQ(reason_of(refused), "permission_denied") << refused.dump();
  }
  std::vector<std::unique_ptr<MediaPeer>> viewers;
  for (int i = 0; i < 10; ++i) {
    viewers.push_back(std::make_unique<MediaPeer>(
        daemon_, join_token("with-media-" + std::to_string(i), "viewer")));
    viewers.back()->watch();
  }
  for (const auto& viewer : viewers) hear(*viewer, 20);
  const Json tracks = room_tracks();
  ASSERT_THAT(*tracks.as_array(), SizeIs(1));
  EXPECT_EQ(text_member(tracks.as_array()->at(0), "identity"), "host");
  EXPECT_EQ(host.heard(), 0U);
}

TEST_F(LargeRoom, A32_AViewerIsMadeASpeakerWithoutJoiningAgain) {
  create(300);
  MediaPeer host(daemon_, join_token("host", "host"));
  host.connect();
  for (int i = 0; i < 150; ++i) come("viewer-" + std::to_string(i), "viewer");
  MediaPeer guest(daemon_, join_token("guest", "viewer"));
  guest.watch();
  hear(guest, 10);
  const std::string before = text_member(*guest.joined.find("result"), "participant_id");
  Json change = in_room("guest");
  change.set("role", "participant");
  daemon_.result("participant.update", change);
  EXPECT_EQ(text_member(guest.notified("permissions"), "role"), "participant");
  guest.speak();
  hear(host, 20);
  const Json known = daemon_.result("participant.get", in_room("guest"));
  EXPECT_EQ(text_member(known, "participant_id"), before);
  EXPECT_THAT(daemon_.events_of("participant.left"), SizeIs(0));
  // Whom nobody knew by name, everybody knows now.
  const Json late = come("late", "viewer");
  std::vector<std::string> publishing;
  for (const Json& one : *late.find("result")->find("participants")->as_array()) {
    if (!one.find("tracks")->as_array()->empty()) {
      publishing.push_back(text_member(one, "identity"));
    }
  }
  EXPECT_THAT(publishing, ElementsAre("host", "guest"));
  // And back again: what he may not say any more is not forwarded.
  change.set("role", "viewer");
  daemon_.result("participant.update", change);
  const Json tracks = room_tracks();
  for (const Json& track : *tracks.as_array()) {
    EXPECT_EQ(text_member(track, "identity") == "guest", control::flag_member(track, "muted"))
        << track.dump();
  }
}

TEST_F(LargeRoom, A46_FiveHundredComeForTheSamePriceAndOneMoreFindsItFull) {
  create(500);
  MediaPeer host(daemon_, join_token("host", "host"));
  host.connect();
  MediaPeer listener(daemon_, join_token("listener", "viewer"));
  listener.watch();
  const auto began = std::chrono::steady_clock::now();
  std::size_t largest = 0;
  for (int i = 2; i < 500; ++i) {
    const Json joined = come("viewer-" + std::to_string(i), "viewer");
    ASSERT_NE(joined.find("result"), nullptr) << joined.dump();
    largest = std::max(largest, joined.dump().size());
  }
  EXPECT_EQ(reason_of(come("one-more", "viewer")), "room_full");
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_LT(largest, 80'000U) << "what an answer has does not grow with the room";
  hear(listener, 20);
  // What the first was told meanwhile: ten messages a second at most, and few of them names.
  const Json answer = host.rtc.ask("ping");
  ASSERT_NE(answer.find("result"), nullptr);
  std::size_t rosters = 0;
  std::size_t bytes = 0;
  std::int64_t count = 0;
  for (const Json& told : host.rtc.notifications) {
    if (text_member(told, "method") != "roster") continue;
    ++rosters;
    bytes += told.dump().size();
    count = integer_member(*told.find("params"), "count");
  }
  EXPECT_THAT(static_cast<double>(rosters), Le(took * 10 + 2));
  EXPECT_LT(bytes, 60'000U);
  while (count < 500) count = integer_member(host.notified("roster"), "count");
  // All are found by whoever asks.
  std::size_t found = 0;
  Json params = Json::object({{"limit", 200}});
  for (;;) {
    const Json page = *host.rtc.ask("roster.list", params).find("result");
    found += page.find("participants")->as_array()->size();
    if (page.find("next_page_token") == nullptr) break;
    params.set("page_token", text_member(page, "next_page_token"));
  }
  EXPECT_EQ(found, 500U);
}

// The presenter's layout of the film is tested with the recorder's other layouts.
TEST_F(LargeRoom, A52_AScreenIsASourceOfItsOwnAndARoleMayBeKeptFromShowingOne) {
  daemon_.result(
      "tenant.put",
      Json::object(
          {{"tenant", "seller-1"},
           {"roles", Json::object({{"participant",
                                    Json(std::vector<Json>{"publish_camera", "publish_microphone",
                                                           "subscribe"})}})}}));
  create(10);
  come("guest", "participant");
  const auto show = [&](RpcSocket& socket, const char* source) {
    return socket.ask("offer",
                      Json::object({{"sdp", offer_with_camera()},
                                    {"tracks", Json(std::vector<Json>{source_of("0", "microphone"),
                                                                      source_of("1", source)})}}));
  };
  EXPECT_EQ(reason_of(show(*sockets_[0], "screen_share")), "permission_denied");
  EXPECT_NE(show(*sockets_[0], "camera").find("result"), nullptr);
  come("host", "host");
  EXPECT_NE(show(*sockets_[1], "screen_share").find("result"), nullptr);
  std::vector<std::pair<std::string, std::string>> sources;
  const Json tracks = room_tracks();
  for (const Json& track : *tracks.as_array()) {
    sources.emplace_back(text_member(track, "identity"), text_member(track, "source"));
  }
  using Pair = std::pair<std::string, std::string>;
  EXPECT_THAT(sources, testing::UnorderedElementsAre(
                           Pair("guest", "microphone"), Pair("guest", "camera"),
                           Pair("host", "microphone"), Pair("host", "screen_share")));
}

}  // namespace
}  // namespace parley::acceptance
