// The composing program on a disk that is full from some write on, whichever that is.
#include <cstdlib>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recorder/manifest.h"
#include "recorder/names.h"
#include "recorder/sha256.h"
#include "tests/recorder/support.h"

namespace parley::compose {
namespace {

namespace fs = std::filesystem;
using recorder::test::output_of;
using recorder::test::TemporaryFolder;
using recorder::test::text_of;
using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using Json = nlohmann::json;

const std::string kBin = PARLEY_BIN_DIR;

constexpr int kFps[] = {24, 25};  // each run replaces a film that was made otherwise

class FullDisk : public testing::Test {
 protected:
  // Noise makes many writes of few pictures.
  FullDisk() {
    EXPECT_EQ(output_of("ffmpeg -nostdin -v error -f lavfi -i "
                        "testsrc2=s=160x90:r=25,noise=alls=20:allf=t -f lavfi -i sine=f=300 -t 2 "
                        "-c:v libvpx -b:v 1M -deadline realtime -c:a libopus " +
                        (folder_.path() / "a.webm").string()),
              "");
    recorder::Manifest manifest;
    manifest.info.recording_id = "rec_1";
    manifest.duration_ms = 2'000;
    recorder::ManifestFile file;
    file.file = {"a.webm", "pa_1", "alice", "camera", {"vp8", "opus"}, 0, 2'000, 0, ""};
    manifest.files.push_back(file);
    recorder::add_track(manifest.participants,
                        {"tr_1", "pa_1", "alice", "Alice", "camera", rtp::MediaKind::Video});
    std::ofstream(folder_.path() / "manifest.json") << manifest.to_json();
  }

  // What it says, then its exit code.
  [[nodiscard]] std::string compose(int fps, int full_at = 0) const {
    const std::string full = full_at == 0 ? "" : "LD_PRELOAD=" + kBin + "/full_disk.so ";
    return output_of("PARLEY_FULL_AT_WRITE=" + std::to_string(full_at) + " " + full + kBin +
                     "/parley-compose " + folder_.path().string() +
                     " --size 160x90 --video-kbps 600 --fps " + std::to_string(fps) +
                     "; echo exit $?");
  }
  [[nodiscard]] Json manifest() const {
    return Json::parse(text_of(folder_.path() / "manifest.json"));
  }
  [[nodiscard]] std::string hash_of(const std::string& name) const {
    return recorder::sha256_of(folder_.path() / name);
  }
  // Whatever the manifest names is there as it says, and nothing has a name while it is half.
  void expect_whole() const {
    for (const Json& composite : manifest().value("composites", Json::array())) {
      EXPECT_EQ(hash_of(composite["name"]), composite["sha256"]);
      for (const Json& extra : composite["extras"]) {
        EXPECT_EQ(hash_of(extra["name"]), extra["sha256"]) << extra["name"];
      }
    }
    for (const auto& file : fs::recursive_directory_iterator(folder_.path())) {
      EXPECT_NE(file.path().extension(), recorder::kPartSuffix) << "takes room";
    }
  }

  // A run whose disk is full from its n-th write on, and one after it. Whether the first was done.
  bool run_twice(int n) {
    SCOPED_TRACE(n);
    const std::string said = compose(next_, n);
    const bool done = said.ends_with("exit 0\n");
    if (done) {
      EXPECT_EQ(manifest(), noted_[next_]);
    } else {
      EXPECT_THAT(said,
                  AllOf(HasSubstr("exit 1\n"), ContainsRegex("reason\":\"disk_(full|error)")));
      Json forgotten = noted_[last_];
      forgotten["composites"] = Json::array();
      EXPECT_THAT(manifest(), AnyOf(noted_[last_], forgotten));
    }
    EXPECT_THAT(hash_of("composite.mp4"), AnyOf(film_[last_], film_[next_]));
    expect_whole();
    EXPECT_THAT(compose(next_), HasSubstr("exit 0\n"));
    EXPECT_EQ(hash_of("composite.mp4"), film_[next_]);
    EXPECT_EQ(manifest(), noted_[next_]);
    std::swap(last_, next_);
    return done;
  }

  TemporaryFolder folder_;
  std::map<int, std::string> film_;  // by its pictures a second
  std::map<int, Json> noted_;
  int last_ = kFps[1];
  int next_ = kFps[0];
};

TEST_F(FullDisk, AtAnyWriteLeavesWhatWasThereAndTheNextRunMakesTheSame) {
  for (const int fps : kFps) {
    ASSERT_THAT(compose(fps), HasSubstr("exit 0\n"));
    film_[fps] = hash_of("composite.mp4");
    noted_[fps] = manifest();
  }
  int enough = 1;  // the first write after the last
  if (std::getenv("PARLEY_LONG") != nullptr) {
    while (!run_twice(enough)) ++enough;
  } else {
    // Doubling finds one that is too late to matter, and halving the last one that is not: the
    // small files at the end have their turns, too.
    while (!run_twice(enough)) enough *= 2;
    for (int fails = enough / 2; enough - fails > 1;) {
      const int n = (fails + enough) / 2;
      (run_twice(n) ? enough : fails) = n;
    }
  }
  EXPECT_GT(enough, 200);
}

}  // namespace
}  // namespace parley::compose
