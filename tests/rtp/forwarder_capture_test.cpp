#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/clock_map.h"
#include "rtp/forwarder.h"
#include "rtp/packet_info.h"
#include "rtp/receive_stream.h"
#include "tests/rtp/pcap.h"

// The Forwarder under what a real browser sends: a simulcast capture of Chromium, played many times
// as one track after the other, with a new layer every second.
namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Arrival {
  Source source;
  PacketInfo info;
};

class Publisher {
 public:
  Publisher(const std::string& file, std::uint8_t pt, Codec codec)
      : capture_(read_test_pcap(file)), pt_(pt), codec_(codec) {
    // Layers by the number of packets, the lowest first.
    std::map<std::uint32_t, std::size_t> count;
    for (CapturedPacket& captured : capture_) {
      const auto packet = Packet::parse(captured.bytes);
      if (packet && packet->payload_type() == PayloadType{pt_}) ++count[packet->ssrc().value];
    }
    for (const auto& [ssrc, packets] : count) layers_.push_back(ssrc);
    std::sort(layers_.begin(), layers_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return count[a] < count[b]; });
  }

  // One play of the capture as track `track`, from `start` on.
  std::vector<Arrival> play(std::uint32_t track, Time start) {
    std::vector<Arrival> arrivals;
    ClockMap map;
    std::vector<EncodingClock> clocks(layers_.size(), EncodingClock(90'000));
    ExtensionMap extensions;
    extensions.set(Extension::DependencyDescriptor, 12);
    std::vector<ReceiveStream> streams(layers_.size(), ReceiveStream(90'000));
    const Time first = capture_.front().at;
    for (CapturedPacket& captured : capture_) {
      const Time now = start + (captured.at - first);
      if (captured.bytes.size() >= 28 && captured.bytes[1] == 200) {  // sender report
        const auto layer = layer_of(load32(captured.bytes, 4));
        const NtpTime ntp{std::uint64_t{load32(captured.bytes, 8)} << 32 |
                          load32(captured.bytes, 12)};
        map.on_sender_report(ntp, now);
        if (layer) {
          clocks[*layer].on_sender_report(ntp, RtpTimestamp{load32(captured.bytes, 16)});
        }
        continue;
      }
      const auto packet = Packet::parse(captured.bytes);
      if (!packet || packet->payload_type() != PayloadType{pt_}) continue;
      const auto layer = layer_of(packet->ssrc().value);
      const auto received =
          streams[*layer].on_packet(packet->seq(), packet->timestamp(), captured.bytes.size(), now);
      EXPECT_EQ(received.verdict, ReceiveStream::Verdict::New);
      arrivals.push_back(
          {Source{track, static_cast<std::uint8_t>(*layer)},
           make_packet_info(*packet, received.seq, codec_, ExtensionReader(*packet, extensions),
                            now, clocks[*layer].capture_time(packet->timestamp(), map))});
    }
    return arrivals;
  }

 private:
  std::optional<std::size_t> layer_of(std::uint32_t ssrc) const {
    const auto it = std::find(layers_.begin(), layers_.end(), ssrc);
    if (it == layers_.end()) return std::nullopt;
    return static_cast<std::size_t>(it - layers_.begin());
  }

  std::vector<CapturedPacket> capture_;
  std::uint8_t pt_;
  Codec codec_;
  std::vector<std::uint32_t> layers_;
};

struct Sent {
  Rewrite rewrite;
  PacketInfo info;
  Source source;
  bool switched;
};

// Ten plays; every second another layer of the track that plays. The captures hold few key frames,
// so the encoder's answer to a request is played as well: 100 ms later a frame is said to be one.
std::vector<Sent> forward(Publisher& publisher, unsigned seed, unsigned loss_percent) {
  std::mt19937 random(seed);
  Forwarder forwarder(MediaKind::Video, 90'000, Seq{65'000}, RtpTimestamp{0xffff'0000});
  std::vector<Sent> sent;
  Time start{seconds(100)};
  for (std::uint32_t track = 1; track <= 10; ++track) {
    std::vector<Arrival> arrivals = publisher.play(track, start);
    for (std::size_t i = 1; loss_percent > 0 && i < arrivals.size(); ++i) {
      if (random() % 10 == 0) std::swap(arrivals[i], arrivals[i - 1]);
    }
    std::int64_t second = -1;
    std::optional<Time> answer;
    // Chromium's encoder stalls by 130 ms while it starts up; we judge ourselves, not that.
    const Time warm = arrivals.front().info.arrival + milliseconds(700);
    forwarder.set_target(std::nullopt);
    for (Arrival& arrival : arrivals) {
      start = std::max(start, arrival.info.arrival);
      const std::int64_t now = arrival.info.arrival.time_since_epoch() / seconds(1);
      if (now != second && arrival.info.arrival >= warm) {
        second = now;
        forwarder.set_target(Source{track, static_cast<std::uint8_t>(random() % 3)});
      }
      if (arrival.source == forwarder.wants_key_frame()) {
        if (!answer) answer = arrival.info.arrival + milliseconds(100);
        if (arrival.info.frame_start && arrival.info.arrival >= *answer) {
          arrival.info.key_frame = true;
          answer.reset();
        }
      }
      if (random() % 100 < loss_percent) continue;
      const auto rewrite = forwarder.on_packet(arrival.info, arrival.source);
      const bool switched = forwarder.take_switched().has_value();
      if (!rewrite) {
        EXPECT_FALSE(switched);
        continue;
      }
      sent.push_back({*rewrite, arrival.info, arrival.source, switched});
    }
    start += milliseconds(200);
  }
  return sent;
}

void expect_one_endless_stream(const std::vector<Sent>& sent) {
  ASSERT_GT(sent.size(), 1'000U);
  std::size_t switches = 0;
  const Time first_arrival = sent.front().info.arrival;
  const std::uint32_t first_timestamp = sent.front().rewrite.timestamp.value;
  double worst_ms = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const Sent& now = sent[i];
    switches += now.switched ? 1 : 0;
    EXPECT_TRUE(!now.switched || now.info.key_frame);
    const double by_arrival = static_cast<double>((now.info.arrival - first_arrival).count()) / 1e3;
    const double by_timestamp =
        static_cast<double>(now.rewrite.timestamp.value - first_timestamp) / 90;
    worst_ms = std::max(worst_ms, std::abs(by_arrival - by_timestamp));
    if (i == 0) continue;
    const Sent& before = sent[i - 1];
    ASSERT_EQ(now.rewrite.seq.value, before.rewrite.seq.value + 1);
    const auto step =
        static_cast<std::int32_t>(now.rewrite.timestamp.value - before.rewrite.timestamp.value);
    ASSERT_GE(step, now.switched ? 1 : 0);
    // With the dependency descriptor Chromium sends no VP8 picture ids, and its frame numbers count
    // the frames of all three layers.
    ASSERT_TRUE(now.info.frame_number.has_value());
    const int frames = (now.rewrite.frame_number - before.rewrite.frame_number) & 0xffff;
    ASSERT_EQ(frames == 0, step == 0);
    ASSERT_LE(frames, now.switched ? 1 : 12);
  }
  EXPECT_GE(switches, 25U);
  EXPECT_LE(worst_ms, 40) << "from the pace of arrival";
}

TEST(ForwarderOnCapture, SwitchesVp8LayersAndTracksWithoutASeam) {
  Publisher publisher("vp8sim-sent.pcap", 96, Codec::Vp8);
  for (unsigned seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    expect_one_endless_stream(forward(publisher, seed, 0));
  }
}

TEST(ForwarderOnCapture, SwitchesH264LayersAndTracksWithoutASeam) {
  Publisher publisher("h264sim-sent.pcap", 102, Codec::H264);
  for (unsigned seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    expect_one_endless_stream(forward(publisher, seed, 0));
  }
}

// With loss and reordering: no number twice, and within a source the gaps are exactly the losses.
TEST(ForwarderOnCapture, KeepsItsNumbersUnderLossAndReorder) {
  Publisher publisher("vp8sim-sent.pcap", 96, Codec::Vp8);
  for (unsigned seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    const auto sent = forward(publisher, seed, 5);
    std::set<std::int64_t> numbers;
    std::int64_t shift = 0;
    std::int64_t highest = 0;
    for (const Sent& now : sent) {
      ASSERT_TRUE(numbers.insert(now.rewrite.seq.value).second);
      if (now.switched) {
        shift = now.rewrite.seq.value - now.info.seq.value;
        ASSERT_TRUE(highest == 0 || now.rewrite.seq.value == highest + 1);
      }
      ASSERT_EQ(now.rewrite.seq.value - now.info.seq.value, shift);
      highest = std::max(highest, now.rewrite.seq.value);
    }
  }
}

}  // namespace
}  // namespace parley::rtp
