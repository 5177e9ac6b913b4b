#include "server/client/synthetic.h"

#include <map>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/packet.h"

namespace parley::client {
namespace {

using rtp::ConstBytes;
using rtp::Ssrc;
using rtp::Time;
using namespace std::chrono_literals;

SyntheticVideo::Options simulcast() {
  SyntheticVideo::Options options;
  options.identity = 77;
  options.mid = *rtp::Mid::from("1");
  options.extensions = {4, 10, 3, 0};
  options.layers = {
      {Ssrc(100), *rtp::Rid::from("q"), 320, 180, 150'000, 1, 0, true},
      {Ssrc(101), *rtp::Rid::from("h"), 640, 360, 500'000, 30'000, 5'000, true},
      {Ssrc(102), *rtp::Rid::from("f"), 1'280, 720, 1'500'000, 65'530, 0xFFFFFF00, true},
  };
  return options;
}

TEST(SyntheticVideo, SendsWhatItPromisesPerLayer) {
  TransportSequence transport;
  SyntheticVideo video(simulcast(), transport);
  video.start(Time(1s));
  std::map<std::uint32_t, std::size_t> bytes;
  std::map<std::uint32_t, std::uint16_t> last_seq;
  std::map<std::uint32_t, std::size_t> frames;
  std::size_t packets = 0;
  const auto sink = [&](ConstBytes packet) {
    std::vector<std::uint8_t> copy(packet.begin(), packet.end());
    const auto parsed = rtp::Packet::parse(copy);
    ASSERT_TRUE(parsed);
    const std::uint32_t ssrc = parsed->ssrc().value;
    if (last_seq.count(ssrc) != 0) {
      EXPECT_EQ(parsed->seq().value, static_cast<std::uint16_t>(last_seq[ssrc] + 1));
    }
    last_seq[ssrc] = parsed->seq().value;
    bytes[ssrc] += parsed->payload().size();
    if (const auto frame = read_synthetic_vp8(parsed->payload())) {
      EXPECT_EQ(frame->stream, 77U);
      EXPECT_EQ(frame->layer, ssrc - 100);
      EXPECT_EQ(frame->frame, frames[ssrc]);
      EXPECT_EQ(frame->key_frame, frame->frame == 0);
      if (frame->key_frame) {
        EXPECT_EQ(frame->height, 180 << (ssrc - 100));
      }
      ++frames[ssrc];
    }
    ++packets;
  };
  for (Time now{1s}; now < Time(11s); now += 1ms) video.poll(now, sink);
  EXPECT_EQ(frames[100], 300U);
  EXPECT_EQ(frames[102], 300U);
  EXPECT_NEAR(static_cast<double>(bytes[102]), 1'500'000.0 / 8 * 10, 50'000);
  EXPECT_NEAR(static_cast<double>(bytes[100]), 150'000.0 / 8 * 10, 5'000);
  EXPECT_EQ(transport.next, static_cast<std::uint16_t>(packets + 1));
}

TEST(SyntheticVideo, MakesAKeyFrameWhenAskedAndWhenALayerComesBack) {
  TransportSequence transport;
  SyntheticVideo video(simulcast(), transport);
  video.start(Time(0s));
  const auto run = [&](Time until) { video.poll(until, [](ConstBytes) {}); };
  run(Time(1s));
  EXPECT_EQ(video.key_frames(1), 1U);
  video.request_key_frame(Ssrc(101));
  video.request_key_frame(Ssrc(999));
  run(Time(2s));
  EXPECT_EQ(video.key_frames(1), 2U);
  EXPECT_EQ(video.key_frames(2), 1U);
  video.set_active(2, false);
  const auto frames = video.frames(2);
  run(Time(3s));
  EXPECT_EQ(video.frames(2), frames);
  video.set_active(2, true);
  run(Time(4s));
  EXPECT_EQ(video.key_frames(2), 2U);
}

TEST(SyntheticVideo, RemembersWhatItSent) {
  TransportSequence transport;
  SyntheticVideo video(simulcast(), transport);
  video.start(Time(0s));
  std::vector<std::uint8_t> last;
  video.poll(Time(1s), [&](ConstBytes p) { last.assign(p.begin(), p.end()); });
  const auto again = video.sent(Ssrc(102), rtp::Seq(rtp::load16(last, 2)));
  ASSERT_TRUE(again);
  EXPECT_EQ(std::vector<std::uint8_t>(again->begin(), again->end()), last);
  EXPECT_FALSE(video.sent(Ssrc(102), rtp::Seq(40'000)));
  EXPECT_FALSE(video.sent(Ssrc(5), rtp::Seq(1)));
}

TEST(SyntheticAudio, SendsFiftyPacketsASecond) {
  TransportSequence transport;
  SyntheticAudio::Options options;
  options.ssrc = Ssrc(5);
  options.mid = *rtp::Mid::from("0");
  options.extensions = {4, 0, 3, 1};
  SyntheticAudio audio(options, transport);
  audio.set_level(30, true);
  audio.start(Time(0s));
  std::vector<std::uint32_t> timestamps;
  for (Time now{0s}; now < Time(1s); now += 1ms) {
    audio.poll(now, [&](ConstBytes packet) {
      timestamps.push_back(rtp::load32(packet, 4));
      EXPECT_EQ(packet[16], 0x10);       // id 1, one byte
      EXPECT_EQ(packet[17], 0x80 | 30);  // voice, -30 dBov
    });
  }
  ASSERT_EQ(timestamps.size(), 50U);
  EXPECT_EQ(timestamps[49], 49 * 960U);
}

}  // namespace
}  // namespace parley::client
