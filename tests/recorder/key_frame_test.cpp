#include "recorder/key_frame.h"

#include <gtest/gtest.h>

#include "recorder/opus_stream.h"
#include "recorder/vp9_superframe.h"
#include "rtp/frame_assembler.h"
#include "rtp/opus.h"
#include "rtp/packet.h"
#include "tests/recorder/support.h"

namespace parley::recorder::test {
namespace {

using std::chrono::seconds;

rtp::Frame first_key_frame(const VideoSource& source) {
  rtp::FrameAssembler assembler{rtp::MediaKind::Video};
  for (const Event& event : video(source, kStart, kStart + seconds{2})) {
    assembler.push(event.bytes, source.codec, event.record.arrival);
    if (const rtp::Frame* frame = assembler.pop(event.record.arrival)) return *frame;
  }
  return {};
}

TEST(KeyFrame, SaysItsSizeAndHeaders) {
  struct Case {
    VideoSource source;
    bool has_headers;
  };
  for (const Case& c : {Case{vp8_source(), false}, Case{vp9_source(), false},
                        Case{h264_source(), true}, Case{av1_source(), true}}) {
    SCOPED_TRACE(c.source.capture);
    const rtp::Frame frame = first_key_frame(c.source);
    ASSERT_FALSE(frame.bytes.empty());
    const auto format = read_key_frame(frame.codec, frame.bytes);
    ASSERT_TRUE(format);
    EXPECT_EQ(format->codec, c.source.codec);
    // 16:9 whatever the layer
    EXPECT_NEAR(format->resolution.width * 9.0 / 16, format->resolution.height, 2);
    EXPECT_GE(format->resolution.height, 160);
    EXPECT_EQ(format->headers.empty(), !c.has_headers);
  }
}

TEST(KeyFrame, CutOffAnywhereIsRefusedOrSaysTheSame) {
  for (const VideoSource& source : {vp8_source(), vp9_source(), h264_source(), av1_source()}) {
    const rtp::Frame frame = first_key_frame(source);
    const auto whole = read_key_frame(frame.codec, frame.bytes);
    ASSERT_TRUE(whole);
    for (std::size_t size = 0; size < std::min<std::size_t>(frame.bytes.size(), 400); ++size) {
      // A copy of just that size, so that a byte read beyond it is found out.
      const std::vector<std::uint8_t> cut{frame.bytes.begin(),
                                          frame.bytes.begin() + static_cast<std::ptrdiff_t>(size)};
      const auto format = read_key_frame(frame.codec, cut);
      if (format && source.codec != rtp::Codec::H264) {
        EXPECT_EQ(format->resolution, whole->resolution);
      }
    }
    EXPECT_FALSE(read_key_frame(frame.codec, {}));
  }
}

TEST(KeyFrame, OfACodecThatIsNotRecordedIsRefused) {
  const std::vector<std::uint8_t> bytes(100, 0x42);
  for (const auto codec : {rtp::Codec::Opus, rtp::Codec::Red, rtp::Codec::H265}) {
    EXPECT_FALSE(read_key_frame(codec, bytes));
  }
}

TEST(Vp9Superframe, WritesAnIndexBehindPicturesOfSeveralLayers) {
  rtp::FrameAssembler assembler{rtp::MediaKind::Video};
  Vp9Superframe superframe;
  int indexed = 0;
  for (const Event& event : video(vp9_source(), kStart, kStart + seconds{4})) {
    superframe.on_packet(event.bytes);
    superframe.on_packet(event.bytes);  // twice must not count twice
    assembler.push(event.bytes, rtp::Codec::Vp9, event.record.arrival);
    while (const rtp::Frame* frame = assembler.pop(event.record.arrival)) {
      std::vector<std::uint8_t> picture = frame->bytes;
      ASSERT_TRUE(superframe.complete(frame->timestamp, picture));
      if (picture.size() == frame->bytes.size()) continue;
      ++indexed;
      const unsigned frames = (picture.back() & 7U) + 1;
      const std::size_t index_size = 2 + frames * 4;
      EXPECT_EQ(picture.size(), frame->bytes.size() + index_size);
      EXPECT_EQ(picture[frame->bytes.size()], picture.back());
    }
  }
  EXPECT_GT(indexed, 20);
}

TEST(OpusStream, SilenceIsOpusOfTheAskedLength) {
  for (unsigned frames = 1; frames <= kMaxSilentFrames; ++frames) {
    EXPECT_EQ(opus_duration(opus_silence(frames)), kOpusFrame * frames);
  }
  EXPECT_EQ(opus_duration({}), rtp::Duration::zero());
  EXPECT_EQ(opus_duration(opus_silence(1'000)), kOpusFrame * kMaxSilentFrames);
}

}  // namespace
}  // namespace parley::recorder::test
