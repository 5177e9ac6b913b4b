#include "server/client/rtp_player.h"

#include <set>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "rtp/packet.h"

namespace parley::client {
namespace {

using rtp::Duration;
using rtp::Seq;
using rtp::Ssrc;
using rtp::Time;
using namespace std::chrono_literals;

CapturedDatagram captured(Duration at, std::uint32_t ssrc, std::uint16_t seq,
                          std::uint32_t timestamp, std::uint8_t pt = 96) {
  CapturedDatagram d;
  d.at = at;
  d.payload.resize(20);
  d.payload[0] = 0x80;
  d.payload[1] = pt;
  rtp::store16(d.payload, 2, seq);
  rtp::store32(d.payload, 4, timestamp);
  rtp::store32(d.payload, 8, ssrc);
  return d;
}

TEST(RtpPlayer, GoesOnWithItsNumbersRoundAfterRound) {
  RtpPlayer::Options options;
  options.round_gap = 20ms;
  options.streams[7] = {Ssrc(70), rtp::PayloadType(100), 90'000, std::nullopt};
  RtpPlayer player({captured(0ms, 7, 65'534, 1'000), captured(5ms, 8, 1, 0),
                    captured(10ms, 7, 65'535, 1'900), captured(40ms, 7, 1, 4'600)},
                   options);
  EXPECT_EQ(player.packets_per_round(), 3U);
  EXPECT_FALSE(player.next_deadline());
  player.start(Time(1s));
  std::vector<std::uint16_t> seqs;
  std::vector<std::uint32_t> timestamps;
  std::vector<Duration> at;
  while (seqs.size() < 7) {
    const Time now = player.next_deadline().value();
    EXPECT_FALSE(player.poll(now - 1us));
    auto bytes = player.poll(now).value();
    std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    const auto packet = rtp::Packet::parse(copy);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->ssrc(), Ssrc(70));
    EXPECT_EQ(packet->payload_type(), rtp::PayloadType(100));
    seqs.push_back(packet->seq().value);
    timestamps.push_back(packet->timestamp().value);
    at.push_back(now - Time(1s));
  }
  // The gap at 0 stays a gap; the round is 60 ms, and so 5,400 ticks.
  EXPECT_EQ(seqs, (std::vector<std::uint16_t>{65'534, 65'535, 1, 2, 3, 5, 6}));
  EXPECT_EQ(timestamps,
            (std::vector<std::uint32_t>{1'000, 1'900, 4'600, 6'400, 7'300, 10'000, 11'800}));
  EXPECT_EQ(at, (std::vector<Duration>{0ms, 10ms, 40ms, 60ms, 70ms, 100ms, 120ms}));
}

TEST(RtpPlayer, MovesTheOriginalNumberInsideRetransmissions) {
  RtpPlayer::Options options;
  options.streams[7] = {};
  options.streams[9].rtx_of = Ssrc(7);
  auto rtx = captured(1ms, 9, 1, 0, 97);
  rtp::store16(rtx.payload, 12, 100);
  RtpPlayer player({captured(0ms, 7, 100, 0), rtx, captured(2ms, 7, 101, 0)}, options);
  player.start(Time(0s));
  std::vector<std::uint16_t> original;
  for (int i = 0; i < 6; ++i) {
    const auto bytes = player.poll(player.next_deadline().value()).value();
    if (rtp::load32(bytes, 8) == 9) original.push_back(rtp::load16(bytes, 12));
  }
  EXPECT_EQ(original, (std::vector<std::uint16_t>{100, 102}));
}

TEST(RtpPlayer, PlaysACaptureOfChromiumForAMinute) {
  auto capture = read_pcap(PARLEY_TEST_DATA "/rtp/vp8sim-sent.pcap");
  ASSERT_TRUE(capture);
  RtpPlayer all(*capture, {});
  const auto ssrcs = all.captured_ssrcs();
  ASSERT_GE(ssrcs.size(), 4U);
  RtpPlayer::Options options;
  options.streams[ssrcs[0].value].ssrc = Ssrc(42);
  options.transport_cc = 3;
  RtpPlayer player(std::move(*capture), options);
  player.start(Time(0s));
  std::set<std::uint32_t> seen;
  std::size_t count = 0;
  for (Time now{0s}; now < Time(60s); now += 1ms) {
    while (const auto packet = player.poll(now)) {
      std::vector<std::uint8_t> copy(packet->begin(), packet->end());
      ASSERT_TRUE(rtp::Packet::parse(copy));
      seen.insert(rtp::load32(*packet, 8));
      ++count;
    }
  }
  EXPECT_EQ(seen, (std::set<std::uint32_t>{42}));
  EXPECT_GT(count, 8 * player.packets_per_round());
}

TEST(RtpPlayer, IsSilentWithoutRtp) {
  RtpPlayer player({}, {});
  player.start(Time(1s));
  EXPECT_FALSE(player.next_deadline());
  EXPECT_FALSE(player.poll(Time(9s)));
}

}  // namespace
}  // namespace parley::client
