// kill -9 at any moment: less than a second is lost, every file plays, the next start adopts it.
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "recorder/adopt.h"
#include "tests/recorder/recorder_fixture.h"

namespace parley::recorder::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

int rounds() { return std::getenv("PARLEY_LONG") != nullptr ? 50 : 10; }

// A number that parent and child see.
class Shared {
 public:
  Shared()
      : value_(static_cast<std::atomic<std::int64_t>*>(
            ::mmap(nullptr, sizeof(std::atomic<std::int64_t>), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    *value_ = 0;
  }
  ~Shared() { ::munmap(value_, sizeof *value_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  std::atomic<std::int64_t>& operator*() const { return *value_; }

 private:
  std::atomic<std::int64_t>* value_;
};

void nap() { ::poll(nullptr, 0, 2); }  // paces a process; no test waits for a moment like that

// Records in twice real time, for ever; says how much media was given to the recorder.
[[noreturn]] void record_until_killed(const fs::path& folder, const Media& all,
                                      std::atomic<std::int64_t>& fed_us) {
  Recorder recorder{config_in(folder), [](const RecorderEvent&) {}};
  recorder.start(info(), kStart);
  const auto video_tap = make_tap();
  const auto audio_tap = make_tap();
  recorder.add_track("rec_1", camera(), video_tap);
  recorder.add_track("rec_1", microphone(), audio_tap);
  const auto began = std::chrono::steady_clock::now();
  std::size_t v = 0;
  std::size_t a = 0;
  while (true) {
    const auto real = std::chrono::steady_clock::now() - began;
    const rtp::Time now = kStart + 2 * std::chrono::duration_cast<rtp::Duration>(real);
    for (; v < all.video.size() && all.video[v].record.arrival <= now; ++v) {
      push(*video_tap, all.video[v]);
    }
    for (; a < all.audio.size() && all.audio[a].record.arrival <= now; ++a) {
      push(*audio_tap, all.audio[a]);
    }
    fed_us = (now - kStart).count();
    nap();
  }
}

// Kills the recording process once it was fed so much; what was fed by then.
rtp::Duration kill_after(rtp::Duration length, const fs::path& folder, const Media& all) {
  const Shared fed;
  const pid_t child = ::fork();
  if (child == 0) record_until_killed(folder, all, *fed);
  while (*fed < length.count()) nap();
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return rtp::Duration{(*fed).load()};
}

void expect_little_lost(const Completed& completed, rtp::Duration fed, bool all_tracks) {
  ASSERT_FALSE(completed.files.empty());
  std::int64_t end_ms = 0;
  for (const auto& f : completed.files) end_ms = std::max(end_ms, f.offset_ms + f.duration_ms);
  EXPECT_LT(to_ms(fed) - end_ms, 1'000);
  if (!all_tracks) return;
  const auto& last = completed.files.back();
  const Probe p = probe(completed.manifest.parent_path() / last.name);
  for (const auto& [codec, time] : p.last_s) {
    EXPECT_LT(to_ms(fed) - last.offset_ms - static_cast<std::int64_t>(time * 1'000), 1'000)
        << codec;
  }
}

class Killed : public testing::TestWithParam<VideoSource> {};

TEST_P(Killed, LosesLessThanASecondAtAnyMoment) {
  std::mt19937 random{42};
  const Media all = media(GetParam(), seconds{12});
  for (int round = 0; round < rounds() / 2; ++round) {
    const milliseconds moment{800 + static_cast<int>(random() % 3'000)};
    SCOPED_TRACE(moment.count());
    const TemporaryFolder folder;
    const rtp::Duration fed = kill_after(moment, folder.path(), all);
    Events events;
    Recorder recorder{config_in(folder.path()), events.sink()};
    EXPECT_THAT(recorder.adopt_leftovers(), ElementsAre("rec_1"));
    const auto completed = events.next_completed();
    ASSERT_TRUE(completed);
    EXPECT_TRUE(completed->truncated);
    EXPECT_EQ(completed->end_reason, "server_restart");
    EXPECT_EQ(completed->info.room_name, "A room");
    expect_playable(folder.path() / "rec_1", completed->files);
    expect_little_lost(*completed, fed, true);
  }
}
INSTANTIATE_TEST_SUITE_P(Recording, Killed, testing::Values(vp8_source(), h264_source()),
                         [](const auto& param) {
                           return param.param.capture.substr(0, param.param.capture.find('-'));
                         });

TEST(Crash, WithAMutedMicrophoneLosesAsLittle) {
  Media all = media(vp8_source(), seconds{12});
  all.audio = without(std::move(all.audio), kStart + seconds{1}, kStart + seconds{100});
  const TemporaryFolder folder;
  const rtp::Duration fed = kill_after(milliseconds{3'500}, folder.path(), all);
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  EXPECT_THAT(recorder.adopt_leftovers(), SizeIs(1));
  const auto completed = events.next_completed();
  ASSERT_TRUE(completed);
  expect_playable(folder.path() / "rec_1", completed->files);
  expect_little_lost(*completed, fed, false);
}

TEST(Crash, WhileAdoptingChangesNothing) {
  const Media all = media(vp8_source(), seconds{12});
  const TemporaryFolder origin;
  kill_after(milliseconds{3'000}, origin.path(), all);
  std::mt19937 random{7};
  for (int round = 0; round < rounds(); ++round) {
    const TemporaryFolder folder;
    fs::copy(origin.path(), folder.path(), fs::copy_options::recursive);
    const int delay_ms = static_cast<int>(random() % 40);
    const pid_t child = ::fork();
    if (child == 0) {
      const std::atomic<bool> stop{false};
      ::_exit(adopt(folder.path(), "rec_1", stop) ? 0 : 1);
    }
    ::poll(nullptr, 0, delay_ms);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);

    Events events;
    Recorder recorder{config_in(folder.path()), events.sink()};
    EXPECT_THAT(recorder.adopt_leftovers(), SizeIs(1));
    const auto completed = events.next_completed();
    ASSERT_TRUE(completed);
    ASSERT_THAT(completed->files, SizeIs(1));
    EXPECT_GT(completed->files[0].duration_ms, 2'000);
    if (round % 5 == 0) expect_playable(folder.path() / "rec_1", completed->files);
  }
}

TEST(Crash, IsReportedUntilItsEndIsSettledThenNoMore) {
  const TemporaryFolder folder;
  kill_after(milliseconds{1'500}, folder.path(), media(vp8_source(), seconds{3}));
  Events events;
  std::int64_t duration_ms = 0;
  for (int start = 0; start < 3; ++start) {
    Recorder recorder{config_in(folder.path()), events.sink()};
    EXPECT_THAT(recorder.adopt_leftovers(), SizeIs(1));
    const auto completed = events.next_completed();
    ASSERT_TRUE(completed);
    EXPECT_TRUE(completed->truncated);
    if (start > 0) {
      EXPECT_EQ(completed->duration_ms, duration_ms);
    }
    duration_ms = completed->duration_ms;
    expect_playable(folder.path() / "rec_1", completed->files);
    if (start == 2) recorder.settle("rec_1");
  }
  Recorder recorder{config_in(folder.path()), events.sink()};
  EXPECT_THAT(recorder.adopt_leftovers(), IsEmpty());
  EXPECT_FALSE(recorder.file_path("rec_1", "manifest.json").empty());
}

TEST(Crash, BeforeAnyMediaIsReportedAsSuch) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "rec_1");
  std::ofstream{folder.path() / "rec_1" / "journal"} << "recording rec_1 t rm room se 5\nfile x";
  std::ofstream{folder.path() / "rec_1" / "a.webm.part"} << "";
  fs::create_directories(folder.path() / "rec_2");
  std::ofstream{folder.path() / "rec_2" / "journal"} << "";
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink()};
  EXPECT_THAT(recorder.adopt_leftovers(), ElementsAre("rec_1", "rec_2"));
  for (int i = 0; i < 2; ++i) {
    const auto failed = events.next_failed();
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->reason, "no_media");
  }
}

// What a crash may leave is cut anywhere, so every length of a file must be adopted or refused.
TEST(Crash, CutsAFileAnywhereAndItPlays) {
  for (const VideoSource& source : {vp8_source(), h264_source()}) {
    const TemporaryFolder folder;
    Studio studio{folder.path()};
    const Media all = media(source, seconds{2});
    studio.add(camera(), all.video);
    studio.add(microphone(), all.audio);
    studio.run();
    ASSERT_THAT(studio.files(), SizeIs(1));
    const auto& whole = studio.files()[0];
    const std::string name = whole.info.name;
    for (std::size_t size = 0; size < whole.bytes.size(); size += whole.bytes.size() / 20 + 1) {
      SCOPED_TRACE(size);
      const fs::path root = folder.path() / std::to_string(size);
      fs::create_directories(root / "rec_1");
      std::ofstream{root / "rec_1" / "journal"} << "recording rec_1 t rm room se 5\nfile " << name
                                                << " pa_1 alice camera x 0\n";
      std::ofstream{root / "rec_1" / (name + ".part"), std::ios::binary}.write(
          reinterpret_cast<const char*>(whole.bytes.data()), static_cast<std::streamsize>(size));
      const std::atomic<bool> stop{false};
      const auto event = adopt(root, "rec_1", stop);
      ASSERT_TRUE(event);
      if (const auto* completed = std::get_if<Completed>(&*event)) {
        EXPECT_EQ(probe(root / "rec_1" / name).errors, "");
        EXPECT_THAT(completed->files, SizeIs(1));
      }
    }
  }
}

}  // namespace
}  // namespace parley::recorder::test
