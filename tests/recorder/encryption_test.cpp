// Recordings that the kernel encrypts: what is readable when, and what a start is refused for.
#include "recorder/encryption.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "recorder/sha256.h"
#include "tests/recorder/recorder_fixture.h"

namespace parley::recorder::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

fs::path key_file(const fs::path& file, const std::string& bytes, mode_t mode = 0600) {
  std::ofstream(file, std::ios::binary) << bytes;
  ::chmod(file.c_str(), mode);
  return file;
}

class KeyFile : public testing::Test {
 protected:
  [[nodiscard]] std::string refused(const std::string& bytes, mode_t mode = 0600) const {
    const auto key = EncryptionKey::read(key_file(folder_.path() / "key", bytes, mode));
    return key ? "(accepted)" : key.error();
  }
  TemporaryFolder folder_;
};

TEST_F(KeyFile, Holds32To64BytesAsTheyAre) {
  for (const std::size_t size : {32U, 33U, 64U}) {
    const std::string bytes(size, '\n');
    const auto key = EncryptionKey::read(key_file(folder_.path() / "key", bytes));
    ASSERT_TRUE(key.has_value()) << key.error();
    EXPECT_EQ(std::string(key->bytes().begin(), key->bytes().end()), bytes);
  }
  for (const std::size_t size : {0U, 31U, 65U, 1'000U}) {
    EXPECT_THAT(refused(std::string(size, 'k')), HasSubstr("32 to 64 random bytes")) << size;
  }
}

TEST_F(KeyFile, IsNobodyElses) {
  const std::string bytes(64, 'k');
  EXPECT_EQ(refused(bytes, 0400), "(accepted)");
  for (const mode_t mode : {0640U, 0604U, 0660U, 0610U, 0601U}) {
    EXPECT_THAT(refused(bytes, mode), AllOf(StartsWith("recording.encryption_key_file: "),
                                            HasSubstr("chmod 600 "), Not(HasSubstr("kkkk"))));
  }
}

TEST_F(KeyFile, IsThereAndAFile) {
  EXPECT_THAT(EncryptionKey::read(folder_.path() / "none").error(),
              EndsWith("none: No such file or directory"));
  EXPECT_THAT(EncryptionKey::read(folder_.path()).error(), EndsWith(": is no file"));
  EXPECT_THAT(EncryptionKey::read("/dev/null").error(), EndsWith(": is no file"));
}

// A file system of its own in an image, below a folder of its own. It is this process's alone, so
// that it goes with it, whatever happens.
class Disk {
 public:
  explicit Disk(const std::string& features) : image_(folder_.path() / "image") {
    fs::create_directory(top());
    fs::create_directory(folder_.path() / "keys");
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return;
    }
    std::ofstream(image_, std::ios::binary).close();
    fs::resize_file(image_, 64U << 20U);
    mounted_ = run("mkfs.ext4 -q -F -b 4096 " + features + " " + image_.string()) && mount();
  }
  ~Disk() { unmount(); }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  [[nodiscard]] bool mounted() const noexcept { return mounted_; }
  [[nodiscard]] fs::path top() const { return folder_.path() / "top"; }
  [[nodiscard]] const fs::path& image() const noexcept { return image_; }
  [[nodiscard]] fs::path key(char byte) const {
    return key_file(folder_.path() / "keys" / std::string(1, byte), std::string(64, byte));
  }
  bool mount() { return run("mount -o loop " + image_.string() + " " + top().string()); }
  void unmount() {
    if (mounted_ && ::umount2(top().c_str(), 0) != 0) ::umount2(top().c_str(), MNT_DETACH);
  }

 private:
  static bool run(const std::string& command) {
    return std::system((command + " 2>&1").c_str()) == 0;
  }
  TemporaryFolder folder_;
  fs::path image_;
  bool mounted_ = false;
};

class EncryptedFolder : public testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "needs root, mkfs.ext4 and loop devices";
    if (const auto tried = open('a'); !tried && has_no_encryption(tried.error())) {
      GTEST_SKIP() << "needs a kernel with CONFIG_FS_ENCRYPTION";
    }
    fs::remove(folder());
  }
  [[nodiscard]] static bool has_no_encryption(const std::string& error) {
    return error.find("does not encrypt") != std::string::npos;
  }
  [[nodiscard]] fs::path folder() const { return disk_.top() / "recordings"; }
  [[nodiscard]] config::Recording config(char key) const {
    config::Recording config = config_in(folder());
    if (key != 0) config.encryption_key_file = disk_.key(key).string();
    return config;
  }
  // With a key all of whose bytes are `key`; 0: with none.
  [[nodiscard]] tl::expected<OpenFolder, std::string> open(char key) {
    return OpenFolder::open(config(key), [this](std::string_view why) { still_open_ = why; });
  }
  [[nodiscard]] std::string refused(char key) {
    const auto folder = open(key);
    return folder ? "(opened)" : folder.error();
  }
  // Records three seconds; the files of it.
  [[nodiscard]] static std::vector<RecordedFile> record_into(const fs::path& root) {
    Events events;
    Recorder recorder{config_in(root), events.sink()};
    record(recorder, media(vp8_source(), seconds{3}));
    recorder.stop("rec_1", "empty");
    const auto completed = events.next_completed();
    EXPECT_TRUE(completed);
    return completed ? completed->files : std::vector<RecordedFile>();
  }
  [[nodiscard]] bool on_disk(const std::string& text) const {
    const std::string all = text_of(disk_.image());
    return std::search(all.begin(), all.end(),
                       std::boyer_moore_searcher(text.begin(), text.end())) != all.end();
  }

  Disk disk_{"-O encrypt"};
  std::string still_open_;
};

std::vector<fs::path> all_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) paths.push_back(entry.path());
  return paths;
}

int error_of_opening(const fs::path& file, int flags) {
  const int fd = ::open(file.c_str(), flags, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0 ? 0 : errno;
}

TEST_F(EncryptedFolder, IsUnreadableWithoutItsKeyAndPlaysWithItAgain) {
  std::vector<RecordedFile> files;
  {
    const auto opened = open('a');
    ASSERT_TRUE(opened.has_value()) << opened.error();
    files = record_into(folder());
    ASSERT_THAT(files, SizeIs(1));
    expect_playable(folder() / "rec_1", files);
  }
  EXPECT_EQ(still_open_, "");
  EXPECT_FALSE(fs::exists(folder() / "rec_1"));
  const auto locked = all_below(folder());
  EXPECT_THAT(locked, SizeIs(4)) << "the recording, its journal, its manifest and its one file";
  for (const fs::path& path : locked) {
    EXPECT_THAT(path.filename().string(),
                AllOf(Not(HasSubstr("rec_1")), Not(HasSubstr("webm")), Not(HasSubstr("manifest"))));
    EXPECT_EQ(error_of_opening(path, O_RDONLY), fs::is_directory(path) ? 0 : ENOKEY);
  }
  EXPECT_EQ(error_of_opening(folder() / "new", O_WRONLY | O_CREAT), ENOKEY);

  const auto opened = open('a');
  ASSERT_TRUE(opened.has_value()) << opened.error();
  EXPECT_THAT(text_of(folder() / "rec_1" / "manifest.json"), HasSubstr("\"recording_id\""));
  expect_playable(folder() / "rec_1", files);
}

TEST_F(EncryptedFolder, LeavesNothingToReadOnTheDisk) {
  const std::string media{"\x42\x82\x84webm", 7};  // DocType of EBML
  {
    const auto opened = open('a');
    ASSERT_TRUE(opened.has_value()) << opened.error();
    ASSERT_THAT(record_into(folder()), SizeIs(1));
  }
  disk_.unmount();
  for (const std::string& text : {std::string("recording_id"), std::string("rec_1"), media}) {
    EXPECT_FALSE(on_disk(text)) << text;
  }
  // The same without a key is found, so the search is good.
  ASSERT_TRUE(disk_.mount());
  ASSERT_THAT(record_into(disk_.top() / "plain"), SizeIs(1));
  disk_.unmount();
  for (const std::string& text : {std::string("recording_id"), std::string("rec_1"), media}) {
    EXPECT_TRUE(on_disk(text)) << text;
  }
}

TEST_F(EncryptedFolder, KnowsItsKeyBeforeTheKernelIsAsked) {
  const auto opened = open('a');
  ASSERT_TRUE(opened.has_value()) << opened.error();
  EXPECT_EQ(opened->key(), EncryptionKey::read(disk_.key('a'))->identifier());
}

TEST_F(EncryptedFolder, OfAnotherKeyIsNotOpened) {
  { ASSERT_TRUE(open('a').has_value()); }
  const auto id = [&](char key) {
    return recorder::hex(EncryptionKey::read(disk_.key(key))->identifier());
  };
  EXPECT_THAT(refused('b'), AllOf(StartsWith("recording.directory: "), HasSubstr(id('a')),
                                  EndsWith(" holds " + id('b'))));
  EXPECT_NE(error_of_opening(folder() / "new", O_WRONLY | O_CREAT), 0);
}

TEST_F(EncryptedFolder, IsNotTakenForAnEmptyOneWhereNoKeyIsConfigured) {
  EXPECT_EQ(refused(0), "(opened)") << "there is none";
  { ASSERT_TRUE(open('a').has_value()); }
  EXPECT_THAT(refused(0), EndsWith("locked: name its key in recording.encryption_key_file"));
  const auto opened = open('a');
  EXPECT_EQ(refused(0), "(opened)") << "somebody else has opened it";
}

TEST_F(EncryptedFolder, HasNothingInItThatWasThereBefore) {
  fs::create_directories(folder() / "rec_0");
  EXPECT_THAT(refused('a'), HasSubstr("not empty and not encrypted: move what is in it away"));
  EXPECT_TRUE(fs::exists(folder() / "rec_0"));
  fs::remove(folder() / "rec_0");
  EXPECT_EQ(refused('a'), "(opened)");
}

TEST_F(EncryptedFolder, IsBelowTheTopOfAFileSystem) {
  const auto top = [&] {
    config::Recording there = config('a');
    there.directory = disk_.top().string();
    return OpenFolder::open(there, nullptr);
  };
  EXPECT_THAT(top().error(), HasSubstr("the top of a file system cannot be encrypted"));
  fs::remove(disk_.top() / "lost+found");
  EXPECT_THAT(top().error(), HasSubstr("the top of a file system cannot be encrypted"));
}

TEST_F(EncryptedFolder, SaysWhenFilesAreStillOpenAtItsEnd) {
  std::ofstream file;
  {
    const auto opened = open('a');
    ASSERT_TRUE(opened.has_value()) << opened.error();
    file.open(folder() / "busy");
    file << "x" << std::flush;
  }
  EXPECT_EQ(still_open_, "somebody has files open there");
}

TEST(UnencryptedDisk, IsNamedAndLeftAsItIs) {
  const Disk disk{"-O ^encrypt"};
  if (!disk.mounted()) GTEST_SKIP() << "needs root, mkfs.ext4 and loop devices";
  config::Recording config = config_in(disk.top() / "a" / "recordings");
  config.encryption_key_file = disk.key('a').string();
  EXPECT_THAT(OpenFolder::open(config, nullptr).error(), HasSubstr("tune2fs -O encrypt"));
  EXPECT_FALSE(fs::exists(disk.top() / "a"));
  fs::create_directories(config.directory);
  EXPECT_THAT(OpenFolder::open(config, nullptr).error(), HasSubstr("tune2fs -O encrypt"));
  config.encryption_key_file.clear();
  EXPECT_TRUE(OpenFolder::open(config, nullptr).has_value());
}

}  // namespace
}  // namespace parley::recorder::test
