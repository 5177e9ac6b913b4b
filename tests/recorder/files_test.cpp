// Whole files from captured RTP, checked with ffprobe and a full decode.
#include <array>
#include <atomic>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/remux.h"
#include "rtp/bytes.h"
#include "rtp/packet.h"
#include "rtp/packet_builder.h"
#include "tests/recorder/support.h"

namespace parley::recorder::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;

constexpr rtp::Duration kLength{seconds{12}};  // twice the length of a capture

Script camera_script(const VideoSource& source, rtp::Time until = kStart + kLength) {
  return with_reports(video(source, kStart, until), 90'000, milliseconds{30});
}
Script microphone_script(rtp::Time until = kStart + kLength) {
  return with_reports(audio(kStart, until), 48'000, milliseconds{30});
}

// FFmpeg shows each spatial layer of a VP9 picture, all at the same time, and says so of its
// output.
std::string without_layers(const std::string& errors) {
  std::istringstream lines{errors};
  std::string rest;
  for (std::string line; std::getline(lines, line);) {
    const bool same_time = line.find("non monotonically increasing dts") != std::string::npos ||
                           line.find("Last message repeated") != std::string::npos;
    if (!same_time) rest += line + "\n";
  }
  return rest;
}

void expect_plays(const Studio::File& file, double duration_s) {
  const Probe p = probe(file.path);
  const bool layers = file.info.codecs[0] == "vp9";
  EXPECT_THAT(layers ? without_layers(p.errors) : p.errors, IsEmpty()) << file.path;
  EXPECT_NEAR(p.duration_s, duration_s, 0.5) << file.path;
  EXPECT_NEAR(static_cast<double>(file.info.duration_ms) / 1'000, duration_s, 0.5);
}

class EveryCodec : public testing::TestWithParam<VideoSource> {};

TEST_P(EveryCodec, GivesOneFileWithPictureAndSoundThatDecodes) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(), camera_script(GetParam()));
  studio.add(microphone(), microphone_script());
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  const auto& file = studio.files()[0];
  expect_plays(file, 12);
  const Probe p = probe(file.path);
  ASSERT_THAT(p.codecs, SizeIs(2));
  EXPECT_GT(p.packets.at("opus"), 590U);
  EXPECT_GT(p.packets.at(file.info.codecs[0]), 150U);
  // Both were captured together, so both begin together.
  EXPECT_NEAR(p.first_s.at("opus"), p.first_s.at(file.info.codecs[0]), 0.04);
  EXPECT_NEAR(p.last_s.at("opus"), p.last_s.at(file.info.codecs[0]), 0.2);
  EXPECT_THAT(file.gaps, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(Recording, EveryCodec,
                         testing::Values(vp8_source(), vp9_source(), h264_source(), av1_source()),
                         [](const auto& param) {
                           return param.param.capture.substr(0, param.param.capture.find('-'));
                         });

TEST(Recording, ChoosesTheContainerByTheCodec) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(), camera_script(h264_source()));
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  EXPECT_EQ(studio.files()[0].info.name, "pa_1-camera-1.mp4");
  EXPECT_THAT(probe(studio.files()[0].path).codecs, ElementsAre("h264"));
}

TEST(Recording, OfSoundAloneIsAFileOfItsOwn) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(microphone(), microphone_script());
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  EXPECT_THAT(studio.files()[0].info.codecs, ElementsAre("opus"));
  expect_plays(studio.files()[0], 12);
}

// The second source goes on where the first was.
Script one_after_the_other(const VideoSource& first, const VideoSource& second,
                           rtp::Duration change) {
  Script script = video(first, kStart, kStart + change);
  const auto timestamp = static_cast<std::uint32_t>(1'000'000 + change / milliseconds{1} * 90);
  const auto seq = static_cast<std::uint16_t>(script.size());
  for (Event event : video(second, kStart + change, kStart + kLength, timestamp)) {
    auto packet = rtp::Packet::parse(event.bytes);
    packet->set_seq(rtp::Seq{static_cast<std::uint16_t>(packet->seq().value + seq)});
    script.push_back(std::move(event));
  }
  return script;
}

// A camera that the browser makes smaller, a phone that is turned, a window that is drawn larger.
TEST(Recording, GoesOnInTheSameFileWhenThePictureChangesItsSize) {
  struct Layers {
    VideoSource large;
    VideoSource small;
  };
  const Layers all[] = {{vp8_source(), {rtp::Codec::Vp8, "vp8sim-sent.pcap", 0x20fc24f7}},
                        {h264_source(), {rtp::Codec::H264, "h264sim-sent.pcap", 0x959d9a16}}};
  for (const auto& [large, small] : all) {
    for (const auto& [first, second] : {std::pair(large, small), std::pair(small, large)}) {
      const TemporaryFolder folder;
      Studio studio{folder.path()};
      studio.add(camera(), one_after_the_other(first, second, seconds{5}));
      studio.add(microphone(), microphone_script());
      studio.run();
      ASSERT_THAT(studio.files(), SizeIs(1));
      const auto& file = studio.files()[0];
      expect_plays(file, 12);
      const std::string sizes =
          output_of("ffprobe -v error -select_streams v -show_entries frame=width -of csv=p=0 " +
                    file.path.string() + " | tr -d , | uniq -c | awk '{print $2}' | tr '\n' ' '");
      EXPECT_EQ(sizes, first.ssrc == large.ssrc ? "1280 320 " : "320 1280 ");
    }
  }
}

// As a phone held so sends it: what is to be turned is said of each frame, in its last packet.
Script held(Script script, rtp::Time from, rtp::Time until, std::uint8_t quarter_turns) {
  for (Event& event : script) {
    const rtp::Time when = event.record.arrival;
    if (event.bytes.empty() || when < from || when >= until) continue;
    const auto packet = rtp::Packet::parse(event.bytes);
    if (!packet->marker()) continue;
    std::vector<std::uint8_t> bytes(event.bytes.size() + 16);
    rtp::PacketBuilder builder(
        bytes, {packet->payload_type(), packet->seq(), packet->timestamp(), packet->ssrc(), true});
    builder.extensions().add(rtp::tap_extensions().id(rtp::Extension::VideoOrientation),
                             std::array{quarter_turns});
    builder.payload(packet->payload());
    bytes.resize(builder.finish());
    event.bytes = std::move(bytes);
  }
  return script;
}

// What players are told of it, in degrees against the clock.
std::string rotation_of(const std::filesystem::path& file) {
  return output_of(
      "ffprobe -v error -select_streams v -show_entries stream_side_data=rotation -of csv=p=0 " +
      file.string() + " | tr -d '\n'");
}

// The captures have a key frame at their beginning, every six seconds.
TEST(Recording, BeginsANewFileWhenAPhoneIsTurned) {
  for (const VideoSource& source : {vp8_source(), h264_source()}) {
    const TemporaryFolder folder;
    Studio studio{folder.path()};
    const Script script = video(source, kStart, kStart + kLength);
    studio.add(camera(), held(script, kStart + seconds{2}, kStart + kLength, 3));
    studio.add(microphone(), microphone_script());
    studio.run();
    ASSERT_THAT(studio.files(), SizeIs(2));
    EXPECT_THAT(studio.asked(), SizeIs(1));
    EXPECT_EQ(studio.files()[0].info.rotation, 0);
    EXPECT_EQ(studio.files()[1].info.rotation, 270);
    expect_plays(studio.files()[0], 6);
    expect_plays(studio.files()[1], 6);
    EXPECT_NEAR(static_cast<double>(studio.files()[1].info.offset_ms), 6'000, 300);
    if (source.codec != rtp::Codec::H264) continue;
    EXPECT_EQ(rotation_of(studio.files()[0].path), "");
    EXPECT_EQ(rotation_of(studio.files()[1].path), "90");
    const std::atomic<bool> stop{false};
    const auto copy = folder.path() / "copy.mp4";
    ASSERT_TRUE(remux(studio.files()[1].path, copy, stop));
    EXPECT_EQ(rotation_of(copy), "90");
  }
}

TEST(Recording, OfAPhoneThatIsTurnedAllTheTimeDoesNotBecomeAFileForEachTurn) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  Script script;
  for (rtp::Time at = kStart; at < kStart + kLength; at += milliseconds{200}) {  // key frames
    Script part = video(vp8_source(), at, at + milliseconds{200});
    script.insert(script.end(), part.begin(), part.end());
  }
  for (std::size_t i = 0; i < script.size(); ++i) {
    rtp::store16(script[i].bytes, 2, static_cast<std::uint16_t>(i));
    const auto since = script[i].record.arrival - kStart;
    rtp::store32(script[i].bytes, 4, static_cast<std::uint32_t>(since.count() * 9 / 100));
  }
  for (rtp::Time at = kStart; at < kStart + kLength; at += milliseconds{400}) {
    script = held(std::move(script), at, at + milliseconds{200}, 0);
    script = held(std::move(script), at + milliseconds{200}, at + milliseconds{400}, 1);
  }
  studio.add(camera(), std::move(script));
  studio.run();
  EXPECT_GT(studio.files().size(), 2U);
  EXPECT_LE(studio.files().size(), 12U);
}

// The capture has one at its beginning, that is, every six seconds.
TEST(Recording, AsksForKeyFramesSoThatPlayersCanSeek) {
  const TemporaryFolder folder;
  Studio studio{folder.path(), seconds{4}};
  studio.add(camera(), camera_script(vp8_source()));
  studio.add(microphone(), microphone_script());
  studio.run();
  ASSERT_THAT(studio.asked(), SizeIs(2));
  EXPECT_THAT(studio.asked()[0] - kStart, AllOf(Ge(milliseconds{4'000}), Le(milliseconds{4'300})));
  EXPECT_THAT(studio.asked()[1] - kStart, AllOf(Ge(milliseconds{9'500}), Le(milliseconds{10'500})));
}

TEST(Recording, AsksForNoKeyFramesWhereItIsToldNotTo) {
  const TemporaryFolder folder;
  Studio studio{folder.path(), seconds{0}};
  studio.add(camera(), camera_script(vp8_source()));
  studio.run();
  EXPECT_THAT(studio.asked(), IsEmpty());
}

TEST(Recording, BeginsANewFileWhenTheCodecChanges) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(), one_after_the_other(vp8_source(), h264_source(), seconds{5}));
  studio.add(microphone(), microphone_script());
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(2));
  EXPECT_THAT(studio.files()[0].info.codecs, ElementsAre("vp8", "opus"));
  EXPECT_THAT(studio.files()[1].info.codecs, ElementsAre("h264", "opus"));
  EXPECT_NEAR(static_cast<double>(studio.files()[1].info.offset_ms), 5'000, 300);
  expect_plays(studio.files()[0], 5);
  expect_plays(studio.files()[1], 7);
}

TEST(Recording, GoesOnInTheSameFileWhenTheCameraComesBack) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera("tr_1"), video(vp8_source(), kStart, kStart + seconds{4}));
  studio.add(camera("tr_2"), video(vp8_source(), kStart + seconds{6}, kStart + kLength, 77));
  studio.add(microphone(), microphone_script());
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  expect_plays(studio.files()[0], 12);
}

TEST(Recording, BeginsASecondFileWhenAPictureJoinsTheSound) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(), video(vp8_source(), kStart + seconds{5}, kStart + kLength));
  studio.add(microphone(), microphone_script());
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(2));
  EXPECT_THAT(studio.files()[0].info.codecs, ElementsAre("opus"));
  EXPECT_THAT(studio.files()[1].info.codecs, ElementsAre("vp8", "opus"));
  expect_plays(studio.files()[0], 5);
  expect_plays(studio.files()[1], 7);
}

TEST(Recording, OfAMutedMicrophoneHasSilenceAndDoesNotHoldThePictureBack) {
  for (const VideoSource& source : {vp8_source(), h264_source()}) {
    const TemporaryFolder folder;
    Studio studio{folder.path()};
    Script sound = without(microphone_script(), kStart + seconds{3}, kStart + seconds{9});
    sound.push_back(mark(rtp::Tap::Kind::Muted, kStart + seconds{3}));
    sound.push_back(mark(rtp::Tap::Kind::Unmuted, kStart + seconds{9}));
    studio.add(camera(), camera_script(source));
    studio.add(microphone(), std::move(sound));
    studio.run();
    ASSERT_THAT(studio.files(), SizeIs(1));
    expect_plays(studio.files()[0], 12);
    // Silence, six frames a packet, kept the sound going.
    EXPECT_NEAR(static_cast<double>(probe(studio.files()[0].path).packets.at("opus")), 350, 20);
    ASSERT_THAT(studio.files()[0].gaps, SizeIs(1));
    EXPECT_EQ(studio.files()[0].gaps[0].reason, "muted");
    EXPECT_NEAR(static_cast<double>(studio.files()[0].gaps[0].length_ms), 6'000, 100);
  }
}

TEST(Recording, OfAMicrophoneThatNeverSpeaksStillHasThePicture) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(), camera_script(vp8_source()));
  studio.add(microphone(), {mark(rtp::Tap::Kind::Muted, kStart)});
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  EXPECT_THAT(studio.files()[0].info.codecs, ElementsAre("vp8", "opus"));
  expect_plays(studio.files()[0], 12);
}

TEST(Recording, KeepsItsLengthOverPacketGaps) {
  for (const VideoSource& source : {vp8_source(), h264_source()}) {
    for (const milliseconds gap : {milliseconds{100}, milliseconds{1'000}, milliseconds{10'000}}) {
      const TemporaryFolder folder;
      Studio studio{folder.path()};
      const rtp::Time from = kStart + seconds{3};
      const rtp::Time until = kStart + seconds{24};
      studio.add(camera(), without(camera_script(source, until), from, from + gap));
      studio.add(microphone(), without(microphone_script(until), from, from + gap));
      studio.run();
      ASSERT_THAT(studio.files(), SizeIs(1));
      expect_plays(studio.files()[0], 24);
      if (gap >= milliseconds{1'000}) {
        EXPECT_FALSE(studio.files()[0].gaps.empty());
      }
    }
  }
}

TEST(Recording, PlaysAfterLoss) {
  for (const VideoSource& source : {vp8_source(), h264_source(), vp9_source(), av1_source()}) {
    for (const unsigned percent : {5U, 20U}) {
      for (const unsigned seed : {1U, 2U}) {
        SCOPED_TRACE(source.capture + " " + std::to_string(percent) + " % seed " +
                     std::to_string(seed));
        const TemporaryFolder folder;
        Studio studio{folder.path()};
        studio.add(camera(), lossy(camera_script(source), percent, seed));
        studio.add(microphone(), lossy(microphone_script(), percent, seed + 100));
        studio.run();
        ASSERT_FALSE(studio.files().empty());
        const auto& last = studio.files().back();
        expect_plays(last, 12 - static_cast<double>(last.info.offset_ms) / 1'000);
      }
    }
  }
}

TEST(Recording, DoesNotNoticeThatTimestampsWrap) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(),
             with_reports(video(vp8_source(), kStart, kStart + kLength, 0xffff'ffffU - 90'000 * 5),
                          90'000, milliseconds{30}));
  studio.add(microphone(),
             with_reports(audio(kStart, kStart + kLength, 0xffff'ffffU - 48'000 * 6, 65'000),
                          48'000, milliseconds{30}));
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  expect_plays(studio.files()[0], 12);
  EXPECT_THAT(studio.files()[0].gaps, IsEmpty());
}

TEST(Recording, NeedsNoSenderReports) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  studio.add(camera(), video(vp8_source(), kStart, kStart + kLength));
  studio.add(microphone(), audio(kStart, kStart + kLength));
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  expect_plays(studio.files()[0], 12);
}

TEST(Recording, ReportsAGapWhereTimestampsJump) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  Script script = audio(kStart, kStart + kLength);
  for (Event& event : script) {  // a telephone call on the publisher's device
    if (event.record.arrival < kStart + seconds{6}) continue;
    auto packet = rtp::Packet::parse(event.bytes);
    packet->set_timestamp(rtp::RtpTimestamp{packet->timestamp().value + 48'000 * 3'600});
  }
  studio.add(microphone(), std::move(script));
  studio.run();
  ASSERT_THAT(studio.files(), SizeIs(1));
  expect_plays(studio.files()[0], 12);
}

TEST(Recording, OfRandomBytesIsNoFile) {
  const TemporaryFolder folder;
  Studio studio{folder.path()};
  Script script = camera_script(vp8_source());
  unsigned seed = 1;
  for (Event& event : script) {
    for (std::size_t i = 12; i < event.bytes.size(); ++i) {
      event.bytes[i] = static_cast<std::uint8_t>((seed = seed * 1'103'515'245U + 12'345U) >> 16U);
    }
  }
  studio.add(camera(), std::move(script));
  studio.run();
  for (const auto& file : studio.files()) EXPECT_TRUE(file.closed);
}

}  // namespace
}  // namespace parley::recorder::test
