#include "rtp/frame_assembler.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/packet.h"
#include "tests/rtp/pcap.h"

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using Data = std::vector<std::uint8_t>;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

Data packet(std::uint16_t seq, std::uint32_t timestamp, bool marker, const Data& payload) {
  Data wire{0x80,
            static_cast<std::uint8_t>(marker ? 0xe0 : 0x60),
            static_cast<std::uint8_t>(seq >> 8),
            static_cast<std::uint8_t>(seq),
            static_cast<std::uint8_t>(timestamp >> 24),
            static_cast<std::uint8_t>(timestamp >> 16),
            static_cast<std::uint8_t>(timestamp >> 8),
            static_cast<std::uint8_t>(timestamp),
            0,
            0,
            0,
            9};
  wire.insert(wire.end(), payload.begin(), payload.end());
  return wire;
}

// Descriptor without numbers; a key frame of 16x16, or a delta frame, with a mark at its end.
Data vp8(bool key, std::uint8_t mark) {
  return key ? Data{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, mark}
             : Data{0x10, 0x11, mark};
}

// With one element of one byte, of the id 1 (RFC 8285, section 4.2).
Data with_element(Data packet, std::uint8_t value) {
  packet[0] |= 0x10;
  const Data extension{0xbe, 0xde, 0, 1, 0x10, value, 0, 0};
  packet.insert(packet.begin() + 12, extension.begin(), extension.end());
  return packet;
}

struct VideoTest : ::testing::Test {
  FrameAssembler assembler{MediaKind::Video};
  std::int64_t ms = 0;

  void push(std::uint16_t seq, std::uint32_t timestamp, bool marker, const Data& payload) {
    assembler.push(packet(seq, timestamp, marker, payload), Codec::Vp8, at(ms));
  }
  // The marks of all frames that are ready.
  Data pop() {
    Data marks;
    while (const Frame* frame = assembler.pop(at(ms))) marks.push_back(frame->bytes.back());
    return marks;
  }
};

TEST_F(VideoTest, WaitsForTheFirstKeyFrame) {
  push(1, 100, true, vp8(false, 1));
  EXPECT_EQ(pop(), Data{});
  push(2, 200, true, vp8(true, 2));
  const Frame* frame = assembler.pop(at(0));
  ASSERT_NE(frame, nullptr);
  EXPECT_TRUE(frame->key_frame);
  EXPECT_EQ(frame->codec, Codec::Vp8);
  EXPECT_EQ(frame->timestamp, RtpTimestamp{200});
  EXPECT_EQ(frame->width, 16);
  EXPECT_EQ(frame->height, 16);
  EXPECT_FALSE(frame->after_gap);
  EXPECT_EQ(frame->bytes.size(), 11U);
  EXPECT_FALSE(assembler.take_key_frame_request()) << "nothing was lost";
}

TEST_F(VideoTest, PutsReorderedPacketsInOrder) {
  push(65'535, 100, true, vp8(true, 1));
  push(2, 300, true, vp8(false, 4));
  push(1, 200, true, Data{0x00, 3});
  EXPECT_EQ(pop(), Data{1});
  push(0, 200, false, vp8(false, 2));
  EXPECT_EQ(pop(), (Data{3, 4}));
}

TEST_F(VideoTest, GivesUpAHoleAfterASecondAndWaitsForAKeyFrame) {
  push(1, 100, true, vp8(true, 1));
  push(2, 200, false, vp8(false, 2));
  EXPECT_EQ(pop(), Data{1});
  ms = 50;
  push(4, 300, true, vp8(false, 4));
  EXPECT_EQ(pop(), Data{});
  EXPECT_EQ(assembler.next_deadline(), at(1'050));
  ms = 1'049;
  EXPECT_EQ(pop(), Data{});
  ms = 1'050;
  EXPECT_EQ(pop(), Data{});
  EXPECT_TRUE(assembler.take_key_frame_request());
  EXPECT_FALSE(assembler.take_key_frame_request());
  EXPECT_FALSE(assembler.next_deadline());
  push(3, 200, true, Data{0x00, 3});
  EXPECT_EQ(assembler.counters().late, 1U);
  push(5, 400, true, vp8(true, 5));
  const Frame* frame = assembler.pop(at(ms));
  ASSERT_NE(frame, nullptr);
  EXPECT_TRUE(frame->after_gap);
  EXPECT_EQ(assembler.counters().lost, 1U);
  EXPECT_EQ(assembler.counters().gaps, 1U);
  EXPECT_EQ(assembler.counters().dropped_frames, 2U);
}

TEST_F(VideoTest, IsNotFooledByTheMiddleOfAKeyFrame) {
  push(1, 100, true, vp8(true, 1));
  EXPECT_EQ(pop(), Data{1});
  push(3, 200, true, Data{0x00, 3});  // the end of a frame whose start is lost
  ms = 2'000;
  push(4, 300, true, vp8(false, 4));
  EXPECT_EQ(pop(), Data{});
  EXPECT_TRUE(assembler.waits_for_key_frame());
}

TEST_F(VideoTest, DropsAFrameThatASwitchOfSourceCutOff) {
  push(1, 100, true, vp8(true, 1));
  push(2, 200, false, vp8(false, 2));
  push(3, 300, true, vp8(true, 3));
  EXPECT_EQ(pop(), (Data{1, 3}));
  EXPECT_FALSE(assembler.take_key_frame_request()) << "the key frame is here already";
  EXPECT_EQ(assembler.counters().dropped_frames, 1U);
}

TEST_F(VideoTest, SkipsPaddingBetweenFrames) {
  push(1, 100, true, vp8(true, 1));
  push(2, 100, false, Data{});
  push(3, 200, true, vp8(false, 2));
  EXPECT_EQ(pop(), (Data{1, 2}));
}

TEST_F(VideoTest, CountsDuplicatesAndWhatIsBroken) {
  push(1, 100, true, vp8(true, 1));
  push(3, 300, true, vp8(false, 3));
  push(3, 300, true, vp8(false, 3));
  EXPECT_EQ(pop(), Data{1});
  assembler.push(Data{0x80, 1}, Codec::Vp8, at(0));
  push(2, 200, true, Data{0x90});
  EXPECT_EQ(pop(), Data{});
  EXPECT_EQ(assembler.counters().duplicates, 1U);
  EXPECT_EQ(assembler.counters().broken, 2U);
  EXPECT_TRUE(assembler.take_key_frame_request());
}

TEST_F(VideoTest, SurvivesAJumpBeyondItsWindow) {
  push(1, 100, true, vp8(true, 1));
  push(3, 200, true, vp8(false, 2));
  EXPECT_EQ(pop(), Data{1});
  push(5'000, 300, true, vp8(true, 3));
  EXPECT_EQ(pop(), Data{3});
  EXPECT_EQ(assembler.counters().lost, 5'000U - 3U);
}

TEST_F(VideoTest, KnowsHowAPictureLiesUntilItIsToldAnew) {
  ExtensionMap extensions;
  extensions.set(Extension::VideoOrientation, 1);
  assembler = FrameAssembler{MediaKind::Video, FrameAssembler::Limits{}, extensions};
  const auto rotation_after = [&](const Data& bytes) -> std::optional<unsigned> {
    assembler.push(bytes, Codec::Vp8, at(ms));
    const Frame* frame = assembler.pop(at(ms));
    if (frame == nullptr) return std::nullopt;
    return frame->rotation_degrees;
  };
  EXPECT_EQ(rotation_after(packet(1, 0, true, vp8(true, 1))), 0U);
  // Of a frame in two packets the last one says it; 3 is 270 degrees, 8 the camera at the back.
  EXPECT_EQ(rotation_after(packet(2, 3'000, false, {0x10, 0x11})), std::nullopt);
  EXPECT_EQ(rotation_after(with_element(packet(3, 3'000, true, {0x00, 2}), 8 | 3)), 270U);
  EXPECT_EQ(rotation_after(packet(4, 6'000, true, vp8(false, 3))), 270U);
  EXPECT_EQ(rotation_after(with_element(packet(5, 9'000, true, vp8(false, 4)), 0)), 0U);
}

TEST_F(VideoTest, TakesAnExtensionThatItWasNotToldOfForNone) {
  assembler.push(with_element(packet(1, 0, true, vp8(true, 1)), 1), Codec::Vp8, at(ms));
  const Frame* frame = assembler.pop(at(ms));
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->rotation_degrees, 0);
}

TEST_F(VideoTest, DropsAFrameThatIsTooLarge) {
  FrameAssembler::Limits limits;
  limits.max_frame_bytes = 100;
  assembler = FrameAssembler(MediaKind::Video, limits);
  push(1, 100, false, vp8(true, 1));
  push(2, 100, true, Data(200, 0));
  push(3, 200, true, vp8(true, 3));
  EXPECT_EQ(pop(), Data{3});
}

TEST_F(VideoTest, HandsOutWhatIsLeftWhenItFinishes) {
  push(1, 100, true, vp8(true, 1));
  push(3, 200, true, vp8(true, 3));
  EXPECT_EQ(pop(), Data{1});
  assembler.finish();
  EXPECT_EQ(pop(), Data{3});
}

TEST_F(VideoTest, BeginsAnewAfterAReset) {
  push(1, 100, true, vp8(true, 1));
  push(2, 200, false, vp8(false, 2));
  EXPECT_EQ(pop(), Data{1});
  assembler.reset();
  push(40'000, 5, true, vp8(false, 3));
  push(40'001, 6, true, vp8(true, 4));
  EXPECT_EQ(pop(), Data{4});
  EXPECT_EQ(assembler.counters().gaps, 0U);
}

TEST(FrameAssembler, TakesParameterSetsInAPacketOfTheirOwn) {
  FrameAssembler assembler(MediaKind::Video);
  assembler.push(packet(1, 10, false, {0x67, 0x42, 0xc0, 0x1f, 1}), Codec::H264, at(0));
  assembler.push(packet(2, 10, false, {0x68, 1}), Codec::H264, at(0));
  assembler.push(packet(3, 10, true, {0x65, 0x88, 1}), Codec::H264, at(0));
  assembler.push(packet(4, 20, true, {0x65, 0x88, 2}), Codec::H264, at(0));
  const Frame* frame = assembler.pop(at(0));
  ASSERT_NE(frame, nullptr);
  EXPECT_TRUE(frame->key_frame);
  frame = assembler.pop(at(0));
  ASSERT_NE(frame, nullptr);
  EXPECT_TRUE(frame->key_frame) << "a later IDR picture needs no sets of its own";
}

TEST(FrameAssembler, DoesNotStartH264WithoutParameterSets) {
  FrameAssembler assembler(MediaKind::Video);
  assembler.push(packet(1, 10, true, {0x65, 0x88, 1}), Codec::H264, at(0));
  EXPECT_EQ(assembler.pop(at(0)), nullptr);
}

TEST(FrameAssembler, PassesEveryOpusPacketAsAFrame) {
  FrameAssembler assembler(MediaKind::Audio);
  assembler.push(packet(1, 960, false, {0xf8, 1}), Codec::Opus, at(0));
  assembler.push(packet(2, 1'920, false, {0xf8, 2}), Codec::Opus, at(20));
  const Frame* frame = assembler.pop(at(20));
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->timestamp, RtpTimestamp{960});
  EXPECT_EQ(frame->bytes, (Data{0xf8, 1}));
  EXPECT_NE(assembler.pop(at(20)), nullptr);
  EXPECT_EQ(assembler.pop(at(20)), nullptr);
}

TEST(FrameAssembler, GoesOnWithAudioBehindAHole) {
  FrameAssembler assembler(MediaKind::Audio);
  assembler.push(packet(1, 960, false, {0xf8, 1}), Codec::Opus, at(0));
  assembler.push(packet(3, 2'880, false, {0xf8, 3}), Codec::Opus, at(40));
  EXPECT_NE(assembler.pop(at(40)), nullptr);
  EXPECT_EQ(assembler.pop(at(1'039)), nullptr);
  const Frame* frame = assembler.pop(at(1'040));
  ASSERT_NE(frame, nullptr);
  EXPECT_TRUE(frame->after_gap);
  EXPECT_FALSE(assembler.take_key_frame_request());
}

// RFC 2198: F|PT, 14-bit timestamp offset, 10-bit length; then the primary's PT alone.
Data red(const Data& redundant, const Data& primary) {
  const auto size = static_cast<std::uint8_t>(redundant.size());
  Data payload{0x80 | 111, 960 >> 6, static_cast<std::uint8_t>((960 & 0x3f) << 2), size, 111};
  payload.insert(payload.end(), redundant.begin(), redundant.end());
  payload.insert(payload.end(), primary.begin(), primary.end());
  return payload;
}

TEST(FrameAssembler, UnwrapsRedAndRecoversALostPacketFromIt) {
  FrameAssembler assembler(MediaKind::Audio);
  assembler.push(packet(1, 960, false, red({9, 9}, {1, 1})), Codec::Red, at(0));
  const Frame* frame = assembler.pop(at(0));
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->codec, Codec::Opus);
  EXPECT_EQ(frame->bytes, (Data{1, 1}));
  assembler.push(packet(3, 2'880, false, red({2, 2}, {3, 3})), Codec::Red, at(40));
  frame = assembler.pop(at(40));
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->bytes, (Data{2, 2}));
  EXPECT_EQ(frame->timestamp, RtpTimestamp{1'920});
  EXPECT_FALSE(frame->after_gap);
  frame = assembler.pop(at(40));
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->bytes, (Data{3, 3}));
  EXPECT_EQ(assembler.counters().recovered, 1U);
  EXPECT_EQ(assembler.counters().lost, 0U);
}

// ---- what Chromium really sends --------------------------------------------------------------

struct Stream {
  std::vector<CapturedPacket> packets;
  std::set<std::uint32_t> timestamps;
};

std::map<std::uint32_t, Stream> streams_of(const char* file, std::uint8_t pt) {
  std::map<std::uint32_t, Stream> streams;
  for (CapturedPacket& captured : read_test_pcap(file)) {
    const auto parsed = Packet::parse(captured.bytes);
    if (!parsed || parsed->payload_type() != PayloadType{pt}) continue;
    Stream& stream = streams[parsed->ssrc().value];
    if (!parsed->payload().empty()) stream.timestamps.insert(parsed->timestamp().value);
    stream.packets.push_back(std::move(captured));
  }
  return streams;
}

std::vector<Data> frames_of(const std::vector<CapturedPacket>& packets, Codec codec) {
  const auto kind = codec == Codec::Opus ? MediaKind::Audio : MediaKind::Video;
  FrameAssembler assembler(kind);
  std::vector<Data> frames;
  for (const CapturedPacket& captured : packets) {
    assembler.push(captured.bytes, codec, captured.at);
    while (const Frame* frame = assembler.pop(captured.at)) frames.push_back(frame->bytes);
  }
  EXPECT_EQ(assembler.counters().broken, 0U);
  EXPECT_EQ(assembler.counters().lost, 0U);
  return frames;
}

struct Capture {
  const char* file;
  std::uint8_t pt;
  Codec codec;
};
const std::vector<Capture> kCaptures{{"vp8sim-sent.pcap", 96, Codec::Vp8},
                                     {"vp8sim-sent.pcap", 111, Codec::Opus},
                                     {"h264sim-sent.pcap", 102, Codec::H264},
                                     {"vp9svc-sent.pcap", 98, Codec::Vp9},
                                     {"av1svc-sent.pcap", 45, Codec::Av1}};

TEST(FrameAssemblerOnCapture, FindsEveryFrameWhateverTheOrderWithinItsWindow) {
  for (const Capture& capture : kCaptures) {
    SCOPED_TRACE(capture.file);
    for (auto& [ssrc, stream] : streams_of(capture.file, capture.pt)) {
      const auto frames = frames_of(stream.packets, capture.codec);
      // The capture may end in the middle of a frame.
      EXPECT_GE(frames.size() + 1, stream.timestamps.size());
      EXPECT_LE(frames.size(), stream.timestamps.size());
      std::mt19937 random(ssrc);
      for (std::size_t i = 1; i + 8 < stream.packets.size(); i += 8) {
        const auto block = stream.packets.begin() + static_cast<std::ptrdiff_t>(i);
        std::shuffle(block, block + 8, random);
      }
      for (std::size_t i = 1; i < stream.packets.size(); ++i) {
        stream.packets[i].at = std::max(stream.packets[i].at, stream.packets[i - 1].at);
      }
      EXPECT_TRUE(frames_of(stream.packets, capture.codec) == frames);
    }
  }
}

// Under loss every frame that comes out is one that was sent, whole; video goes on at key frames.
TEST(FrameAssemblerOnCapture, NeverHandsOutAFrameThatWasNotSentWhole) {
  for (const Capture& capture : kCaptures) {
    SCOPED_TRACE(capture.file);
    for (const auto& [ssrc, stream] : streams_of(capture.file, capture.pt)) {
      const auto whole = frames_of(stream.packets, capture.codec);
      const std::set<Data> sent(whole.begin(), whole.end());
      std::mt19937 random(ssrc);
      FrameAssembler assembler(capture.codec == Codec::Opus ? MediaKind::Audio : MediaKind::Video);
      std::size_t out = 0;
      for (const CapturedPacket& captured : stream.packets) {
        if (random() % 200 == 0) continue;
        assembler.push(captured.bytes, capture.codec, captured.at);
        bool waited = assembler.waits_for_key_frame();
        while (const Frame* frame = assembler.pop(captured.at)) {
          ASSERT_EQ(sent.count(frame->bytes), 1U);
          ASSERT_TRUE(!waited || frame->key_frame);
          waited = assembler.waits_for_key_frame();
          ++out;
        }
      }
      EXPECT_GT(out, 0U);
    }
  }
}

}  // namespace
}  // namespace parley::rtp
