// A composite that is made while the recording goes on.
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/compose/growing.h"
#include "recorder/compose/input.h"
#include "recorder/names.h"
#include "recorder/sha256.h"
#include "tests/recorder/recorder_fixture.h"

namespace parley::recorder::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

const std::string kProgram = std::string(PARLEY_BIN_DIR) + "/parley-compose";
const std::string kOptions = " --size 320x180 --fps 10 --layout speaker --no-names";

const std::string kChanges = " --layout-change 20000=grid --pause 60000-65000";

bool comes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 5);  // leaves the core to the program
  }
  return true;
}

// The program that follows, beside the test.
class Following {
 public:
  Following(const fs::path& folder, const fs::path& log) : log_(log) {
    child_ = ::fork();
    if (child_ != 0) return;
    const std::string command = "exec " + kProgram + " " + folder.string() + " --live --follow" +
                                kOptions + " > " + log.string();
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  ~Following() {
    if (child_ > 0) kill();
  }
  void kill() {
    ::kill(child_, SIGKILL);
    static_cast<void>(end());
  }
  [[nodiscard]] std::string end() {  // what it said
    int status = 0;
    ::waitpid(std::exchange(child_, 0), &status, 0);
    return text_of(log_);
  }

 private:
  fs::path log_;
  pid_t child_ = 0;
};

// Two people; the second one comes later and leaves before the end.
class Call {
 public:
  Call(Recorder& recorder, const VideoSource& alices, const VideoSource& bobs)
      : recorder_(recorder) {
    add("tr_1", camera("tr_1"),
        with_reports(video(alices, kStart, kStart + kLength), 90'000, kDelay));
    add("tr_2", microphone("tr_2"), with_reports(audio(kStart, kStart + kLength), 48'000, kDelay));
    TrackInfo bob = camera("tr_3");
    bob.participant_id = "pa_2";
    bob.identity = bob.name = "bob";
    add("tr_3", bob,
        with_reports(video(bobs, kStart + seconds(12), kStart + seconds(50)), 90'000, kDelay));
    RecordingInfo what = info();
    what.followed = true;
    recorder_.start(what, kStart);
    for (const auto& [id, track] : tracks_) recorder_.add_track("rec_1", track.info, track.tap);
    // As in life: the taps are there before their media.
    EXPECT_TRUE(comes_true([&] { return recorder_.stats().active_tracks == tracks_.size(); }));
  }

  void go_on(rtp::Duration until) {
    for (auto& [id, track] : tracks_) {
      for (; track.next < track.script.size(); ++track.next) {
        const Event& event = track.script[track.next];
        if (event.record.arrival >= kStart + until) break;
        push(*track.tap, event);
      }
    }
  }
  void leave(const std::string& track_id) { recorder_.remove_track("rec_1", track_id); }

  static constexpr rtp::Duration kLength = seconds(75);

 private:
  static constexpr rtp::Duration kDelay = milliseconds(30);
  struct Track {
    TrackInfo info;
    Script script;
    std::shared_ptr<rtp::Tap> tap = make_tap();
    std::size_t next = 0;
  };
  void add(const std::string& id, const TrackInfo& info, Script script) {
    Track track;
    track.info = info;
    track.script = std::move(script);
    tracks_.emplace(id, std::move(track));
  }
  Recorder& recorder_;
  std::map<std::string, Track> tracks_;
};

// The same, made of the finished recording.
std::string made_afterwards(const fs::path& folder, const fs::path& beside) {
  fs::create_directories(beside);
  for (const auto& file : fs::directory_iterator(folder)) {
    const std::string name = file.path().filename();
    if (name.ends_with(".webm") || name.starts_with("pa_") || name == kManifestName) {
      fs::copy(file.path(), beside / name);
    }
  }
  const std::string said = output_of(kProgram + " " + beside.string() + kOptions + kChanges);
  EXPECT_THAT(said, HasSubstr("\"done\""));
  return sha256_of(beside / "composite.mp4");
}

struct Pair {
  VideoSource alice;
  VideoSource bob;
};

TEST(LiveComposite, IsTheOneThatWouldBeMadeAfterwards) {
  std::vector<Pair> all{{vp8_source(), h264_source()}};
  if (std::getenv("PARLEY_LONG") != nullptr) all.push_back({vp9_source(), av1_source()});
  for (const Pair& codecs : all) {
    const TemporaryFolder folder;
    Events events;
    Recorder recorder{config_in(folder.path() / "all"), events.sink()};
    Call call(recorder, codecs.alice, codecs.bob);
    const fs::path recording = folder.path() / "all" / "rec_1";
    Following following(recording, folder.path() / "log");
    call.go_on(seconds(20));
    recorder.note("rec_1", {20'000, "grid"});
    call.go_on(seconds(40));
    EXPECT_TRUE(
        comes_true([&] { return fs::exists(recording / "composite.work/picture-00000.mkv"); }));
    call.go_on(seconds(51));
    call.leave("tr_3");
    recorder.note("rec_1", {60'000, "pause"});
    recorder.note("rec_1", {65'000, "resume"});
    call.go_on(seconds(74));
    EXPECT_TRUE(
        comes_true([&] { return fs::exists(recording / "composite.work/picture-00001.mkv"); }));
    call.go_on(Call::kLength);
    recorder.stop("rec_1", "test", kStart + Call::kLength);
    ASSERT_TRUE(events.next_completed());
    EXPECT_THAT(following.end(), testing::Not(HasSubstr("failed")));
    const std::string said =
        output_of(kProgram + " " + recording.string() + " --live" + kOptions + kChanges);
    EXPECT_THAT(said, HasSubstr("\"done\",\"file\":\"composite.mp4\",\"length_ms\":70000"));
    EXPECT_THAT(said, testing::Not(HasSubstr("\"sound\""))) << "it was there";
    EXPECT_THAT(said, testing::Not(HasSubstr("\"picture\",\"done_ms\":0,"))) << "so was the first";
    EXPECT_EQ(sha256_of(recording / "composite.mp4"),
              made_afterwards(recording, folder.path() / "beside"));
    EXPECT_FALSE(fs::exists(recording / "composite.work"));
  }
}

TEST(LiveComposite, WhoeverKillsItItIsMadeAllTheSame) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path() / "all"), events.sink()};
  Call call(recorder, vp8_source(), h264_source());
  const fs::path recording = folder.path() / "all" / "rec_1";
  recorder.note("rec_1", {20'000, "grid"});
  {
    Following following(recording, folder.path() / "log");
    call.go_on(seconds(40));
    EXPECT_TRUE(
        comes_true([&] { return fs::exists(recording / "composite.work/picture-00000.mkv"); }));
    following.kill();
  }
  call.go_on(Call::kLength);
  recorder.stop("rec_1", "test", kStart + Call::kLength);
  ASSERT_TRUE(events.next_completed());
  const std::string said = output_of(kProgram + " " + recording.string() + " --live" + kOptions +
                                     " --layout-change 20000=grid");
  EXPECT_THAT(said, HasSubstr("\"done\",\"file\":\"composite.mp4\",\"length_ms\":75000"));
  // The first piece was there.
  EXPECT_THAT(said, testing::Not(HasSubstr("\"picture\",\"done_ms\":0,")));
  EXPECT_EQ(probe(recording / "composite.mp4").errors, "");
}

TEST(LiveComposite, OfARecordingThatIsOverNeedsNobodyWhoFollows) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "manifest.json") << "{}";
  Following following(folder.path(), folder.path() / "log");
  EXPECT_EQ(following.end(), "");
  EXPECT_FALSE(fs::exists(folder.path() / "composite.work"));
}

// A recording that has nothing yet.
fs::path begun_in(const fs::path& folder) {
  const fs::path recording = folder / "rec_1";
  fs::create_directories(recording);
  std::ofstream(recording / "journal") << "recording rec_1 t r n s 1\n";
  return recording;
}

TEST(LiveComposite, OfARecordingThatFailsIsNotKept) {
  const TemporaryFolder folder;
  const fs::path recording = begun_in(folder.path());
  Following following(recording, folder.path() / "log");
  EXPECT_TRUE(comes_true([&] { return fs::exists(recording / "composite.work/sound.part"); }));
  std::ofstream(recording / "next")
      << R"({"schema":1,"duration_ms":9,"failure":{"reason":"disk_full"},)"
         R"("files":[{"name":"a.webm","offset_ms":0,"duration_ms":9}]})";
  fs::rename(recording / "next", recording / "manifest.json");
  EXPECT_THAT(following.end(), HasSubstr("the recording failed"));
  EXPECT_FALSE(fs::exists(recording / "composite.work"));
}

TEST(LiveComposite, OfARecordingThatIsGoneEnds) {
  const TemporaryFolder folder;
  const fs::path recording = begun_in(folder.path());
  Following following(recording, folder.path() / "log");
  EXPECT_TRUE(comes_true([&] { return fs::exists(recording / "composite.work/sound.part"); }));
  fs::remove(recording / "journal");
  EXPECT_THAT(following.end(), HasSubstr("\"stopped\""));
}

// Where the clusters of a WebM file, or the fragments of an MP4 file, begin: found by their ids.
std::vector<std::uint64_t> fragments_of(const fs::path& file) {
  const std::string bytes = text_of(file);
  const bool mp4 = file.extension() == ".mp4";
  const std::string id = mp4 ? "moof" : "\x1f\x43\xb6\x75";
  std::vector<std::uint64_t> places;
  for (std::size_t at = bytes.find(id); at != std::string::npos; at = bytes.find(id, at + 1)) {
    places.push_back(mp4 ? at - 4 : at);
  }
  return places;
}

const std::string kJournal =
    "recording rec_1 t r n s 1\n"
    "track tr_1 pa_1 alice Alice camera\n"
    "file a.webm pa_1 alice camera vp8+opus 0\n"
    "file b.webm pa_2 bob camera vp8 5000\n"
    "file c.webm pa_2 bob camera vp8 9000\n"
    "closed b.webm 1000\n"
    "change 4000 pip\n"
    "change 8000 pause\n";
const std::string kProgress =
    "whole a.webm 300 9000\n"
    "whole b.webm 300 9000\n"
    "whole c.webm 300 300\n"
    "reached 12000\n";

compose::Plan plan_of(const std::string& journal, const std::string& progress = kProgress) {
  const auto contents = journal::parse(journal, progress);
  const auto plan = compose::plan_of(*contents, "folder");
  EXPECT_TRUE(plan);
  return *plan;
}

TEST(GrowingPlan, KnowsWhatIsOnTheDisk) {
  const compose::Plan plan = plan_of(kJournal);
  EXPECT_EQ(plan.length, seconds(7));
  ASSERT_EQ(plan.files.size(), 2U) << "of the third only the header is there";
  EXPECT_EQ(plan.files[0].path, "folder/a.webm.part");
  EXPECT_EQ(plan.files[0].growing->bytes, 9'000U);
  EXPECT_EQ(plan.files[0].duration, seconds(7));
  EXPECT_EQ(plan.files[1].path, "folder/b.webm") << "closed since the progress was written";
  EXPECT_FALSE(plan.files[1].growing);
  EXPECT_EQ(plan.files[1].duration, seconds(1));
  ASSERT_EQ(plan.changes.size(), 1U) << "the pause comes later";
  EXPECT_EQ(plan.changes[0].what, "pip");
}

TEST(GrowingPlan, GoesOnUnlessSomethingComesBeforeWhatWasThere) {
  const compose::Plan before = plan_of(kJournal);
  const compose::Plan after =
      plan_of(kJournal + "file d.webm pa_3 cleo camera vp8 6900\nclosed a.webm 8000\n",
              "whole d.webm 300 900\nreached 20000\n");
  EXPECT_EQ(after.files.size(), 3U);
  EXPECT_TRUE(continues(before, after));
  EXPECT_FALSE(continues(after, before));
  const compose::Plan late =
      plan_of(kJournal + "file d.webm pa_3 cleo microphone opus 2000\nclosed d.webm 100\n");
  EXPECT_FALSE(continues(before, late));
}

TEST(GrowingPlan, OfAJournalCutAnywhereIsOneOfLess) {
  for (std::size_t size = 0; size < kJournal.size(); ++size) {
    const auto journal = journal::parse(kJournal.substr(0, size), kProgress);
    if (!journal) continue;
    const auto plan = compose::plan_of(*journal, "folder");
    ASSERT_TRUE(plan) << size;
    EXPECT_LE(plan->files.size(), 2U);
    EXPECT_TRUE(plan->files.empty() || plan->length > seconds(0));
  }
}

TEST(GrowingPlan, OfNothingYetIsEmpty) {
  const compose::Plan plan = plan_of("recording rec_1 t r n s 1\n", "");
  EXPECT_TRUE(plan.files.empty());
  EXPECT_EQ(plan.length, seconds(0));
}

// What follows may be at any place when a file is closed and gets its name.
TEST(GrowingFile, IsReadToItsEndThoughItsNameChanges) {
  for (const VideoSource& source : {vp8_source(), h264_source(), vp9_source(), av1_source()}) {
    const TemporaryFolder folder;
    Events events;
    Recorder recorder{config_in(folder.path()), events.sink()};
    record(recorder, media(source, seconds(9)));
    recorder.stop("rec_1", "test");
    const auto done = events.next_completed();
    ASSERT_TRUE(done);
    const fs::path file = folder.path() / "rec_1" / done->files.at(0).name;
    const auto frames = [&](const std::function<void(compose::StreamReader&)>& between,
                            compose::PlannedFile planned) {
      std::vector<std::int64_t> times;
      const auto reader = compose::StreamReader::open(planned, AVMEDIA_TYPE_VIDEO);
      EXPECT_TRUE(reader);
      if (!reader) return times;
      while (reader->next() != nullptr) times.push_back(reader->time().count());
      between(*reader);
      while (reader->next() != nullptr) times.push_back(reader->time().count());
      return times;
    };
    compose::PlannedFile whole;
    whole.path = file;
    const auto all = frames([](compose::StreamReader&) {}, whole);
    EXPECT_GT(all.size(), 200U);
    // As it stood in the middle, by a name that it has no more.
    const auto places = fragments_of(file);
    ASSERT_GT(places.size(), 4U);
    compose::PlannedFile half;
    half.path = file.string() + ".part";
    half.growing = {places.front(), places.at(places.size() / 2)};
    EXPECT_EQ(frames([&](compose::StreamReader& reader) { reader.follow(whole); }, half), all);
    compose::PlannedFile more = half;
    more.growing->bytes = places.at(places.size() / 2 + 1);
    EXPECT_EQ(frames(
                  [&](compose::StreamReader& reader) {
                    reader.follow(more);
                    static_cast<void>(reader.next());
                    reader.follow(whole);
                  },
                  half)
                  .size(),
              all.size() - 1);
  }
}

}  // namespace
}  // namespace parley::recorder::test
