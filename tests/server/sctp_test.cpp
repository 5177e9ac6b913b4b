#include "server/sctp.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using State = SctpAssociation::State;
using Sent = SctpAssociation::Sent;

// Two ends that lose packets on the way between them, on virtual time.
class SctpTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(a);
    ASSERT_TRUE(b);
  }
  void run(rtp::Duration time) {
    for (const rtp::Time end = now + time; now < end; now += milliseconds(1)) {
      SctpAssociation::advance(now);
      if (a) carry(a->take_packets(), b.get());
      if (b) carry(b->take_packets(), a.get());
      if (!b) continue;
      for (SctpMessage& message : b->take_messages()) came.push_back(std::move(message));
      for (const std::uint16_t stream : b->take_resets()) resets.push_back(stream);
    }
  }
  void carry(const std::vector<std::vector<std::uint8_t>>& packets, SctpAssociation* to) {
    for (const auto& packet : packets) {
      EXPECT_LE(packet.size(), SctpAssociation::kMtu);
      const bool lost = static_cast<double>(dice() % 10'000) < loss * 10'000;
      if (to != nullptr && !lost) to->on_packet(packet);
    }
  }
  static std::vector<std::uint8_t> bytes(std::size_t size, std::uint8_t first = 0) {
    std::vector<std::uint8_t> all(size);
    std::iota(all.begin(), all.end(), first);
    return all;
  }

  rtp::Time now{seconds(1'000)};
  double loss = 0;
  std::mt19937 dice{7};
  std::vector<SctpMessage> came;  // to b
  std::vector<std::uint16_t> resets;
  std::unique_ptr<SctpAssociation> a = SctpAssociation::open(5'000);
  std::unique_ptr<SctpAssociation> b = SctpAssociation::open(5'000);
};

TEST_F(SctpTest, BothEndsConnectAtOnceAndTalk) {
  run(milliseconds(20));
  EXPECT_EQ(a->state(), State::Up);
  EXPECT_EQ(b->state(), State::Up);
  EXPECT_EQ(a->send(4, DataPpid::Text, bytes(3), {}), Sent::Yes);
  run(milliseconds(20));
  ASSERT_EQ(came.size(), 1U);
  EXPECT_EQ(came[0].stream, 4);
  EXPECT_EQ(came[0].ppid, static_cast<std::uint32_t>(DataPpid::Text));
  EXPECT_EQ(came[0].bytes, bytes(3));
}

TEST_F(SctpTest, ALostInitCostsAFractionOfASecond) {
  loss = 1;
  run(milliseconds(100));
  loss = 0;
  run(milliseconds(700));
  EXPECT_EQ(a->state(), State::Up);
  EXPECT_EQ(b->state(), State::Up);
}

TEST_F(SctpTest, TheLargestMessageComesWholeAndALargerOneNotAtAll) {
  run(milliseconds(20));
  const auto largest = bytes(SctpAssociation::kMaxMessage);
  EXPECT_EQ(a->send(0, DataPpid::Binary, largest, {}), Sent::Yes);
  EXPECT_EQ(a->send(0, DataPpid::Binary, bytes(SctpAssociation::kMaxMessage + 1), {}), Sent::Yes);
  EXPECT_EQ(a->send(0, DataPpid::Binary, bytes(5), {}), Sent::Yes);
  run(seconds(3));
  ASSERT_EQ(came.size(), 2U);
  EXPECT_EQ(came[0].bytes, largest);
  EXPECT_EQ(came[1].bytes, bytes(5));
  EXPECT_EQ(b->dropped(), 1U);
}

TEST_F(SctpTest, ReliableAndOrderedThroughLoss) {
  loss = 0.1;
  run(seconds(3));
  ASSERT_EQ(a->state(), State::Up);
  for (std::uint8_t i = 0; i < 200; ++i) {
    EXPECT_EQ(a->send(2, DataPpid::Binary, bytes(700, i), {}), Sent::Yes);
    run(milliseconds(10));
  }
  run(seconds(20));
  ASSERT_EQ(came.size(), 200U);
  for (std::uint8_t i = 0; i < 200; ++i) EXPECT_EQ(came[i].bytes, bytes(700, i)) << i;
}

TEST_F(SctpTest, WhatMayBeLostDoesNotHoldUpTheRest) {
  run(milliseconds(20));
  loss = 0.3;
  for (std::uint8_t i = 0; i < 200; ++i) {
    EXPECT_EQ(a->send(2, DataPpid::Binary, bytes(100, i), {false, 0, {}}), Sent::Yes);
    run(milliseconds(20));
  }
  EXPECT_LT(came.size(), 195U);
  EXPECT_GT(came.size(), 80U);
}

TEST_F(SctpTest, WhoTakesNothingFillsTheBufferAndNoMore) {
  run(milliseconds(20));
  b.reset();
  std::size_t taken = 0;
  while (a->send(0, DataPpid::Binary, bytes(60'000), {}) == Sent::Yes && taken < 100) ++taken;
  EXPECT_LT(taken * 60'000, static_cast<std::size_t>(SctpAssociation::kBufferBytes) + 60'000);
  EXPECT_EQ(a->send(0, DataPpid::Binary, bytes(60'000), {}), Sent::Full);
}

TEST_F(SctpTest, AStreamIsReset) {
  run(milliseconds(20));
  EXPECT_EQ(a->send(6, DataPpid::Text, bytes(3), {}), Sent::Yes);
  a->reset(6);
  run(milliseconds(100));
  EXPECT_EQ(came.size(), 1U);
  EXPECT_EQ(resets, std::vector<std::uint16_t>{6});
}

TEST_F(SctpTest, AnEndThatGoesSaysSo) {
  run(milliseconds(20));
  auto abort = std::move(b);
  abort.reset();
  EXPECT_EQ(a->state(), State::Up) << "its word is lost, as is every other";
}

TEST_F(SctpTest, NoiseHurtsNobody) {
  run(milliseconds(20));
  EXPECT_EQ(a->send(0, DataPpid::Binary, bytes(10), {}), Sent::Yes);
  auto good = a->take_packets();
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::uint8_t> packet = good[static_cast<std::size_t>(i) % good.size()];
    if (i % 3 == 0) packet.resize(dice() % 100);
    for (int k = 0; k < 3 && !packet.empty(); ++k) {
      packet[dice() % packet.size()] = static_cast<std::uint8_t>(dice());
    }
    b->on_packet(packet);
  }
  for (const auto& packet : good) b->on_packet(packet);
  run(milliseconds(500));
  ASSERT_FALSE(came.empty());
  EXPECT_EQ(came.back().bytes, bytes(10));
}

}  // namespace
}  // namespace parley::server
