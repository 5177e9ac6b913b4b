// What becomes of recorded calls, against the real daemon and its real composer.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/sha256.h"
#include "tests/acceptance/media_peer.h"

namespace parley::acceptance {
namespace {

using control::integer_member;
using control::text_member;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class RecordedCall : public testing::Test {
 protected:
  RecordedCall() { daemon_.start(); }

  void create(const std::string& mode, Json composite = Json(Json::Object{})) {
    Json recording = Json::object({{"auto", "session"}, {"mode", mode}});
    if (mode == "composite") recording.set("composite", std::move(composite));
    daemon_.result("room.create", Json::object({{"tenant", "seller-1"},
                                                {"name", "main"},
                                                {"recording", std::move(recording)}}));
  }
  // A call of two who hear each other for some packets of 20 ms, and until something is true.
  void talk(
      std::uint64_t packets, const std::function<bool()>& until = [] { return true; }) {
    MediaPeer seller(daemon_, join_token("seller", "host"));
    seller.connect();
    MediaPeer buyer(daemon_, join_token("buyer"));
    buyer.connect();
    while (buyer.heard() < packets) std::this_thread::yield();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!until() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    daemon_.result(
        "session.end",
        Json::object({{"session_id", text_member(*seller.joined.find("result"), "session_id")}}));
  }
  [[nodiscard]] Json only_recording() const {
    const Json list = daemon_.result("recording.list", Json::object({{"tenant", "seller-1"}}));
    return list.find("recordings")->as_array()->at(0);
  }
  // Answers whatever the state is that is waited for, for half a minute at most.
  [[nodiscard]] Json wait_for_state(const std::string& state) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    Json recording = only_recording();
    while (text_member(recording, "state") != state && std::chrono::steady_clock::now() < end) {
      recording = only_recording();
    }
    EXPECT_EQ(text_member(recording, "state"), state) << recording.dump();
    return recording;
  }
  [[nodiscard]] control::test::Answer fetch(const std::string& url) const {
    control::test::RawClient client(daemon_.port());
    const std::size_t path = url.find("/v1/");
    client.send("GET " + url.substr(path) + " HTTP/1.1\r\nHost: t\r\n\r\n");
    return client.answer().value_or(control::test::Answer{});
  }

  TestFolder folder_;
  Daemon daemon_{folder_.path()};
};

TEST_F(RecordedCall, A22_OneFileOfTheWholeCallIsThereAfterIt) {
  create("composite", Json::object({{"width", 320}, {"height", 180}, {"fps", 10}}));
  talk(50);
  const auto completed = daemon_.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  EXPECT_GE(daemon_.events_of("recording.progress").size(), 1U);
  const Json& file = completed[0].find("files")->as_array()->at(0);
  EXPECT_EQ(text_member(file, "source"), "composite");
  EXPECT_NEAR(static_cast<double>(integer_member(file, "duration_ms")),
              static_cast<double>(integer_member(completed[0], "duration_ms")), 500);
  std::vector<std::string> sources;
  for (const Json& each : *completed[0].find("files")->as_array()) {
    sources.push_back(text_member(each, "source"));
  }
  EXPECT_THAT(sources, testing::ElementsAre("composite", "thumbnail", "sheet", "sheet_index",
                                            "chapters", "camera", "camera"));

  const Json link =
      daemon_.result("recording.access_link",
                     Json::object({{"recording_id", text_member(completed[0], "recording_id")},
                                   {"file", text_member(file, "name")},
                                   {"ttl_s", 60}}));
  const auto answer = fetch(text_member(link, "url"));
  EXPECT_EQ(answer.status, 200);
  const auto copy = daemon_.folder() / "copy.mp4";
  std::ofstream(copy, std::ios::binary) << answer.body;
  EXPECT_EQ(recorder::sha256_of(copy), text_member(file, "sha256"));
  EXPECT_EQ(answer.body.size(), static_cast<std::size_t>(integer_member(file, "size_bytes")));
}

TEST_F(RecordedCall, ALiveCompositeIsMadeWhileTheCallGoesOn) {
  create("composite", Json::object({{"live", true}, {"width", 320}, {"height", 180}}));
  bool live = false;
  talk(50, [&] {
    return live = daemon_.get("/metrics").find("parley_composing_live 1") != std::string::npos;
  });
  EXPECT_TRUE(live);
  const auto completed = daemon_.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  const Json& file = completed[0].find("files")->as_array()->at(0);
  EXPECT_EQ(text_member(file, "name"), "composite.mp4");
  EXPECT_NEAR(static_cast<double>(integer_member(file, "duration_ms")),
              static_cast<double>(integer_member(completed[0], "duration_ms")), 500);
}

TEST_F(RecordedCall, StillsAreThereWithoutAFilmWhereTheyAreWished) {
  daemon_.result(
      "room.create",
      Json::object({{"tenant", "seller-1"},
                    {"name", "main"},
                    {"recording", Json::object({{"auto", "session"}, {"stills", true}})}}));
  talk(50);
  const auto completed = daemon_.wait_for("recording.completed", 1);
  ASSERT_THAT(completed, SizeIs(1));
  std::vector<std::string> sources;
  for (const Json& each : *completed[0].find("files")->as_array()) {
    sources.push_back(text_member(each, "source"));
  }
  EXPECT_THAT(sources, testing::ElementsAre("sheet", "thumbnail", "sheet_index", "chapters",
                                            "camera", "camera"));
}

TEST_F(RecordedCall, A24_WhoKillsTheDaemonWhileItComposesGetsTheFileAfterItsStart) {
  create("composite");
  talk(100);
  for (int kills = 0; kills < 3; ++kills) {
    if (text_member(wait_for_state("processing"), "state") != "processing") break;
    daemon_.stop(SIGKILL);
    daemon_.start();
  }
  const Json recording = wait_for_state("completed");
  EXPECT_EQ(text_member(recording.find("files")->as_array()->at(0), "source"), "composite");
  EXPECT_THAT(daemon_.events_of("recording.completed"), SizeIs(1));
}

TEST_F(RecordedCall, ItsTracksCanBeComposedLaterAndAnew) {
  create("tracks");
  talk(25);
  ASSERT_THAT(daemon_.wait_for("recording.completed", 1), SizeIs(1));
  const std::string id = text_member(only_recording(), "recording_id");
  const auto compose = [&](const char* codec) {
    return daemon_.result(
        "recording.compose",
        Json::object(
            {{"recording_id", id},
             {"composite", Json::object({{"codec", codec}, {"width", 320}, {"height", 180}})}}));
  };
  EXPECT_EQ(text_member(compose("vp9"), "state"), "processing");
  ASSERT_THAT(daemon_.wait_for("recording.completed", 2), SizeIs(2));
  static_cast<void>(compose("h264"));
  const auto completed = daemon_.wait_for("recording.completed", 3);
  ASSERT_THAT(completed, SizeIs(3));
  std::vector<std::string> names;
  for (const Json& file : *completed[2].find("files")->as_array()) {
    if (text_member(file, "source") == "composite") names.push_back(text_member(file, "name"));
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("composite.mp4", "composite.webm"));
}

TEST_F(RecordedCall, ParleyctlComposesShowsHowFarItIsAndSaysWhyNot) {
  create("tracks");
  talk(25);
  ASSERT_THAT(daemon_.wait_for("recording.completed", 1), SizeIs(1));
  const std::string secret = (daemon_.folder() / "secret").string();
  std::ofstream(secret) << kSecret;
  const auto compose = [&](std::vector<std::string> words) {
    const std::string url = "http://127.0.0.1:" + std::to_string(daemon_.port());
    for (const std::string& word : {std::string("--url"), url, std::string("--key-id"),
                                    std::string("crm"), std::string("--secret-file"), secret}) {
      words.push_back(word);
    }
    words.insert(words.begin(), "compose");
    return Daemon::run_once(words, "parleyctl");
  };
  const std::string id = text_member(only_recording(), "recording_id");
  const auto [code, said] = compose({id, "--layout", "speaker", "--codec", "vp9"});
  EXPECT_EQ(code, 0) << said;
  EXPECT_THAT(said,
              testing::AllOf(HasSubstr(" %\n"), HasSubstr("composite.webm"), HasSubstr("speaker")));
  EXPECT_EQ(compose({id, "--watch"}).first, 0);
  const auto [refused, why] = compose({"rec_nobody"});
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(why, HasSubstr("no such recording"));
  EXPECT_EQ(compose({id, "--layout", "mosaic"}).first, 3);
  // Without its tracks' folder there is nothing to compose.
  std::filesystem::remove_all(daemon_.folder() / "recordings" / id);
  const auto [failed, reason] = compose({id});
  EXPECT_EQ(failed, 1);
  EXPECT_THAT(reason, testing::AllOf(HasSubstr("bad_manifest"), HasSubstr("recording.compose")));
}

TEST_F(RecordedCall, BadOptionsAreNamedAndChangeNothing) {
  create("tracks");
  const Json answer = daemon_.call(
      "room.create",
      Json::object({{"tenant", "seller-1"},
                    {"name", "other"},
                    {"recording", Json::object({{"composite", Json::object({{"fps", 1'000}})}})}}));
  EXPECT_THAT(answer.dump(), HasSubstr("fps"));
  EXPECT_THAT(
      daemon_.call("room.get", Json::object({{"tenant", "seller-1"}, {"room", "other"}})).dump(),
      HasSubstr("room_not_found"));
  EXPECT_THAT(daemon_
                  .call("recording.set_layout",
                        Json::object({{"recording_id", "rec_x"}, {"layout", "mosaic"}}))
                  .dump(),
              HasSubstr("layout"));
  EXPECT_THAT(daemon_.call("recording.compose", Json::object({{"recording_id", "rec_x"}})).dump(),
              HasSubstr("recording_not_found"));
}

}  // namespace
}  // namespace parley::acceptance
