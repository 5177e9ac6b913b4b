#include "server/relay.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

Relay::Record packet(std::int64_t seq, const std::vector<std::uint8_t>& bytes) {
  return {Relay::Kind::Rtp,
          2,
          rtp::ExtSeq{seq},
          rtp::Time{rtp::Duration{5}},
          rtp::Time{rtp::Duration{4}},
          bytes};
}

TEST(Relay, GivesRecordsBackAsTheyWere) {
  Relay relay(0, 1, 4'096);
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  ASSERT_TRUE(relay.push(packet(-7, bytes)));
  ASSERT_TRUE(relay.push({.kind = Relay::Kind::Restarted, .encoding = 1}));
  auto got = relay.front();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, Relay::Kind::Rtp);
  EXPECT_EQ(got->encoding, 2);
  EXPECT_EQ(got->seq.value, -7);
  EXPECT_EQ(got->arrival, rtp::Time{rtp::Duration{5}});
  EXPECT_EQ(got->capture, rtp::Time{rtp::Duration{4}});
  EXPECT_EQ(std::vector(got->bytes.begin(), got->bytes.end()), bytes);
  relay.pop();
  got = relay.front();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, Relay::Kind::Restarted);
  EXPECT_FALSE(got->capture);
  EXPECT_TRUE(got->bytes.empty());
  relay.pop();
  EXPECT_FALSE(relay.front());
}

TEST(Relay, RefusesWhatDoesNotFitAndGoesOnAfterwards) {
  Relay relay(0, 1, 4'096);
  const std::vector<std::uint8_t> bytes(1'000);
  int taken = 0;
  for (int i = 0; i < 10; ++i) taken += relay.push(packet(i, bytes)) ? 1 : 0;
  EXPECT_EQ(taken, 3);
  relay.pop();
  EXPECT_TRUE(relay.push(packet(11, bytes)));
  for (const std::int64_t seq : {1, 2, 11}) {
    EXPECT_EQ(relay.front()->seq.value, seq);
    relay.pop();
  }
}

TEST(Relay, WishesCrossOnce) {
  Relay relay(3, 4, 4'096);
  EXPECT_EQ(relay.from(), 3U);
  EXPECT_EQ(relay.to(), 4U);
  EXPECT_EQ(relay.take_wishes(), 0);
  relay.want_key_frame(0);
  relay.want_key_frame(2);
  EXPECT_EQ(relay.take_wishes(), 0b101);
  EXPECT_EQ(relay.take_wishes(), 0);
}

TEST(Relay, KeepsOrderBetweenTwoThreads) {
  constexpr std::int64_t kCount = 20'000;
  Relay relay(0, 1, 16'384);
  std::thread home([&] {
    for (std::int64_t seq = 0; seq < kCount;) {
      const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(seq % 1'300),
                                            static_cast<std::uint8_t>(seq));
      if (relay.push(packet(seq, bytes))) {
        ++seq;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (std::int64_t seq = 0; seq < kCount;) {
    const auto record = relay.front();
    if (!record) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(record->seq.value, seq);
    ASSERT_EQ(record->bytes.size(), static_cast<std::size_t>(seq % 1'300));
    const bool right = record->bytes.empty() || record->bytes.back() == (seq & 0xff);
    ASSERT_TRUE(right) << seq;
    relay.pop();
    ++seq;
  }
  home.join();
}

}  // namespace
}  // namespace parley::server
