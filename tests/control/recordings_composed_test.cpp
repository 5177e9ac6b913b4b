#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorded_fixture.h"

namespace parley::control {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using State = RecordingRecord::State;

// Calls in a room whose sessions are made into one picture; composing itself is the test's.
class ComposedTest : public RecordedTest {
 protected:
  ComposedTest() {
    hook();
    room("main", [](RoomConfig& c) {
      c.recording.composite = true;
      c.recording.layout = "speaker";
    });
    join(1, "anna", "host");
    publish(1);
  }
  void hook() {
    recordings->compose = [this](ComposeJob job) { jobs.push_back(std::move(job)); };
  }
  void composed(const std::string& id) {
    recordings->composing_events().on_done(
        id,
        {"composite.mp4", 4'900, 500, "abc", {{"chapters.vtt", "chapters", 7, "d"}}, "WEBVTT\n"});
    outbox->flush();
  }
  [[nodiscard]] State state(const std::string& id) const { return recordings->find(id)->state; }

  std::vector<ComposeJob> jobs;
};

TEST_F(ComposedTest, IsCompletedWhenItsOnePictureIsThere) {
  const std::string id = recorded();
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_EQ(jobs[0].recording_id, id);
  EXPECT_THAT(jobs[0].arguments,
              AllOf(Contains("h264"), Contains("1280x720"), Contains("speaker")));
  EXPECT_EQ(state(id), State::Processing);
  EXPECT_THAT(notified(1, "recording.completed"), SizeIs(0));
  composed(id);
  EXPECT_EQ(state(id), State::Completed);
  EXPECT_THAT(notified(1, "recording.completed"), SizeIs(1));
  const Json data = *last_event("recording.completed").find("data");
  EXPECT_EQ(text(data, "mode"), "composite");
  EXPECT_EQ(*data.find("size_bytes"), Json(1'507));
  const Json& file = data.find("files")->as_array()->at(0);
  EXPECT_EQ(text(file, "name"), "composite.mp4");
  EXPECT_EQ(text(file, "source"), "composite");
  EXPECT_EQ(text(file, "sha256"), "abc");
  EXPECT_THAT(*data.find("files")->as_array(), SizeIs(3)) << "the tracks stay";
}

TEST_F(ComposedTest, ALiveOneIsBegunWithTheRecordingAndEndedAfterIt) {
  std::vector<ComposeJob> begun;
  recordings->compose_live = [&](ComposeJob job) { begun.push_back(std::move(job)); };
  RecordingOptions options = recordings->options_of(session());
  options.live = true;
  const std::string id = recorded(options);
  ASSERT_THAT(begun, SizeIs(1));
  EXPECT_EQ(begun[0].recording_id, id);
  EXPECT_THAT(begun[0].arguments, AllOf(Contains("--follow"), Contains("speaker")));
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_THAT(jobs[0].arguments, AllOf(Contains("--live"), Not(Contains("--follow"))));
  composed(id);
  EXPECT_EQ(state(id), State::Completed);
  // Made anew it is made of what is there.
  ASSERT_TRUE(recordings->compose_again(id, recordings->find(id)->options, "grid"));
  outbox->flush();
  EXPECT_THAT(jobs.back().arguments, Not(Contains("--live")));
}

TEST_F(ComposedTest, StillsAreMadeWithoutAFilm) {
  RecordingOptions options;
  options.stills = true;
  const std::string id = recorded(options);
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_THAT(jobs[0].arguments, ElementsAre("--stills-only"));
  EXPECT_EQ(state(id), State::Processing);
  recordings->composing_events().on_done(
      id, {"sheet.jpg", 4'900, 50, "abc", {{"chapters.vtt", "chapters", 7, "d"}}, "WEBVTT\n"});
  outbox->flush();
  EXPECT_EQ(state(id), State::Completed);
  const Json data = *last_event("recording.completed").find("data");
  EXPECT_EQ(text(data, "mode"), "tracks");
  EXPECT_EQ(text(data.find("files")->as_array()->at(0), "source"), "sheet");
  EXPECT_EQ(text(data.find("files")->as_array()->at(1), "source"), "chapters");
}

TEST_F(ComposedTest, WithoutItsStillsARecordingIsCompletedAllTheSame) {
  RecordingOptions options;
  options.stills = true;
  const std::string id = recorded(options);
  recordings->composing_events().on_failed(id, "crashed", "signal 11");
  outbox->flush();
  EXPECT_EQ(state(id), State::Completed);
  EXPECT_THAT(notified(1, "recording.completed"), SizeIs(1));
  // They are tried again, and no film is made of it.
  ASSERT_TRUE(recordings->compose_again(id, recordings->find(id)->options, std::nullopt));
  outbox->flush();
  EXPECT_THAT(jobs.back().arguments, ElementsAre("--stills-only"));
}

TEST_F(ComposedTest, TheTracksCanBeFetchedMeanwhile) {
  const std::string id = recorded();
  const Json links = ask(1, "recording.access_link", Json::object({{"recording_id", id}}));
  EXPECT_THAT(*links.find("files")->as_array(), SizeIs(2));
}

TEST_F(ComposedTest, ProgressIsToldInTenSteps) {
  const std::string id = recorded();
  const auto events = recordings->composing_events();
  for (int percent = 0; percent <= 100; ++percent) events.on_progress(id, percent);
  outbox->flush();
  EXPECT_EQ(count_events("recording.progress"), 10U);
  EXPECT_EQ(*last_event("recording.progress").find("data")->find("progress_percent"), Json(100));
  EXPECT_THAT(notified(1, "recording.progress"), SizeIs(0)) << "nothing for participants";
}

TEST_F(ComposedTest, ARestartGoesOnComposing) {
  const std::string id = recorded();
  jobs.clear();
  make_parts();
  hook();
  recordings->load(store.all_rows());
  recordings->expect_leftovers({});
  recordings->resume();
  outbox->flush();
  EXPECT_EQ(state(id), State::Processing);
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_THAT(jobs[0].arguments, Contains("speaker"));
  composed(id);
  EXPECT_EQ(state(id), State::Completed);
}

TEST_F(ComposedTest, ARestartBeforeTheTracksWereSettledWaitsForThem) {
  const std::string id = recorded();
  jobs.clear();
  make_parts();
  hook();
  recordings->load(store.all_rows());
  recordings->expect_leftovers({id});
  recordings->resume();
  outbox->flush();
  EXPECT_THAT(jobs, SizeIs(0)) << "the recorder has its hands on the folder";
  recordings->on_recorder_event(completed(id));
  outbox->flush();
  EXPECT_THAT(jobs, SizeIs(1));
  EXPECT_EQ(count_events("recording.completed"), 0U);
}

TEST_F(ComposedTest, WhatFailedOnAFullDiskCanBeComposedAsFarAsItGoes) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  recordings->on_recorder_event(recorder::Failed{id, "disk_full", "pwrite", completed(id).files});
  outbox->flush();
  EXPECT_EQ(state(id), State::Failed);
  EXPECT_EQ(text(*last_event("recording.failed").find("data")->find("failure"), "reason"),
            "disk_full");
  ASSERT_TRUE(recordings->compose_again(id, {}, std::nullopt).has_value());
  outbox->flush();
  EXPECT_THAT(jobs, SizeIs(1));
}

TEST_F(ComposedTest, NothingIsComposedBeforeTheStoreKnowsThatItIsToBe) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  static_cast<void>(ask(1, "recording.stop"));
  store.held = true;
  recordings->on_recorder_event(completed(id));
  outbox->flush();
  EXPECT_THAT(jobs, SizeIs(0));
  store.release();
  EXPECT_THAT(jobs, SizeIs(1));
}

TEST_F(ComposedTest, WhatCannotBeComposedFailsWithItsTracksAndIsTriedAgainWhenAsked) {
  const std::string id = recorded();
  recordings->composing_events().on_failed(id, "no_codec", "this FFmpeg encodes no h264");
  outbox->flush();
  EXPECT_EQ(state(id), State::Failed);
  const Json data = *last_event("recording.failed").find("data");
  EXPECT_EQ(text(data, "end_reason"), "stopped_by_host");
  EXPECT_EQ(text(*data.find("failure"), "reason"), "compose_failed");
  EXPECT_THAT(text(*data.find("failure"), "detail"),
              AllOf(HasSubstr("no h264"), HasSubstr("recording.compose")));
  EXPECT_THAT(*data.find("files")->as_array(), SizeIs(1));

  RecordingOptions options = recordings->find(id)->options;
  options.codec = "vp9";
  ASSERT_TRUE(recordings->compose_again(id, options, std::nullopt).has_value());
  outbox->flush();
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_THAT(jobs[1].arguments, Contains("vp9"));
  EXPECT_EQ(recordings->compose_again(id, options, std::nullopt).error().reason,
            "recording_not_over");
  composed(id);
  EXPECT_EQ(state(id), State::Completed);
  EXPECT_EQ(recordings->find(id)->failure_reason, "");
}

TEST_F(ComposedTest, LayoutsAndPausesAreKeptByTheirTimes) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  now += std::chrono::milliseconds(1'000);
  EXPECT_TRUE(*recordings->set_layout(id, "grid"));
  EXPECT_FALSE(*recordings->set_layout(id, "grid"));
  now += std::chrono::milliseconds(1'000);
  EXPECT_TRUE(*recordings->pause(id));
  now += std::chrono::milliseconds(500);
  EXPECT_TRUE(*recordings->resume(id));
  now += std::chrono::milliseconds(500);
  EXPECT_TRUE(*recordings->pause(id));
  now += std::chrono::milliseconds(700);
  static_cast<void>(ask(1, "recording.stop"));
  EXPECT_FALSE(recordings->set_layout(id, "pip").has_value());
  recordings->on_recorder_event(completed(id));
  outbox->flush();
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_THAT(jobs[0].arguments,
              AllOf(Contains("1000=grid"), Contains("2000-2500"), Contains("3000-3700")));
  // Anew in one layout: the changes of then are gone, the pauses are not.
  composed(id);
  ASSERT_TRUE(recordings->compose_again(id, recordings->find(id)->options, "pip").has_value());
  outbox->flush();
  EXPECT_THAT(jobs[1].arguments, AllOf(Not(Contains("1000=grid")), Contains("2000-2500")));
}

TEST_F(ComposedTest, TooManyChangesAreRefused) {
  const std::string id = text(ask(1, "recording.start"), "recording_id");
  for (std::size_t i = 0; i < Recordings::kMaxChanges; ++i) {
    ASSERT_TRUE(recordings->set_layout(id, i % 2 == 0 ? "grid" : "pip").has_value());
  }
  EXPECT_EQ(recordings->set_layout(id, "grid").error().reason, "too_many_changes");
}

TEST_F(ComposedTest, ADeletedOneIsNotComposedAgain) {
  const std::string id = recorded();
  EXPECT_EQ(recordings->remove(id, "deleted_by_api").error().reason, "recording_not_over");
  composed(id);
  EXPECT_TRUE(*recordings->remove(id, "deleted_by_api"));
  EXPECT_EQ(recordings->compose_again(id, {}, std::nullopt).error().reason, "recording_deleted");
}

TEST(RecordingOptions, AreReadOverWhatWasThere) {
  RecordingOptions options;
  const Json said = Json::object(
      {{"stills", true},
       {"composite",
        Json::object({{"layout", "pip"}, {"width", 640}, {"names", false}, {"live", true}})}});
  Params params(said);
  read_recording_options(params, options);
  ASSERT_TRUE(params.finish().has_value());
  EXPECT_TRUE(options.composite && options.stills && options.live);
  EXPECT_EQ(options.layout, "pip");
  EXPECT_EQ(options.width, 640U);
  EXPECT_EQ(options.height, 720U);
  EXPECT_EQ(RecordingOptions::from_json(options.to_json()), options);
}

TEST(RecordingOptions, MistakesAreNamedByTheirPlace) {
  const auto mistake = [](const Json& said) {
    RecordingOptions options;
    Params params(said);
    read_recording_options(params, options);
    const auto ok = params.finish();
    return ok ? std::string() : ok.error().message;
  };
  const auto composite = [](const char* name, Json value) {
    return Json::object({{"composite", Json::object({{name, std::move(value)}})}});
  };
  EXPECT_THAT(mistake(composite("width", 641)), HasSubstr("even"));
  EXPECT_THAT(mistake(composite("layout", "mosaic")), HasSubstr("layout"));
  EXPECT_THAT(mistake(composite("codec", "theora")), HasSubstr("codec"));
  EXPECT_THAT(mistake(composite("colour", "red")), HasSubstr("no parameter"));
  EXPECT_THAT(mistake(Json::object({{"mode", "both"}})), HasSubstr("mode"));
  EXPECT_THAT(mistake(Json::object({{"mode", "tracks"}, {"composite", Json(Json::Object{})}})),
              HasSubstr("for the mode"));
}

}  // namespace
}  // namespace parley::control
