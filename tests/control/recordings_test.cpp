#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorded_fixture.h"

namespace parley::control {
namespace {

using ::testing::SizeIs;

class RecordingsTest : public RecordedTest {
 protected:
  RecordingsTest() {
    room();
    join(1, "anna", "host");
    publish(1);
    join(2, "bert");
  }
};

TEST_F(RecordingsTest, PeopleAreToldBeforeTheFirstTapOpens) {
  store.held = true;
  static_cast<void>(ask(1, "recording.start"));
  EXPECT_THAT(commands_of<server::OpenTap>(), SizeIs(0));
  store.release();
  EXPECT_THAT(notified(2, "recording.started"), SizeIs(1));
  EXPECT_THAT(commands_of<server::OpenTap>(), SizeIs(2));
}

TEST_F(RecordingsTest, NewTracksJoinAndGoneOnesLeave) {
  static_cast<void>(ask(1, "recording.start"));
  publish(2);
  EXPECT_THAT(commands_of<server::OpenTap>(), SizeIs(4));
  static_cast<void>(ask(2, "leave"));
  EXPECT_THAT(commands_of<server::CloseTap>(), SizeIs(2));
}

TEST_F(RecordingsTest, StartingTwiceGivesTheSameAndStoppingTwiceSaysSo) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  EXPECT_EQ(text(ask(1, "recording.start"), "recording_id"), id);
  EXPECT_EQ(*ask(1, "recording.stop").find("already"), Json(false));
  EXPECT_EQ(*ask(1, "recording.stop", Json::object({{"recording_id", id}})).find("already"),
            Json(true));
  EXPECT_THAT(commands_of<server::CloseTap>(), SizeIs(2));
  EXPECT_EQ(text(notified(2, "recording.stopped").at(0), "reason"), "stopped_by_host");
}

TEST_F(RecordingsTest, AnEndReportedTwiceIsToldOnce) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  static_cast<void>(ask(1, "recording.stop"));
  for (int report = 0; report < 2; ++report) {
    recordings->on_recorder_event(completed(id));
    outbox->flush();
  }
  EXPECT_THAT(notified(2, "recording.completed"), SizeIs(1));
}

TEST_F(RecordingsTest, ALateJoinerSeesThatItIsRecorded) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  EXPECT_EQ(text(*join(3, "carl").find("recording"), "recording_id"), id);
}

TEST_F(RecordingsTest, ACompletedOneIsListedLinkedAndServedUntilTheLinkExpires) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  EXPECT_EQ(text(ask(1, "recording.access_link", Json::object({{"recording_id", id}})), "reason"),
            "recording_not_ready");
  static_cast<void>(ask(1, "recording.stop"));
  recordings->on_recorder_event(completed(id));
  outbox->flush();
  EXPECT_THAT(notified(2, "recording.completed"), SizeIs(1));
  const Json listed = ask(1, "recording.list").find("recordings")->as_array()->at(0);
  EXPECT_EQ(text(listed, "state"), "completed");
  EXPECT_EQ(text(listed.find("files")->as_array()->at(0), "participant_name"), "anna");

  const Json all = ask(1, "recording.access_link", Json::object({{"recording_id", id}}));
  EXPECT_THAT(*all.find("files")->as_array(), SizeIs(2));  // the film and the manifest
  const Json one =
      ask(1, "recording.access_link",
          Json::object({{"recording_id", id}, {"file", "anna-camera-1.webm"}, {"ttl_s", 60}}));
  const std::string url = text(one, "url");
  HttpRequest request;
  request.path = url.substr(0, url.find('?'));
  request.query = url.substr(url.find('?') + 1);
  EXPECT_EQ(recordings->serve(request).status, 404);  // valid, but no such file on this disk
  HttpRequest forged = request;
  forged.path.back() = 'x';
  EXPECT_EQ(recordings->serve(forged).status, 403);
  wall_ms += 61'000;
  EXPECT_EQ(recordings->serve(request).status, 403);
}

TEST_F(RecordingsTest, AGuestGetsNoLink) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  EXPECT_EQ(text(ask(2, "recording.access_link", Json::object({{"recording_id", id}})), "reason"),
            "permission_denied");
  EXPECT_EQ(text(ask(2, "recording.list"), "reason"), "permission_denied");
}

TEST_F(RecordingsTest, AFailureEndsTheRecordingNeverTheCall) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  recordings->on_recorder_event(recorder::Failed{id, "disk_full", "", {}});
  outbox->flush();
  EXPECT_EQ(text(notified(2, "recording.failed").at(0), "reason"), "disk_full");
  EXPECT_THAT(commands_of<server::CloseTap>(), SizeIs(2));
  EXPECT_EQ(sessions->running(), 1U);
  EXPECT_EQ(recordings->running_in(session().id()), nullptr);
}

TEST_F(RecordingsTest, TheSessionsEndStopsIt) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  static_cast<void>(ask(1, "session.end"));
  EXPECT_EQ(recordings->find(id)->state, RecordingRecord::State::Processing);
  EXPECT_EQ(recordings->find(id)->end_reason, "ended_by_host");
}

TEST_F(RecordingsTest, ARestartAdoptsWhatTheRecorderFinds) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  recorder::Completed adopted = completed(id);
  adopted.truncated = true;
  make_parts();
  recordings->load(store.all_rows());
  EXPECT_EQ(recordings->find(id)->state, RecordingRecord::State::Processing);
  recordings->expect_leftovers({id});
  EXPECT_EQ(recordings->find(id)->state, RecordingRecord::State::Processing);
  recordings->on_recorder_event(adopted);
  outbox->flush();
  const Json event = *last_event("recording.completed").find("data");
  EXPECT_EQ(*event.find("truncated"), Json(true));
}

TEST_F(RecordingsTest, ARestartGivesUpWhatWasNeverWritten) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  make_parts();
  recordings->load(store.all_rows());
  recordings->expect_leftovers({});
  EXPECT_EQ(recordings->find(id)->state, RecordingRecord::State::Failed);
  EXPECT_EQ(recordings->find(id)->end_reason, "server_restart");
}

TEST_F(RecordingsTest, ARoomMayRecordEverySession) {
  room("filmed", [](RoomConfig& c) { c.record_sessions = true; });
  const auto filmed = [](Json&, Json& g) { g.set("room", "filmed"); };
  const Json joined =
      ask(7, "join", Json::object({{"token", token("dora", "participant", filmed)}}));
  EXPECT_FALSE(joined.find("recording")->is_null());
}

}  // namespace
}  // namespace parley::control
