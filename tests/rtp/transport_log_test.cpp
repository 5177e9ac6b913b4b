#include "rtp/transport_log.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A log and the receiver at the other end, whose clock is another.
class TransportLogTest : public testing::Test {
 protected:
  void send(bool arrives = true, std::size_t bytes = 1'000) {
    now_ += milliseconds(1);
    const Seq seq = log_.next();
    log_.on_sent(now_, bytes, {kStream, seq_in_stream(seq)});
    if (arrives) receiver_.on_packet(seq, now_ + offset_);
  }
  static constexpr Ssrc kStream{7};
  static Seq seq_in_stream(Seq seq) { return Seq{static_cast<std::uint16_t>(seq.value + 1'000)}; }
  // All that the receiver has to tell, read.
  std::vector<PacketResult> told() {
    std::vector<PacketResult> all;
    std::array<std::uint8_t, 1'400> bytes{};
    while (receiver_.pending()) {
      const std::size_t size = receiver_.build(Ssrc{1}, Ssrc{2}, bytes);
      if (size == 0) break;
      const auto feedback = TwccFeedback::parse(ConstBytes(bytes).first(size).subspan(12));
      EXPECT_TRUE(feedback);
      std::array<PacketResult, TransportLog::kWindow> buffer;
      for (const PacketResult& one : log_.read(*feedback, buffer)) all.push_back(one);
    }
    return all;
  }

  TransportLog log_;
  TwccRecorder receiver_;
  Time now_{seconds(5'000)};
  Duration offset_{seconds(77)};
};

TEST_F(TransportLogTest, EachPacketIsToldWithItsSizeAndTimes) {
  for (std::size_t i = 0; i < 50; ++i) send(i % 10 != 3, 100 + i);
  const Time last = now_;
  const auto results = told();
  ASSERT_EQ(results.size(), 50U);
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].bytes, 100 + i);
    EXPECT_EQ(results[i].sent, last - milliseconds(49 - static_cast<std::int64_t>(i)));
    EXPECT_EQ(results[i].arrived.has_value(), i % 10 != 3);
    if (i == 0 || !results[i].arrived) continue;
    EXPECT_EQ(*results[i].arrived - *results[0].arrived, results[i].sent - results[0].sent);
  }
}

TEST_F(TransportLogTest, WhatIsToldTwiceCountsOnceAndWhatComesLateStillDoes) {
  send();
  const Seq late = log_.next();
  send(false);
  send();
  EXPECT_EQ(told().size(), 3U);
  receiver_.on_packet(late, now_ + offset_ + milliseconds(5));
  std::size_t received = 0;
  for (const PacketResult& one : told()) received += one.arrived ? 1U : 0U;
  EXPECT_EQ(received, 1U);
}

TEST_F(TransportLogTest, SaysOnceWhatALostPacketCarried) {
  send();
  const Seq lost = log_.next();
  send(false);
  send();
  std::array<std::uint8_t, 1'400> bytes{};
  const std::size_t size = receiver_.build(Ssrc{1}, Ssrc{2}, bytes);
  const auto feedback = TwccFeedback::parse(ConstBytes(bytes).first(size).subspan(12));
  ASSERT_TRUE(feedback);
  std::array<PacketResult, 4> buffer;
  const auto first = log_.read(*feedback, buffer);
  ASSERT_EQ(first.size(), 3U);
  EXPECT_FALSE(first[1].arrived);
  EXPECT_EQ(first[1].ssrc, kStream);
  EXPECT_EQ(first[1].seq, seq_in_stream(lost));
  const auto again = log_.read(*feedback, buffer);
  ASSERT_EQ(again.size(), 1U) << "it may still come";
  EXPECT_EQ(again[0].ssrc, Ssrc{});
}

TEST_F(TransportLogTest, NumbersThatWereNeverGivenOutArePassedOver) {
  send();
  receiver_.on_packet(Seq{5}, now_ + offset_);
  EXPECT_EQ(told().size(), 1U);
}

TEST_F(TransportLogTest, OnlyTheLastOnesAreRemembered) {
  std::array<std::uint8_t, 1'400> bytes{};
  send();
  const std::size_t size = receiver_.build(Ssrc{1}, Ssrc{2}, bytes);
  const auto old = TwccFeedback::parse(ConstBytes(bytes).first(size).subspan(12));
  for (std::size_t i = 0; i < TransportLog::kWindow; ++i) send(false);
  std::array<PacketResult, 4> buffer;
  EXPECT_TRUE(log_.read(*old, buffer).empty());
}

TEST_F(TransportLogTest, WhoTellsOfWhatIsForgottenIsNotSilent) {
  std::array<std::uint8_t, 1'400> bytes{};
  send();
  const std::size_t size = receiver_.build(Ssrc{1}, Ssrc{2}, bytes);
  const auto late = TwccFeedback::parse(ConstBytes(bytes).first(size).subspan(12));
  for (std::size_t i = 0; i < TransportLog::kWindow; ++i) send(false);
  std::array<PacketResult, 4> buffer;
  EXPECT_TRUE(log_.unanswered_since());
  EXPECT_TRUE(log_.read(*late, buffer).empty());
  EXPECT_FALSE(log_.unanswered_since());
}

TEST_F(TransportLogTest, NeverGivenOutIsNoAnswer) {
  send();
  TwccRecorder liar;
  liar.on_packet(Seq{5}, now_);
  std::array<std::uint8_t, 1'400> bytes{};
  const std::size_t size = liar.build(Ssrc{1}, Ssrc{2}, bytes);
  const auto word = TwccFeedback::parse(ConstBytes(bytes).first(size).subspan(12));
  std::array<PacketResult, 4> buffer;
  EXPECT_TRUE(log_.read(*word, buffer).empty());
  EXPECT_TRUE(log_.unanswered_since());
}

TEST_F(TransportLogTest, NumbersWrapAndSoDoesTheReceiversClock) {
  offset_ = seconds((1 << 23) * 64 / 1'000) - now_.time_since_epoch();  // in the middle of the run
  std::optional<Duration> before;
  std::size_t count = 0;
  for (int i = 0; i < 70'000; ++i) {
    send();
    if (i % 100 != 99) continue;
    for (const PacketResult& one : told()) {
      ASSERT_TRUE(one.arrived);
      if (before) {
        ASSERT_EQ(*one.arrived - *before, milliseconds(1));
      }
      before = one.arrived;
      ++count;
    }
  }
  EXPECT_EQ(count, 70'000U);
}

TEST_F(TransportLogTest, KnowsSinceWhenNobodyAnswers) {
  EXPECT_FALSE(log_.unanswered_since());
  send();
  const Time first = now_;
  send();
  EXPECT_EQ(log_.unanswered_since(), first);
  EXPECT_EQ(told().size(), 2U);
  EXPECT_FALSE(log_.unanswered_since());
}

}  // namespace
}  // namespace parley::rtp
