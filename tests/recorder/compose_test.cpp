// The composing program, run as the daemon runs it, on files that ffmpeg made.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/compose/composer.h"
#include "recorder/compose/input.h"
#include "recorder/manifest.h"
#include "recorder/sha256.h"
#include "tests/recorder/support.h"

namespace parley::compose {
namespace {

using recorder::test::output_of;
using recorder::test::TemporaryFolder;
using recorder::test::text_of;

const std::string kProgram = std::string(PARLEY_BIN_DIR) + "/parley-compose";

bool is_long() { return std::getenv("PARLEY_LONG") != nullptr; }

struct Colour {
  int y = 0;
  int u = 0;
  int v = 0;
};
bool near(const Colour& a, const Colour& b) {
  return std::abs(a.y - b.y) + std::abs(a.u - b.u) + std::abs(a.v - b.v) < 30;
}
constexpr Colour kRed{81, 90, 240};
constexpr Colour kGreen{81, 91, 81};  // what ffmpeg calls "green" is the darker one
constexpr Colour kBlue{41, 240, 110};
constexpr Colour kRedInFullRange{76, 85, 255};
constexpr Colour kBlueInFullRange{29, 255, 107};
constexpr Colour kCard{48, 128, 128};
constexpr Colour kNothing{20, 128, 128};

// A recording with files of its own.
class Recording {
 public:
  explicit Recording(int length_ms) {
    manifest_.info.recording_id = "rec_1";
    manifest_.duration_ms = length_ms;
  }

  // What ffmpeg makes of these options becomes a file of somebody.
  Recording& add(const std::string& name, const std::string& who, const std::string& source,
                 std::vector<std::string> codecs, int offset_ms, int length_ms,
                 const std::string& options) {
    const std::string said =
        output_of("ffmpeg -nostdin -v error -y " + options + " -t " +
                  std::to_string(length_ms / 1'000.0) + " " + (folder() / name).string());
    EXPECT_EQ(said, "") << options;
    recorder::ManifestFile file;
    file.file = {name, "pa_" + who, who, source, std::move(codecs), offset_ms, length_ms, 0, ""};
    manifest_.files.push_back(file);
    recorder::add_track(manifest_.participants,
                        {"tr_" + name, "pa_" + who, who, "", source, rtp::MediaKind::Video});
    std::ofstream(folder() / "manifest.json") << manifest_.to_json();
    return *this;
  }
  // Of one colour all over.
  Recording& add_colour(const std::string& name, const std::string& who, const std::string& source,
                        const std::string& colour, int offset_ms, int length_ms,
                        const std::string& size = "320x180") {
    const std::string codec =
        name.ends_with("mp4") ? "libx264 -pix_fmt yuv420p" : "libvpx -b:v 200k";
    return add(name, who, source, {name.ends_with("mp4") ? "h264" : "vp8"}, offset_ms, length_ms,
               "-f lavfi -i color=" + colour + ":s=" + size + ":r=25 -c:v " + codec);
  }

  // The file added last is to be turned.
  Recording& turn(int degrees) {
    manifest_.files.back().file.rotation = degrees;
    std::ofstream(folder() / "manifest.json") << manifest_.to_json();
    return *this;
  }

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] std::string compose(const std::string& options = "") const {
    const bool sized = options.find("--size") != std::string::npos;
    return output_of(kProgram + " " + folder().string() + (sized ? " " : " --size 640x360 ") +
                     options);
  }

 private:
  TemporaryFolder folder_;
  recorder::Manifest manifest_;
};

// The colours of a video's pictures, asked for in rising order.
class Pixels {
 public:
  explicit Pixels(const std::filesystem::path& file)
      : input_(StreamReader::open(file, AVMEDIA_TYPE_VIDEO)) {}
  [[nodiscard]] Colour at(int ms, int x, int y) {
    const AVFrame* frame = input_.at(std::chrono::milliseconds(ms));
    if (frame == nullptr) return {};
    return {frame->data[0][y * frame->linesize[0] + x],
            frame->data[1][y / 2 * frame->linesize[1] + x / 2],
            frame->data[2][y / 2 * frame->linesize[2] + x / 2]};
  }

 private:
  VideoInput input_;
};

#define EXPECT_COLOUR(pixel, colour)                                     \
  do {                                                                   \
    const Colour seen = pixel;                                           \
    EXPECT_TRUE(near(seen, colour))                                      \
        << #pixel << " is " << seen.y << "," << seen.u << "," << seen.v; \
  } while (false)

// Red above blue, as it is to be seen; then as a phone sends it that has viewers turn it.
TEST(Compose, ShowsUprightWhatAPhoneSentLying) {
  struct Held {
    int degrees;
    std::string lying;
  };
  for (const Held& held : {Held{90, "transpose=2"}, Held{180, "hflip,vflip"},
                           Held{270, "transpose=1"}, Held{0, "null"}}) {
    Recording recording(1'000);
    recording.add("a.webm", "alice", "camera", {"vp8"}, 0, 1'000,
                  "-f lavfi -i color=blue:s=182x320:r=25,drawbox=color=red:h=160:t=fill," +
                      held.lying + " -c:v libvpx -b:v 500k");
    recording.turn(held.degrees);
    ASSERT_THAT(recording.compose("--no-names"), testing::HasSubstr("\"stage\":\"done\""))
        << held.degrees;
    Pixels pixels{recording.folder() / "composite.mp4"};
    EXPECT_COLOUR(pixels.at(500, 320, 60), kRed);
    EXPECT_COLOUR(pixels.at(500, 320, 300), kBlue);
    EXPECT_COLOUR(pixels.at(500, 240, 60), kRed);
    EXPECT_COLOUR(pixels.at(500, 400, 300), kBlue);
    EXPECT_COLOUR(pixels.at(500, 100, 180), kCard);  // beside it, for it stands
  }
}

// Alice from the beginning, Bob from 2 to 4 s, Cleo upright from 4 s on, without names.
TEST(Compose, WhoComesHasATileWhoLeavesHasNone) {
  Recording recording(6'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 6'000)
      .add_colour("b.mp4", "bob", "camera", "green", 2'000, 2'000)
      .add_colour("c.webm", "cleo", "camera", "blue", 4'000, 2'000, "180x320");
  ASSERT_THAT(recording.compose("--no-names"), testing::HasSubstr("\"stage\":\"done\""));
  Pixels pixels(recording.folder() / "composite.mp4");
  EXPECT_COLOUR(pixels.at(1'000, 8, 8), kRed);
  EXPECT_COLOUR(pixels.at(1'000, 632, 352), kRed);
  EXPECT_COLOUR(pixels.at(3'000, 160, 180), kRed);
  EXPECT_COLOUR(pixels.at(3'000, 480, 180), kGreen);
  EXPECT_COLOUR(pixels.at(3'000, 320, 20), kNothing);
  EXPECT_COLOUR(pixels.at(5'000, 160, 180), kRed);
  EXPECT_COLOUR(pixels.at(5'000, 480, 180), kBlue);
  EXPECT_COLOUR(pixels.at(5'000, 350, 180), kCard);  // beside a picture that is not cut
  EXPECT_COLOUR(pixels.at(5'000, 610, 180), kCard);
}

TEST(Compose, StillsAndChaptersComeWithIt) {
  Recording recording(10'000);
  recording.add_colour("a.webm", "alice", "camera", "black", 0, 10'000)
      .add("b.webm", "bob", "camera", {"vp8"}, 6'000, 4'000,
           "-f lavfi -i testsrc2=s=320x180:r=25 -c:v libvpx -b:v 500k");
  const std::string said = recording.compose("--no-names");
  ASSERT_THAT(said, testing::HasSubstr("\"done\""));
  for (const char* name : {"thumbnail.jpg", "sheet.jpg", "sheet.vtt", "chapters.vtt"}) {
    EXPECT_THAT(said, testing::HasSubstr(recorder::sha256_of(recording.folder() / name))) << name;
  }
  const auto size_of = [&](const char* name) {
    return output_of("ffprobe -v error -show_entries stream=width,height -of csv=p=0 " +
                     (recording.folder() / name).string());
  };
  EXPECT_EQ(size_of("thumbnail.jpg"), "640,360\n");
  EXPECT_EQ(size_of("sheet.jpg"), "1280,720\n");
  // The thumbnail is of a moment at which Bob was there, beside whom all is black.
  const auto brightness = [&](const char* name, const std::string& part) {
    return std::stod(
        output_of("ffmpeg -nostdin -v error -i " + (recording.folder() / name).string() +
                  " -vf crop=" + part +
                  ",signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=- -f null - "
                  "| sed -n 's/.*YAVG=//p'"));
  };
  EXPECT_GT(brightness("thumbnail.jpg", "300:160:330:100"), 60);
  EXPECT_LT(brightness("sheet.jpg", "250:100:4:20"), 40);     // at the beginning
  EXPECT_GT(brightness("sheet.jpg", "110:60:1160:620"), 60);  // at the end
  EXPECT_THAT(text_of(recording.folder() / "sheet.vtt"),
              testing::HasSubstr("00:00:09.600 --> 00:00:10.000\nsheet.jpg#xywh=1024,576,256,144"));
  EXPECT_EQ(text_of(recording.folder() / "chapters.vtt"),
            "WEBVTT\n\n00:00:00.000 --> 00:00:06.000\nalice joins\n\n"
            "00:00:06.000 --> 00:00:10.000\nbob joins\n");
}

TEST(Compose, StillsAreMadeOfTheTracksWithoutAFilm) {
  Recording recording(10'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 10'000)
      .add_colour("b.mp4", "bob", "camera", "blue", 6'000, 4'000);
  const std::string said = recording.compose("--no-names --stills-only");
  ASSERT_THAT(said, testing::HasSubstr("\"done\",\"file\":\"sheet.jpg\",\"length_ms\":10000"));
  for (const char* name : {"thumbnail.jpg", "sheet.jpg", "sheet.vtt", "chapters.vtt"}) {
    EXPECT_THAT(said, testing::HasSubstr(recorder::sha256_of(recording.folder() / name))) << name;
  }
  EXPECT_THAT(text_of(recording.folder() / "chapters.vtt"),
              testing::HasSubstr("00:00:06.000 --> 00:00:10.000\nbob joins"));
  // The first moment is Alice's alone, the last one's right half is Bob's.
  Pixels pixels(recording.folder() / "sheet.jpg");
  EXPECT_COLOUR(pixels.at(0, 30, 72), kRedInFullRange);
  EXPECT_COLOUR(pixels.at(0, 1'216, 648), kBlueInFullRange);
  EXPECT_FALSE(std::filesystem::exists(recording.folder() / "composite.work"));
  EXPECT_THAT(recording.compose("--no-names --stills-only"),
              testing::Not(testing::HasSubstr("\"picture\"")))
      << "there already";
}

TEST(Compose, AScreenIsLargeInThePresenterLayoutAndNamesAreWrittenOnTiles) {
  Recording recording(2'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 2'000)
      .add_colour("s.webm", "alice", "screen_share", "blue", 0, 2'000);
  ASSERT_THAT(recording.compose("--layout presenter"), testing::HasSubstr("\"done\""));
  Pixels pixels(recording.folder() / "composite.mp4");
  EXPECT_COLOUR(pixels.at(1'000, 250, 100), kBlue);
  EXPECT_COLOUR(pixels.at(1'000, 600, 60), kRed);
  int bright = 0;  // letters at the lower left
  for (int x = 16; x < 90; ++x) {
    for (int y = 270; y < 320; ++y) bright += pixels.at(1'000, x, y).y > 180 ? 1 : 0;
  }
  EXPECT_GT(bright, 30);
}

TEST(Compose, ALayoutChangesWhenItWasChangedAndAPauseIsLeftOut) {
  Recording recording(8'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 2'000)
      .add_colour("a2.webm", "alice", "camera", "red", 4'000, 4'000)
      .add_colour("b.webm", "bob", "camera", "green", 4'000, 4'000);
  const std::string said =
      recording.compose("--no-names --pause 2000-4000 --layout-change 6000=pip");
  ASSERT_THAT(said, testing::HasSubstr("\"done\",\"file\":\"composite.mp4\",\"length_ms\":6000"));
  Pixels pixels(recording.folder() / "composite.mp4");
  EXPECT_COLOUR(pixels.at(1'900, 320, 180), kRed);
  EXPECT_COLOUR(pixels.at(3'000, 480, 180), kGreen);
  EXPECT_COLOUR(pixels.at(3'000, 320, 20), kNothing);
  EXPECT_COLOUR(pixels.at(5'000, 320, 20), kRed);
  EXPECT_COLOUR(pixels.at(5'000, 560, 310), kGreen);
}

TEST(Compose, APauseIsCutOutOfAFileThatGoesOnOverIt) {
  Recording recording(6'000);
  recording.add(
      "a.webm", "alice", "camera", {"vp8"}, 0, 6'000,
      "-filter_complex \"color=red:s=320x180:r=25:d=2[a];color=green:s=320x180:r=25:d=2[b];"
      "color=blue:s=320x180:r=25:d=2[c];[a][b][c]concat=n=3\" -c:v libvpx -b:v 200k");
  ASSERT_THAT(recording.compose("--no-names --pause 2000-4000"),
              testing::HasSubstr("\"length_ms\":4000"));
  Pixels pixels(recording.folder() / "composite.mp4");
  EXPECT_COLOUR(pixels.at(1'800, 320, 180), kRed);
  EXPECT_COLOUR(pixels.at(2'200, 320, 180), kBlue);
  EXPECT_COLOUR(pixels.at(3'900, 320, 180), kBlue);
}

TEST(Compose, WhatIsLeftOfAnotherRunIsUsedForTheSameOnly) {
  Recording recording(2'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 2'000);
  ASSERT_THAT(recording.compose("--no-names"), testing::HasSubstr("\"done\""));
  EXPECT_THAT(recording.compose("--no-names"), testing::Not(testing::HasSubstr("\"picture\"")));
  EXPECT_THAT(recording.compose("--no-names --pause 0-100"), testing::HasSubstr("\"picture\""));
  EXPECT_THAT(recording.compose("--no-names --pause 900-1000"), testing::HasSubstr("\"picture\""));
  std::filesystem::resize_file(recording.folder() / "composite.mp4", 100);
  EXPECT_THAT(recording.compose("--no-names --pause 900-1000"), testing::HasSubstr("\"picture\""));
}

TEST(Compose, AFileThatIsBrokenOrGoneLeavesACardAndTheRest) {
  Recording recording(2'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 2'000)
      .add_colour("b.webm", "bob", "camera", "green", 0, 2'000)
      .add_colour("c.webm", "cleo", "camera", "blue", 0, 2'000);
  std::filesystem::remove(recording.folder() / "b.webm");
  std::ofstream(recording.folder() / "c.webm") << "this is no film";
  ASSERT_THAT(recording.compose("--no-names"), testing::HasSubstr("\"done\""));
  Pixels pixels(recording.folder() / "composite.mp4");
  EXPECT_COLOUR(pixels.at(1'000, 160, 90), kRed);
  EXPECT_COLOUR(pixels.at(1'000, 480, 90), kCard);
  EXPECT_COLOUR(pixels.at(1'000, 320, 270), kCard);
}

// A flash and a beep every second, sent 300 ms after the recording's start.
TEST(Compose, SoundAndPictureStayTogether) {
  const int seconds = is_long() ? 3'600 : 20;
  for (const std::string codec : {"h264", "vp9"}) {
    Recording recording(seconds * 1'000 + 300);
    recording.add(
        "a.webm", "alice", "camera", {"vp8", "opus"}, 300, seconds * 1'000,
        "-f lavfi -i \"color=black:s=160x90:r=25,drawbox=color=white:t=fill:"
        "enable='lt(mod(t,1),0.2)'\" -f lavfi -i \"aevalsrc='0.3*sin(2*PI*1000*t)*"
        "lt(mod(t,1),0.2)':s=48000\" -c:v libvpx -b:v 100k -deadline realtime -cpu-used 8 "
        "-c:a libopus");
    ASSERT_THAT(recording.compose("--no-names --codec " + codec), testing::HasSubstr("\"done\""));
    const auto file = recording.folder() / (codec == "h264" ? "composite.mp4" : "composite.webm");
    const auto probe = recorder::test::probe(file);
    EXPECT_EQ(probe.errors, "");
    EXPECT_NEAR(probe.duration_s, seconds + 0.3, 0.1);
    VideoInput picture(StreamReader::open(file, AVMEDIA_TYPE_VIDEO));
    AudioInput sound(StreamReader::open(file, AVMEDIA_TYPE_AUDIO));
    std::vector<int> flashes;
    std::vector<int> beeps;
    bool bright = false;
    bool loud = false;
    std::vector<float> block(48 * 2);
    for (int ms = 0; ms < seconds * 1'000; ++ms) {
      const AVFrame* frame = picture.at(std::chrono::milliseconds(ms));
      const bool now = frame != nullptr && frame->data[0][180 * frame->linesize[0] + 320] > 128;
      if (now && !bright) flashes.push_back(ms);
      bright = now;
      sound.read(std::chrono::milliseconds(ms), block);
      float peak = 0;
      for (const float s : block) peak = std::max(peak, std::abs(s));
      if (peak > 0.06F && !loud && (beeps.empty() || ms - beeps.back() > 500)) beeps.push_back(ms);
      loud = peak > 0.06F;
    }
    ASSERT_EQ(flashes.size(), static_cast<std::size_t>(seconds));
    ASSERT_EQ(beeps.size(), flashes.size());
    for (std::size_t i = 0; i < flashes.size(); ++i) {
      const int sent = 300 + static_cast<int>(i) * 1'000;
      EXPECT_NEAR(beeps[i], sent, 3);
      EXPECT_NEAR(flashes[i], sent, 21) << "half a frame";
    }
  }
}

// Runs until it ends, or until the kernel's alarm, which nobody catches, ends it after so long.
int run_killed(const Recording& recording, long microseconds) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDOUT_FILENO);
    ::open("/dev/null", O_WRONLY);
    const itimerval alarm{{0, 0}, {microseconds / 1'000'000, microseconds % 1'000'000}};
    ::setitimer(ITIMER_REAL, &alarm, nullptr);
    ::execl(kProgram.c_str(), kProgram.c_str(), recording.folder().c_str(), "--size", "320x180",
            "--fps", "10", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Compose, WhateverKillsItTheSameFileComesOut) {
  Recording recording(65'000);
  recording
      .add("a.webm", "alice", "camera", {"vp8", "opus"}, 0, 65'000,
           "-f lavfi -i testsrc2=s=160x90:r=10 -f lavfi -i sine=f=300 -c:v libvpx -b:v 200k "
           "-deadline realtime -cpu-used 8 -c:a libopus")
      .add_colour("b.webm", "bob", "camera", "green", 20'000, 30'000);
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_THAT(recording.compose("--size 320x180 --fps 10"), testing::HasSubstr("\"done\""));
  const auto length = std::chrono::steady_clock::now() - begun;
  const auto file = recording.folder() / "composite.mp4";
  const std::string expected = recorder::sha256_of(file);
  const std::string manifest = text_of(recording.folder() / "manifest.json");
  std::mt19937 random(7);
  for (int killed = 0, rounds = 0; killed < (is_long() ? 100 : 6); ++rounds) {
    ASSERT_LT(rounds, 1'000);
    std::filesystem::remove(file);
    int status = -1;
    while (!WIFEXITED(status)) {
      std::uniform_int_distribution<long> any(1'000, length / std::chrono::microseconds(1));
      status = run_killed(recording, any(random));
      killed += WIFSIGNALED(status) ? 1 : 0;
    }
    ASSERT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(recorder::sha256_of(file), expected);
    EXPECT_EQ(text_of(recording.folder() / "manifest.json"), manifest);
    EXPECT_FALSE(std::filesystem::exists(recording.folder() / "composite.work"));
  }
}

TEST(Compose, GoesOnWhereTheDiskWasFull) {
  Recording recording(4'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 4'000);
  EXPECT_THAT(recording.compose("--min-free-bytes 9000000000000000"),
              testing::AllOf(testing::HasSubstr("\"reason\":\"disk_full\""),
                             testing::HasSubstr("must stay free")));
  // No file may be larger than so many blocks of 1,024 bytes.
  for (const char* blocks : {"0", "1", "2", "4"}) {
    const std::string said =
        output_of("bash -c 'ulimit -f " + std::string(blocks) + "; " + kProgram + " " +
                  recording.folder().string() + " --size 640x360'");
    EXPECT_THAT(said, testing::HasSubstr("\"reason\":\"disk_error\"")) << blocks;
    EXPECT_FALSE(std::filesystem::exists(recording.folder() / "composite.mp4"));
  }
  EXPECT_THAT(recording.compose(), testing::HasSubstr("\"done\""));
}

TEST(Compose, BadInputIsNamedAndChangesNothing) {
  Recording recording(1'000);
  recording.add_colour("a.webm", "alice", "camera", "red", 0, 1'000);
  const auto refuses = [&](const std::string& options, const std::string& why) {
    EXPECT_THAT(recording.compose(options), testing::HasSubstr(why)) << options;
  };
  refuses("--layout mosaic", "grid, speaker, presenter or pip");
  refuses("--layout-change 5=mosaic", "MS=LAYOUT");
  refuses("--layout-change 500=grid --layout-change 100=pip", "in order");
  refuses("--size 641x360", "even");
  refuses("--size 640", "WIDTHxHEIGHT");
  refuses("--fps 0", "fps");
  refuses("--codec theora", "vp8, vp9, h264");
  refuses("--pause 9-1", "FROM-TO");
  refuses("--parent 1", "parent");
  std::ofstream(recording.folder() / "manifest.json") << "{}";
  refuses("", "bad_manifest");
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(recording.folder())) {
    files += file.is_regular_file() ? 1U : 2U;
  }
  EXPECT_EQ(files, 2U);
}

TEST(Compose, SoundAloneIsAFileOfItsOwn) {
  Recording recording(3'000);
  recording.add("a.webm", "alice", "camera", {"opus"}, 1'000, 2'000,
                "-f lavfi -i sine=f=300 -c:a libopus");
  ASSERT_THAT(recording.compose("--sound-only --codec vp9"), testing::HasSubstr("\"done\""));
  const auto probe = recorder::test::probe(recording.folder() / "composite-sound.webm");
  EXPECT_EQ(probe.errors, "");
  EXPECT_THAT(probe.codecs, testing::ElementsAre("opus"));
  EXPECT_NEAR(probe.duration_s, 3.0, 0.1);
}

// A card for who sends sound alone; the picture of who speaks is large.
TEST(Compose, WhoSpeaksIsLarge) {
  Recording recording(12'000);
  recording
      .add("a.webm", "alice", "camera", {"vp8", "opus"}, 0, 12'000,
           "-f lavfi -i color=red:s=320x180:r=25 -f lavfi -i "
           "\"aevalsrc='0.3*sin(2*PI*300*t)*lt(t,6)':s=48000\" -c:v libvpx -b:v 100k -c:a libopus")
      .add("b.webm", "bob", "camera", {"vp8", "opus"}, 0, 12'000,
           "-f lavfi -i color=green:s=320x180:r=25 -f lavfi -i "
           "\"aevalsrc='0.3*sin(2*PI*300*t)*gt(t,6)':s=48000\" -c:v libvpx -b:v 100k -c:a libopus")
      .add("c.webm", "cleo", "camera", {"opus"}, 0, 12'000,
           "-f lavfi -i anullsrc=r=48000 -c:a libopus");
  ASSERT_THAT(recording.compose("--no-names --layout speaker"), testing::HasSubstr("\"done\""));
  Pixels pixels(recording.folder() / "composite.mp4");
  EXPECT_COLOUR(pixels.at(4'000, 250, 180), kRed);
  EXPECT_COLOUR(pixels.at(4'000, 570, 80), kGreen);
  EXPECT_COLOUR(pixels.at(4'000, 570, 160), kCard);
  EXPECT_COLOUR(pixels.at(9'000, 250, 180), kGreen);
  EXPECT_COLOUR(pixels.at(9'000, 570, 80), kRed);
}

}  // namespace
}  // namespace parley::compose
