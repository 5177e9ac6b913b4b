#include "recorder/recorder.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/recorder/recorder_fixture.h"

namespace parley::recorder::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Recorder, FinishesFilesManifestAndEvent) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  record(recorder, media(vp8_source(), seconds{5}));
  recorder.stop("rec_1", "ended_by_host", kStart + milliseconds{5'200});
  const auto completed = events.next_completed();
  ASSERT_TRUE(completed);
  EXPECT_EQ(completed->recording_id, "rec_1");
  EXPECT_EQ(completed->end_reason, "ended_by_host");
  EXPECT_FALSE(completed->truncated);
  EXPECT_EQ(completed->duration_ms, 5'200);
  ASSERT_THAT(completed->files, SizeIs(1));
  EXPECT_EQ(completed->files[0].identity, "alice");
  EXPECT_THAT(completed->files[0].codecs, ElementsAre("vp8", "opus"));
  EXPECT_EQ(completed->size_bytes, completed->files[0].size_bytes);
  expect_playable(folder.path() / "rec_1", completed->files);
  const std::string manifest = text_of(completed->manifest);
  EXPECT_THAT(manifest, HasSubstr(R"("room_name": "A room")"));
  EXPECT_THAT(manifest, HasSubstr(completed->files[0].sha256));
  EXPECT_EQ(recorder.file_path("rec_1", completed->files[0].name),
            folder.path() / "rec_1" / completed->files[0].name);
}

TEST(Recorder, LeavesNothingTemporaryBehind) {
  const TemporaryFolder folder;
  {
    Events events;
    Recorder recorder{config_in(folder.path()), events.sink()};
    record(recorder, media(h264_source(), seconds{2}));
    recorder.stop("rec_1", "empty");
    ASSERT_TRUE(events.next_completed());
    recorder.settle("rec_1");
  }
  EXPECT_THAT(names_in(folder.path() / "rec_1"), ElementsAre("manifest.json", "pa_1-camera-1.mp4"));
}

TEST(Recorder, FinishesWhatIsOpenWhenItIsDestroyed) {
  const TemporaryFolder folder;
  Events events;
  {
    Recorder recorder{config_in(folder.path()), events.sink()};
    record(recorder, media(vp8_source(), seconds{3}), "rec_a");
    record(recorder, media(h264_source(), seconds{3}), "rec_b");
  }
  for (int i = 0; i < 2; ++i) {
    const auto completed = events.next_completed();
    ASSERT_TRUE(completed);
    EXPECT_EQ(completed->end_reason, "server_shutdown");
    expect_playable(folder.path() / completed->recording_id, completed->files);
  }
}

TEST(Recorder, KeepsParticipantsAndScreensInFilesOfTheirOwnOnOneTimeLine) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  record(recorder, media(vp8_source(), seconds{6}));
  const auto screen = make_tap();
  for (const Event& e : video(h264_source(), kStart + seconds{2}, kStart + seconds{6})) {
    push(*screen, e);
  }
  recorder.add_track(
      "rec_1", {"tr_s", "pa_1", "alice", "Alice", "screen_share", rtp::MediaKind::Video}, screen);
  const auto bob = make_tap();
  for (const Event& e : audio(kStart + seconds{3}, kStart + seconds{5})) push(*bob, e);
  push(*bob, mark(rtp::Tap::Kind::Ended, kStart + seconds{5}));
  recorder.add_track("rec_1", {"tr_b", "pa_2", "bob", "Bob", "microphone", rtp::MediaKind::Audio},
                     bob);
  recorder.stop("rec_1", "ended_by_api");
  const auto completed = events.next_completed();
  ASSERT_TRUE(completed);
  std::map<std::string, std::int64_t> offsets;
  for (const auto& file : completed->files) offsets[file.name] = file.offset_ms;
  ASSERT_THAT(offsets, SizeIs(3));
  EXPECT_NEAR(static_cast<double>(offsets.at("pa_1-camera-1.webm")), 0, 60);
  EXPECT_NEAR(static_cast<double>(offsets.at("pa_1-screen_share-1.mp4")), 2'000, 60);
  EXPECT_NEAR(static_cast<double>(offsets.at("pa_2-camera-1.webm")), 3'000, 60);
  expect_playable(folder.path() / "rec_1", completed->files);
}

TEST(Recorder, EndsAFileWhenItsTracksAreRemovedAndBeginsAnotherLater) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  record(recorder, media(vp8_source(), seconds{3}));
  recorder.remove_track("rec_1", "tr_cam");
  recorder.remove_track("rec_1", "tr_mic");
  const auto again = make_tap();
  for (const Event& e : video(vp8_source(), kStart + seconds{8}, kStart + seconds{10})) {
    push(*again, e);
  }
  recorder.add_track("rec_1", camera("tr_cam2"), again);
  recorder.stop("rec_1", "ended_by_api");
  const auto completed = events.next_completed();
  ASSERT_TRUE(completed);
  ASSERT_THAT(completed->files, SizeIs(2));
  EXPECT_NEAR(static_cast<double>(completed->files[1].offset_ms), 8'000, 60);
  expect_playable(folder.path() / "rec_1", completed->files);
}

TEST(Recorder, SaysThatThereWasNoMedia) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  recorder.start(info(), kStart);
  recorder.add_track("rec_1", camera(), make_tap());
  recorder.stop("rec_1", "empty");
  const auto failed = events.next_failed();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, "no_media");
  EXPECT_THAT(failed->files, IsEmpty());
}

TEST(Recorder, SaysThatItsDirectoryCannotBeUsed) {
  const TemporaryFolder folder;
  std::ofstream{folder.path() / "file"} << "not a directory";
  Events events;
  Recorder recorder{config_in(folder.path() / "file"), events.sink()};
  record(recorder, media(vp8_source(), seconds{1}));
  const auto failed = events.next_failed();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, "directory_unusable");
}

TEST(Recorder, RemovesARecordingAndSaysWhenNothingIsLeft) {
  const TemporaryFolder folder;
  Events events;
  {
    Recorder recorder{config_in(folder.path()), events.sink()};
    EXPECT_TRUE(recorder.remove("rec_1")) << "there is none";
    EXPECT_TRUE(events.next_removes("rec_1"));
    record(recorder, media(vp8_source(), seconds{1}));
    recorder.stop("rec_1", "empty");
    ASSERT_TRUE(events.next_completed());
  }
  Recorder recorder{config_in(folder.path()), events.sink()};
  EXPECT_TRUE(recorder.remove("rec_1"));
  EXPECT_FALSE(fs::exists(folder.path() / "rec_1")) << "at once";
  EXPECT_TRUE(events.next_removes("rec_1"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_FALSE(recorder.remove("../rec_1"));
}

TEST(Recorder, FindsNoFileOutsideItsFolder) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "rec" / "rec_1");
  std::ofstream{folder.path() / "secret.webm"} << "x";
  std::ofstream{folder.path() / "rec" / "rec_1" / "a.webm"} << "x";
  std::ofstream{folder.path() / "rec" / "rec_1" / "a.webm.part"} << "x";
  std::ofstream{folder.path() / "rec" / "rec_1" / "journal"} << "x";
  fs::create_symlink(folder.path() / "secret.webm", folder.path() / "rec" / "rec_1" / "link.webm");
  Events events;
  const Recorder recorder{config_in(folder.path() / "rec"), events.sink()};
  EXPECT_FALSE(recorder.file_path("rec_1", "a.webm").empty());
  const std::string nul{"a.webm\0", 7};
  for (const std::string& name :
       {std::string{"../secret.webm"}, std::string{"../../secret.webm"}, std::string{""},
        std::string{"."}, std::string{".."}, std::string{"b.webm"}, std::string{"a.webm.part"},
        std::string{"journal"}, std::string{"link.webm"}, std::string{"/etc/passwd"}, nul,
        std::string{"\xf0\x9f\x98\x80.webm"}, std::string(4'096, 'a')}) {
    EXPECT_TRUE(recorder.file_path("rec_1", name).empty()) << name;
  }
  for (const std::string id : {"..", ".", "", "rec_1/../rec_1", "/"}) {
    EXPECT_TRUE(recorder.file_path(id, "a.webm").empty()) << id;
  }
}

TEST(Recorder, MakesNamesHarmless) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  recorder.start(info("../evil"), kStart);
  const auto refused = events.next_failed();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, "directory_unusable");
  recorder.start(info(), kStart);
  const auto tap = make_tap();
  for (const Event& e : audio(kStart, kStart + seconds{2})) push(*tap, e);
  const std::string evil = "../../" + std::string(5'000, 'x') + "\xf0\x9f\x98\x80";
  recorder.add_track("rec_1", {"tr", evil, "a\"b\n", evil, "microphone", rtp::MediaKind::Audio},
                     tap);
  recorder.stop("rec_1", "empty");
  const auto completed = events.next_completed();
  ASSERT_TRUE(completed);
  ASSERT_THAT(completed->files, SizeIs(1));
  EXPECT_EQ(completed->files[0].identity, "a\"b\n");
  EXPECT_FALSE(recorder.file_path("rec_1", completed->files[0].name).empty());
  EXPECT_THAT(names_in(folder.path()), ElementsAre("rec_1"));
}

TEST(Recorder, CountsWhatItDoes) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  const Media all = media(vp8_source(), seconds{3});
  record(recorder, all);
  recorder.stop("rec_1", "empty");
  const auto completed = events.next_completed();
  ASSERT_TRUE(completed);
  const RecorderStats stats = recorder.stats();
  EXPECT_GE(stats.bytes_written, completed->size_bytes);
  EXPECT_EQ(stats.write_errors, 0U);
  EXPECT_EQ(stats.dropped_ring, 0U);
  EXPECT_EQ(stats.dropped_queue, 0U);
}

}  // namespace
}  // namespace parley::recorder::test
