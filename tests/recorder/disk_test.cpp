// A full, failing or slow disk ends the recording with a reason; what was written plays.
#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/recorder/recorder_fixture.h"

namespace parley::recorder::test {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

// Fails the n-th write and every later one.
DiskCalls failing_write(int n, int error) {
  DiskCalls calls;
  calls.write = [count = std::make_shared<std::atomic<int>>(0), n, error](
                    int fd, const void* bytes, std::size_t size, off_t place) -> ssize_t {
    if (++*count < n) return ::pwrite(fd, bytes, size, place);
    errno = error;
    return -1;
  };
  return calls;
}

TEST(DiskTrouble, FullAtAnyWriteLeavesFilesThatPlay) {
  const Media all[] = {media(vp8_source(), seconds{3}), media(h264_source(), seconds{3})};
  for (int n = 1; n <= 41; n += 5) {
    SCOPED_TRACE(n);
    const TemporaryFolder folder;
    Events events;
    Recorder recorder{config_in(folder.path()), events.sink(), failing_write(n, ENOSPC)};
    record(recorder, all[n % 2]);
    recorder.stop("rec_1", "empty");
    const auto event = events.next();
    ASSERT_TRUE(event);
    if (const auto* failed = std::get_if<Failed>(&*event)) {
      EXPECT_EQ(failed->reason, "disk_full");
      expect_playable(folder.path() / "rec_1", failed->files);
    } else {
      expect_playable(folder.path() / "rec_1", std::get<Completed>(*event).files);
    }
  }
}

TEST(DiskTrouble, OfAWriteThatFailsIsADiskError) {
  const TemporaryFolder folder;
  Events events;
  Recorder recorder{config_in(folder.path()), events.sink(), failing_write(12, EIO)};
  record(recorder, media(vp8_source(), seconds{5}));
  const auto failed = events.next_failed();  // without being stopped
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, "disk_error");
  ASSERT_THAT(failed->files, SizeIs(1));
  expect_playable(folder.path() / "rec_1", failed->files);
  EXPECT_EQ(recorder.stats().write_errors, 1U);
}

TEST(DiskTrouble, OfASyncIsNeverTriedAgain) {
  const TemporaryFolder folder;
  Events events;
  std::atomic<int> syncs{0};
  DiskCalls calls;
  calls.sync = [&syncs](int fd) {
    if (++syncs < 3) return ::fdatasync(fd);
    errno = EIO;
    return -1;
  };
  Recorder recorder{config_in(folder.path()), events.sink(), calls};
  record(recorder, media(vp8_source(), seconds{8}));
  const auto failed = events.next_failed();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, "disk_error");
}

TEST(DiskTrouble, BelowTheLowWatermarkStopsBeforeTheDiskIsFull) {
  const TemporaryFolder folder;
  Events events;
  config::Recording config = config_in(folder.path());
  config.min_free_bytes = std::numeric_limits<std::uint64_t>::max();
  Recorder recorder{config, events.sink()};
  record(recorder, media(vp8_source(), seconds{3}));
  const auto failed = events.next_failed();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, "disk_full");
}

TEST(DiskTrouble, OfASlowDiskEndsTheRecordingAndNeverBlocksTheTaps) {
  const TemporaryFolder folder;
  Events events;
  std::promise<void> release;
  const std::shared_future<void> released{release.get_future()};
  std::atomic<int> writes{0};
  DiskCalls calls;
  calls.write = [&, released](int fd, const void* bytes, std::size_t size, off_t place) {
    if (++writes == 10) released.wait();  // hangs in the middle of the file
    return ::pwrite(fd, bytes, size, place);
  };
  config::Recording config = config_in(folder.path());
  config.queue_bytes = 200'000;
  Recorder recorder{config, events.sink(), calls};
  const Media all = media(vp8_source(), seconds{12});
  const auto video_tap = make_tap(100'000);  // far less than there is: it must be drained
  recorder.start(info(), kStart);
  recorder.add_track("rec_1", camera(), video_tap);
  for (const Event& event : all.video) {
    rtp::Tap::Record r = event.record;
    r.bytes = event.bytes;
    while (!video_tap->push(r) && recorder.stats().dropped_queue == 0) std::this_thread::yield();
  }
  EXPECT_GT(recorder.stats().dropped_queue, 0U);
  release.set_value();
  const auto failed = events.next_failed();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, "disk_slow");
  ASSERT_THAT(failed->files, SizeIs(1));
  expect_playable(folder.path() / "rec_1", failed->files);
}

TEST(DiskTrouble, OfADiskThatNeverAnswersIsReportedAllTheSame) {
  if (std::getenv("PARLEY_LONG") == nullptr) GTEST_SKIP() << "takes ten seconds";
  const TemporaryFolder folder;
  Events events;
  std::promise<void> release;
  const std::shared_future<void> released{release.get_future()};
  DiskCalls calls;
  calls.write = [released](int fd, const void* bytes, std::size_t size, off_t place) {
    released.wait();
    return ::pwrite(fd, bytes, size, place);
  };
  config::Recording config = config_in(folder.path());
  config.queue_bytes = 100'000;
  Recorder recorder{config, events.sink(), calls};
  record(recorder, media(vp8_source(), seconds{5}));
  const auto failed = events.next_failed();
  EXPECT_TRUE(failed);
  EXPECT_EQ(failed ? failed->reason : "", "disk_slow");
  release.set_value();
}

// Runs `body` in a process of its own; its result is the exit code.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<std::filesystem::path> media_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".webm" || extension == ".mp4") files.push_back(entry.path());
  }
  return files;
}

TEST(DiskTrouble, OfAFileSizeLimitIsADiskThatIsFull) {
  for (const VideoSource& source : {vp8_source(), h264_source()}) {
    const TemporaryFolder folder;
    const int result = in_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{300'000, 300'000};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      Events events;
      Recorder recorder{config_in(folder.path()), events.sink()};
      record(recorder, media(source, seconds{12}));
      const auto failed = events.next_failed();
      return failed && failed->reason == "disk_full" && failed->files.size() == 1 ? 0 : 1;
    });
    EXPECT_EQ(result, 0);
    const auto files = media_in(folder.path() / "rec_1");
    ASSERT_THAT(files, SizeIs(1));
    EXPECT_THAT(probe(files[0]).errors, IsEmpty());
    EXPECT_GT(probe(files[0]).packets[source.codec == rtp::Codec::Vp8 ? "vp8" : "h264"], 30U);
  }
}

TEST(DiskTrouble, OfASmallFileSystemKeepsWhatFitted) {
  const TemporaryFolder folder;
  if (::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=600k") != 0) {
    GTEST_SKIP() << "needs the right to mount";
  }
  {
    Events events;
    Recorder recorder{config_in(folder.path()), events.sink()};
    record(recorder, media(vp8_source(), seconds{12}));
    const auto failed = events.next_failed();
    EXPECT_TRUE(failed);
    if (failed) {
      EXPECT_EQ(failed->reason, "disk_full");
      EXPECT_THAT(failed->files, SizeIs(1));
      expect_playable(folder.path() / "rec_1", failed->files);
    }
  }
  ::umount2(folder.path().c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace parley::recorder::test
