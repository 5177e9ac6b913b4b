#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/slots.h"
#include "tests/control/call_fixture.h"

// What is told of the layers in the slots: to the viewer, to the backend, to the publisher.
namespace parley::control {
namespace {

using rtp::LayerReason;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DownlinkTest : public CallTest {
 protected:
  DownlinkTest() {
    room();
    join(1, "anna", "host");
    publish(1);
    join(2, "bert");
    subscribe(2);
    assigned = commands_of<server::Assign>().back();
  }
  // The worker decides on the picture that Bert sees of Anna.
  void decide(std::optional<std::uint8_t> layer, LayerReason reason) {
    server::SlotLayer decision;
    decision.peer = assigned.peer;
    decision.slot = assigned.slot;
    decision.track = *assigned.track;
    decision.layer = layer;
    decision.layers = 3;
    decision.height = layer ? 180U << *layer : 0;
    decision.reason = reason;
    decision.estimate = rtp::Bitrate{400'000};
    decision.needed = rtp::Bitrate{reason == LayerReason::Bandwidth ? 700'000 : 0};
    worker_says({decision});
  }
  [[nodiscard]] Json picture() {
    const Json all = session().subscriptions(*session().find_identity("bert"));
    return all.as_array()->at(1);
  }
  [[nodiscard]] std::vector<std::int64_t> wanted() {
    std::vector<std::int64_t> heights;
    for (const Json& told : notified(1, "track.wanted")) {
      heights.push_back(*told.find("height")->as_int());
    }
    return heights;
  }
  [[nodiscard]] std::ptrdiff_t count(const std::string& type) const {
    const auto types = event_types();
    return std::count(types.begin(), types.end(), type);
  }
  void want(std::int64_t height) {
    ask(2, "slot.want", Json::object({{"mid", "1"}, {"height", height}}));
  }

  server::Assign assigned;
};

TEST_F(DownlinkTest, SaysWhyAPictureIsSmall) {
  EXPECT_EQ(text(picture(), "state"), "waiting");
  decide(0, LayerReason::Bandwidth);
  const Json shown = picture();
  EXPECT_EQ(text(shown, "state"), "shown");
  EXPECT_EQ(text(shown, "reason"), "bandwidth");
  EXPECT_EQ(integer_member(shown, "height"), 180);
  EXPECT_EQ(integer_member(shown, "estimate_kbps"), 400);
  EXPECT_EQ(integer_member(shown, "needed_kbps"), 700);
  const auto told = notified(2, "slot.quality");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text(told[0], "reason"), "bandwidth");
  EXPECT_EQ(text(told[0], "mid"), "1");
  EXPECT_THAT(notified(1, "slot.quality"), IsEmpty());
}

TEST_F(DownlinkTest, RemembersTheLastDecisions) {
  for (int i = 0; i < 40; ++i) decide(static_cast<std::uint8_t>(i % 3), LayerReason::Bandwidth);
  decide(std::nullopt, LayerReason::Paused);
  const Json shown = picture();
  EXPECT_EQ(text(shown, "state"), "paused");
  const auto& history = *shown.find("history")->as_array();
  ASSERT_THAT(history, SizeIs(16));
  EXPECT_TRUE(history.back().find("layer")->is_null());
  EXPECT_EQ(integer_member(history.front(), "layer"), 25 % 3);
}

TEST_F(DownlinkTest, TakesNoDecisionOnATrackThatLeftTheSlot) {
  assigned.track = server::TrackNo{99};
  decide(0, LayerReason::Bandwidth);
  assigned.track = {};
  EXPECT_EQ(text(picture(), "state"), "waiting");
  EXPECT_THAT(notified(2, "slot.quality"), IsEmpty());
}

TEST_F(DownlinkTest, TellsTheBackendOfAPictureThatStaysTooSmall) {
  decide(0, LayerReason::Bandwidth);
  wait(milliseconds(4'000));
  decide(2, LayerReason::Wanted);
  wait(milliseconds(10'000));
  EXPECT_EQ(count("quality.degraded"), 0) << "it was short";
  decide(1, LayerReason::Bandwidth);
  wait(milliseconds(3'000));
  decide(std::nullopt, LayerReason::Paused);
  wait(milliseconds(2'001));
  ASSERT_EQ(count("quality.degraded"), 1);
  const Json data = *last_event("quality.degraded").find("data");
  EXPECT_EQ(text(data, "identity"), "bert");
  EXPECT_EQ(text(data, "reason"), "paused");
  decide(2, LayerReason::Wanted);
  wait(milliseconds(4'999));
  EXPECT_EQ(count("quality.recovered"), 0);
  wait(milliseconds(2));
  EXPECT_EQ(count("quality.recovered"), 1);
  EXPECT_EQ(count("quality.degraded"), 1);
}

TEST_F(DownlinkTest, PausesLayersThatNobodyWantsAfterAWhile) {
  want(180);
  EXPECT_THAT(wanted(), IsEmpty());
  wait(milliseconds(5'001));
  EXPECT_THAT(wanted(), ElementsAre(180));
  want(360);
  EXPECT_THAT(wanted(), ElementsAre(180, 360)) << "more at once";
  want(0);
  wait(milliseconds(3'000));
  want(360);
  wait(milliseconds(10'000));
  EXPECT_THAT(wanted(), ElementsAre(180, 360)) << "he was back soon";
  ask(2, "leave");
  wait(milliseconds(5'001));
  EXPECT_THAT(wanted(), ElementsAre(180, 360, 0));
}

TEST_F(DownlinkTest, WantsEverythingWhileItIsRecorded) {
  want(180);
  wait(milliseconds(5'001));
  ask(1, "recording.start");
  EXPECT_THAT(wanted(), ElementsAre(180, 8'640));
  ask(1, "recording.stop");
  wait(milliseconds(5'001));
  EXPECT_THAT(wanted(), ElementsAre(180, 8'640, 180));
}

TEST_F(DownlinkTest, TellsThePublisherAgainWhenHeIsBack) {
  want(180);
  wait(milliseconds(5'001));
  rtc->closed(ConnectionId{1}, 1006);
  join(3, "anna");
  ASSERT_THAT(notified(3, "track.wanted"), SizeIs(1));
  EXPECT_EQ(integer_member(notified(3, "track.wanted")[0], "height"), 180);
}

TEST_F(DownlinkTest, TellsTheWorkerWhoComesFirst) {
  const auto priority = [&](std::int64_t said, const Json& track) {
    Json params = Json::object({{"mid", "1"}, {"height", 720}, {"priority", said}});
    if (!track.is_null()) params.set("track_id", track);
    ask(2, "slot.want", params);
    return commands_of<server::Assign>().back().priority;
  };
  const std::int32_t plain = priority(0, Json());
  EXPECT_GT(priority(0, *picture().find("track_id")), plain);
  EXPECT_LT(priority(0, *picture().find("track_id")), priority(1, Json()));
}

TEST(LayerPriority, AScreenComesBeforeCamerasOfTheSameRank) {
  const TrackView camera{server::TrackNo{1}, rtp::MediaKind::Video, TrackSource::Camera};
  const TrackView screen{server::TrackNo{2}, rtp::MediaKind::Video, TrackSource::ScreenShare};
  SlotWant want;
  EXPECT_GT(layer_priority(want, &screen), layer_priority(want, &camera));
  EXPECT_EQ(layer_priority(want, nullptr), layer_priority(want, &camera));
  want.track = camera.track;
  EXPECT_GT(layer_priority(want, &camera), layer_priority(want, &screen));
}

}  // namespace
}  // namespace parley::control
